"""Every byte that was sent is the byte that was read, and is the byte that is stored."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.filedatalake import DataLakeServiceClient
from hypothesis import given, settings
from hypothesis import strategies as st

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.transfer import body as bodies
from adls_magic.core.transfer import checksum, file_transfer
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import FileReader, MemoryReader
from adls_magic.core.transfer.upload import UploadJob, UploadOptions, UploadResult, upload_all
from adls_magic.lake import checksum as theirs

from . import uploads
from .conftest import KEY, account_at
from .servers import Between, Fault, Forwarded, answer
from .uploads import data_of, put

SMALL = 1000  # bytes: leaves in one write with its head
LARGE = 100_000  # bytes: leaves by itself, a file's straight from the system's cache
POSITION = re.compile(r"action=append.*position=(\d+)")


def md5_text(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def as_file(data: bytes, folder: Path) -> Path:
    (path := folder / "source.bin").write_bytes(data)
    return path


SOURCES: dict[str, Callable[[bytes, Path], Any]] = {
    "file": as_file,
    "bytes": lambda data, folder: data,
    "stream": lambda data, folder: io.BytesIO(data),
}


@pytest.fixture
def target(place: RemotePath) -> RemotePath:
    return place.child("target.csv")


@pytest.fixture
def without_crc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if the package were not installed; the lake keeps its own way of computing."""
    theirs.crc64(b"")
    monkeypatch.setitem(sys.modules, "anycrc", None)
    checksum._crc64.cache_clear()
    yield
    checksum._crc64.cache_clear()


@pytest.fixture(params=["crc64", "md5"])
def check(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The two ways in which the service checks an append: options of the upload."""
    if request.param == "md5":
        request.getfixturevalue("without_crc")
        return {"md5": True}
    return {}


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies go through our own buffer, as they do with TLS."""
    monkeypatch.setattr(bodies, "is_available", lambda: False)


def send(account, source, target: RemotePath, **options: Any) -> UploadResult:
    return uploads.send(account, source, target, **{"chunk_size": SMALL, **options})


def is_append(got: Forwarded) -> bool:
    return "action=append" in got.target


# -------------------------------------------------------------------------------------- the sums


def test_known_sums():
    assert checksum.crc64_of([b"123456789"]) == "iJh5CoYUi64="
    assert checksum.crc64_of([b"12", memoryview(b"3456"), b"", b"789"]) == "iJh5CoYUi64="
    assert checksum.crc64_of([]) == "AAAAAAAAAAA="
    text = (Path(__file__).parents[1] / "data" / "sharedkey.json").read_text(encoding="utf-8")
    (vector,) = [case for case in json.loads(text)["cases"] if case["name"] == "append_crc64"]
    assert checksum.crc64_of([b"hello world"]) == vector["headers"]["x-ms-content-crc64"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_the_lakes_own_table_gives_the_same(blocks: list[bytes]):
    wanted = theirs.crc64_header(theirs.crc64_by_table(b"".join(blocks)))
    assert checksum.crc64_of(map(memoryview, blocks)) == wanted


def test_without_the_package_nothing_is_read(without_crc):
    def blocks() -> Iterator[bytes]:
        pytest.fail("was read")
        yield b""

    assert checksum.crc64_of(blocks()) is None
    assert checksum.headers_of(blocks(), or_md5=False) == {}
    assert checksum.headers_of([b"ab", b"c"], or_md5=True) == {"Content-MD5": md5_text(b"abc")}


def test_a_package_that_is_broken_is_as_good_as_none(tmp_path: Path):
    """Also when several threads find that out at once: each append asks."""
    (tmp_path / "anycrc.py").write_text("import time; time.sleep(0.2); raise ImportError")
    code = (
        "import threading; from adls_magic.core.transfer.checksum import crc64_of\n"
        "found = []\n"
        "work = lambda: found.append(crc64_of([b'x']))\n"
        "threads = [threading.Thread(target=work) for _ in range(8)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]\n"
        "assert found == [None] * 8, found"
    )
    root = str(Path(checksum.__file__).parents[3])
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), root])}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


def test_it_can_be_seen_whether_sums_are_sent(without_crc, caplog):
    with caplog.at_level("DEBUG", "adls_magic"):
        checksum.crc64_of([])
    assert "extra crc64" in caplog.text


