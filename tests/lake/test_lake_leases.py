"""Leases of the local lake: what each operation does in each state, and what they protect.

The tables: https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.filedatalake import DataLakeLeaseClient, DataLakeServiceClient
from patience import wait_until

from adls_magic.lake import LocalLake
from adls_magic.lake.answers import Refusal
from adls_magic.lake.leases import Leases

from .wire import Reply, Wire, has_come

A = "11111111-2222-3333-4444-555555555555"
B = "99999999-8888-7777-6666-555555555555"
C = "12121212-8888-7777-6666-555555555555"
KEY = ("lake", "file")

STATES: dict[str, Callable[[Leases, list[float]], None]] = {
    "available": lambda leases, now: None,
    "leased": lambda leases, now: _acquire(leases),
    "breaking": lambda leases, now: (_acquire(leases), leases.break_(KEY, 10)),  # type: ignore[func-returns-value]
    "broken": lambda leases, now: (_acquire(leases), leases.break_(KEY, 0)),  # type: ignore[func-returns-value]
    "expired": lambda leases, now: (_acquire(leases), now.append(31.0)),  # type: ignore[func-returns-value]
}
OPERATIONS: dict[str, Callable[[Leases], object]] = {
    "acquire A": lambda leases: leases.acquire(KEY, A, 30),
    "acquire B": lambda leases: leases.acquire(KEY, B, 30),
    "break": lambda leases: leases.break_(KEY, 0),
    "change A to B": lambda leases: leases.change(KEY, A, B),
    "change B to A": lambda leases: leases.change(KEY, B, A),
    "change B to C": lambda leases: leases.change(KEY, B, C),
    "renew A": lambda leases: leases.renew(KEY, A),
    "renew B": lambda leases: leases.renew(KEY, B),
    "release A": lambda leases: leases.release(KEY, A),
    "release B": lambda leases: leases.release(KEY, B),
    "write with A": lambda leases: leases.check(KEY, A),
    "write with B": lambda leases: leases.check(KEY, B),
    "write": lambda leases: leases.check(KEY, None),
    "read with A": lambda leases: leases.check(KEY, A, read=True),
    "read with B": lambda leases: leases.check(KEY, B, read=True),
    "read": lambda leases: leases.check(KEY, None, read=True),
}
# The state afterwards in the order of STATES; "-" for a refusal, which leaves it.
OUTCOMES = {
    "acquire A": "leased leased - leased leased",
    "acquire B": "leased - - leased leased",
    "break": "- broken broken broken broken",
    "change A to B": "- leased - - -",
    "change B to A": "- leased - - -",
    "change B to C": "- - - - -",
    "renew A": "- leased - - leased",
    "renew B": "- - - - -",
    "release A": "- available available available available",
    "release B": "- - - - -",
    "write with A": "- leased breaking - -",
    "write with B": "- - - - -",
    "write": "available - - available available",
    "read with A": "- leased breaking - -",
    "read with B": "- - - - -",
    "read": "available leased breaking broken expired",
}


def _acquire(leases: Leases) -> None:
    leases.acquire(KEY, A, 30)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("state", STATES)
def test_every_operation_in_every_state(operation: str, state: str) -> None:
    now = [0.0]
    leases = Leases(clock=lambda: now[-1])
    STATES[state](leases, now)
    assert leases.state(KEY)["x-ms-lease-state"] == state
    outcome = OUTCOMES[operation].split()[list(STATES).index(state)]
    if outcome == "-":
        with pytest.raises(Refusal):
            OPERATIONS[operation](leases)
        outcome = state
    else:
        OPERATIONS[operation](leases)
    assert leases.state(KEY)["x-ms-lease-state"] == outcome


def test_a_lease_that_has_ended_is_renewed_only_while_nothing_has_changed() -> None:
    now = [0.0]
    leases = Leases(clock=lambda: now[-1])
    _acquire(leases)
    now.append(31.0)
    leases.check(KEY, None, read=True)
    leases.renew(KEY, A)
    now.append(62.0)
    leases.check(KEY, None)  # somebody writes
    with pytest.raises(Refusal):
        leases.renew(KEY, A)


@pytest.mark.parametrize(
    ("duration", "period", "left"), [(30, None, 30), (30, 5, 5), (-1, None, 0)]
)
def test_breaking(duration: int, period: int | None, left: int) -> None:
    leases = Leases(clock=lambda: 0.0)
    leases.acquire(KEY, A, duration)
    assert leases.break_(KEY, period) == left
    assert leases.break_(KEY, 60) == left  # a second one makes it no longer


def lease(wire: Wire, path: str, action: str, **headers: str) -> Reply:
    return wire.send("POST", path, b"", x_ms_lease_action=action, **headers)


def test_a_lease_can_carry_conditions(wire: Wire, place: str) -> None:
    etag = wire.create(place).etag
    given = {"x_ms_lease_duration": "15", "x_ms_proposed_lease_id": A}
    reply = lease(wire, place, "acquire", If_Match='"0x1"', **given)
    assert (reply.status, reply.code) == (412, "ConditionNotMet")
    assert lease(wire, place, "acquire", If_Match=etag, **given).status == 201


@pytest.mark.parametrize("flush", [False, True])
def test_a_body_that_takes_longer_than_its_lease(
    wire: Wire, lake: LocalLake, place: str, flush: bool
) -> None:
    """It came in while the lease was good, and would wait beside what the next one sends."""
    wire.create(place)
    given = {"x_ms_lease_duration": "60", "x_ms_proposed_lease_id": A}
    lease(wire, place, "acquire", **given)
    query = "&flush=true" * flush
    slow = wire.begin_append(place, 0, b"first half", 20, query, x_ms_lease_id=A)
    wait_until(lambda: has_come(lake.root, b"first half"))
    lease(wire, place, "break", x_ms_lease_break_period="0")
    lease(wire, place, "acquire", x_ms_lease_duration="60", x_ms_proposed_lease_id=B)
    slow.send(b"other half")
    answer = slow.getresponse()
    assert (answer.status, answer.headers["x-ms-error-code"]) == (412, "LeaseIdMismatch")
    answer.read()
    reply = wire.flush(place, 20, x_ms_lease_id=B)
    assert (reply.status, reply.code) == (400, "InvalidFlushPosition")


def test_the_official_client(lake: LocalLake, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = lake.account.secret
    assert secret is not None and lake._store is not None
    late = [0.0]
    clock = lambda: time.monotonic() + late[0]  # noqa: E731
    monkeypatch.setattr(lake._store.leases, "_clock", clock)
    with DataLakeServiceClient(lake.url, credential=secret.reveal()) as service:
        file = service.get_file_client("lake", "by the official client")
        file.create_file()
        mine, other = DataLakeLeaseClient(file, A), DataLakeLeaseClient(file, B)
        mine.acquire(lease_duration=15)
        mine.acquire(lease_duration=15)
        with pytest.raises(HttpResponseError) as error:
            other.acquire(lease_duration=15)
        assert error.value.error_code == "LeaseAlreadyPresent"
        late[0] = 16.0
        assert file.get_file_properties().lease.state == "expired"
        mine.renew()
        assert file.get_file_properties().lease.state == "leased"
        assert other.break_lease(lease_break_period=10) == 10
        assert file.get_file_properties().lease.state == "breaking"
        with pytest.raises(HttpResponseError) as error:
            mine.renew()
        assert error.value.error_code == "LeaseIsBrokenAndCannotBeRenewed"
        late[0] = 27.0
        assert file.get_file_properties().lease.state == "broken"
        other.acquire(lease_duration=-1)
        found = file.get_file_properties().lease
        assert (found.state, found.duration, found.status) == ("leased", "infinite", "locked")
        file.append_data(b"x", 0, lease=other)
        file.flush_data(1, lease=other)
        other.release()
        assert file.get_file_properties().lease.state == "available"
