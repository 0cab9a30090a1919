"""How a request proves who sends it: SharedKey signatures, SAS tokens, bearer tokens.

Each credential is a `requests` authentication object and can also be applied to a bare request
line and headers, which is how the client's own sender uses it. What is signed is the request
line exactly as it goes on the wire.
"""

from __future__ import annotations

import base64
import datetime
import email.utils
import functools
import hmac
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from requests.auth import AuthBase

from adls_magic.core.errors import CredentialError
from adls_magic.core.secret import Secret

if TYPE_CHECKING:
    from requests import PreparedRequest

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
_SCOPE = "https://storage.azure.com/.default"
_RENEW_BEFORE = 300.0  # seconds before its expiry at which a token is replaced


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


def http_date() -> str:
    """Return the present time as headers write it."""
    return _formatted(int(time.time()))


@functools.lru_cache(maxsize=4)
def _formatted(second: int) -> str:
    return email.utils.formatdate(second, usegmt=True)


def _query_lines(query: str) -> list[str]:
    values: dict[str, list[str]] = {}
    for item in query.split("&") if query else ():
        name, _, value = item.partition("=")
        name = urllib.parse.unquote(name).lower()
        values.setdefault(name, []).append(urllib.parse.unquote(value))
    return [f"{name}:{','.join(sorted(values[name]))}" for name in sorted(values)]


class Authorization(AuthBase):
    """A credential as applied to one request after another; safe to share between threads."""

    def apply(self, method: str, target: str, headers: MutableMapping[str, str]) -> str:
        """Add what proves the sender to `headers` and return the request target to send.

        Raises:
            CredentialError: the credential has expired or cannot be renewed.
        """
        return target

    def rename_source(self, source: str) -> str:
        """Return the `x-ms-rename-source` value for an encoded source path."""
        return source

    def renew(self) -> bool:
        """Drop a token that the service refused (401); True when another try makes sense."""
        return False

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """Apply to a prepared request, as `requests` asks of its `auth`."""
        parts = urllib.parse.urlsplit(str(r.url))
        path = parts.path or "/"
        target = self.apply(
            str(r.method), f"{path}?{parts.query}" if parts.query else path, r.headers
        )
        r.url = f"{parts.scheme}://{parts.netloc}{target}"
        return r


class Anonymous(Authorization):
    """Public access: nothing is added."""


class SharedKey(Authorization):
    """Signs each request with the account's key (HMAC-SHA256)."""

    def __init__(self, account: str, key: str) -> None:
        self._account = account
        try:
            decoded = base64.b64decode(key, validate=True)
        except ValueError:
            raise CredentialError(
                "the account key is malformed (not base64): copy it again from the portal's "
                "«Access keys» page"
            ) from None
        # A closure keeps the key out of vars() and of attribute views.
        self._digest: Callable[[bytes], bytes] = lambda text: hmac.digest(decoded, text, "sha256")

    def apply(self, method: str, target: str, headers: MutableMapping[str, str]) -> str:
        """Sign; the date is set here, so that each try carries its own."""
        headers["x-ms-date"] = http_date()
        text = string_to_sign(method, target, headers, self._account)
        signature = base64.b64encode(self._digest(text.encode())).decode()
        headers["Authorization"] = f"SharedKey {self._account}:{signature}"
        return target


class Sas(Authorization):
    """Appends a shared access signature to every URL, byte for byte as it was given."""

    def __init__(self, token: str) -> None:
        text = token.strip().lstrip("?")
        self._token: Callable[[], str] = lambda: text
        fields = urllib.parse.parse_qs(text)
        self._expiry = _parse_time(fields.get("se", [""])[0])

    def apply(self, method: str, target: str, headers: MutableMapping[str, str]) -> str:
        """Append the token to the query."""
        headers["x-ms-date"] = http_date()
        if self._expiry is not None and self._expiry < time.time():
            when = datetime.datetime.fromtimestamp(self._expiry, datetime.UTC)
            raise CredentialError(
                f"the SAS expired on {when:%Y-%m-%d at %H:%M} UTC: get a new one and set it with "
                "%adls_config --prompt"
            )
        return f"{target}{'&' if '?' in target else '?'}{self._token()}"

    def rename_source(self, source: str) -> str:
        """Append the token to the source, which needs its own right to be moved."""
        return f"{source}?{self._token()}"


def _parse_time(text: str) -> float | None:
    """Seconds since 1970 of a SAS's date or time, None when it is not readable."""
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()


class TokenSource(Protocol):
    """Anything of azure-identity's kind: `get_token(scope)` gives `.token` and `.expires_on`."""

    def get_token(self, *scopes: str) -> Any:
        """Return a token object with `token` (text) and `expires_on` (seconds since 1970)."""


class Bearer(Authorization):
    """Entra ID: a bearer token from a token source, renewed before it expires."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._token: Secret | None = None
        self._expires = 0.0  # seconds since 1970

    def apply(self, method: str, target: str, headers: MutableMapping[str, str]) -> str:
        """Add a token that is good for some minutes more."""
        headers["x-ms-date"] = http_date()
        headers["Authorization"] = f"Bearer {self._current()}"
        return target

    def renew(self) -> bool:
        """Forget the token, so that the next request fetches another."""
        with self._lock:
            self._token = None
        return True

    def _current(self) -> str:
        with self._lock:
            if self._token is None or self._expires - time.time() < _RENEW_BEFORE:
                token = self._fetch()
                # Stripped: a newline would make the header invalid, and the complaint about an
                # invalid header would quote it.
                self._token = Secret(str(token.token).strip())
                self._expires = float(token.expires_on)
            return self._token.reveal()

    def _fetch(self) -> Any:
        try:
            return self._source.get_token(_SCOPE)
        except Exception as error:  # noqa: BLE001 - any credential library may be behind it
            name = getattr(self._source, "name", type(self._source).__name__)
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise CredentialError(f"no token could be had from {name}: {reason[0]}") from None


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
