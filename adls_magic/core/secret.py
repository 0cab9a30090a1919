"""A secret held in memory, and the removal of secrets from any text that leaves the package.

Imports nothing of the package: everything else may hold a `Secret` or call `redact`.
"""

from __future__ import annotations

import re
import urllib.parse
import weakref
from collections.abc import Callable
from typing import NoReturn

_MASK = "[redacted]"
_SHORTEST = 6  # characters; shorter strings would be cut out of innocent words

_PATTERNS = (
    # A SAS signature, in a URL, a header or a pasted token.
    re.compile(r"(?i)(\bsig=)[^&\s\"'<>;,)]+"),
    re.compile(
        r"(?i)(\b(?:AccountKey|SharedAccessSignature|account_key|sas_token)\s*=\s*)[^;\s\"']+"
    ),
    re.compile(r"(?i)(\bSharedKey\s+[^\s:]+:)[^\s\"',]+"),
    re.compile(r"(?i)(\bBearer\s+)[A-Za-z0-9._~+/=-]{6,}"),
    # An account key standing alone: 64 bytes in base64.
    re.compile(r"()(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}=="),
)

# By identity: equal secrets live and die one by one.
_held: weakref.WeakValueDictionary[int, Secret] = weakref.WeakValueDictionary()


class Secret:
    """A key, SAS or token that never shows itself.

    `repr`, `str`, `format`, `vars` and pickling give nothing away; `reveal()` is the only way
    to the text. As long as the object lives, `redact` also removes its exact text.
    """

    __slots__ = ("__weakref__", "_reveal")

    def __init__(self, text: str) -> None:
        # A closure, so that vars(), dir() and debuggers' attribute views do not show the text.
        self._reveal: Callable[[], str] = lambda: text
        _held[id(self)] = self

    def reveal(self) -> str:
        """Return the text itself. Never pass it to a message, a log or a widget."""
        return self._reveal()

    def __repr__(self) -> str:
        return "Secret([redacted])"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.reveal() == other.reveal()

    def __hash__(self) -> int:
        return hash(self.reveal())

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a secret of adls_magic is not pickled or stored; keep it in the environment, "
            "the key ring or a profile, and connect again"
        )

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


class SecretText(str):
    """A text that has to be one, with a secret in it: a request's target, a header's value.

    It is what it is on the wire; only its `repr`, which tracebacks show, has no secret.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(redact(str(self)))


def redact(text: str) -> str:
    """Return `text` without secrets: known patterns, and the exact text of every live `Secret`."""
    for pattern in _PATTERNS:
        text = pattern.sub(lambda match: match.group(1) + _MASK, text)
    for secret in list(_held.values()):
        for form in _written_forms(secret.reveal()):
            text = text.replace(form, _MASK)
    return text


def _written_forms(secret: str) -> list[str]:
    """The shapes in which a secret turns up in messages: plain, URL-encoded, as a literal."""
    forms = {
        secret,
        urllib.parse.quote(secret, safe="", errors="surrogatepass"),
        repr(secret)[1:-1],
    }
    return sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)
