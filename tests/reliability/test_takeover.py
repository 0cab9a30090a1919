"""Two runs of one upload, dead or alive, and what each leaves on its way for the other.

The conditions that make resuming sound, each with stragglers: appends that the service does
late, because a line or a proxy had held them back when their run gave them up.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from core.servers import Between, Fault, Forwarded, error
from patience import PATIENCE, wait_until

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.transfer import existing, file_transfer, landing, progress
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import MemoryReader

from .resuming import (
    CHECKPOINT,
    CHUNK,
    Gate,
    Setting,
    flushes,
    is_append,
    is_flush,
    number,
    path_of,
    settled,
    travelled,
)

SIZE = 100 * CHUNK + 7

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills")


@pytest.fixture(autouse=True)
def quick_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_transfer, "_FIRST_PAUSE", 0.01)


def lands(here: Setting, remote: RemotePath, position: int, data: bytes) -> None:
    """An append reaches the service, whoever sent it and whenever."""
    body = PieceBody(MemoryReader(data), 0, len(data), lambda count: None)
    here.client.append(remote, position, body)


def piece(source: Path, position: int) -> bytes:
    return source.read_bytes()[position : position + CHUNK]


def staged_of(server: Between) -> RemotePath:
    """The staged file that an upload through `server` writes to."""
    path = next(path_of(got) for got in server.seen if is_append(got))
    return RemotePath("lake", path.partition("/lake/")[2])


def whole(here: Setting, source: Path) -> None:
    assert here.content("target") == source.read_bytes()
    assert here.names() == ["target"]


def broken_off(here: Setting, source: Path, limit: int, **given: Any) -> Between:
    """An upload that ends after `limit` bytes; returns the server that it went through."""
    refused = Fault(instead=error(403, "AuthorizationFailure"))
    left = [limit]

    def refuse(got: Forwarded) -> Fault | None:
        left[0] -= got.length if is_append(got) else 0
        return refused if left[0] < 0 else None

    server = here.server(Gate(then=lambda got: refuse(got) if is_append(got) else None))
    with pytest.raises(errors.PermissionDeniedError):
        here.upload(server, source, "target", **given)
    return server


class InThread:
    """An upload in a thread of this process."""

    def __init__(self, upload: Callable[[], Any]) -> None:
        self._upload = upload
        self.result: Any = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._upload()
        except BaseException as error:  # noqa: BLE001 - kept for the test
            self.error = error

    def join(self) -> InThread:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self


# --------------------------------------------------------- late below what was flushed: it recovers


def count_all(monkeypatch: pytest.MonkeyPatch) -> progress.Counter:
    """Return the counter that the next uploads count with."""
    counter = progress.Counter()
    monkeypatch.setattr("adls_magic.core.transfer.run.open_progress", lambda *given: counter)
    return counter


@pytest.mark.parametrize("workers", [1, 5])
@pytest.mark.parametrize("last", [False, True], ids=["before a checkpoint", "before the last"])
def test_a_straggler_below_a_checkpoint(here: Setting, last: bool, workers: int, monkeypatch):
    """The flush after it is refused; what came after the last one that was not is sent again."""
    counter, size = count_all(monkeypatch), 70 * CHUNK + 5
    source, once = here.source(size), threading.Semaphore(1)

    def late(got: Forwarded) -> None:
        is_it = is_flush(got) and (
            number(got, "position") == size if last else len(flushes(server)) == 2
        )
        if is_it and once.acquire(blocking=False):
            lands(here, staged_of(server), 2 * CHUNK, piece(source, 2 * CHUNK))

    server = here.server(Gate(then=late))
    result = here.upload(server, source, "target", workers=workers)
    whole(here, source)
    statuses = [got.status for got in flushes(server)]
    assert statuses.count(400) == 1, statuses
    before, refused, back = flushes(server)[statuses.index(400) - 1 :][:3]
    held = number(before, "position")
    assert number(back, "position") == held and "retainUncommittedData=false" in back.target
    assert result.size == counter.sent == size and result.resumed_from == 0
    # What had arrived behind it by then was thrown away.
    assert travelled(server) > size
    if workers == 1:
        assert travelled(server) - size == number(refused, "position") - held


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("existing", [False, True])
def test_a_lake_that_forgets_what_waits(here: Setting, in_place: bool, existing: bool):
    """As a server does that is started anew: also for bytes in memory, which are still at hand."""
    data = here.source(30 * CHUNK).read_bytes()
    if existing:
        here.upload(here.server(), b"old", "target")
    forgot: list[int] = []

    def forget(got: Forwarded) -> None:
        if is_flush(got) and not forgot:
            forgot.append(1)
            store = here.lake._store
            assert store is not None
            store.uncommitted.sweep(older_than=-1)

    server = here.server(Gate(then=forget))
    result = here.upload(server, data, "target", in_place=in_place, overwrite=existing)
    assert here.content("target") == data and here.names() == ["target"]
    assert travelled(server) == 2 * len(data) and result.size == len(data)


def test_it_does_not_go_on_for_ever(here: Setting):
    """Somebody who keeps writing there is told of, after a few rounds."""
    source = here.source(45 * CHUNK)

    def disturb(got: Forwarded) -> None:
        if is_flush(got) and number(got, "position") == 45 * CHUNK:
            lands(here, staged_of(server), 7, b"theirs")

    server = here.server(Gate(then=disturb))
    with pytest.raises(errors.ConflictError, match=r"another writer .* run it again"):
        here.upload(server, source, "target", workers=2)
    refused = [got for got in flushes(server) if got.status == 400]
    assert len(refused) == file_transfer._MOST_REWINDS + 1
    assert here.content("target") is None and here.names() == []


def test_a_stream_cannot_send_again_and_says_so(here: Setting):
    parts = [bytes([index]) * CHUNK for index in range(10)]

    def disturb(got: Forwarded) -> None:
        if is_flush(got):
            lands(here, staged_of(server), 7, b"theirs")

    server = here.server(Gate(then=disturb))
    with pytest.raises(errors.ConflictError, match=r"another writer .* run it again"):
        here.upload(server, iter(parts), "target")
    assert here.content("target") is None and here.names() == []


def test_an_error_while_it_waits_to_go_back_ends_it(here: Setting):
    """The refused checkpoint is no reason to go back when another append has failed for good."""
    source, torn = here.source(60 * CHUNK), threading.Event()

    def fault(got: Forwarded) -> Fault | None:
        if is_flush(got) and number(got, "position") >= CHECKPOINT:
            torn.set()
            return Fault(instead=error(400, "InvalidFlushPosition"))
        if is_append(got) and number(got, "position") >= CHECKPOINT:
            torn.wait(PATIENCE)
            return Fault(instead=error(403, "AuthorizationFailure"), delay=0.05)
        return None

    with pytest.raises(errors.PermissionDeniedError):
        here.upload(here.server(Gate(then=fault)), source, "target", workers=3)
    assert here.content("target") is None


# --------------------------------------------------------- (b) the grid: the same bytes at any time


def test_b_stragglers_of_a_dead_run_are_the_same_bytes(here: Setting):
    """They land in the middle of the rerun, at positions that it has still to send or has sent."""
    source = here.source(SIZE)
    first = Gate(60 * CHUNK)
    dead = here.server(first)
    process = here.start(dead, source, "target", workers=6)
    first.wait()
    settled(dead)
    process.kill()
    gate = Gate(10 * CHUNK)
    server = here.server(gate)
    rerun = InThread(lambda: here.upload(server, source, "target", workers=3))
    gate.wait()
    first.open()
    settled(dead)
    wait_answered(dead)
    gate.open()
    assert rerun.join().error is None
    whole(here, source)
    grid: dict[int, int] = {}
    for got in (*dead.seen, *server.seen):
        if is_append(got):
            assert grid.setdefault(number(got, "position"), got.length) == got.length
    assert sorted(grid) == list(range(0, SIZE, CHUNK))


def wait_answered(server: Between) -> None:
    """Wait until what `server` had held back has been done."""
    wait_until(lambda: all(got.status for got in server.seen))


# ------------------------------------------- (c) taking over throws away what the other has waiting


@pytest.mark.parametrize(
    ("position", "length"),
    [(0, CHUNK), (30 * CHUNK, CHUNK), (30 * CHUNK + 3, 5), (99 * CHUNK, 9), (SIZE, 10)],
    ids=["below", "at the front", "off the grid", "longer than the last", "behind the end"],
)
def test_c_what_waits_is_thrown_away(here: Setting, position: int, length: int):
    """Whatever waits when a run begins: no byte of it is in the file, and no flush is refused."""
    source = here.source(SIZE)
    broken_off(here, source, 30 * CHUNK)
    staged = here.only_staged()
    lands(here, RemotePath("lake", staged.name), position, b"?" * length)
    server = here.server()
    assert here.upload(server, source, "target").resumed_from == staged.size
    whole(here, source)
    assert travelled(server) == SIZE - staged.size
    assert {got.status for got in flushes(server)} == {200}
    first = flushes(server)[0]
    assert number(first, "position") == staged.size
    assert "retainUncommittedData=false" in first.target
    assert first.header("if-match") == staged.etag


def test_c_a_live_run_flushes_while_it_is_taken_over(here: Setting):
    """Between looking and flushing; then it is looked at once more."""
    source = here.source(SIZE)
    broken_off(here, source, 30 * CHUNK)
    remote = RemotePath("lake", here.only_staged().name)
    asked = []

    def theirs(got: Forwarded) -> None:
        if is_flush(got) and len(asked) < 3:
            asked.append(got)
            size = here.client.properties(remote).size
            lands(here, remote, size, piece(source, size))
            here.client.flush(remote, size + CHUNK, retain=True)

    server = here.server(Gate(then=theirs))
    result = here.upload(server, source, "target")
    whole(here, source)
    assert [got.status for got in flushes(server)][:4] == [412, 412, 412, 200]
    assert result.resumed_from == number(flushes(server)[3], "position")


def test_c_a_live_run_comes_to_its_end_while_it_is_taken_over(here: Setting):
    """Then the file is there, and that is what the later run says."""
    source = here.source(SIZE)
    broken_off(here, source, 30 * CHUNK)
    remote = RemotePath("lake", here.only_staged().name)

    def theirs(got: Forwarded) -> None:
        if is_flush(got) and here.content("target") is None:
            here.client.rename(remote, here.remote("target"))

    server = here.server(Gate(then=theirs))
    with pytest.raises(errors.PathExistsError, match="add overwrite=True"):
        here.upload(server, source, "target")
    assert travelled(server) == 0


# ----------------------------------------------------------- (d) the earlier run stops, and says so


@pytest.mark.parametrize("kind", ["path", "bytes"])
@pytest.mark.parametrize("meet", ["after the later is through", "in the middle of the later"])
def test_d_two_live_processes(here: Setting, meet: str, kind: str):
    """The same source to the same target: the later one wins."""
    source = here.source(SIZE)
    first, second = Gate(60 * CHUNK), Gate(30 * CHUNK if "middle" in meet else None)
    server, later_server = here.server(first), here.server(second)
    earlier = here.start(server, source, "target", kind=kind, workers=3)
    first.wait()
    if kind == "path":
        settled(server)
    later = here.start(later_server, source, "target", kind=kind, workers=3)
    if "middle" in meet:
        second.wait()
        first.open()
        said, second_said = earlier.outcome(), (second.open(), later.outcome())[1]
    else:
        second_said = later.outcome()
        first.open()
        said = earlier.outcome()
    assert said["error"] == "ConflictError" and "was taken over by another run" in said["text"]
    assert second_said["size"] == SIZE and (second_said["resumed_from"] > 0) is (kind == "path")
    whole(here, source)


@pytest.mark.parametrize("step", ["action=flush&close=true", "position=FINAL", "mode=legacy"])
def test_d_taken_over_at_the_very_end(here: Setting, step: str):
    """Every flush and the rename carry the version that this run has made."""
    source, later = here.source(SIZE), here.server()
    step = step.replace("FINAL", str(SIZE)).replace("close=true", "close=false")
    taken: list[Any] = []

    def take_over(got: Forwarded) -> None:
        if step in got.target and not taken:
            taken.append(1)
            taken.append(here.upload(later, source, "target"))

    server = here.server(Gate(then=take_over))
    with pytest.raises(errors.ConflictError, match="was taken over by another run"):
        here.upload(server, source, "target")
    assert taken[1].size == SIZE
    whole(here, source)


def test_d_every_flush_and_the_rename_are_conditional(here: Setting):
    source, server = here.source(SIZE), here.server()
    here.upload(server, source, "target", workers=1)
    conditions = [got.header("if-match") for got in flushes(server)]
    assert len(conditions) >= 4 and None not in conditions
    assert len(set(conditions)) == len(conditions)  # each that of the flush before
    (rename,) = [got for got in server.seen if "mode=legacy" in got.target]
    assert (
        rename.header("x-ms-source-if-match") == here.client.properties(here.remote("target")).etag
    )


@pytest.mark.parametrize("alive", [True, False], ids=["alive", "killed"])
def test_d_its_stragglers_land_below_what_the_later_has_flushed(here: Setting, alive: bool):
    """The earlier run's appends were held up; the later has gone past them and flushed."""
    source = here.source(SIZE)
    first, second = Gate(30 * CHUNK), Gate(50 * CHUNK)
    server, later_server = here.server(first), here.server(second)
    earlier = here.start(server, source, "target", workers=4)
    first.wait()
    settled(server)
    start = here.only_staged().size
    later = InThread(lambda: here.upload(later_server, source, "target", workers=2))
    second.wait()
    settled(later_server)
    held = [number(got, "position") for got in server.seen if is_append(got) and not got.status]
    assert held and max(held) < here.only_staged().size
    if not alive:
        earlier.kill()
    first.open()
    if alive:
        assert "was taken over by another run" in earlier.outcome()["text"]
    wait_answered(server)
    second.open()
    later.join()
    assert later.error is None and later.result.resumed_from == start
    assert [got.status for got in flushes(later_server)].count(400) == 1
    whole(here, source)


