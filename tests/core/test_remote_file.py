"""Reading a file of the lake: positions, few requests, one version, broken lines."""

from __future__ import annotations

import io
import os
import random
import tracemalloc

import pytest

from adls_magic.core import errors
from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.transfer import parallel_read, remote_file
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import MemoryReader
from adls_magic.core.transfer.remote_file import BUFFER, RemoteFile
from adls_magic.lake import LocalLake

from .conftest import account_at
from .servers import Between, ConnectProxy, Drop, Received, Reset, answer, error

MIB = 1024 * 1024


@pytest.fixture
def file(place: RemotePath) -> RemotePath:
    return place.child("file.bin")


def put(client: Client, remote: RemotePath, data: bytes) -> None:
    client.create(remote)
    if data:
        body = PieceBody(MemoryReader(data), 0, len(data), lambda count: None)
        client.append(remote, 0, body, flush=True)


def opened(lake: LocalLake, remote: RemotePath) -> io.BufferedReader:
    return io.BufferedReader(RemoteFile(lake.account, remote), BUFFER)


def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_file, "_FIRST_WINDOW", 1000)
    monkeypatch.setattr(remote_file, "_LARGEST_WINDOW", 3000)
    monkeypatch.setattr(remote_file, "_BLOCK", 5000)
    monkeypatch.setattr(parallel_read, "_PIECE", 700)


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 20_011])
@pytest.mark.parametrize("seed", range(3))
def test_it_reads_as_a_local_file_does(lake, client, file, size, seed, monkeypatch):
    small_windows(monkeypatch)
    data, chance = os.urandom(size), random.Random(seed)
    put(client, file, data)
    local = io.BytesIO(data)
    with io.BufferedReader(RemoteFile(lake.account, file), 64) as remote:
        for _ in range(300):
            do = chance.choice(["read", "read", "into", "seek", "from the end", "line", "all"])
            length = chance.choice([0, 1, 10, 63, 64, 65, 700, 1000, 1001, 5000])
            if do == "read":
                assert remote.read(length) == local.read(length)
            elif do == "into":
                mine, its = bytearray(length), bytearray(length)
                assert remote.readinto(mine) == local.readinto(its) and mine == its
            elif do == "seek":
                assert remote.seek(length * 3) == local.seek(length * 3)
            elif do == "from the end":
                back = -min(length, size)
                assert remote.seek(back, os.SEEK_END) == local.seek(back, os.SEEK_END)
            elif do == "line":
                assert remote.readline() == local.readline()
            elif chance.random() < 0.1:
                assert remote.read() == local.read()
            assert remote.tell() == local.tell()
    assert remote.closed


def test_positions_that_there_are_not(lake, client, file):
    put(client, file, b"abc")
    with RemoteFile(lake.account, file) as raw:
        assert (raw.readable(), raw.seekable(), raw.writable()) == (True, True, False)
        assert raw.seek(10) == 10 and raw.read(5) == b"" and raw.readall() == b""
        for offset, whence in ((-1, os.SEEK_SET), (-11, os.SEEK_CUR), (-4, os.SEEK_END), (0, 9)):
            with pytest.raises(ValueError, match="no such position"):
                raw.seek(offset, whence)
        assert raw.tell() == 10
    for call in (raw.tell, raw.readall, lambda: raw.seek(0), lambda: raw.read(1)):
        with pytest.raises(ValueError, match="closed file"):
            call()
    raw.close()


def test_a_missing_file_and_a_directory(lake, client, place, file):
    with pytest.raises(FileNotFoundError, match="nothing at"):
        RemoteFile(lake.account, file)
    client.create(place, directory=True)
    with pytest.raises(errors.PathError, match="is a directory"):
        RemoteFile(lake.account, place)


