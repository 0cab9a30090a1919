"""Appending under a lease: turns, ends, lost answers, dead writers, stops."""

# ruff: noqa: SIM117 - what is expected to fail stands by itself
from __future__ import annotations

import base64
import hashlib
import io
import itertools
import os
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from patience import AT_ONCE, LONG, wait_until
from stops import ctrl_c_once

from adls_magic.core import errors
from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.transfer import lease as lease_module
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.existing import MARK
from adls_magic.core.transfer.reader import MemoryReader
from adls_magic.core.transfer.upload import (
    UploadJob,
    UploadOptions,
    UploadResult,
    Writer,
    check_target,
    open_writer,
    upload_all,
)
from adls_magic.lake import LocalLake

from .conftest import account_at
from .servers import Between, Fault, Forwarded, error

CHUNK = 1000
OTHER = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def target(place: RemotePath) -> RemotePath:
    return place.child("log.txt")


@pytest.fixture(autouse=True)
def quick_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "_LONGEST_WAIT", 0.1)


@pytest.fixture
def later(lake: LocalLake, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let so many seconds go by for the leases of the lake, and for nothing else."""

    def go(seconds: float) -> None:
        clock = lambda: time.monotonic() + seconds  # noqa: E731
        monkeypatch.setattr(lake._store.leases, "_clock", clock)  # type: ignore[union-attr]

    return go


def appender(account: Account, target: RemotePath, **options: Any) -> Writer:
    given = {"chunk_size": CHUNK, "patience": 10.0, **options}
    return open_writer(account, target, UploadOptions(if_exists="append", **given), progress=False)


def append(account: Account, target: RemotePath, data: bytes, **options: Any) -> UploadResult:
    with appender(account, target, **options) as writer:
        writer.write(data)
    assert writer.result is not None
    return writer.result


def put(client: Client, remote: RemotePath, data: bytes, **given: Any) -> str:
    client.create(remote, **given)
    if data:
        wait(client, remote, 0, data)
        client.flush(remote, len(data))
    return client.properties(remote).etag


def wait(client: Client, remote: RemotePath, position: int, data: bytes, **given: Any) -> None:
    """Let bytes wait in a file, unflushed."""
    client.append(remote, position, PieceBody(MemoryReader(data), 0, len(data), int), **given)


def is_free(client: Client, target: RemotePath) -> bool:
    return client.properties(target).lease_state == "available"


# ------------------------------------------------------------------ plain ones


def test_a_missing_file_is_made_and_added_to(lake, client, target, names_in):
    content = b""
    for data in (b"one\n", b"two\n", b"", b"x" * 4321, b"end"):
        result = append(lake.account, target, data, content_type="text/x-log")
        assert (result.appended_at, result.size) == (len(content), len(data))
        content += data
        assert client.read(target) == content
        found = client.properties(target)
        assert (found.etag, found.lease_state) == (result.etag, "available")
        assert found.content_type == "text/x-log"
    assert names_in() == ["log.txt"]


def test_nothing_makes_an_empty_file(lake, client, target):
    append(lake.account, target, b"", content_type="text/x-log")
    found = client.properties(target)
    assert (found.size, found.content_type) == (0, "text/x-log")


@pytest.mark.parametrize("size", [1, CHUNK, CHUNK + 1, 37 * CHUNK + 5])
@pytest.mark.parametrize("kind", ["bytes", "stream"])
def test_sizes(size: int, kind: str, lake, client, target):
    put(client, target, b"old")
    data = os.urandom(size)
    job = UploadJob(data if kind == "bytes" else io.BytesIO(data), target)
    options = UploadOptions(if_exists="append", chunk_size=CHUNK)
    (result,) = upload_all(lake.account, [job], options, progress=False)
    assert client.read(target) == b"old" + data
    assert (result.appended_at, result.size, is_free(client, target)) == (3, size, True)


def test_what_is_stored_with_the_file_stays(lake, client, target):
    put(client, target, b"old", content_type="text/x-old", metadata={"a": "1"})
    append(lake.account, target, b"new", content_type="text/x-new", metadata={"b": "2"})
    found = client.properties(target)
    assert (found.content_type, found.metadata) == ("text/x-old", {"a": "1"})


def test_the_md5_stays_with_a_file_that_nothing_was_added_to(lake, client, target):
    put(client, target, b"old")
    md5 = base64.b64encode(hashlib.md5(b"old").digest()).decode()
    client.flush(target, 3, content_md5=md5)
    append(lake.account, target, b"")
    assert client.properties(target).content_md5 == md5
    with pytest.raises(ZeroDivisionError):
        with appender(lake.account, target) as writer:
            writer.write(bytes(9 * CHUNK))
            writer.ends()
            1 / 0  # noqa: B018
    assert client.properties(target).content_md5 == md5
    append(lake.account, target, b"new")
    assert client.properties(target).content_md5 is None


def test_metadata_of_a_missing_file(lake, client, target):
    append(lake.account, target, b"new", metadata={"b": "2"})
    assert client.properties(target).metadata == {"b": "2"}


def test_few_requests(between: Between, client, target):
    put(client, target, b"old")
    append(account_at(between.port), target, b"new")
    kinds = [re.sub(r"[?&](position|close|retain)\w*=\w+", "", line) for line in between.lines]
    assert [line.partition(" ")[0] for line in kinds] == [
        "HEAD", "POST", "HEAD", "PATCH", "PATCH", "PATCH", "POST"
    ]  # fmt: skip


def test_what_cannot_be_appended_to(lake, client, place, target):
    client.create(target, directory=True)
    with pytest.raises(errors.ConflictError, match="is a directory"):
        appender(lake.account, target)
    fresh = place.child("fresh")
    client.create(fresh, content_type=f"{MARK}; of=another")
    with pytest.raises(errors.ConflictError, match="being written by another upload"):
        appender(lake.account, fresh)
    with pytest.raises(errors.PathNotFoundError, match="filesystem does not exist"):
        append(lake.account, RemotePath("nosuchfs", "x"), b"x")


@pytest.mark.parametrize("given", [{"in_place": True}, {"md5": True}])
def test_options_that_make_no_sense(given, lake, target):
    with pytest.raises(errors.OptionError, match="appending"):
        appender(lake.account, target, **given)


# ------------------------------------------------------------------ leases and other people


def has_waited(between: Between) -> bool:
    """True when a lease was asked for a second time, so the first time in vain."""
    return between.count("POST") > 1


def test_it_waits_for_its_turn(lake, client, target, between):
    put(client, target, b"old")
    client.acquire_lease(target, OTHER, seconds=60)
    assert check_target(lake.account, target, UploadOptions(if_exists="append")) is None

    def other() -> None:
        wait_until(lambda: has_waited(between))
        with Client(lake.account) as theirs:
            wait(theirs, target, 3, b"-theirs", lease_id=OTHER)
            theirs.flush(target, 10, lease_id=OTHER)
            theirs.release_lease(target, OTHER)

    thread = threading.Thread(target=other)
    thread.start()
    result = append(account_at(between.port), target, b"-ours")
    thread.join()
    assert client.read(target) == b"old-theirs-ours" and result.appended_at == 10


def test_it_does_not_wait_for_ever(lake, client, target):
    put(client, target, b"old")
    client.acquire_lease(target, OTHER, seconds=60)
    with pytest.raises(errors.ConflictError, match=r"Somebody else holds .*changed just now.*run"):
        append(lake.account, target, b"new", patience=0.3)
    client.release_lease(target, OTHER)
    client.acquire_lease(target, OTHER, seconds=-1)
    with pytest.raises(errors.ConflictError, match="does not end by itself"):
        append(lake.account, target, b"new", patience=0.0)
    assert client.read(target) == b"old"


def test_a_lease_that_was_left_ends_by_itself(lake, client, target, later):
    put(client, target, b"old")
    client.acquire_lease(target, OTHER, seconds=lease_module.LEASE_SECONDS)
    wait(client, target, 3, b"half of what a dead wri", lease_id=OTHER)
    wait(client, target, 26, b"ter has left", lease_id=OTHER)
    later(lease_module.LEASE_SECONDS + 1)
    append(lake.account, target, b"-new")
    assert client.read(target) == b"old-new"
    # What the dead one still has on its way comes too late.
    with pytest.raises(errors.ConflictError):
        wait(client, target, 7, b"late", lease_id=OTHER)
    append(lake.account, target, b"-end")
    assert client.read(target) == b"old-new-end"


def test_it_is_renewed_while_a_producer_thinks(lake, client, target, monkeypatch, between):
    monkeypatch.setattr(lease_module, "RENEW_EVERY", 0.02)
    monkeypatch.setattr(lease_module, "LEASE_SECONDS", 15)
    put(client, target, b"old")
    with appender(account_at(between.port), target) as writer:
        writer.write(bytes(5 * CHUNK))
        wait_until(lambda: between.count("POST") >= 4)
        assert client.properties(target).lease_state == "leased"
    actions = [got.header("x-ms-lease-action") for got in between.seen if got.method == "POST"]
    assert actions[0] == "acquire" and actions[-1] == "release" and set(actions[1:-1]) == {"renew"}
    assert len(actions) >= 4 and is_free(client, target)


def test_a_renewal_that_fails_is_tried_again(lake, client, target, monkeypatch, between):
    monkeypatch.setattr(lease_module, "RENEW_EVERY", 0.02)
    put(client, target, b"old")
    between.faults = lambda got: (
        Fault(before=True)
        if got.header("x-ms-lease-action") == "renew" and between.count("POST") < 4
        else None
    )
    with appender(account_at(between.port), target) as writer:
        writer.write(bytes(5 * CHUNK))
        wait_until(lambda: between.count("POST") >= 5)
    assert len(client.read(target)) == 3 + 5 * CHUNK


def test_a_lease_that_is_lost_meanwhile(lake, client, target, later):
    """Somebody else has the file now: nothing of ours gets in, all of theirs does."""
    put(client, target, b"old")
    with pytest.raises(errors.ConflictError):
        with appender(lake.account, target) as writer:
            writer.write(b"x" * 5 * CHUNK)
            assert writer.ends().tail == b"old"
            later(lease_module.LEASE_SECONDS + 1)
            append(lake.account, target, b"-theirs")
            writer.write(b"y" * 5 * CHUNK)
    assert client.read(target) == b"old-theirs" and is_free(client, target)


def test_a_file_that_is_replaced_meanwhile(lake, client, target):
    put(client, target, b"old")
    with pytest.raises(errors.ConflictError):
        with appender(lake.account, target) as writer:
            writer.write(b"x" * 5 * CHUNK)
            assert writer.ends().tail == b"old"
            put(client, target, b"theirs")
    assert client.read(target) == b"theirs"


def test_a_file_that_is_removed_while_it_is_waited_for(client, target, between):
    put(client, target, b"old")
    client.acquire_lease(target, OTHER, seconds=60)

    def remove() -> None:
        wait_until(lambda: has_waited(between))
        client.delete(target, lease_id=OTHER)

    thread = threading.Thread(target=remove)
    thread.start()
    append(account_at(between.port), target, b"new")
    thread.join()
    assert client.read(target) == b"new"


# ------------------------------------------------------------------ failures, stops, lost answers


def test_a_producer_that_fails(lake, client, target, names_in):
    for before in (None, b"old"):
        if before is not None:
            put(client, target, before)
        for size in (5, 20 * CHUNK):
            with pytest.raises(ZeroDivisionError):
                with appender(lake.account, target) as writer:
                    writer.write(bytes(size))
                    ends = writer.ends() if size > 5 else None
                    assert size == 5 or (ends and ends.head) == before
                    1 / 0  # noqa: B018
            found = client.find(target)
            assert (found is None) if before is None else client.read(target) == before
            assert found is None or is_free(client, target)
    # Nothing waits there any more: a flush beyond the end has nothing to make it of.
    with pytest.raises(errors.ConflictError):
        client.flush(target, 3 + CHUNK)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to oneself")
@pytest.mark.parametrize("what", ["waiting", "sending"])
def test_stop(what: str, client, target, between):
    put(client, target, b"old")
    if what == "waiting":
        client.acquire_lease(target, OTHER, seconds=60)

    def is_at_it() -> bool:
        return has_waited(between) if what == "waiting" else between.count("action=append") > 3

    with ctrl_c_once(is_at_it) as pressed, pytest.raises(KeyboardInterrupt):
        with appender(account_at(between.port), target, patience=LONG) as writer:
            for _ in range(1_000_000):
                writer.write(bytes(CHUNK))
                time.sleep(0.001)
    assert time.monotonic() - pressed[0] < AT_ONCE
    assert client.read(target) == b"old"
    if what == "sending":
        assert is_free(client, target)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to oneself")
@pytest.mark.parametrize(
    ("step", "is_there"),
    [
        ("create", False),
        *itertools.product(["acquire", "look", "flush", "append"], [False, True]),
    ],
)
def test_a_stop_while_the_service_answers(step, is_there, client, target, between, names_in):
    """What it had done by then is undone: no file that was not there, no lease."""
    if is_there:
        put(client, target, b"old")
    held: list[str] = []
    answered = threading.Event()

    def fault(got: Forwarded) -> Fault | None:
        action = got.header("x-ms-lease-action") or ""
        fits = re.search(STEPS[step], f"{got.method} {got.target} {action}")
        # The first look is that of the opening, before there is anything to undo.
        if not fits or (step == "look" and between.count("POST") == 0) or held:
            return None
        held.append(got.target)
        return Fault(then=answered.set, delay=LONG)

    between.faults = fault
    with ctrl_c_once(answered.is_set), pytest.raises(errors.UploadStopped):
        append(account_at(between.port), target, b"new")
    assert names_in() == (["log.txt"] if is_there else [])
    if is_there:
        assert client.read(target) == b"old" and is_free(client, target)


def is_once(pattern: str, fault: Fault) -> Callable[[Forwarded], Fault | None]:
    """Do `fault` to the first request that fits."""
    left = [fault]

    def faults(got: Forwarded) -> Fault | None:
        action = got.header("x-ms-lease-action") or ""
        fits = re.search(pattern, f"{got.method} {got.target} {action}")
        return left.pop() if fits and left else None

    return faults


STEPS = {
    "look": "HEAD",
    "create": "resource=file",
    "acquire": "POST .* acquire",
    "flush": "action=flush",
    "append": "action=append",
    "last flush": "action=flush&close=true",
    "release": "POST .* release",
}


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("lost", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("size", [10, 3 * CHUNK])
def test_a_lost_answer_neither_doubles_nor_loses(
    size, step, lost, is_there, client, target, between, names_in
):
    if is_there:
        put(client, target, b"old")
    between.faults = is_once(STEPS[step], Fault(**{lost: True}))
    data = os.urandom(size)
    result = append(account_at(between.port), target, data)
    old = b"old" if is_there else b""
    assert client.read(target) == old + data and result.appended_at == len(old)
    assert is_free(client, target) and names_in() == ["log.txt"]
    assert client.properties(target).etag == result.etag


def test_a_lost_flush_and_a_lost_lease(client, target, between, later):
    """Somebody has appended as many bytes since: their success must not be taken for ours."""
    put(client, target, b"old")

    def fault(got: Forwarded) -> Fault | None:
        if "close=true" not in got.target or between.count("close=true") > 1:
            return None
        client.release_lease(target, str(got.header("x-ms-lease-id")))
        client.acquire_lease(target, OTHER, seconds=60)
        wait(client, target, 3, b"theirs", lease_id=OTHER)
        client.flush(target, 9, lease_id=OTHER)
        client.release_lease(target, OTHER)
        return Fault(before=True)

    between.faults = fault
    with pytest.raises(errors.ConflictError, match="could not be learnt: look at its end"):
        append(account_at(between.port), target, b"-ours!")
    assert client.read(target) == b"oldtheirs"


def test_no_answer_to_the_last_flush_is_said(client, target, between, quick):
    put(client, target, b"old")
    between.faults = lambda got: Fault(after=True) if "close=true" in got.target else None
    with pytest.raises(errors.ConnectionFailedError, match="could not be learnt: look at its end"):
        append(account_at(between.port), target, b"-new")
    assert client.read(target) == b"old-new" and is_free(client, target)


def test_a_failure_that_may_hide_the_last_flush_is_said(client, target, between, quick):
    put(client, target, b"old")
    between.faults = lambda got: (
        Fault(instead=error(500, "OperationTimedOut")) if "close=true" in got.target else None
    )
    with pytest.raises(errors.ServiceError, match="could not be learnt: look at its end"):
        append(account_at(between.port), target, b"-new")
    assert client.read(target) == b"old"


# ------------------------------------------------------------------ the lease itself


@pytest.fixture
def file(client: Client, place: RemotePath) -> Iterator[RemotePath]:
    put(client, place.child("file"), b"x")
    yield place.child("file")


def test_the_calls(client: Client, file: RemotePath):
    ours = str(uuid.uuid4())
    client.acquire_lease(file, ours, seconds=15)
    client.acquire_lease(file, ours, seconds=30)  # one's own again
    found = client.properties(file)
    assert (found.lease_state, found.lease_duration) == ("leased", "fixed")
    with pytest.raises(errors.ConflictError, match="LeaseAlreadyPresent"):
        client.acquire_lease(file, OTHER, seconds=15)
    with pytest.raises(errors.ConflictError, match="our lease has ended"):
        client.renew_lease(file, OTHER)
    with pytest.raises(errors.ConflictError):
        client.release_lease(file, OTHER)
    with pytest.raises(errors.ConflictError, match="somebody holds a lease"):
        client.delete(file)
    client.renew_lease(file, ours)
    client.release_lease(file, ours)
    with pytest.raises(errors.ConflictError, match="our lease has ended"):
        client.release_lease(file, ours)
    with pytest.raises(errors.PathNotFoundError):
        client.acquire_lease(file.parent.child("nothing"), ours, seconds=15)


def test_a_release_whose_answer_is_lost(between: Between, client: Client, file: RemotePath):
    client.acquire_lease(file, OTHER, seconds=60)
    between.faults = is_once("POST", Fault(after=True))
    with Client(account_at(between.port)) as theirs:
        theirs.release_lease(file, OTHER)
    assert is_free(client, file) and between.count("POST") == 2
