"""Entra ID on the wire: a bearer token, renewed in time and once more when the service refuses it.

Threads: the workers of a client share one `Bearer`; the first that finds the token too old
fetches another while the others wait for it.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import MutableMapping
from typing import Any

from adls_magic.core.account.identity import STORAGE_SCOPE, TokenCredential
from adls_magic.core.errors import AdlsError, CredentialError
from adls_magic.core.secret import Secret, SecretText
from adls_magic.core.service.authorization import Authorization, http_date

_RENEW_BEFORE = 300.0  # seconds before its expiry at which a token is replaced
_LAST_MOMENT = 10.0  # seconds before its expiry up to which a token is used when no other is had
_TRY_AGAIN = 30.0  # seconds until the next attempt to replace a token that is still good
# In a `WWW-Authenticate` header: whose tokens the account takes, and what they must say.
_TENANT = re.compile(r'authorization_uri="?https://[^/\s",]+/([A-Za-z0-9.-]{1,100})[/\s",]')
_CLAIMS = re.compile(r'claims="([A-Za-z0-9+/_=-]{1,8000})"')
_NOBODY = (
    "nobody is signed in here. Run `az login`, set AZURE_CLIENT_ID, AZURE_TENANT_ID and "
    "AZURE_CLIENT_SECRET, or give a key or SAS by %adls_config --prompt."
)


class Bearer(Authorization):
    """A bearer token from a token source, renewed before it expires."""

    def __init__(self, source: TokenCredential) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._token: Secret | None = None
        self._expires = 0.0  # seconds since 1970
        self._next_attempt = 0.0  # seconds since 1970; no renewal in good time before that
        self._asked: dict[str, str] = {}  # what the service wants of a token
        self._applied = threading.local()

    def apply(self, method: str, target: str, headers: MutableMapping[str, str]) -> str:
        """Add a token that is good for some minutes more."""
        headers["x-ms-date"] = http_date()
        token = self._applied.token = self._current()
        headers["Authorization"] = SecretText(f"Bearer {token.reveal()}")
        return target

    def renew(self, challenge: str | None = None) -> bool:
        """Forget the token that this thread has sent, so that the next request fetches another.

        azure-identity keeps tokens and would give the same one again, unless it is told what
        the service asks for: https://learn.microsoft.com/entra/identity-platform/claims-challenge
        """
        with self._lock:
            if self._token is getattr(self._applied, "token", None):
                self._token = None
                self._asked = _asked_for(challenge or "")
        return True

    def _current(self) -> Secret:
        with self._lock:
            now = time.time()
            left = self._expires - now
            if self._token is None or left < _LAST_MOMENT:
                self._token = self._fetch()
            elif left < _RENEW_BEFORE and now >= self._next_attempt:
                self._next_attempt = now + _TRY_AGAIN
                try:
                    self._token = self._fetch()
                except AdlsError:  # the one at hand is good for a while: the next attempt may do
                    return self._token
            return self._token

    def _fetch(self) -> Secret:
        try:
            token = self._ask()
        except AdlsError:
            raise
        except Exception as error:  # noqa: BLE001 - any credential library may be behind it
            name = getattr(self._source, "name", type(self._source).__name__)
            raise CredentialError(f"No token could be had from {name}: {_reason(error)}") from None
        self._expires = float(token.expires_on)
        # Stripped: a newline would make the header invalid, and the complaint about an
        # invalid header would quote it.
        return Secret(str(token.token).strip())

    def _ask(self) -> Any:
        if self._asked:
            try:
                return self._source.get_token(STORAGE_SCOPE, **self._asked)
            except TypeError:  # a credential of the user's own may take the scope only
                self._asked = {}
        return self._source.get_token(STORAGE_SCOPE)


def _asked_for(challenge: str) -> dict[str, str]:
    """Return the options of `get_token` that answer a challenge."""
    asked = {}
    tenant, claims = _TENANT.search(f"{challenge} "), _CLAIMS.search(challenge)
    if tenant:
        asked["tenant_id"] = tenant.group(1)
    if claims:
        try:
            padded = claims.group(1) + "=" * (-len(claims.group(1)) % 4)
            asked["claims"] = base64.urlsafe_b64decode(padded).decode()
        except ValueError:
            pass
    return asked


def _reason(error: Exception) -> str:
    """Return one line of an error that may have twenty; Entra ID's own word where there is one."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "AADSTS" in line), "")
    if not told and "DefaultAzureCredential failed" in (lines or [""])[0]:
        return _NOBODY
    return (told or (lines or [type(error).__name__])[0])[:400]