def test_few_requests(between, client, file):
    data = os.urandom(9 * MIB + 5)
    put(client, file, data)
    account = account_at(between.port)
    with RemoteFile(account, file) as raw, io.BufferedReader(raw, BUFFER) as remote:
        assert len(between.seen) == 1
        remote.seek(-8, os.SEEK_END)
        assert remote.read() == data[-8:]
        remote.seek(-MIB, os.SEEK_END)
        assert remote.read(1000) == data[-MIB : -MIB + 1000]
        assert len(between.seen) == 2  # the end comes as a whole
        remote.seek(0)
        for start in range(0, len(data), 1000):
            assert remote.read(1000) == data[start : start + 1000]
        assert len(between.seen) <= 5  # windows grow: 2, 4 MiB, and the end is there
        remote.seek(MIB)
        before = len(between.seen)
        assert remote.read(4 * MIB) == data[MIB : 5 * MIB]
        assert len(between.seen) - before <= 2
    before = len(between.seen)
    with RemoteFile(account, file) as raw:
        assert raw.readall() == data
    assert len(between.seen) - before == 1 + 3  # pieces of 4 MiB, side by side


def test_a_small_file_is_read_at_once(between, client, file):
    put(client, file, b"line\n" * 1000)
    with (
        RemoteFile(account_at(between.port), file) as raw,
        io.TextIOWrapper(io.BufferedReader(raw)) as text,
    ):
        assert sum(1 for line in text) == 1000
        text.seek(0)
        assert len(text.read()) == 5000
        assert len(between.seen) == 2


def test_memory_does_not_grow_with_the_file(lake, client, file, monkeypatch):
    small_windows(monkeypatch)
    put(client, file, bytes(50_000))
    with RemoteFile(lake.account, file) as raw:
        while raw.read(100):
            assert sum(len(window.data) for window in raw._windows) <= 9000


def test_what_is_read_at_once_is_there_once(lake, client, file, monkeypatch):
    monkeypatch.setattr(remote_file, "_BLOCK", 4 * MIB)
    data = os.urandom(24 * MIB)
    put(client, file, data)
    with RemoteFile(lake.account, file) as raw:
        tracemalloc.start()
        try:
            assert raw.readall() == data
            assert tracemalloc.get_traced_memory()[1] < 1.5 * len(data)
        finally:
            tracemalloc.stop()


def test_a_file_that_changes(lake, client, file, monkeypatch):
    small_windows(monkeypatch)
    put(client, file, b"a" * 10_000)
    with RemoteFile(lake.account, file) as remote:
        assert remote.read(100) == b"a" * 100
        put(client, file, b"b" * 10_000)
        remote.seek(5000)
        with pytest.raises(errors.ConflictError, match="changed while it was read"):
            remote.read(100)
        client.delete(file)
        with pytest.raises(FileNotFoundError, match="was removed while it was read"):
            remote.read(100)


class Breaking:
    """Breaks the line after so many bytes of every answer with a range."""

    def __init__(self, data: bytes, after: int, breaks: int) -> None:
        self.data, self.after, self.breaks = data, after, breaks
        self.ranges: list[str] = []

    def __call__(self, got: Received) -> bytes:
        size = str(len(self.data))
        if got.method == "HEAD":
            return answer(200, {"ETag": '"0x1"', "Content-Length": size})
        assert got.header("If-Match") == '"0x1"'
        asked = str(got.header("x-ms-range"))
        self.ranges.append(asked)
        first, last = map(int, asked.removeprefix("bytes=").split("-"))
        part = self.data[first : last + 1]
        if self.breaks:
            self.breaks -= 1
            whole = len(part)
            # Closed after the bytes that are there, though more were announced.
            head = {"Connection": "close", "ETag": '"0x1"', "Content-Length": str(whole)}
            return answer(206, head, part[: self.after])
        return answer(206, {"ETag": '"0x1"'}, part)


@pytest.mark.parametrize("after", [0, 1, 3000])
def test_a_line_that_breaks_is_taken_up_at_the_byte(after, serve, quick):
    data = os.urandom(10_000)
    service = Breaking(data, after, breaks=2)
    server = serve(service)
    with RemoteFile(account_at(server.port), RemotePath("lake", "x")) as raw:
        assert raw.readall() == data
    assert service.ranges == [f"bytes={start}-9999" for start in (0, after, 2 * after)]


