"""The lake's own reading of SharedKey: which signatures fit a request as it came over the wire.

Written from https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key and
shares nothing with the client's signer, so that the two check each other.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import re
import urllib.parse
from collections.abc import Iterator, Mapping

from adls_magic.lake.answers import Refusal
from adls_magic.lake.request import Request

SKEW = 15 * 60  # seconds that a client's clock may be off

_SLOTS = (
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
)
_QUOTED_OR_BLANKS = re.compile(r'("[^"]*")|\s+')


def check_shared_key(request: Request, *, account: str, key: bytes, now: float) -> None:
    """Accept a request's `Authorization: SharedKey …` or refuse it.

    Args:
        request: as it came over the wire.
        account: the account's name.
        key: the account's key, decoded.
        now: seconds since 1970.

    Raises:
        Refusal: `AuthenticationFailed`.
    """
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    name, _, given = rest.partition(":")
    if scheme != "SharedKey" or name != account:
        raise Refusal("AuthenticationFailed")
    check_clock(request.headers, now=now)
    for text in strings_to_sign(request, account):
        if hmac.compare_digest(sign(text, key).encode(), given.encode("latin-1", "replace")):
            return
    raise Refusal("AuthenticationFailed")


def check_clock(headers: Mapping[str, str], *, now: float) -> None:
    """Refuse a request whose date is missing, unreadable or more than 15 minutes off."""
    text = headers.get("x-ms-date") or headers.get("date") or ""
    try:
        sent = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        raise Refusal("AuthenticationFailed") from None
    if abs(now - sent) > SKEW:
        raise Refusal("AuthenticationFailed")


def sign(text: str, key: bytes) -> str:
    """Return base64(HMAC-SHA256(key, UTF-8 text))."""
    return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()


def strings_to_sign(request: Request, account: str) -> Iterator[str]:
    """Yield each string that a client may have signed for this request.

    The written rule leaves two questions: whether slot 12 holds Range (the official SDK leaves it
    empty), and the order of x-ms- names (the service's own looks past hyphens first).
    """
    fronts = {_slots(request, request.headers.get("range", "")), _slots(request, "")}
    resource = canonical_resource(account, request.raw_path, request.raw_query)
    names = [name for name in request.headers if name.startswith("x-ms-")]
    for order in dict.fromkeys((tuple(sorted(names, key=_collation)), tuple(sorted(names)))):
        lines = "".join(f"{name}:{_tidy(request.headers[name])}\n" for name in order)
        for front in fronts:
            yield front + lines + resource


def canonical_resource(account: str, raw_path: str, raw_query: tuple[tuple[str, str], ...]) -> str:
    """Return the last part of the string: the encoded path, and the query decoded and sorted."""
    values: dict[str, list[str]] = {}
    for name, value in raw_query:
        key = urllib.parse.unquote(name).lower()
        values.setdefault(key, []).append(urllib.parse.unquote(value))
    lines = "".join(f"\n{name}:{','.join(sorted(values[name]))}" for name in sorted(values))
    return f"/{account}{raw_path}{lines}"


def _slots(request: Request, byte_range: str) -> str:
    headers = dict(request.headers)
    if headers.get("content-length") == "0":
        del headers["content-length"]
    if "x-ms-date" in headers:
        headers["date"] = ""
    values = [request.method, *(headers.get(name, "") for name in _SLOTS), byte_range]
    return "".join(f"{value}\n" for value in values)


def _tidy(value: str) -> str:
    """Fold runs of blanks outside double quotes."""
    return _QUOTED_OR_BLANKS.sub(lambda found: found.group(1) or " ", value)


def _collation(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key of the service: hyphens count last; signs before digits before letters."""
    ranks = [(char.isalnum() + char.isalpha(), char) for char in name if char != "-"]
    return ranks, name