# ------------------------------------------------------- (e) a flush that was done, its answer lost


@pytest.mark.parametrize("which", [0, 1, 2, -1], ids=["take over", "first", "second", "last"])
def test_e_the_answer_of_a_flush_is_lost(here: Setting, which: int):
    """The repeated one meets its own work, and that is found out by asking."""
    source, asked = here.source(SIZE), []
    broken_off(here, source, 20 * CHUNK)

    def lose(got: Forwarded) -> Fault | None:
        if not is_flush(got):
            return None
        asked.append(got)
        last = number(got, "position") == SIZE
        lost = last if which < 0 else len(asked) == which + 1
        return Fault(after=True) if lost and lost_once.acquire(blocking=False) else None

    lost_once, server = threading.Semaphore(1), here.server(Gate(then=lose))
    result = here.upload(server, source, "target", workers=1)
    assert result.retries == 1 and travelled(server) == SIZE - result.resumed_from
    assert [got.status for got in flushes(server)].count(412) == 1
    whole(here, source)


@pytest.mark.parametrize("last", [False, True])
def test_e_lost_and_another_run_was_through_before_it_is_repeated(here: Setting, last: bool):
    source, later = here.source(SIZE), here.server()
    taken: list[Any] = []

    def lose(got: Forwarded) -> Fault | None:
        if not is_flush(got) or (last and number(got, "position") < SIZE):
            return None
        if not taken:
            taken.append(1)
            return Fault(after=True)
        if len(taken) == 1:
            taken.append(here.upload(later, source, "target"))
        return None

    server = here.server(Gate(then=lose))
    with pytest.raises(errors.ConflictError, match="was taken over by another run"):
        here.upload(server, source, "target", workers=1)
    assert taken[1].size == SIZE and taken[1].resumed_from > 0
    whole(here, source)


