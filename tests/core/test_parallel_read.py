"""Large ranges over several connections: the same bytes, one version, ended at once."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from patience import AT_ONCE, LONG, wait_until
from stops import ctrl_c_once

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.transfer import parallel_read
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import MemoryReader
from adls_magic.core.transfer.remote_file import RemoteFile

from .conftest import account_at
from .servers import Between, Fault, Forwarded, answer

PIECE = 1000
SIZE = 100 * PIECE
DATA = os.urandom(SIZE)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_read, "_PIECE", PIECE)


@pytest.fixture
def file(client: Client, place: RemotePath) -> RemotePath:
    remote = place.child("file.bin")
    client.create(remote)
    body = PieceBody(MemoryReader(DATA), 0, SIZE, lambda count: None)
    client.append(remote, 0, body, flush=True)
    return remote


def first_byte(got: Forwarded) -> int | None:
    asked = got.header("x-ms-range")
    return None if asked is None else int(asked.removeprefix("bytes=").partition("-")[0])


def asked_at(between: Between, start: int) -> bool:
    return any(first_byte(got) == start for got in between.seen)


@pytest.mark.parametrize("length", [1, 999, 1000, 1001, 2000, 7999, 8000, 8001, 64_007, SIZE])
def test_the_pieces_make_the_whole(length, file, between):
    view = bytearray(length + 2)
    with RemoteFile(account_at(between.port), file) as raw:
        assert raw._read.fill(memoryview(view)[1:-1], 17 if length < SIZE else 0) == length
    assert view[1:-1] == (DATA[17 : 17 + length] if length < SIZE else DATA)
    assert view[0] == view[-1] == 0
    reads = [got for got in between.seen if got.method == "GET"]
    assert len(reads) == min(8, -(-length // PIECE))
    assert len({got.header("If-Match") for got in reads}) == 1


def test_the_connections_are_kept(file, between):
    with RemoteFile(account_at(between.port), file) as raw:
        for _ in range(5):
            raw.seek(0)
            assert raw.readall() == DATA
    assert between.connections <= 9


@pytest.mark.parametrize("broken", [0, 12_500, 87_500])
def test_a_line_that_breaks_is_taken_up_again(broken, file, between, quick):
    def faults(got: Forwarded) -> Fault | None:
        is_first = sum(first_byte(one) == broken for one in between.seen) == 1
        return Fault(half=True) if first_byte(got) == broken and is_first else None

    between.faults = faults
    with RemoteFile(account_at(between.port), file) as raw:
        assert raw.readall() == DATA


@pytest.mark.parametrize("failing", [0, 50_000, 87_500])
def test_when_one_piece_fails_the_others_are_ended(failing, file, between):
    """The others have no answer yet; one of them could have come into what is read next."""

    def faults(got: Forwarded) -> Fault | None:
        if first_byte(got) is None:
            return None
        wait_until(lambda: between.count("GET") == 8)
        return Fault(swapped=answer(403)) if first_byte(got) == failing else Fault(delay=LONG)

    between.faults = faults
    view = bytearray(SIZE)
    with RemoteFile(account_at(between.port), file) as raw:
        began = time.monotonic()
        with pytest.raises(errors.PermissionDeniedError):
            raw.readinto(view)
        assert time.monotonic() - began < AT_ONCE
        assert not any(thread.name.startswith("adls-read") for thread in threading.enumerate())
        between.faults = lambda got: None
        assert raw.tell() == 0 and raw.readall() == DATA


def test_a_version_that_goes_away_in_the_middle(file, between, client):
    def faults(got: Forwarded) -> Fault | None:
        if first_byte(got) == 87_500:
            client.create(file)
        return None

    with RemoteFile(account_at(between.port), file) as raw:
        between.faults = faults
        with pytest.raises(errors.ConflictError, match="changed while it was read"):
            raw.readall()


@pytest.mark.parametrize("had", [0, 3])
def test_without_threads_it_reads_all_the_same(had, file, between, monkeypatch):
    """As a thread that outlives the main program, and where there is a limit of threads."""
    start, begun = threading.Thread.start, []

    def limited(thread: threading.Thread) -> None:
        if "adls-read" in thread.name:
            if len(begun) == had:
                raise RuntimeError("can't start new thread")
            begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    with RemoteFile(account_at(between.port), file) as raw:
        assert raw.readall() == DATA
    assert len(begun) == had


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="sends a signal")
@pytest.mark.parametrize("silent", [0, 87_500])
def test_ctrl_c_ends_it_at_once(silent, file, between):
    signal.siginterrupt(signal.SIGINT, False)  # as polars does, so that waits for locks go on
    between.faults = lambda got: Fault(delay=LONG) if first_byte(got) == silent else None

    def is_asked() -> bool:
        return asked_at(between, silent) and not time.sleep(0.1)  # for the others to be read

    with RemoteFile(account_at(between.port), file) as raw:
        with ctrl_c_once(is_asked) as pressed, pytest.raises(KeyboardInterrupt):
            raw.readall()
        assert time.monotonic() - pressed[0] < AT_ONCE
        between.faults = lambda got: None
        assert raw.readall() == DATA
