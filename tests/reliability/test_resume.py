"""An upload that was killed or stopped, and is run again: how many bytes travel twice.

`ADLS_RESUME_SIZE=1GiB pytest tests/reliability/test_resume.py -s` is the run at the real
distances of checkpoints.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from core.servers import Fault, Forwarded, error
from kernels import start_kernel
from patience import PATIENCE, wait_until

from adls_magic.core import errors
from adls_magic.core.text import format_size, parse_size
from adls_magic.core.transfer import landing
from adls_magic.lake import LocalLake

from .processes import environment
from .resuming import (
    CHECKPOINT,
    CHUNK,
    Gate,
    Setting,
    flushes,
    is_append,
    is_flush,
    name_of,
    number,
    setting,
    settled,
    travelled,
)

SIZE = 100 * CHUNK + 7
LIMIT = SIZE * 6 // 10

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills")


def killed(here: Setting, source: Path, **given: Any) -> int:
    """Upload and kill the client at 60 %; return the bytes that the service holds for good."""
    gate = Gate(LIMIT)
    server = here.server(gate)
    process = here.start(server, source, "target", **given)
    gate.wait()
    settled(server)
    process.kill()
    assert travelled(server) >= LIMIT - CHUNK
    gate.open()  # what was on its way arrives all the same
    server.drain()
    return here.only_staged().size


# --------------------------------------------------------------------------------------------- kill


def test_after_a_kill_only_what_was_not_flushed_travels_again(here: Setting):
    source = here.source(SIZE)
    safe = killed(here, source, workers=1)
    assert LIMIT - CHECKPOINT - 2 * CHUNK < safe <= LIMIT
    server = here.server()
    said = here.start(server, source, "target", workers=1).outcome()
    assert said == {"resumed_from": safe, "size": SIZE}
    assert travelled(server) == SIZE - safe
    assert here.content("target") == source.read_bytes() and here.names() == ["target"]


@pytest.mark.parametrize("existing", [False, True])
def test_also_with_several_appends_in_flight(here: Setting, existing: bool):
    options: dict[str, Any] = {"overwrite": existing}
    if existing:
        here.upload(here.server(), b"old", "target")
    source = here.source(SIZE)
    safe = killed(here, source, workers=4, **options)
    assert here.content("target") == (b"old" if existing else None)
    assert safe >= CHECKPOINT and safe % CHUNK == 0
    server = here.server()
    said = here.start(server, source, "target", workers=7, **options).outcome()
    assert said == {"resumed_from": safe, "size": SIZE}
    assert travelled(server) == SIZE - safe
    assert here.content("target") == source.read_bytes() and here.names() == ["target"]


def test_killed_again_and_again(here: Setting):
    """Every run gets further, and none sends what an earlier one has made safe."""
    source, safe, limit = here.source(SIZE), 0, 30 * CHUNK
    for _ in range(3):
        gate = Gate(limit)
        server = here.server(gate)
        process = here.start(server, source, "target", workers=1)
        gate.wait()
        settled(server)
        process.kill()
        gate.open()
        server.drain()
        first = min(number(got, "position") for got in server.seen if is_append(got))
        assert first == safe
        safe = here.only_staged().size
        assert safe > first
    server = here.server()
    assert here.start(server, source, "target", workers=1).outcome()["resumed_from"] == safe
    assert travelled(server) == SIZE - safe and here.content("target") == source.read_bytes()


def test_killed_before_the_rename_nothing_travels_again(here: Setting):
    source = here.source(SIZE)
    gate = Gate(then=lambda got: Fault(before=True) if "mode=legacy" in got.target else None)
    server = here.server(gate)
    process = here.start(server, source, "target")
    wait_until(lambda: server.count("mode=legacy") > 0)
    process.kill()
    assert here.only_staged().size == SIZE
    server = here.server()
    assert here.start(server, source, "target").outcome()["resumed_from"] == SIZE
    assert travelled(server) == 0 and here.content("target") == source.read_bytes()
    assert here.names() == ["target"]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="sends a signal")
def test_stop_tells_of_a_checkpoint_whose_answer_it_cut_off(here: Setting, monkeypatch):
    """The service has done it; that is found out by asking."""
    monkeypatch.setattr("adls_magic.core.transfer.run._CLEAN_UP_PATIENCE", PATIENCE)
    source, main = here.source(SIZE), threading.main_thread().ident
    assert main is not None

    def hold(got: Forwarded) -> Fault | None:
        return Fault(delay=20) if is_flush(got) and len(flushes(server)) == 1 else None

    def interrupt() -> None:
        wait_until(lambda: any(item.size for item in here.staged()))
        signal.pthread_kill(main, signal.SIGINT)

    server = here.server(Gate(then=hold))
    press = threading.Thread(target=interrupt)
    press.start()
    with pytest.raises(errors.UploadStopped) as caught:
        here.upload(server, source, "target", workers=1)
    press.join()
    assert f"{format_size(CHECKPOINT)} are staged" in str(caught.value)
    assert here.only_staged().size == CHECKPOINT
    rerun = here.server()
    assert here.upload(rerun, source, "target").resumed_from == CHECKPOINT
    assert travelled(rerun) == SIZE - CHECKPOINT


def test_the_lake_restarts_elsewhere_in_between(tmp_path: Path):
    """What the staged file is called does not depend on the server's address."""
    root = tmp_path / "lake"
    with LocalLake(root) as lake, setting(lake, tmp_path) as here:
        source = here.source(SIZE)
        directory, safe = here.directory, killed(here, source)
    with LocalLake(root) as lake, setting(lake, tmp_path) as here:
        here.directory = directory
        server = here.server()
        assert here.upload(server, source, "target").resumed_from == safe
        assert travelled(server) == SIZE - safe and here.content("target") == source.read_bytes()


