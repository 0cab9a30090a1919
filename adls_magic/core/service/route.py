"""How an endpoint is reached: certificates, and the proxy if the environment names one.

Resolved once, by the rules of `requests` (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE …).
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True, slots=True)
class Route:
    """What a transport needs to know of the way to its endpoint."""

    tls: ssl.SSLContext | None
    verify: bool | str
    proxies: Mapping[str, str]
    session: requests.Session | None  # only where a proxy is used

    @classmethod
    def of(cls, origin: str, host: str) -> Route:
        """Resolve the way to `origin` (scheme, host and port)."""
        if is_loopback(host):
            # A proxy could not reach this machine's loopback, and must not see the key.
            return cls(_tls_context(True) if origin.startswith("https") else None, True, {}, None)
        import requests

        session = requests.Session()
        settings = session.merge_environment_settings(origin, {}, None, None, None)
        proxy = requests.utils.select_proxy(origin, settings["proxies"])
        verify = settings["verify"]
        if verify is None:
            verify = True
        tls = _tls_context(verify) if origin.startswith("https") else None
        if proxy is None:
            session.close()
            return cls(tls, verify, {}, None)
        return cls(tls, verify, settings["proxies"], session)


def is_loopback(host: str) -> bool:
    """True for `localhost` and the loopback addresses."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls_context(verify: bool | str) -> ssl.SSLContext:
    """Return a context that trusts what `requests` would trust."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    bundle = verify if isinstance(verify, str) else None
    if bundle is None:
        named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        bundle = named or DEFAULT_CA_BUNDLE_PATH
    if Path(bundle).is_dir():
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)
