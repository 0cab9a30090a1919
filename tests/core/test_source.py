"""Sources: what can be read, and what changes, vanishes or was never one."""

# ruff: noqa: SIM117 - what is expected to fail stands by itself
from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adls_magic.core.errors import AdlsError, SourceError, SourceNotFoundError
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.content_type import guess_type
from adls_magic.core.transfer.filling import Filling
from adls_magic.core.transfer.reader import BLOCK, FileReader, MemoryReader
from adls_magic.core.transfer.source import md5_of, open_reader, stream_of

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="uses what Linux has")
DATA = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "source.bin"
    made.write_bytes(DATA)
    return made


def read(reader, position: int = 0, length: int | None = None) -> bytes:
    length = reader.size - position if length is None else length
    return b"".join(bytes(block) for block in reader.blocks(position, length))


# ----------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(("position", "length"), [(0, len(DATA)), (1, 5), (BLOCK - 1, BLOCK + 2)])
def test_a_file_is_read_at_any_position(path: Path, position: int, length: int):
    with contextlib.closing(FileReader(path)) as reader:
        assert reader.size == len(DATA)
        assert read(reader, position, length) == DATA[position : position + length]


def test_threads_do_not_disturb_each_other(path: Path):
    results = []
    with contextlib.closing(FileReader(path)) as reader:

        def work(start: int) -> None:
            results.append(read(reader, start, 300_000) == DATA[start : start + 300_000])

        threads = [threading.Thread(target=work, args=(n * 90_000,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [True] * 8


def test_without_positioned_reads_too(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(os, "preadv", raising=False)
    test_threads_do_not_disturb_each_other(path)


def test_a_file_that_shrinks(path: Path):
    with contextlib.closing(FileReader(path)) as reader:
        os.truncate(path, 1000)
        with pytest.raises(SourceError, match=r"shorter.*unchanged"):
            read(reader)
        with pytest.raises(SourceError, match="changed"):
            reader.check_unchanged()


def test_a_file_that_grows(path: Path):
    with contextlib.closing(FileReader(path)) as reader:
        reader.check_unchanged()
        with path.open("ab") as file:
            file.write(b"more")
        assert read(reader) == DATA
        with pytest.raises(SourceError, match="changed while it was read"):
            reader.check_unchanged()


def test_a_file_that_is_written_in_place(path: Path):
    with contextlib.closing(FileReader(path)) as reader:
        with path.open("r+b") as file:
            file.write(b"other")
        os.utime(path, ns=(1, 1))
        with pytest.raises(SourceError, match="changed"):
            reader.check_unchanged()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file is not removed there")
def test_a_file_that_vanishes(path: Path):
    with contextlib.closing(FileReader(path)) as reader:
        path.unlink()
        with pytest.raises(SourceError, match="vanished"):
            reader.check_unchanged()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file is not replaced there")
def test_a_file_that_is_replaced_by_its_like(path: Path):
    times = path.stat()
    with contextlib.closing(FileReader(path)) as reader:
        other = path.with_name("other")
        other.write_bytes(DATA)
        os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
        other.replace(path)
        with pytest.raises(SourceError, match="changed"):
            reader.check_unchanged()


def test_an_identity_tells_versions_apart(path: Path):
    def identity() -> str:
        with contextlib.closing(FileReader(path)) as reader:
            return reader.identity()

    first = identity()
    assert identity() == first
    times = path.stat()
    path.write_bytes(b"X" + DATA[1:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    second = identity()
    os.utime(path, ns=(1, 1))
    third = identity()
    path.write_bytes(DATA + b"x")
    assert len({first, second, third, identity()}) == 4


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(SourceNotFoundError, match=r"nosuch does not exist\.") as caught:
        open_reader(tmp_path / "nosuch")
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("name", ["", ".", "..", "/"])
def test_a_directory_is_no_file(name: str):
    with pytest.raises(SourceError, match="is a folder; add --recursive"):
        open_reader(name)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "some text, not a path\n" * 300, "\ud800"])
def test_names_that_no_file_has(name: str):
    """Who passes text where a path belongs gets an error of ours, and not a page of it."""
    with pytest.raises(SourceError) as caught:
        open_reader(name)
    assert len(str(caught.value)) < 400


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may read everything: be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of POSIX")
@pytest.mark.usefixtures("nobody")
def test_a_file_that_may_not_be_read():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "secret"
        path.touch(mode=0)
        with pytest.raises(SourceError, match="cannot be read: permission denied"):
            open_reader(path)


@LINUX
def test_a_file_whose_reading_fails():
    with contextlib.closing(FileReader("/proc/self/mem")) as reader:
        with pytest.raises(SourceError, match="cannot be read any more"):
            read(reader, 0, 10)


@LINUX
def test_a_file_of_the_kernel_is_a_stream():
    assert open_reader("/proc/self/status") is None
    assert b"".join(bytes(part) for part in stream_of("/proc/self/status")).startswith(b"Name:")


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@LINUX
def test_no_descriptor_is_left(path: Path, tmp_path: Path):
    before = open_descriptors()
    for source in (path, tmp_path, tmp_path / "nosuch", "/dev/null", b"abc"):
        with contextlib.suppress(AdlsError):
            reader = open_reader(source)
            if reader is not None:
                reader.close()
                reader.close()
    assert open_descriptors() == before


# ---------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize(
    "data",
    [
        DATA,
        bytearray(DATA),
        memoryview(DATA),
        memoryview(DATA)[7:99],
        b"",
        memoryview(b""),
        memoryview(bytearray(80)).cast("d"),
    ],
)
def test_memory(data):
    reader = open_reader(data)
    assert reader is not None and reader.size == memoryview(data).nbytes
    assert read(reader) == bytes(data)
    reader.check_unchanged()
    assert reader.identity() == MemoryReader(bytes(data)).identity()


def test_memory_is_not_copied():
    block = next(iter(MemoryReader(DATA).blocks(0, 1000)))
    assert isinstance(block, memoryview) and block.obj is DATA


# --------------------------------------------------------------------------------------- streams


class OnlyReads:
    """A file-like that has nothing but `read`."""

    def __init__(self, data) -> None:
        self._file = io.StringIO(data) if isinstance(data, str) else io.BytesIO(data)
        self.read = self._file.read


def bytes_of(source) -> bytes:
    assert open_reader(source) is None
    return b"".join(bytes(part) for part in stream_of(source))


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (io.BytesIO(DATA), DATA),
        (io.StringIO("äöü\r\n€\n", newline=""), "äöü\r\n€\n".encode()),
        (OnlyReads(DATA), DATA),
        (OnlyReads("ä" * 300_000), "ä".encode() * 300_000),
        (iter([b"a", bytearray(b"b"), memoryview(b"c"), "dé", b"", ""]), "abcdé".encode()),
        ((f"{n}\n" for n in range(3)), b"0\n1\n2\n"),
        ([b"a", "b"], b"ab"),
        (("a",), b"a"),
        (iter([]), b""),
        (io.BytesIO(b""), b""),
    ],
)
def test_streams(source, wanted: bytes):
    assert bytes_of(source) == wanted


def test_open_files_are_streams_from_where_they_are(path: Path):
    with path.open("rb") as file:
        file.seek(1000)
        assert bytes_of(file) == DATA[1000:]
    path.write_text("Zeile\nné\n", encoding="latin-1")
    with path.open(encoding="latin-1") as file:
        assert bytes_of(file) == "Zeile\nné\n".encode()


def test_raw_files_that_give_little_at_a_time():
    left = [b"a", b"bc", b"d"]

    class Trickle(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            part = left.pop(0) if left else b""
            buffer[: len(part)] = part
            return len(part)

    assert bytes_of(Trickle()) == b"abcd"


def test_a_file_that_has_nothing_yet_is_not_at_its_end():
    class Impatient:
        def read(self, size: int) -> None:
            return None

    with pytest.raises(SourceError):
        list(stream_of(Impatient()))


@pytest.mark.parametrize("part", [1, None, 1.5, [b"a"], {"a": 1}])
def test_a_stream_of_something_else(part):
    with pytest.raises(SourceError, match="bytes or text"):
        list(stream_of(iter([b"a", part])))


@pytest.mark.parametrize("source", [1, None, 1.5, {"a": b"b"}, {b"a"}, object(), range(3), int])
def test_nothing_that_could_be_read(source):
    with pytest.raises(SourceError, match=r"--var|%%adls_write"):
        open_reader(source)


def test_a_table_is_not_taken_for_its_column_names():
    import pandas

    for source in (pandas.DataFrame({"a": [1]}), pandas.Series(["a"])):
        with pytest.raises(SourceError, match=r"--var|%%adls_write"):
            open_reader(source)


def test_text_that_has_no_bytes():
    with pytest.raises(SourceError):
        list(stream_of(iter(["\ud800"])))


def test_an_error_of_the_producer_comes_through():
    def producer():
        yield b"a"
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        list(stream_of(producer()))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_a_named_pipe_is_opened_once(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    failed: list[OSError] = []

    def write() -> None:
        try:
            with pipe.open("wb", buffering=0) as file:
                for _ in range(20):
                    file.write(b"x" * 10_000)
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    assert open_reader(pipe) is None  # asked without opening it
    assert bytes_of(pipe) == b"x" * 200_000
    thread.join()
    assert not failed


@LINUX
def test_devices_are_streams():
    assert open_reader("/dev/null") is None and bytes_of("/dev/null") == b""
    descriptor, end = os.pipe()
    os.write(end, b"from a shell's <(...)")
    os.close(end)
    assert bytes_of(f"/dev/fd/{descriptor}") == b"from a shell's <(...)"
    os.close(descriptor)


@given(st.data(), st.lists(st.binary(max_size=30), max_size=5), st.integers(0, 1000))
def test_bytes_in_several_parts_read_as_one(data, parts: list[bytes], start: int):
    whole = b"".join(parts)
    reader = MemoryReader(*parts, start=start)
    assert reader.size == len(whole)
    assert reader.identity() == MemoryReader(whole).identity()
    first = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, len(whole) - first))
    blocks = [bytes(block) for block in reader.blocks(start + first, length)]
    assert b"".join(blocks) == whole[first : first + length] and b"" not in blocks


def test_a_disk_that_gives_fewer_bytes_than_the_file_has(path: Path, monkeypatch):
    with contextlib.closing(FileReader(path)) as reader:
        monkeypatch.setattr(FileReader, "_read_into", lambda *given: 0)
        with pytest.raises(SourceError, match="does not give"):
            list(reader.blocks(0, reader.size))


@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.binary(max_size=60), st.booleans()), max_size=8),
)
def test_a_piece_is_filled_with_what_was_written(size: int, writes: list[tuple[bytes, bool]]):
    """Whatever is copied and whatever stays where it is; the caller's memory is its own again."""
    full: list[bytes] = []

    def done(filling: Filling) -> bytes:
        parts, _ = filling.done()
        assert sum(len(part) for part in parts) == filling.filled
        return b"".join(parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adls_magic.core.transfer.filling._LEAST_KEPT", 8)
        filling = Filling(size, bytearray)
        for data, lasting in writes:
            given_data = data if lasting else bytearray(data)
            view = memoryview(given_data)
            while len(view):
                view = view[filling.take(view, lasting=lasting) :]
                if filling.is_full:
                    full.append(done(filling))
                    filling = Filling(size, bytearray)
            if not lasting:
                given_data[:] = bytes(len(data))
        full.append(done(filling))
    assert b"".join(full) == b"".join(data for data, _ in writes)
    assert all(len(piece) == size for piece in full[:-1])


# ---------------------------------------------------------------------------------- piece bodies


@given(st.integers(0, 50), st.integers(1, 50), st.lists(st.integers(0, 5), max_size=4))
def test_what_is_counted_is_what_has_left(position: int, length: int, given_up: list[int]):
    """Tries that break off after some blocks, and one that goes through."""
    data = bytes(range(100))

    class Small(MemoryReader):
        def blocks(self, position, length):
            for start in range(position, position + length, 7):
                yield memoryview(data)[start : min(start + 7, position + length)]

    counts: list[int] = []
    body = PieceBody(Small(data), position, length, counts.append)
    for blocks in given_up:
        for _ in zip(range(blocks), body.blocks(), strict=False):
            assert 0 <= sum(counts) <= length
    assert b"".join(bytes(block) for block in body.blocks()) == data[position : position + length]
    assert sum(counts) == length
    body.take_back()
    body.take_back()
    assert sum(counts) == 0


def test_a_whole_file_is_checked_before_its_last_block_leaves(path: Path):
    with contextlib.closing(FileReader(path)) as reader:
        body = PieceBody(reader, 0, reader.size, lambda count: None, is_whole=True)
        seen = 0
        with pytest.raises(SourceError, match="changed"):
            for block in body.blocks():
                seen += len(block)
                os.utime(path, ns=(1, 1))
        assert 0 < seen < reader.size


@given(st.binary(max_size=1000))
def test_md5(data: bytes):
    wanted = base64.b64encode(hashlib.md5(data).digest()).decode()
    assert md5_of(MemoryReader(data), lambda: False) == wanted
    assert not data or md5_of(MemoryReader(data), lambda: True) is None


# --------------------------------------------------------------------------------- content types


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "text/csv"),
        ("a.CSV", "text/csv"),
        ("a.json", "application/json"),
        ("a.parquet", "application/vnd.apache.parquet"),
        ("a", "application/octet-stream"),
        ("a.png", "image/png"),
        ("a.txt", "text/plain"),
        ("a.html", "text/html"),
        ("a.csv.gz", "application/gzip"),
        ("a.jsonl", "application/jsonl"),
        (".csv", None),
        ("data:text/html,x", "application/octet-stream"),
        ("http://x.csv", "text/csv"),
        ("a.csv?b", "application/octet-stream"),
        ("a b.log", "text/plain"),
        ("", None),
    ],
)
def test_types_by_name(name: str, kind: str | None):
    assert guess_type(name) == (kind or "application/octet-stream")


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(max_size=20), st.text("data:;,/.csvgzü\r\n?#", max_size=20)))
def test_a_type_can_always_be_sent(name: str):
    kind = guess_type(name)
    assert kind.isascii() and kind.isprintable() and kind.count("/") == 1


def test_memory_does_not_grow_with_the_file(path: Path):
    with contextlib.closing(FileReader(path)) as reader:
        assert len({id(block.obj) for block in reader.blocks(0, reader.size)}) == 1
