"""How a request proves who sends it: SharedKey signatures, SAS tokens, bearer tokens.

Each credential is a `requests` authentication object and can also be applied to a bare request
line and headers, which is how the client's own sender uses it. What is signed is the request
line exactly as it goes on the wire.
"""

from __future__ import annotations

import base64
import datetime
import functools
import hmac
import urllib.parse
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING

from adls_magic.core.account.sas import read_facts
from adls_magic.core.errors import CredentialError
from adls_magic.core.secret import Secret, SecretText
from adls_magic.core.service.authorization import Anonymous, Authorization, http_date
from adls_magic.core.service.bearer import Bearer

if TYPE_CHECKING:
    from adls_magic.core.account import Account

# The slots of the string to sign between the verb and the x-ms- headers, in their order.
# https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


def string_to_sign(method: str, target: str, headers: Mapping[str, str], account: str) -> str:
    """Return the text that a SharedKey signature covers.

    Args:
        method: the verb, in capitals.
        target: path and query exactly as in the request line, percent-encoded.
        headers: every header that will be sent, Authorization apart; names in any case.
        account: the account's name, without `-secondary`.

    Source: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """
    lower = {name.lower(): value for name, value in headers.items()}
    if lower.get("content-length") == "0":
        lower["content-length"] = ""
    if "x-ms-date" in lower:
        lower["date"] = ""
    lines = [method, *(lower.get(name, "") for name in _SIGNED_HEADERS)]
    # The service collates names without regard to hyphens.
    names = sorted((name for name in lower if name.startswith("x-ms-")), key=_collation)
    lines += [f"{name}:{lower[name].strip()}" for name in names]
    path, _, query = target.partition("?")
    lines.append(f"/{account}{path or '/'}")
    return "\n".join(lines + _query_lines(query))


@functools.lru_cache(maxsize=256)
def _collation(name: str) -> tuple[str, str]:
    return name.replace("-", ""), name


def _query_lines(query: str) -> list[str]:
    values: dict[str, list[str]] = {}
    for item in query.split("&") if query else ():
        name, _, value = item.partition("=")
        name = urllib.parse.unquote(name).lower()
        values.setdefault(name, []).append(urllib.parse.unquote(value))
    return [f"{name}:{','.join(sorted(values[name]))}" for name in sorted(values)]


class SharedKey(Authorization):
    """Signs each request with the account's key (HMAC-SHA256)."""

    def __init__(self, account: str, key: str) -> None:
        self._account = account
        try:
            decoded = base64.b64decode(key, validate=True)
        except ValueError:
            raise CredentialError(
                "The account key is malformed (not base64): copy it again from the portal's "
                "«Access keys» page"
            ) from None
        # A closure keeps the key out of vars() and of attribute views.
        self._digest: Callable[[bytes], bytes] = lambda text: hmac.digest(decoded, text, "sha256")

    def apply(self, method: str, target: str, headers: MutableMapping[str, str]) -> str:
        """Sign; the date is set here, so that each try carries its own."""
        headers["x-ms-date"] = http_date()
        text = string_to_sign(method, target, headers, self._account)
        signature = base64.b64encode(self._digest(text.encode())).decode()
        headers["Authorization"] = SecretText(f"SharedKey {self._account}:{signature}")
        return target


class Sas(Authorization):
    """Appends a shared access signature to every URL, byte for byte as it was given."""

    def __init__(self, token: str) -> None:
        text = token.strip().lstrip("?")
        self._token: Callable[[], str] = lambda: text
        self._expires = read_facts(Secret(text)).expires

    def apply(self, method: str, target: str, headers: MutableMapping[str, str]) -> str:
        """Append the token to the query."""
        headers["x-ms-date"] = http_date()
        expires = self._expires
        if expires is not None and expires < datetime.datetime.now(datetime.UTC):
            raise CredentialError(
                f"The SAS expired on {expires:%Y-%m-%d at %H:%M} UTC: get a new one and set it "
                "with %adls_config --prompt"
            )
        return SecretText(f"{target}{'&' if '?' in target else '?'}{self._token()}")

    def rename_source(self, source: str) -> str:
        """Append the token to the source, which needs its own right to be moved."""
        return SecretText(f"{source}?{self._token()}")


def authorization(account: Account) -> Authorization:
    """Return the authentication object for `account`.

    Raises:
        CredentialError: the key is malformed.
    """
    if account.auth == "key" and account.secret is not None:
        return SharedKey(account.name, account.secret.reveal())
    if account.auth == "sas" and account.secret is not None:
        return Sas(account.secret.reveal())
    if account.auth == "identity" and account.token_source is not None:
        return Bearer(account.token_source)
    return Anonymous()
