"""Why there was no answer, in words: what went wrong below → what to do, as data."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple

from adls_magic.core import errors
from adls_magic.core.secret import redact
from adls_magic.core.service.request import TransportError
from adls_magic.core.service.route import certificates_variable, proxy_variable

_BREAKS = (
    http.client.RemoteDisconnected,
    http.client.IncompleteRead,
    ConnectionResetError,
    BrokenPipeError,
    ssl.SSLEOFError,
)


class _Cause(NamedTuple):
    """One kind of failure.

    `{proxy}`, `{certificates}` and `{host}` in the cure stand for the environment variables
    that count here and for the host.
    """

    fits: Callable[[BaseException], bool]
    what: str
    cure: str


def _is_certificate(*words: str) -> Callable[[BaseException], bool]:
    return lambda cause: is_final(cause) and any(word in str(cause).lower() for word in words)


# The first that fits counts.
_CAUSES = (
    _Cause(
        _is_certificate("mismatch", "doesn't match"),
        "its certificate is another host's",
        "is the endpoint right? A private link is reached by the account's own name.",
    ),
    _Cause(
        _is_certificate("has expired", "not yet valid"),
        "its certificate is not valid at this time",
        "is this machine's clock right?",
    ),
    _Cause(
        lambda cause: is_final(cause),
        "its certificate is not trusted",
        "behind a company proxy, set {certificates} to the company's certificate file.",
    ),
    _Cause(
        lambda cause: "proxy" in f"{type(cause).__name__}{cause}".lower(),
        "the proxy refused or is not there",
        "check {proxy}, or name {host} in NO_PROXY.",
    ),
    _Cause(
        lambda cause: isinstance(cause, socket.gaierror),
        "its name was not found",
        "is the account name right, is it behind a private endpoint, is there a network?",
    ),
    _Cause(
        lambda cause: isinstance(cause, ConnectionRefusedError),
        "the connection was refused",
        "is the endpoint right, and is the server running?",
    ),
    _Cause(
        lambda cause: isinstance(cause, _BREAKS),
        "the connection broke",
        "check the network and run it again.",
    ),
    _Cause(
        lambda cause: isinstance(cause, TimeoutError),
        "it did not answer in time",
        "check the network or firewall and run it again.",
    ),
    _Cause(
        lambda cause: isinstance(cause, (ssl.SSLError, http.client.HTTPException, ValueError)),
        "its answer could not be understood",
        "is the endpoint right (https or http, port)?",
    ),
    _Cause(lambda cause: True, "the connection broke", "check the network and run it again."),
)


def is_final(cause: BaseException) -> bool:
    """True when another try cannot help: a certificate that is not trusted."""
    return isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(cause)


def connection_error(
    failure: TransportError, where: str, tries: int
) -> errors.ConnectionFailedError:
    """Return the error that tells why there was no answer from `where`, after so many tries."""
    found = next(cause for cause in _CAUSES if cause.fits(failure.cause))
    count = f" ({tries} tries)" if tries > 1 else ""
    scheme, _, rest = where.partition("://")
    cure = found.cure.format(
        proxy=proxy_variable(scheme, os.environ) or "HTTPS_PROXY and HTTP_PROXY",
        certificates=certificates_variable(os.environ) or "REQUESTS_CA_BUNDLE",
        host=rest.partition("/")[0].partition(":")[0],
    )
    return errors.ConnectionFailedError(
        redact(f"No answer from {where}: {found.what}{count}. To mend it: {cure}")
    )
