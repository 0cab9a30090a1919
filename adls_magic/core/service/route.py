"""How an endpoint is reached: certificates, and the proxy if the environment names one.

Resolved once, by the rules of `requests` (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE …).
"""

from __future__ import annotations

import importlib.util
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adls_magic.core.account.endpoints import is_loopback
from adls_magic.core.errors import ConfigurationError

if TYPE_CHECKING:
    import requests

_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # as requests looks them up


@dataclass(frozen=True, slots=True)
class Route:
    """What a transport needs to know of the way to its endpoint."""

    tls: ssl.SSLContext | None
    verify: bool | str
    proxies: Mapping[str, str]
    session: requests.Session | None  # only where a proxy is used

    @classmethod
    def of(cls, origin: str) -> Route:
        """Resolve the way to `origin` (scheme, host and port)."""
        if is_loopback(origin):
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
        if proxy is not None and proxy.lower().startswith("socks"):
            _refuse_without_socks(origin)
        if proxy is None:
            session.close()
            return cls(tls, verify, {}, None)
        return cls(tls, verify, settings["proxies"], session)


def _tls_context(verify: bool | str) -> ssl.SSLContext:
    """Return a context that trusts what `requests` would trust."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    variable = certificates_variable(os.environ)
    bundle = verify if isinstance(verify, str) else os.environ.get(variable or "")
    bundle = bundle or DEFAULT_CA_BUNDLE_PATH
    try:
        if Path(bundle).is_dir():
            return ssl.create_default_context(capath=bundle)
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigurationError(
            f"{variable or 'The certificate file'} {bundle} cannot be used: {why}. "
            "Name a file of certificates in PEM form, or unset the variable."
        ) from None


def certificates_variable(environ: Mapping[str, str]) -> str | None:
    """Return the name of the variable that names the certificates to trust, None when none does."""
    return next((name for name in _CERTIFICATES if environ.get(name)), None)


def proxy_variable(scheme: str, environ: Mapping[str, str]) -> str | None:
    """Return the name of the variable that names the proxy for a scheme, None when none does.

    Its value may hold a password, so it is never shown.
    """
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    return next((name for name in names if environ.get(name)), None)


def _refuse_without_socks(origin: str) -> None:
    """Say what requests would say after the fact, and in other words."""
    if importlib.util.find_spec("socks") is None:
        variable = proxy_variable(origin.partition("://")[0], os.environ) or "The system's setting"
        raise ConfigurationError(
            f"{variable} names a SOCKS proxy, which takes a package more: run "
            "`pip install pysocks`, or name an http proxy."
        )
