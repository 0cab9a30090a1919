"""What every kind of credential does: to a bare request line and headers, and to `requests`."""

from __future__ import annotations

import email.utils
import functools
import time
import urllib.parse
from collections.abc import MutableMapping
from typing import TYPE_CHECKING

from requests.auth import AuthBase

if TYPE_CHECKING:
    from requests import PreparedRequest


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

    def renew(self, challenge: str | None = None) -> bool:
        """Drop a token that the service refused (401); True when another try makes sense.

        Args:
            challenge: the refusal's `WWW-Authenticate` header.
        """
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


def http_date() -> str:
    """Return the present time as headers write it."""
    return _formatted(int(time.time()))


@functools.lru_cache(maxsize=4)
def _formatted(second: int) -> str:
    return email.utils.formatdate(second, usegmt=True)