def test_a_line_that_stays_broken(serve, quick):
    service = Breaking(bytes(10_000), 10, breaks=1000)
    with RemoteFile(account_at(serve(service).port), RemotePath("lake", "x")) as raw:
        with pytest.raises(errors.ConnectionFailedError, match="connection broke"):
            raw.readall()
        service.breaks = 0
        assert raw.readall() == bytes(10_000)  # the position has not moved


@pytest.mark.parametrize("kind", [Drop, Reset])
def test_a_line_that_breaks_before_the_answer(kind, serve, quick):
    data = os.urandom(5000)
    service = Breaking(data, 0, 0)
    broken = []

    def answering(got: Received) -> bytes:
        if got.method == "GET" and not broken:
            broken.append(got)
            raise kind
        return service(got)

    with RemoteFile(account_at(serve(answering).port), RemotePath("lake", "x")) as raw:
        assert raw.readall() == data


def test_a_server_that_knows_no_ranges(serve):
    data = os.urandom(9 * MIB)

    def answering(got: Received) -> bytes:
        if got.method == "HEAD":
            return answer(200, {"ETag": '"0x1"', "Content-Length": str(len(data))})
        return answer(200, {"ETag": '"0x1"'}, data)

    with RemoteFile(account_at(serve(answering).port), RemotePath("lake", "x")) as raw:
        raw.seek(3 * MIB)
        assert raw.read(1000) == data[3 * MIB : 3 * MIB + 1000]
        assert raw.readall() == data[3 * MIB + 1000 :]


# More than any memory holds.
ENDLESS = b"HTTP/1.1 %d Fine\r\nConnection: close\r\nContent-Length: 100000000000000\r\n\r\nabc"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(206, {"ETag": '"0x1"'}, b"short"), errors.IntegrityError),
        (answer(206, {"ETag": '"0x1"'}, bytes(20_000)), errors.ConnectionFailedError),
        (error(416, "InvalidRange"), errors.IntegrityError),
        (error(403, "AuthenticationFailed"), errors.PermissionDeniedError),
        (ENDLESS % 200, errors.ConnectionFailedError),
        (ENDLESS % 404, errors.ConnectionFailedError),
    ],
)
def test_answers_that_cannot_be_right(reply, kind, serve, quick):
    def answering(got: Received) -> bytes:
        if got.method == "HEAD":
            return answer(200, {"ETag": '"0x1"', "Content-Length": "10000"})
        return reply

    raw = RemoteFile(account_at(serve(answering).port), RemotePath("lake", "x"))
    with raw, pytest.raises(kind):
        raw.read(10)


@pytest.mark.parametrize(
    ("told", "is_right"),
    [
        ("bytes 3000-3999/10000", True),
        ("bytes  3000-3999/*", True),
        (None, True),
        ("bytes 0-999/10000", False),
        ("bytes 2999-3998/10000", False),
        ("bytes 3000-3998/10000", False),
        ("bytes 3000-4000/10000", False),
        ("bytes 3000-3999/3999", True),  # nonsense, and no harm
        ("bytes */10000", False),
        ("lines 3000-3999/10000", False),
        ("3000", False),
    ],
)
def test_the_range_that_comes_must_be_the_one_that_was_asked_for(told, is_right, serve, place):
    """Another would be taken for the bytes that are not there, without anybody noticing."""
    head = {"ETag": '"0x1"'} | ({} if told is None else {"Content-Range": told})
    service = serve(lambda got: answer(206, head, b"x" * 1000))
    into = bytearray(1000)
    with Client(account_at(service.port)) as client:
        calls = (
            lambda: client.read_into(place, memoryview(into), start=3000),
            lambda: len(client.read(place, start=3000, end=4000)),
        )
        for call in calls:
            if is_right:
                assert call() == 1000
                continue
            with pytest.raises(errors.IntegrityError, match="3000 to 3999 were asked for"):
                call()
            assert bytes(into) == bytes(1000)


