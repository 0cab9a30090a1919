"""Files straight from the system's cache into a plain socket."""

from __future__ import annotations

import os
import random
import socket
import threading
from pathlib import Path

import pytest
from patience import PATIENCE

from adls_magic.core.errors import SourceError
from adls_magic.core.service.file_sending import is_available, send_file
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import FileReader, MemoryReader

pytestmark = pytest.mark.skipif(not is_available(), reason="only where sendfile is used")
DATA = random.Random(1).randbytes(3_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (file := tmp_path / "data.bin").write_bytes(DATA)
    return file


@pytest.fixture
def pair():
    here, there = socket.socketpair()
    here.settimeout(PATIENCE)
    with here, there:
        yield here, there


class Drain(threading.Thread):
    """Reads a socket to its end."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        self.data = b""
        self.start()

    def run(self) -> None:
        while part := self._sock.recv(65536):
            self.data += part

    def close_after(self, sock: socket.socket) -> bytes:
        sock.shutdown(socket.SHUT_WR)
        self.join()
        return self.data


@pytest.mark.parametrize(("position", "length"), [(0, len(DATA)), (7, 2_500_000), (2_999_999, 1)])
def test_sends_just_that_part_and_counts_it(path: Path, pair, position: int, length: int):
    here, there = pair
    drain = Drain(there)
    counted: list[int] = []
    with path.open("rb") as file:
        assert send_file(here, file.fileno(), position, length, counted.append) == length
    assert drain.close_after(here) == DATA[position : position + length]
    assert sum(counted) == length


def test_a_file_that_ends_too_soon_is_told(path: Path, pair):
    here, there = pair
    drain = Drain(there)
    with path.open("rb") as file:
        assert send_file(here, file.fileno(), 0, len(DATA) + 1, lambda count: None) == len(DATA)
    assert drain.close_after(here) == DATA


def test_a_file_that_shrinks_while_it_is_sent_is_an_error_of_ours(path: Path, pair):
    here, there = pair
    drain = Drain(there)

    def count(sent: int) -> None:
        os.truncate(path, 1_500_000)

    reader = FileReader(path)
    body = PieceBody(reader, 0, len(DATA), count)
    with pytest.raises(SourceError, match="became shorter"):
        body.send_plain(here, lambda: False)
    reader.close()
    drain.close_after(here)


def test_a_line_that_does_not_move_times_out(path: Path, pair):
    here, _ = pair
    here.settimeout(0.2)
    with path.open("rb") as file, pytest.raises(TimeoutError):
        send_file(here, file.fileno(), 0, len(DATA), lambda count: None)


def test_what_cannot_be_sent_like_this_is_left_to_others(pair):
    here, _ = pair
    reading, writing = os.pipe()
    assert send_file(here, reading, 0, 10, lambda count: None) == 0
    os.close(reading)
    os.close(writing)


def test_a_repeated_try_takes_back_what_it_had_counted(path: Path, pair):
    here, there = pair
    drain = Drain(there)
    counted: list[int] = []
    reader = FileReader(path)
    body = PieceBody(reader, 0, len(DATA), counted.append)
    assert body.send_plain(here, lambda: False)
    assert body.send_plain(here, lambda: False)
    reader.close()
    assert drain.close_after(here) == DATA * 2
    assert sum(counted) == len(DATA)
    assert body.tries == 2


def test_memory_and_whole_files_go_the_ordinary_way(path: Path, pair):
    here, _ = pair
    reader = FileReader(path)
    whole = PieceBody(reader, 0, len(DATA), lambda count: None, is_whole=True)
    assert not whole.send_plain(here, lambda: False)
    memory = PieceBody(MemoryReader(DATA), 0, len(DATA), lambda count: None)
    assert not memory.send_plain(here, lambda: False)
    reader.close()