@pytest.mark.parametrize("further", [True, False])
def test_e_lost_and_another_run_has_taken_over(here: Setting, further: bool):
    """The version there is not ours; where even the length is the same, the bytes are, too."""
    source, gate = here.source(SIZE), Gate(30 * CHUNK if further else 0)
    later_server, runs = here.server(gate), list[InThread]()

    def lose(got: Forwarded) -> Fault | None:
        if not is_flush(got) or len(runs) == 1:
            return None
        if lost.acquire(blocking=False):
            return Fault(after=True)
        runs.append(InThread(lambda: here.upload(later_server, source, "target", workers=1)))
        gate.wait()
        settled(later_server)
        return None

    lost, server = threading.Semaphore(1), here.server(Gate(then=lose))
    earlier = InThread(lambda: here.upload(server, source, "target", workers=1)).join()
    gate.open()
    (later,) = runs
    later.join()
    ended = [earlier.error, later.error]
    assert any(problem is None for problem in ended)
    for problem in ended:
        assert problem is None or "taken over by another run" in str(problem), problem
    if further:
        assert earlier.error is not None
    whole(here, source)


# ------------------------------------------------------------------------------ one piece, no flush


def test_a_straggler_of_one_piece_is_not_taken_for_ours(here: Setting, monkeypatch):
    """A stub is taken over after a minute; the append of its run comes later still."""
    monkeypatch.setattr(existing, "STALE", -1.0)
    theirs, ours = here.source(CHUNK, name="theirs"), here.source(CHUNK, name="ours", seed=2)
    first, second = Gate(0), Gate(0)
    server = here.server(first)
    earlier = here.start(server, theirs, "target")
    first.wait()
    later = InThread(lambda: here.upload(here.server(second), ours, "target"))
    second.wait()
    first.open()
    assert earlier.outcome() == {"resumed_from": 0, "size": CHUNK}
    second.open()
    later.join()
    assert isinstance(later.error, errors.ConflictError) and "run it again" in str(later.error)
    assert here.content("target") == theirs.read_bytes() and here.names() == ["target"]


def test_distances_are_short_here():
    """They are put back after each test."""
    assert landing.CHECKPOINT_BYTES == 256 * 1024 * 1024