@pytest.mark.parametrize(("total", "is_right"), [(3500, True), ("*", True), (3501, False)])
def test_a_range_may_be_short_at_the_end_of_the_file_only(total, is_right, serve, place):
    head = {"ETag": '"0x1"', "Content-Range": f"bytes 3000-3499/{total}"}
    service = serve(lambda got: answer(206, head, b"x" * 500))
    with Client(account_at(service.port)) as client:
        for call in (
            lambda: client.read_into(place, memoryview(bytearray(1000)), start=3000),
            lambda: len(client.read(place, start=3000, end=4000)),
            lambda: len(client.read(place, start=3000)),
        ):
            if is_right:
                assert call() == 500
                continue
            with pytest.raises(errors.IntegrityError):
                call()


def test_the_rest_of_a_broken_answer_must_be_the_rest(serve, quick):
    data = os.urandom(10_000)
    service = Breaking(data, 3000, breaks=1)

    def answering(got: Received) -> bytes:
        given = service(got)
        # The second try is answered as the first was: from the first byte.
        told = b"Content-Range: bytes 0-9999/10000\r\n"
        return given if got.method == "HEAD" else given.replace(b"\r\n", b"\r\n" + told, 1)

    raw = RemoteFile(account_at(serve(answering).port), RemotePath("lake", "x"))
    with raw, pytest.raises(errors.IntegrityError, match="3000 to 9999 were asked for"):
        raw.readall()


def test_a_server_that_knows_no_ranges_behind_a_proxy(serve, quick, monkeypatch):
    data = os.urandom(9 * MIB)

    def answering(got: Received) -> bytes:
        if got.method == "HEAD":
            return answer(200, {"ETag": '"0x1"', "Content-Length": str(len(data))})
        return answer(200, {"ETag": '"0x1"'}, data)

    with ConnectProxy(serve(answering).port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        account = Account("somehost", "http://somehost.example/somehost", auth="anonymous")
        with RemoteFile(account, RemotePath("lake", "x")) as raw:
            raw.seek(3 * MIB)
            assert raw.read(1000) == data[3 * MIB : 3 * MIB + 1000]
            assert raw.readall() == data[3 * MIB + 1000 :]


def test_through_a_proxy(serve, quick, monkeypatch):
    data = os.urandom(10_000)
    service = Breaking(data, 3000, breaks=1)
    with ConnectProxy(serve(service).port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        account = Account("somehost", "http://somehost.example/somehost", auth="anonymous")
        with RemoteFile(account, RemotePath("lake", "x")) as raw:
            assert raw.readall() == data
    assert service.ranges == ["bytes=0-9999", "bytes=3000-9999"]
    assert proxy.lines


def test_another_range_through_a_proxy(serve, quick, monkeypatch):
    head = {"ETag": '"0x1"', "Content-Length": "1000", "Content-Range": "bytes 7-1006/2000"}

    def answering(got: Received) -> bytes:
        return answer(200 if got.method == "HEAD" else 206, head, b"x" * 1000)

    with ConnectProxy(serve(answering).port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        account = Account("somehost", "http://somehost.example/somehost", auth="anonymous")
        raw = RemoteFile(account, RemotePath("lake", "x"))
        with raw, pytest.raises(errors.IntegrityError, match="0 to 999 were asked for"):
            raw.readall()


def test_between_is_what_it_reads_through(between: Between, client, file):
    """One HEAD and one GET of a small file, as they go over the line."""
    put(client, file, b"abc")
    with RemoteFile(account_at(between.port), file) as raw:
        assert raw.readall() == b"abc"
    assert [got.method for got in between.seen] == ["HEAD", "GET"]
    assert between.seen[1].header("x-ms-range") == "bytes=0-2"