# ------------------------------------------------------------------------------ on every append


@pytest.mark.parametrize(
    ("size", "chunk_size"), [(SMALL, SMALL), (5 * SMALL + 1, SMALL), (3 * LARGE + 1, LARGE)]
)
@pytest.mark.parametrize("source", SOURCES)
def test_every_append_carries_the_sum_of_its_bytes(
    source: str, size: int, chunk_size: int, check, between: Between, client, target, tmp_path
):
    data = data_of(size)
    given = SOURCES[source](data, tmp_path)
    send(account_at(between.port), given, target, chunk_size=chunk_size, **check)
    assert client.read(target) == data
    appends = [got for got in between.seen if is_append(got)]
    assert len(appends) == -(-size // chunk_size)
    for got in appends:
        match = POSITION.search(got.target)
        assert match is not None
        part = data[int(match[1]) :][: got.length]
        crc64 = theirs.crc64_header(theirs.crc64(part))
        wanted = (None, md5_text(part)) if check else (crc64, None)
        assert (got.header("x-ms-content-crc64"), got.header("content-md5")) == wanted


@pytest.mark.parametrize("source", SOURCES)
def test_without_package_and_option_nothing_is_summed(
    source: str, without_crc, between: Between, client, target, tmp_path
):
    data = data_of(5 * SMALL)
    send(account_at(between.port), SOURCES[source](data, tmp_path), target)
    assert client.read(target) == data
    sums = {
        got.header(name) for got in between.seen for name in ("x-ms-content-crc64", "content-md5")
    }
    assert sums == {None}


def test_files_still_leave_straight_from_the_systems_cache(lake, target, tmp_path, monkeypatch):
    if not bodies.is_available():
        pytest.skip("only where sendfile is used")
    sent: list[int] = []

    def counted(*args: Any) -> int:
        sent.append(send_file(*args))
        return sent[-1]

    send_file = bodies.send_file
    monkeypatch.setattr(bodies, "send_file", counted)
    send(lake.account, as_file(data_of(4 * LARGE), tmp_path), target, chunk_size=LARGE)
    assert sent == [LARGE] * 4


def test_stop_ends_the_summing_of_a_large_piece():
    asked: list[int] = []

    def is_over() -> bool:
        asked.append(1)
        return len(asked) > 2

    piece = PieceBody(MemoryReader(bytes(10 * 2**20)), 0, 10 * 2**20, lambda count: None)
    with pytest.raises(bodies.Stopped):
        piece.checks(is_over)
    assert len(asked) == 3


# -------------------------------------------------------------------------------- a flipped bit


def flips(wanted: Callable[[Forwarded, int], bool]) -> Callable[[Forwarded], Fault | None]:
    """A fault that damages the appends for which `wanted` says so; asked with their number."""
    appends: list[str] = []
    lock = threading.Lock()

    def fault(got: Forwarded) -> Fault | None:
        if not is_append(got):
            return None
        with lock:
            appends.append(got.target)
            return Fault(flipped=got.length // 2) if wanted(got, len(appends)) else None

    return fault


SHAPES = [(SMALL, SMALL), (4 * SMALL, SMALL), (3 * LARGE, LARGE)]


@pytest.mark.parametrize(("size", "chunk_size"), SHAPES)
@pytest.mark.parametrize("source", SOURCES)
def test_a_bit_flipped_on_the_way_is_sent_again(
    source: str,
    size: int,
    chunk_size: int,
    check,
    between: Between,
    client,
    target,
    quick,
    tmp_path,
):
    data = data_of(size)
    between.faults = flips(lambda got, number: number == 1)
    given = SOURCES[source](data, tmp_path)
    result = send(account_at(between.port), given, target, chunk_size=chunk_size, **check)
    assert client.read(target) == data and result.retries == 1
    refused = [got.target for got in between.seen if got.status == 400]
    assert len(refused) == 1 and between.lines.count(f"PATCH {refused[0]}") == 2


def test_a_bit_flipped_in_a_copied_body(copied, check, between, client, target, quick, tmp_path):
    data = data_of(3 * LARGE)
    between.faults = flips(lambda got, number: number == 2)
    result = send(
        account_at(between.port), as_file(data, tmp_path), target, chunk_size=LARGE, **check
    )
    assert client.read(target) == data and result.retries == 1


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize(("size", "chunk_size"), SHAPES)
@pytest.mark.parametrize("source", ["file", "stream"])
def test_a_line_that_damages_always_is_told(
    source: str, size: int, chunk_size: int, existing: bool, check, between: Between, client,
    target, quick, names_in, tmp_path,
):  # fmt: skip
    if existing:
        put(client, target, b"old")
    between.faults = flips(lambda got, number: "position=0" in got.target)
    given = SOURCES[source](data_of(size), tmp_path)
    with pytest.raises(errors.IntegrityError, match=r"damaged on the way.*another network"):
        send(
            account_at(between.port), given, target,
            chunk_size=chunk_size, if_exists="overwrite", **check,
        )  # fmt: skip
    assert between.count("append.*position=0($|&)") == quick.tries
    assert names_in() == (["target.csv"] if existing else [])
    if existing:
        assert client.read(target) == b"old"


def test_without_a_check_the_damage_would_arrive(without_crc, between: Between, client, target):
    """What the checks are for; and the proof that the bit is really flipped."""
    data = data_of(4 * SMALL)
    between.faults = flips(lambda got, number: number == 1)
    result = send(account_at(between.port), data, target)
    assert result.retries == 0 and result.size == len(data)
    assert client.read(target) != data


# ------------------------------------------------------- a source that changes between two reads


def change_after_the_sum(path: Path, monkeypatch: pytest.MonkeyPatch, *, keep_time: bool) -> None:
    """Another process writes into the file while a piece of it, already summed, is sent."""
    sum_up, changed = PieceBody.checks, threading.Event()

    def checks(self: PieceBody, is_over: Callable[[], bool]) -> Any:
        found = sum_up(self, is_over)
        if not changed.is_set():
            changed.set()
            times = path.stat()
            with path.open("r+b") as file:
                file.write(b"CHANGED")
            stamp = times.st_mtime_ns if keep_time else times.st_mtime_ns + 1_000_000_000
            os.utime(path, ns=(stamp, stamp))
        return found

    monkeypatch.setattr(PieceBody, "checks", checks)


@pytest.mark.parametrize("chunk_size", [SMALL, LARGE])
def test_a_piece_that_changed_since_it_was_summed_is_told(
    chunk_size: int, check, between: Between, target, quick, names_in, tmp_path, monkeypatch
):
    path = as_file(data_of(4 * chunk_size), tmp_path)
    change_after_the_sum(path, monkeypatch, keep_time=False)
    with pytest.raises(errors.SourceError, match="changed while it was read"):
        send(account_at(between.port), path, target, chunk_size=chunk_size, workers=1, **check)
    assert names_in() == [] and len([got for got in between.seen if is_append(got)]) == 1


def test_a_piece_that_changed_without_a_trace_is_sent_as_it_is(
    between: Between, client, target, quick, tmp_path, monkeypatch
):
    path = as_file(data_of(4 * LARGE), tmp_path)
    change_after_the_sum(path, monkeypatch, keep_time=True)
    result = send(account_at(between.port), path, target, chunk_size=LARGE, workers=1)
    assert result.retries == 1 and client.read(target) == path.read_bytes()


# ------------------------------------------------------------------------------------------- MD5


@pytest.fixture
def sdk_md5(lake) -> Callable[[RemotePath], bytes | None]:
    """The MD5 of a file and its bytes' own, as the official SDK reads them."""

    def read(remote: RemotePath) -> bytes | None:
        with DataLakeServiceClient(lake.url, credential=KEY) as service:
            file = service.get_file_client("lake", remote.path)
            told = file.get_file_properties().content_settings.content_md5
            stored = hashlib.md5(file.download_file().readall()).digest()
        assert told is None or bytes(told) == stored
        return told

    return read


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("size", [0, SMALL, 7 * SMALL + 1])
@pytest.mark.parametrize("source", SOURCES)
def test_the_sdk_finds_the_md5(
    source: str, size: int, in_place: bool, existing: bool, lake, client, target, sdk_md5, tmp_path
):
    data = data_of(size)
    if existing:
        put(client, target, b"old")
    given = SOURCES[source](data, tmp_path)
    result = send(lake.account, given, target, md5=True, in_place=in_place, if_exists="overwrite")
    assert result.md5 == md5_text(data)
    assert bytes(sdk_md5(target) or b"") == hashlib.md5(data).digest()
    # An upload without takes it away again: it would not be that of the new bytes.
    send(lake.account, b"other" * size, target, in_place=in_place, if_exists="overwrite")
    assert sdk_md5(target) is None


def test_the_sdk_finds_the_md5_of_a_resumed_upload(
    between: Between, lake, client, target, sdk_md5, quick, names_in, tmp_path
):
    data = data_of(20 * SMALL)
    path = as_file(data, tmp_path)
    between.faults = lambda got: (
        Fault(before=True) if f"append&position={12 * SMALL}" in got.target else None
    )
    with pytest.raises(errors.ConnectionFailedError):
        send(account_at(between.port), path, target, md5=True, workers=1)
    between.faults = lambda got: None
    result = send(account_at(between.port), path, target, md5=True, workers=1)
    assert result.resumed_from >= 10 * SMALL and result.md5 == md5_text(data)
    assert bytes(sdk_md5(target) or b"") == hashlib.md5(data).digest()
    assert names_in() == ["target.csv"]


WRONG = {"md5": {"Content-MD5": md5_text(b"other")}, "none": {}, "length": {"Content-Length": "17"}}


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("size", [SMALL, 7 * SMALL])
@pytest.mark.parametrize("source", ["file", "stream"])
def test_a_service_that_stored_something_else_is_not_believed(
    source: str, size: int, wrong: str, existing: bool, between: Between, client, target, names_in,
    tmp_path,
):  # fmt: skip
    """All its answers were good ones; a look at what it has tells."""
    if existing:
        put(client, target, b"old")
    flushed: list[str] = []

    def fault(got: Forwarded) -> Fault | None:
        if "action=flush" in got.target:
            flushed.append(got.target)
        if got.method != "HEAD" or not flushed:
            return None
        found = client.find(RemotePath("lake", got.target.partition("/lake/")[2]))
        if found is None or found.size != size:
            return None
        told = {"Content-Length": str(size), "ETag": found.etag, "x-ms-resource-type": "file"}
        return Fault(instead=answer(200, {**told, **WRONG[wrong]}))

    between.faults = fault
    given = SOURCES[source](data_of(size), tmp_path)
    with pytest.raises(errors.IntegrityError, match=r"now tells of .*Upload it again"):
        send(account_at(between.port), given, target, md5=True, if_exists="overwrite")
    assert names_in() == (["target.csv"] if existing else [])
    if existing:
        assert client.read(target) == b"old"


def test_a_new_file_of_a_wrong_length_does_not_stay(between: Between, client, target, names_in):
    """It may appear while its length is asked for, and is then taken away again."""
    renamed = threading.Event()

    def fault(got: Forwarded) -> Fault | None:
        if "mode=legacy" in got.target:
            return Fault()
        if got.method == "HEAD" and between.count("action=flush"):
            for _ in range(200):
                if client.find(target) is not None:
                    renamed.set()
                    break
            found = client.properties(target)
            told = {"Content-Length": "17", "ETag": found.etag, "x-ms-resource-type": "file"}
            return Fault(instead=answer(200, told))
        return None

    between.faults = fault
    with pytest.raises(errors.IntegrityError, match="17"):
        send(account_at(between.port), data_of(7 * SMALL), target, workers=2)
    assert renamed.is_set() and names_in() == []


def test_a_source_that_changes_while_it_is_hashed(lake, target, names_in, tmp_path, monkeypatch):
    """The hashing is done when the source is compared, however late it ends."""
    path = as_file(data_of(7 * SMALL), tmp_path)
    compared = threading.Event()
    check_unchanged, md5_of = FileReader.check_unchanged, file_transfer.md5_of

    def check(self: FileReader) -> None:
        check_unchanged(self)
        compared.set()

    def slow(reader: Any, is_over: Callable[[], bool]) -> str | None:
        compared.wait(0.3)
        with path.open("r+b") as file:
            file.write(b"CHANGED")
        os.utime(path, ns=(1, 1))
        return md5_of(reader, is_over)

    monkeypatch.setattr(FileReader, "check_unchanged", check)
    monkeypatch.setattr(file_transfer, "md5_of", slow)
    with pytest.raises(errors.SourceError, match="changed while it was read"):
        send(lake.account, path, target, md5=True)
    assert names_in() == []


# ------------------------------------------------------------------ sources that change meanwhile


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"CHANGED")
    os.utime(path, ns=(1, 1))  # a clock may be too coarse for two writes in one test


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def replace(path: Path) -> None:
    (other := path.with_name("other")).write_bytes(path.read_bytes())
    other.replace(path)


CHANGES = {
    "touched": touch,
    "rewritten": rewrite,
    "grown": grow,
    "shrunk": lambda path: os.truncate(path, 10),
    "replaced": replace,
    "vanished": Path.unlink,
}
IN_USE = pytest.mark.skipif(sys.platform == "win32", reason="an open file stays as it is there")


@IN_USE
@pytest.mark.parametrize("number", [1, 9], ids=["first append", "last append"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_source_that_changes_while_it_is_sent(
    change: str, number: int, between: Between, client, target, names_in, tmp_path
):
    put(client, target, b"old")
    path = as_file(data_of(9 * SMALL), tmp_path)
    appends: list[str] = []

    def fault(got: Forwarded) -> None:
        if is_append(got):
            appends.append(got.target)
            if len(appends) == number:
                CHANGES[change](path)

    between.faults = fault
    with pytest.raises(errors.SourceError, match="the target is unchanged") as caught:
        send(account_at(between.port), path, target, if_exists="overwrite", workers=1)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)
    assert client.read(target) == b"old" and names_in() == ["target.csv"]


@IN_USE
@pytest.mark.parametrize("change", ["touched", "rewritten"])
def test_a_small_source_that_changes_before_it_is_sent(
    change: str, between: Between, client, target, names_in, tmp_path
):
    path = as_file(data_of(SMALL), tmp_path)
    between.faults = lambda got: CHANGES[change](path) if got.method == "PUT" else None
    with pytest.raises(errors.SourceError, match="the target is unchanged"):
        send(account_at(between.port), path, target)
    assert names_in() == []


@pytest.mark.skipif(sys.platform != "linux", reason="makes the system's own calls fail")
@pytest.mark.parametrize("crc", [True, False])
@pytest.mark.parametrize("chunk_size", [SMALL, LARGE])
def test_a_source_that_becomes_unreadable(
    chunk_size: int, crc: bool, between: Between, client, target, names_in, tmp_path, monkeypatch,
    request,
):  # fmt: skip
    """A disk that fails, a share that goes away: said at once, not as a fault of the line."""
    if not crc:
        request.getfixturevalue("without_crc")
    put(client, target, b"old")
    path = as_file(data_of(9 * chunk_size), tmp_path)
    preadv, sendfile = os.preadv, os.sendfile

    def fail_late(position: int) -> None:
        if position >= 4 * chunk_size:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def failing_preadv(fd: int, buffers: list[memoryview], position: int) -> int:
        # The ends of the file are looked at before, to know it again.
        if between.count("action=append"):
            fail_late(position)
        return preadv(fd, buffers, position)

    def failing_sendfile(out: int, fd: int, position: int, count: int) -> int:
        fail_late(position)
        return sendfile(out, fd, position, count)

    monkeypatch.setattr(os, "preadv", failing_preadv)
    monkeypatch.setattr(os, "sendfile", failing_sendfile)
    with pytest.raises(errors.SourceError, match="cannot be read any more: Input/output error"):
        send(
            account_at(between.port), path, target,
            chunk_size=chunk_size, if_exists="overwrite", workers=1,
        )  # fmt: skip
    assert client.read(target) == b"old" and names_in() == ["target.csv"]


@IN_USE
def test_one_of_several_vanishes_meanwhile(between: Between, client, place, names_in, tmp_path):
    paths = [tmp_path / f"{number}.bin" for number in range(4)]
    for path in paths:
        path.write_bytes(data_of(SMALL))

    def fault(got: Forwarded) -> None:
        if "resource=file" in got.target and got.method == "PUT":
            with contextlib.suppress(FileNotFoundError):
                paths[-1].unlink()

    between.faults = fault
    jobs = [UploadJob(path, place.child(path.name)) for path in paths]
    with pytest.raises(errors.SourceNotFoundError, match=r"3\.bin.*1 of 4 .* 3 arrived"):
        upload_all(account_at(between.port), jobs, UploadOptions(workers=1), progress=False)
    assert names_in() == ["0.bin", "1.bin", "2.bin"]