@pytest.mark.skipif("ADLS_RESUME_SIZE" not in os.environ, reason="set ADLS_RESUME_SIZE=1GiB")
@pytest.mark.timeout(1200)
def test_at_the_real_distances(own_lake: LocalLake, tmp_path: Path):
    """Chunks and checkpoints are those that everybody gets."""
    size = parse_size(os.environ["ADLS_RESUME_SIZE"])
    with setting(own_lake, tmp_path) as here:
        source = here.source(64 * 1024 * 1024)
        with source.open("r+b") as file:
            block = file.read()
            for index in range(1, size // len(block)):
                file.write(index.to_bytes(8, "big") + block[8:])
        size, gate = source.stat().st_size, Gate(source.stat().st_size * 6 // 10)
        server = here.server(gate)
        process = here.start(server, source, "target", chunk_size=None, checkpoint=0)
        assert gate.reached.wait(600)
        settled(server, landing.CHECKPOINT_BYTES)
        process.kill()
        gate.open()
        server.drain()
        safe, server = here.only_staged().size, here.server()
        said = here.start(server, source, "target", chunk_size=None, checkpoint=0).outcome()
        again = travelled(server)
        print(f"{format_size(size)}: {format_size(safe)} were safe, {format_size(again)} travelled")
        assert said["resumed_from"] == safe and again == size - safe
        assert size * 6 // 10 - safe < 2 * landing.CHECKPOINT_BYTES
        target = own_lake.root / "lake" / here.directory / "target"
        with source.open("rb") as ours, target.open("rb") as theirs:
            while data := ours.read(1 << 20):
                assert theirs.read(1 << 20) == data
            assert not theirs.read(1)
        shutil.rmtree(target.parent)


# -------------------------------------------------------------------------------- what cannot go on


def leaving(here: Setting, source: Path, kind: str, limit: int) -> Gate:
    """Upload, and kill the client once `limit` bytes have passed; the rest is still held back."""
    gate = Gate(limit)
    process = here.start(here.server(gate), source, "target", kind=kind)
    gate.wait()
    process.kill()
    return gate


def test_bytes_from_memory_start_anew_and_leave_nothing(here: Setting):
    source = here.source(SIZE)
    leaving(here, source, "bytes", LIMIT).open()
    assert here.only_staged().size == 0
    server = here.server()
    said = here.start(server, source, "target", kind="bytes").outcome()
    assert said == {"resumed_from": 0, "size": SIZE} and travelled(server) == SIZE
    assert here.content("target") == source.read_bytes() and here.names() == ["target"]


def test_a_producer_starts_anew_and_what_it_had_left_is_not_touched(here: Setting):
    source = here.source(SIZE)
    leaving(here, source, "stream", LIMIT).open()
    left = here.only_staged()
    server = here.server()
    assert here.start(server, source, "target", kind="stream").outcome()["size"] == SIZE
    assert travelled(server) == SIZE and here.content("target") == source.read_bytes()
    assert here.staged() == [left] and here.names() == [name_of(left), "target"]


@pytest.mark.parametrize("kind", ["path", "bytes", "stream"])
def test_one_piece_that_was_cut_off_is_sent_again(here: Setting, kind: str):
    """By the very same upload at once, by another only when nobody can be at it any more."""
    source = here.source(CHUNK)
    gate = leaving(here, source, kind, 0)
    assert here.content("target") == b"" and here.names() == ["target"]
    server = here.server()
    said = here.start(server, source, "target", kind=kind).outcome()
    if kind == "stream":
        assert said["error"] == "ConflictError" and "run it again in a minute" in said["text"]
        assert here.content("target") == b""
    else:
        assert said == {"resumed_from": 0, "size": CHUNK} and travelled(server) == CHUNK
        assert here.content("target") == source.read_bytes()
    gate.open()  # its append comes after all
    wait_until(lambda: here.content("target") == source.read_bytes())
    assert here.names() == ["target"]


# ----------------------------------------------------------------------------------------- notebook


class Kernel:
    """A real kernel, driven as a notebook does."""

    def __init__(self, here: Setting, account: Any) -> None:
        given = environment(account) | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        del given["PYTHONWARNINGS"]  # the kernel's own are not ours
        self.manager, self.client = start_kernel(env=given, cwd=str(here.folder))
        self.prepare()

    def prepare(self) -> None:
        error = self.run(
            "%load_ext adls_magic\n"
            "from adls_magic.core.transfer import landing\n"
            f"landing.CHECKPOINT_BYTES = {CHECKPOINT}"
        )
        assert error is None, error

    def send(self, code: str) -> str:
        return self.client.execute(code)

    def run(self, code: str) -> dict[str, Any] | None:
        return self.wait(self.send(code))

    def wait(self, request: str) -> dict[str, Any] | None:
        """Wait until a cell has ended; return its error."""
        found = None
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "error":
                found = message["content"]
            if message["content"].get("execution_state") == "idle":
                return found

    def restart(self) -> None:
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=PATIENCE)
        self.prepare()

    def end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


def test_stop_and_restart_of_a_kernel(here: Setting):
    """The cell that was stopped, run again in the same kernel; and in a new one after a kill."""
    gate = Gate(LIMIT)
    server = here.server(gate)
    here.source(SIZE)
    cell = f"%%adls_upload source.bin {here.directory}/%s -j 2 --chunk-size {CHUNK} -q -o result"
    kernel = Kernel(here, here.account(server))
    try:
        stopped = kernel.send(cell % "stopped")
        gate.wait()
        settled(server)
        kernel.manager.interrupt_kernel()
        said = kernel.wait(stopped)
        assert said is not None and said["ename"] == "UploadStopped" and "staged" in said["evalue"]
        gate.open()  # stragglers arrive
        server.wait_ended()
        safe, before = here.only_staged().size, travelled(server)
        assert safe >= CHECKPOINT
        assert kernel.run(cell % "stopped") is None
        assert kernel.run(f"assert result.resumed_from == {safe}, result") is None
        assert travelled(server) - before == SIZE - safe
        assert here.names() == ["stopped"]

        gate = server.faults = Gate(LIMIT)
        here._gates.append(gate)
        before = len(server.seen)
        kernel.send(cell % "killed")
        gate.wait()
        wait_until(lambda: all(got.status for got in server.seen[before:] if not is_append(got)))
        kernel.restart()
        gate.open()
        server.wait_ended()
        safe, before = here.only_staged().size, travelled(server)
        assert safe >= CHECKPOINT
        assert kernel.run(cell % "killed") is None
        assert kernel.run(f"assert result.resumed_from == {safe}, result") is None
        assert travelled(server) - before == SIZE - safe
    finally:
        kernel.end()
    for name in ("stopped", "killed"):
        assert here.content(name) == (here.folder / "source.bin").read_bytes()
    assert here.names() == ["killed", "stopped"]


# ----------------------------------------------------------------------------------- changed source


def broken_off(here: Setting, source: Any, **given: Any) -> int:
    """Upload until an append is refused for good; return what is staged."""
    sent = [0]

    def refuse(got: Forwarded) -> Fault | None:
        if is_append(got):
            sent[0] += got.length
            if sent[0] > LIMIT:
                return Fault(instead=error(403, "AuthorizationFailure"))
        return None

    with pytest.raises(errors.PermissionDeniedError, match="are staged: run it again"):
        here.upload(here.server(Gate(then=refuse)), source, "target", workers=1, **given)
    return here.only_staged().size


def longer(source: Path) -> None:
    with source.open("ab") as file:
        file.write(b"more")


def shorter(source: Path) -> None:
    os.truncate(source, SIZE - CHUNK)


def touched(source: Path) -> None:
    stat = source.stat()
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


def rewritten(place: int) -> Callable[[Path], None]:
    def rewrite(source: Path) -> None:
        """Other bytes, at the same size and time."""
        stat = source.stat()
        with source.open("r+b") as file:
            file.seek(place, os.SEEK_SET if place >= 0 else os.SEEK_END)
            file.write(b"other")
        os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    return rewrite


def replaced(source: Path) -> None:
    """Another file of the same size and time under the same name."""
    stat, other = source.stat(), source.with_name("other")
    other.write_bytes(bytes(reversed(source.read_bytes())))
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(source)


@pytest.mark.parametrize(
    "change", [longer, shorter, touched, rewritten(0), rewritten(-9), replaced],
    ids=["longer", "shorter", "touched", "begins otherwise", "ends otherwise", "replaced"],
)  # fmt: skip
def test_a_source_that_has_changed_starts_anew(here: Setting, change: Callable[[Path], None]):
    source = here.source(SIZE)
    assert broken_off(here, source) > LIMIT - 2 * CHUNK
    left = here.only_staged()
    change(source)
    server = here.server()
    assert here.upload(server, source, "target").resumed_from == 0
    assert travelled(server) == source.stat().st_size
    assert here.content("target") == source.read_bytes()
    assert here.staged() == [left]


@pytest.mark.parametrize(
    "given",
    [
        {"chunk_size": CHUNK + 1},
        {"content_type": "text/x-other"},
        {"metadata": {"other": "1"}},
    ],
    ids=["chunk size", "content type", "metadata"],
)
def test_so_does_another_wish(here: Setting, given: dict[str, Any]):
    source = here.source(SIZE)
    broken_off(here, source)
    left, server = here.only_staged(), here.server()
    assert here.upload(server, source, "target", **given).resumed_from == 0
    assert travelled(server) == SIZE and here.staged() == [left]
    assert here.content("target") == source.read_bytes()


def test_and_another_target(here: Setting):
    source = here.source(SIZE)
    broken_off(here, source)
    left, server = here.only_staged(), here.server()
    for name in ("other", "target.", "target2"):
        if not name.endswith("."):
            assert here.upload(server, source, name).resumed_from == 0
    assert travelled(server) == 2 * SIZE and here.staged() == [left]


def test_an_unchanged_source_goes_on(here: Setting):
    """So that the tests above cannot pass by chance."""
    source = here.source(SIZE)
    safe = broken_off(here, source)
    server = here.server()
    assert here.upload(server, source, "target").resumed_from == safe
    assert travelled(server) == SIZE - safe and here.names() == ["target"]
    (first, *_) = flushes(server)
    assert number(first, "position") == safe
