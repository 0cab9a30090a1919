"""One request until it is answered for good: tries, fresh signatures, waits, failures.

Each try is signed anew (its own date and request id) and sends its body from the start. Waiting
ends at once when the user stops.
"""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, replace

from adls_magic.core.service.answer import Answer
from adls_magic.core.service.authorization import Authorization
from adls_magic.core.service.no_answer import connection_error, is_final
from adls_magic.core.service.request import Request, Stopped, TransportError
from adls_magic.core.service.response import error_code
from adls_magic.core.service.retry import RetryPolicy, is_retryable, is_throttling, retry_after
from adls_magic.core.service.transport import Transport

# Old enough for every region and cloud, new enough for 4,000 MiB appends and flush=true on them.
# https://learn.microsoft.com/rest/api/storageservices/versioning-for-the-azure-storage-services
VERSION = "2023-11-03"


@dataclass(slots=True)
class Traffic:
    """Counters of a client, for results and for the choice of concurrency."""

    requests: int = 0  # tries that were sent
    retries: int = 0  # tries after the first of a request
    throttled: int = 0  # answers and time-outs that ask for less load
    round_trip: float = 0.0  # seconds of the quickest request without a body, 0 before any


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
                if outcome.status < 400:
                    return outcome, lost
                if outcome.status == 401 and not renewed and self._renew(outcome):
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
            **(request.into.headers() if request.into else {}),
        }
        if request.body is not None:
            headers.update(request.body.checks(self._stop.is_set))
        if request.method in ("PUT", "PATCH", "POST"):
            headers["Content-Length"] = str(request.body.length if request.body else 0)
        target = self._authorization.apply(request.method, request.target, headers)
        began = time.monotonic()
        try:
            answer = self._transport.send(replace(request, target=target, headers=headers))
        except TransportError as error:
            if isinstance(error.cause, TimeoutError):
                self._count_throttling()
            return error
        self._reached = True
        if request.body is None:
            self._note_trip(time.monotonic() - began)
        if is_throttling(answer.status):
            self._count_throttling()
        return answer

    def _renew(self, refusal: Answer) -> bool:
        return self._authorization.renew(refusal.headers.get("WWW-Authenticate"))

    def _note_trip(self, seconds: float) -> None:
        with self._lock:
            self.traffic.round_trip = min(self.traffic.round_trip or seconds, seconds)

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
