"""One request until it is answered for good: tries, fresh signatures, waits, failures.

Each try is signed anew (its own date and request id) and sends its body from the start. Waiting
ends at once when the user stops.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from adls_magic.core import errors
from adls_magic.core.secret import redact
from adls_magic.core.service.credential import Authorization
from adls_magic.core.service.response import error_code
from adls_magic.core.service.retry import RetryPolicy, is_retryable, is_throttling, retry_after
from adls_magic.core.service.transport import Answer, Body, Stopped, Transport, TransportError

# Old enough for every region and cloud, new enough for 4,000 MiB appends and flush=true on them.
# https://learn.microsoft.com/rest/api/storageservices/versioning-for-the-azure-storage-services
VERSION = "2023-11-03"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sent, before it is dated and signed."""

    method: str
    target: str  # path and query, percent-encoded, as in the request line
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None


@dataclass(slots=True)
class Traffic:
    """Counters of a client, for results and for the choice of concurrency."""

    requests: int = 0  # tries that were sent
    retries: int = 0  # tries after the first of a request
    throttled: int = 0  # answers and time-outs that ask for less load


class Exchange:
    """Sends requests of one client; safe to use from many threads."""

    def __init__(
        self,
        transport: Transport,
        authorization: Authorization,
        *,
        policy: RetryPolicy,
        stop: threading.Event,
        where: str,
    ) -> None:
        self._transport = transport
        self._authorization = authorization
        self._policy = policy
        self._stop = stop
        self._where = where
        self._lock = threading.Lock()
        self._reached = False
        self.traffic = Traffic()

    def call(self, request: Request) -> tuple[Answer, int]:
        """Return the final answer, whatever its status, and how many tries were lost.

        A lost try is an earlier one that the service may have acted on: its answer never came,
        or told of a failure that can hide a success.

        Raises:
            ConnectionFailedError: no answer came for as long as the policy allows.
            Stopped: the user stopped.
        """
        failures = lost = 0
        renewed = False
        deadline = float("inf")
        while True:
            outcome = self._try(request, failures)
            failures += 1
            if isinstance(outcome, Answer):
                if outcome.status == 401 and not renewed and self._authorization.renew():
                    renewed = True
                    continue
                if not is_retryable(outcome.status, error_code(outcome)):
                    return outcome, lost
            deadline = min(deadline, time.monotonic() + self._policy.patience)
            wait = self._wait(outcome, failures)
            if self._is_over(outcome, failures) or time.monotonic() + wait > deadline:
                if isinstance(outcome, Answer):
                    return outcome, lost
                raise connection_error(outcome, self._where, failures) from None
            lost += _may_have_acted(outcome)
            if self._stop.wait(wait):
                raise Stopped

    def _try(self, request: Request, failures: int) -> Answer | TransportError:
        with self._lock:
            self.traffic.requests += 1
            self.traffic.retries += failures > 0
        headers = {
            "x-ms-version": VERSION,
            "x-ms-client-request-id": str(uuid.uuid4()),
            **request.headers,
        }
        if request.body is not None:
            headers.update(request.body.checks(self._stop.is_set))
        if request.method in ("PUT", "PATCH"):
            headers["Content-Length"] = str(request.body.length if request.body else 0)
        target = self._authorization.apply(request.method, request.target, headers)
        try:
            answer = self._transport.send(request.method, target, headers, request.body)
        except TransportError as error:
            if isinstance(error.cause, TimeoutError):
                self._count_throttling()
            return error
        self._reached = True
        if is_throttling(answer.status):
            self._count_throttling()
        return answer

    def _count_throttling(self) -> None:
        with self._lock:
            self.traffic.throttled += 1

    def _is_over(self, outcome: Answer | TransportError, failures: int) -> bool:
        if failures >= self._policy.tries:
            return True
        if isinstance(outcome, Answer):
            return False
        unconnected = not self._reached and failures >= self._policy.tries_unconnected
        return unconnected or is_final(outcome.cause)

    def _wait(self, outcome: Answer | TransportError, failures: int) -> float:
        """Seconds to wait before the next try."""
        if isinstance(outcome, Answer):
            return self._policy.wait(failures, retry_after(outcome.headers))
        if outcome.stale and failures == 1:
            return 0.0
        return self._policy.wait(failures)


def _may_have_acted(outcome: Answer | TransportError) -> bool:
    """True when the service may have done what was asked, though the try failed."""
    if isinstance(outcome, Answer):
        return outcome.status == 408 or (outcome.status >= 500 and outcome.status != 503)
    return not outcome.connecting


def is_final(cause: BaseException) -> bool:
    """True when another try cannot help: a certificate that is not trusted."""
    return isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(cause)


_BREAKS = (
    http.client.RemoteDisconnected,
    http.client.IncompleteRead,
    ConnectionResetError,
    BrokenPipeError,
    ssl.SSLEOFError,
)
_BROKEN = "the connection broke"
_TRY_AGAIN = "check the network and run it again."

# What went wrong below → what to tell. The first row that fits counts.
_CAUSES: tuple[tuple[Callable[[BaseException], bool], str, str], ...] = (
    (
        is_final,
        "its certificate is not trusted",
        "behind a company proxy, set REQUESTS_CA_BUNDLE to the company's certificate file.",
    ),
    (
        lambda cause: "proxy" in f"{type(cause).__name__}{cause}".lower(),
        "the proxy refused or is not there",
        "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY.",
    ),
    (
        lambda cause: isinstance(cause, socket.gaierror),
        "its name was not found",
        "is the account name right, is it behind a private endpoint, is there a network?",
    ),
    (
        lambda cause: isinstance(cause, ConnectionRefusedError),
        "the connection was refused",
        "is the endpoint right, and is the server running?",
    ),
    (
        lambda cause: isinstance(cause, _BREAKS),
        _BROKEN,
        _TRY_AGAIN,
    ),
    (
        lambda cause: isinstance(cause, TimeoutError),
        "it did not answer in time",
        "check the network or firewall and run it again.",
    ),
    (
        lambda cause: isinstance(cause, (ssl.SSLError, http.client.HTTPException, ValueError)),
        "its answer could not be understood",
        "is the endpoint right (https or http, port)?",
    ),
)


def connection_error(
    failure: TransportError, where: str, tries: int
) -> errors.ConnectionFailedError:
    """Return the error that tells why there was no answer from `where`, after so many tries."""
    cause = failure.cause
    what, cure = _BROKEN, _TRY_AGAIN
    for fits, known_what, known_cure in _CAUSES:
        if fits(cause):
            what, cure = known_what, known_cure
            break
    count = f" ({tries} tries)" if tries > 1 else ""
    return errors.ConnectionFailedError(
        redact(f"No answer from {where}: {what}{count}. To mend it: {cure}")
    )
