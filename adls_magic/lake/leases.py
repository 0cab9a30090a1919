"""Leases on files and filesystems: in memory, ended by time, by release, or with the server.

A lease does not outlive the server, as the data does not that waits under it: whoever held one
gets a refusal, never somebody else's bytes.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from adls_magic.lake.answers import Refusal, wrong_header
from adls_magic.lake.locks import Key, inside
from adls_magic.lake.request import decimal


@dataclass(slots=True)
class Lease:
    """One lease: id, duration in seconds (-1: for ever), end on the monotonic clock."""

    id: str
    duration: int
    end: float
    broken: bool = False  # ended early, or about to be


def check_lease_id(name: str, text: str) -> str:
    """Return a lease id in lower case.

    Raises:
        Refusal: not a GUID.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise wrong_header(name, text) from None


def check_duration(text: str) -> int:
    """Return a lease's duration in seconds: 15 to 60, or -1.

    Raises:
        Refusal: anything else.
    """
    duration = -1 if text == "-1" else decimal(text)
    if duration is not None and (duration == -1 or 15 <= duration <= 60):
        return duration
    raise wrong_header("x-ms-lease-duration", text)


class Leases:
    """All leases of a lake."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._leases: dict[Key, Lease] = {}

    def state(self, key: Key) -> dict[str, str]:
        """Return the answer headers that describe a path's lease."""
        with self._lock:
            lease = self._leases.get(key)
            if lease is None:
                return {"x-ms-lease-state": "available", "x-ms-lease-status": "unlocked"}
            if not self._held(lease):
                state = "broken" if lease.broken else "expired"
                return {"x-ms-lease-state": state, "x-ms-lease-status": "unlocked"}
            state = "breaking" if lease.broken else "leased"
            kind = "infinite" if lease.duration < 0 else "fixed"
        answer = {"x-ms-lease-state": state, "x-ms-lease-status": "locked"}
        return answer if lease.broken else {**answer, "x-ms-lease-duration": kind}

    def _held(self, lease: Lease) -> bool:
        return lease.end > self._clock()

    def check(self, key: Key, given: str | None, *, read: bool = False) -> None:
        """Accept a request's lease id (None without one) for a change of a path.

        Args:
            key: the path.
            given: `x-ms-lease-id`.
            read: for reading no id is needed, but a given one must fit.

        Raises:
            Refusal: `LeaseIdMissing`, `LeaseIdMismatch`, `LeaseNotPresent`, `LeaseLost`.
        """
        with self._lock:
            lease = self._leases.get(key)
            held = lease is not None and self._held(lease)
            if not given:  # the official SDK sends an empty one for none
                if held and not read:
                    raise Refusal("LeaseIdMissing")
                if not read:
                    # One that has ended cannot be renewed after somebody else's change.
                    self._leases.pop(key, None)
                return
            given = check_lease_id("x-ms-lease-id", given)
            if lease is None:
                raise Refusal("LeaseNotPresent")
            if lease.id != given:
                raise Refusal("LeaseIdMismatch" if held else "LeaseNotPresent")
            if not held:
                raise Refusal("LeaseLost")

    def acquire(self, key: Key, id_: str, duration: int) -> Lease:
        """Take a lease, or take one's own again.

        Raises:
            Refusal: `LeaseAlreadyPresent`.
        """
        with self._lock:
            lease = self._leases.get(key)
            if lease is not None and self._held(lease):
                if lease.broken and lease.id == id_:
                    raise Refusal("LeaseIsBreakingAndCannotBeAcquired")
                if lease.broken or lease.id != id_:
                    raise Refusal("LeaseAlreadyPresent")
            lease = Lease(id_, duration, self._end(duration))
            self._leases[key] = lease
            return lease

    def _end(self, duration: int) -> float:
        return math.inf if duration < 0 else self._clock() + duration

    def _own(self, key: Key, id_: str) -> Lease:
        lease = self._leases.get(key)
        if lease is None:
            raise Refusal("LeaseNotPresentWithLeaseOperation")
        if lease.id != id_:
            raise Refusal("LeaseIdMismatchWithLeaseOperation")
        return lease

    def renew(self, key: Key, id_: str) -> Lease:
        """Let a lease last its duration again.

        Raises:
            Refusal: no such lease, another id, or it was broken.
        """
        with self._lock:
            lease = self._own(key, id_)
            if lease.broken:
                raise Refusal("LeaseIsBrokenAndCannotBeRenewed")
            lease.end = self._end(lease.duration)
            return lease

    def change(self, key: Key, id_: str, proposed: str) -> Lease:
        """Give a lease another id.

        Raises:
            Refusal: no such lease, another id, or it is being broken.
        """
        with self._lock:
            lease = self._leases.get(key)
            if lease is None or not self._held(lease):
                raise Refusal("LeaseNotPresentWithLeaseOperation")
            if lease.id not in (id_, proposed):
                raise Refusal("LeaseIdMismatchWithLeaseOperation")
            if lease.broken:
                raise Refusal("LeaseIsBreakingAndCannotBeChanged")
            lease.id = proposed
            return lease

    def release(self, key: Key, id_: str) -> None:
        """End one's own lease.

        Raises:
            Refusal: no such lease, or another id.
        """
        with self._lock:
            self._own(key, id_)
            del self._leases[key]

    def break_(self, key: Key, period: int | None) -> int:
        """Break a lease after at most `period` seconds; return the seconds until then.

        Raises:
            Refusal: `LeaseNotPresentWithLeaseOperation`.
        """
        with self._lock:
            lease = self._leases.get(key)
            if lease is None:
                raise Refusal("LeaseNotPresentWithLeaseOperation")
            left = max(0.0, lease.end - self._clock())
            if period is not None:
                left = min(left, period)
            elif math.isinf(left):
                left = 0.0
            lease.broken = True
            lease.end = self._clock() + left
            return round(left)

    def drop(self, key: Key, *, tree: bool = False) -> None:
        """Forget a path's lease, or all in a tree."""
        with self._lock:
            for other in [k for k in self._leases if k == key or (tree and inside(k, key))]:
                del self._leases[other]

    def move(self, source: Key, target: Key) -> None:
        """Let leases follow a rename; the target's own are broken."""
        self.drop(target, tree=True)
        with self._lock:
            for key in [k for k in self._leases if inside(k, source)]:
                moved = (target[0], target[1] + key[1][len(source[1]) :])
                self._leases[moved] = self._leases.pop(key)
