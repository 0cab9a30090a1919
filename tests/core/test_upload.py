"""Whole uploads against the local lake, read back by our client and by the official SDK."""

# ruff: noqa: SIM117 - what is expected to fail stands by itself
from __future__ import annotations

import base64
import contextlib
import gc
import hashlib
import io
import os
import random
import re
import signal
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.storage.filedatalake import DataLakeServiceClient
from patience import AT_ONCE, LONG, wait_until
from stops import ctrl_c_once

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service import calls
from adls_magic.core.service.client import Client
from adls_magic.core.transfer import existing
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.existing import MARK
from adls_magic.core.transfer.reader import MemoryReader
from adls_magic.core.transfer.upload import (
    UploadJob,
    UploadOptions,
    open_writer,
    upload_all,
)
from adls_magic.lake import LocalLake

from .conftest import KEY, QUICK, account_at
from .servers import Between, Fault, Forwarded, SilentServer, answer, error
from .uploads import CHUNK, data_of, put, send

SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 37 * CHUNK + 5]


@pytest.fixture
def target(place: RemotePath) -> RemotePath:
    return place.child("target.csv")


@pytest.fixture
def sdk(lake: LocalLake) -> Callable[[RemotePath], bytes]:
    """Read a file by the official SDK, so that our reading is not checked by ourselves."""

    def read(remote: RemotePath) -> bytes:
        with DataLakeServiceClient(lake.url, credential=KEY) as service:
            return service.get_file_client("lake", remote.path).download_file().readall()

    return read


# ------------------------------------------------------------------------------ sizes and sources


def as_path(data: bytes, folder: Path) -> Any:
    (folder / "source.bin").write_bytes(data)
    return folder / "source.bin"


def as_parts(data: bytes, folder: Path) -> Any:
    return (data[start : start + 7 * 31] for start in range(0, len(data), 7 * 31))


SOURCES: dict[str, Callable[[bytes, Path], Any]] = {
    "path": as_path,
    "str": lambda data, folder: str(as_path(data, folder)),
    "bytes": lambda data, folder: data,
    "memory": lambda data, folder: memoryview(bytearray(data)),
    "file": lambda data, folder: io.BytesIO(data),
    "parts": as_parts,
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", SOURCES)
def test_every_size_from_every_source(
    kind: str, size: int, lake, client, sdk, target, tmp_path, names_in
):
    data = data_of(size)
    result = send(lake.account, SOURCES[kind](data, tmp_path), target)
    assert client.read(target) == data == sdk(target)
    found = client.properties(target)
    assert (result.size, result.etag, result.skipped) == (size, found.etag, False)
    assert found.content_type == "text/csv" and found.size == size
    assert result.url == f"{lake.url}/{target.filesystem}/{target.path}"
    assert result.retries == 0 and result.seconds >= 0 and result.resumed_from == 0
    assert names_in() == ["target.csv"]
    assert (lake.root / "lake" / target.path).read_bytes() == data


@pytest.mark.parametrize("size", SIZES)
def test_every_size_from_a_writer(size: int, lake, client, sdk, target, names_in):
    data = data_of(size)
    options = UploadOptions(chunk_size=CHUNK)
    with open_writer(lake.account, target, options, progress=False) as writer:
        for start in range(0, size, 333):
            part = data[start : start + 333]
            assert writer.write(part) == len(part)
        assert writer.tell() == size and writer.result is None
        assert target.path not in {item.path for item in _all(client, target)}
    assert writer.result is not None and writer.result.size == size and writer.closed
    assert client.read(target) == data == sdk(target)
    assert names_in() == ["target.csv"]
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"x")


def _all(client: Client, target: RemotePath) -> list[RemotePath]:
    if client.find(target.parent) is None:
        return []
    return [RemotePath("lake", item.name) for item in client.list(target.parent)]


def test_text_sources(lake, client, target, tmp_path):
    text = "zeile 1\r\nzweite äöü€🦆\n" * 200
    send(lake.account, io.StringIO(text, newline=""), target)
    assert client.read(target) == text.encode()
    send(lake.account, iter(text.splitlines(keepends=True)), target, if_exists="overwrite")
    assert client.read(target) == text.encode()


@pytest.mark.parametrize("workers", [1, 2, 16])
def test_pieces_in_any_order(workers: int, lake, client, between: Between, target):
    """Appends are held up at random, so that they arrive in another order than they were cut."""
    held, places = random.Random(7), []

    def fault(got: Forwarded) -> None:
        if "append" in got.target:
            time.sleep(held.random() / 50)
            places.append(int(got.target.partition("position=")[2]))

    between.faults = fault
    data = data_of(40 * CHUNK + 1)
    send(account_at(between.port), data, target, workers=workers)
    assert client.read(target) == data
    assert sorted(places) == list(range(0, len(data), CHUNK))
    assert (places == sorted(places)) is (workers == 1)


def test_what_is_stored_with_the_file(lake, client, target):
    data = data_of(5 * CHUNK)
    for size, name in ((len(data), "large"), (10, "small"), (0, "empty")):
        remote = target.parent.child(name)
        options: dict[str, Any] = {"content_type": "text/x-own", "metadata": {"k": "wért"}}
        result = send(lake.account, data[:size], remote, md5=True, **options)
        digest = base64.b64encode(hashlib.md5(data[:size]).digest()).decode()
        found = client.properties(remote)
        assert result.md5 == found.content_md5 == digest
        assert (found.content_type, found.metadata) == ("text/x-own", {"k": "wért"})


def test_md5_of_a_stream(lake, client, target):
    data = data_of(9 * CHUNK)
    result = send(lake.account, io.BytesIO(data), target, md5=True)
    assert client.properties(target).content_md5 == result.md5
    assert result.md5 == base64.b64encode(hashlib.md5(data).digest()).decode()


def test_without_md5_none_is_stored(lake, client, target):
    assert send(lake.account, b"abc", target).md5 is None
    assert client.properties(target).content_md5 is None


@pytest.mark.parametrize("name", ["a b+%&#.csv", "ü日本🦆", ".hidden", "n" * 240, "a=b;c,d'(e)"])
def test_names(name: str, lake, client, sdk, place, names_in):
    for size in (10, 3 * CHUNK):
        data = data_of(size)
        send(lake.account, data, place.child(name), if_exists="overwrite")
        assert client.read(place.child(name)) == data == sdk(place.child(name))
    assert names_in() == [name]


def test_to_the_root_and_into_new_directories(lake, client, place):
    deep = place.child("a/b c/d")
    send(lake.account, data_of(3 * CHUNK), deep)
    assert client.properties(deep).size == 3 * CHUNK
    top = RemotePath("lake", f"top-{place.path}")
    send(lake.account, data_of(3 * CHUNK), top)
    assert client.properties(top).size == 3 * CHUNK


# -------------------------------------------------------------------------------- how many requests


def test_a_small_new_file_takes_two_requests(between: Between, target):
    result = send(account_at(between.port), b"abc", target, chunk_size=None)
    assert result.requests == 2 == len(between.seen)
    create, append = between.lines
    assert create.startswith("PUT") and create.endswith("?resource=file")
    assert between.seen[0].header("if-none-match") == "*"
    assert "action=append" in append and "flush=true" in append and "close=true" in append


def test_an_empty_new_file_takes_one_request(between: Between, client, target):
    assert send(account_at(between.port), b"", target).requests == 1
    assert client.properties(target).size == 0


def test_no_piece_is_sent_twice(between: Between, target):
    send(account_at(between.port), data_of(12 * CHUNK), target)
    appends = [line for line in between.lines if "append" in line]
    assert len(appends) == len(set(appends)) == 12
    assert sum(got.length for got in between.seen) == 12 * CHUNK
    # Look, create, flush, rename, and the length, which may be asked for under both names.
    assert len(between.seen) <= 12 + 6


def test_a_small_file_that_is_skipped_takes_two_requests(between: Between, target, client):
    put(client, target, b"old")
    result = send(account_at(between.port), b"new", target, if_exists="skip")
    assert result.skipped and result.requests == 2 == len(between.seen)


def test_requests_are_counted_right(between: Between, target):
    result = send(account_at(between.port), data_of(12 * CHUNK), target)
    assert result.requests == len(between.seen)


# ------------------------------------------------------------------------------------ DEST exists


class Untouched(io.BytesIO):
    """A source that tells when it is read."""

    reads = 0

    def read(self, *args: Any) -> bytes:
        self.reads += 1
        return super().read(*args)


@pytest.mark.parametrize("size", [1, 5 * CHUNK])
def test_an_existing_file_is_refused_before_anything_is_sent(
    size: int, between: Between, client, target, names_in, tmp_path
):
    etag = put(client, target, b"x" * 3000)
    for source in (data_of(size), as_path(data_of(size), tmp_path), Untouched(data_of(size))):
        between.seen.clear()
        with pytest.raises(errors.PathExistsError) as caught:
            send(account_at(between.port), source, target)
        assert isinstance(caught.value, FileExistsError)
        text = str(caught.value)
        assert "2.93 KiB" in text and "changed just now" in text and "--overwrite" in text
        assert target.name in text and "\n" not in text
        assert sum(got.length for got in between.seen) == 0 and len(between.seen) <= 3
        assert getattr(source, "reads", 0) == 0
    assert client.properties(target).etag == etag and names_in() == ["target.csv"]


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("size", [0, 1, CHUNK, 5 * CHUNK])
def test_overwrite(size: int, in_place: bool, lake, client, target, names_in):
    client.create(target, content_type="text/old", metadata={"old": "1"})
    before = put(client, target, b"x" * 3000)
    data = data_of(size)
    result = send(lake.account, data, target, if_exists="overwrite", in_place=in_place)
    assert client.read(target) == data and result.size == size
    found = client.properties(target)
    assert found.etag == result.etag != before
    assert found.content_type == "text/csv" and found.metadata == {}
    assert names_in() == ["target.csv"]


def test_overwrite_by_a_stream(lake, client, target, names_in):
    put(client, target, b"x" * 3000)
    for size in (0, 10, 5 * CHUNK):
        send(lake.account, io.BytesIO(data_of(size)), target, if_exists="overwrite")
        assert client.read(target) == data_of(size)
    assert names_in() == ["target.csv"]


@pytest.mark.parametrize("size", [1, 5 * CHUNK])
def test_skip(size: int, lake, client, target):
    etag = put(client, target, b"abc")
    source = Untouched(data_of(size))
    for given in (data_of(size), source):
        result = send(lake.account, given, target, if_exists="skip")
        assert result.skipped and (result.size, result.etag) == (3, etag)
    assert source.reads == 0 and client.read(target) == b"abc"
    assert not send(lake.account, b"x", target.parent.child("new"), if_exists="skip").skipped


@pytest.mark.parametrize("size", [0, 1, 5 * CHUNK])
def test_in_place_on_a_new_name(size: int, between: Between, client, target, names_in):
    send(account_at(between.port), data_of(size), target, in_place=True)
    assert client.read(target) == data_of(size) and names_in() == ["target.csv"]
    assert between.count("mode=legacy") == 0


@pytest.mark.parametrize("size", [0, 1, 5 * CHUNK])
@pytest.mark.parametrize("if_exists", ["refuse", "overwrite", "skip"])
def test_a_directory_at_the_target(size: int, if_exists: str, lake, client, target, names_in):
    client.create(target.child("below"), directory=True)
    for source in (data_of(size), io.BytesIO(data_of(size))):
        with pytest.raises(errors.ConflictError, match="is a directory: end it with /"):
            send(lake.account, source, target, if_exists=if_exists)
    assert client.properties(target).is_directory and names_in() == ["target.csv"]


def test_a_file_where_a_directory_is_needed(lake, client, target, names_in):
    put(client, target, b"abc")
    for size in (1, 5 * CHUNK):
        with pytest.raises(errors.ConflictError, match="a file stands where"):
            send(lake.account, data_of(size), target.child("below"))
    assert client.read(target) == b"abc" and names_in() == ["target.csv"]


def test_a_filesystem_that_is_not_there_names_those_that_are(lake):
    for source in (b"abc", data_of(3 * CHUNK), io.BytesIO(b"abc")):
        with pytest.raises(errors.PathNotFoundError, match=r"There are: .*lake"):
            send(lake.account, source, RemotePath("nosuchfs", "x"))


def test_the_filesystems_most_like_the_one_asked_for_are_named_first(lake, client: Client):
    for name in ("rawdata", *(f"aaa{number}" for number in range(6))):
        client.create_filesystem(name)
    with pytest.raises(errors.PathNotFoundError, match="There are: rawdata, "):
        send(lake.account, b"abc", RemotePath("rawdat", "x"))


@pytest.mark.parametrize(
    ("minutes", "said"), [(20, "20 minutes ahead"), (-20, "20 minutes behind")]
)
def test_a_clock_that_is_off_is_told_by_how_much(lake, target, monkeypatch, minutes, said):
    """The lake's own clock is put off the other way; the client's is this machine's."""
    true = time.time
    shift = minutes * 60

    def theirs() -> float:
        caller = sys._getframe(1).f_globals["__name__"]
        return true() - (shift if caller.startswith("adls_magic.lake") else 0)

    monkeypatch.setattr(time, "time", theirs)
    with pytest.raises(errors.PermissionDeniedError, match=said):
        send(lake.account, b"abc", target)


def test_a_line_that_dies_is_given_up_once(between: Between, target, tmp_path, monkeypatch):
    """Not for the upload first, and then as long again for what it has left."""
    (path := tmp_path / "source.bin").write_bytes(data_of(20 * CHUNK))
    broken: list[str] = []

    def fault(got: Forwarded) -> Fault | None:
        if broken or "action=append" in got.target:
            broken.append(got.target)
            return Fault(before=True)
        return None

    between.faults = fault
    monkeypatch.setattr(calls, "RetryPolicy", lambda: replace(QUICK, tries=5))
    with pytest.raises(errors.ConnectionFailedError, match="the connection broke"):
        send(account_at(between.port), path, target, workers=1)
    assert sum("action=append" in seen for seen in broken) == 5
    assert len(broken) <= 5 + 2  # what is left is no more than asked for


def test_a_target_that_comes_into_being_meanwhile(between: Between, client, target, names_in):
    def fault(got: Forwarded) -> None:
        if "action=flush" in got.target and client.find(target) is None:
            put(client, target, b"theirs")

    between.faults = fault
    with pytest.raises(errors.PathExistsError):
        send(account_at(between.port), data_of(5 * CHUNK), target)
    assert client.read(target) == b"theirs"


def test_a_target_that_changes_while_it_is_overwritten(between: Between, client, target):
    put(client, target, b"old")
    changed: list[int] = []

    def fault(got: Forwarded) -> None:
        if "action=flush" in got.target and not changed:
            changed.append(1)
            put(client, target, b"theirs")

    between.faults = fault
    with pytest.raises(errors.ConflictError):
        send(account_at(between.port), data_of(5 * CHUNK), target, if_exists="overwrite")
    assert client.read(target) == b"theirs"


@pytest.mark.parametrize("before", [b"old", None])
@pytest.mark.parametrize("size", [10, 5 * CHUNK])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_target_that_changes_while_it_is_written(lake, client, target, size, before, in_place):
    """What has been there when the writer was opened is replaced, and nothing else."""
    if before is not None:
        put(client, target, before)
    options = UploadOptions(if_exists="overwrite", chunk_size=CHUNK, in_place=in_place)
    with (
        pytest.raises(errors.ConflictError),
        open_writer(lake.account, target, options, progress=False) as writer,
    ):
        writer.write(b"mine")
        put(client, target, b"theirs")
        writer.write(bytes(size))
    assert client.read(target) == b"theirs"


def test_no_flush_while_an_append_is_unanswered(between: Between, client, target, tmp_path):
    """Not the last one: what lands after it would stay waiting. Each answer takes its time."""
    answered: list[str] = []

    def fault(got: Forwarded) -> Fault | None:
        if "action=append" in got.target:
            return Fault(then=lambda: (time.sleep(0.03), answered.append(got.target)))
        if "action=flush" in got.target:
            assert len(answered) == between.count("action=append") == 13
            flushed.append(got.target)
        return None

    flushed: list[str] = []
    between.faults = fault
    send(account_at(between.port), as_path(data_of(13 * CHUNK), tmp_path), target, workers=4)
    assert len(flushed) == 1 and client.read(target) == data_of(13 * CHUNK)


def again(
    between: Between, fits: str, before: str, repeat: Callable[[Forwarded, RemotePath], None]
) -> None:
    """Let a try that was given up reach the service late: right before another request.

    `repeat` does once more what the request that fits has asked for.
    """
    late: list[Forwarded] = []

    def fault(got: Forwarded) -> None:
        if re.search(before, got.target) and late:
            path = urllib.parse.unquote(late[0].target.partition("?")[0]).split("/lake/", 1)[1]
            repeat(late.pop(), RemotePath("lake", path))
        if re.search(fits, got.target):
            late.append(got)

    between.faults = fault


def test_a_late_append_before_the_rename(between: Between, client, target, names_in):
    """It flushes the same bytes again: the staged file gets another etag, and is as whole."""

    def append(got: Forwarded, staged: RemotePath) -> None:
        body = PieceBody(MemoryReader(data_of(700)), 0, 700, lambda count: None)
        client.append(staged, 0, body, flush=True, content_type=got.header("content-type"))

    put(client, target, b"old")
    again(between, "flush=true", "mode=legacy", append)
    result = send(account_at(between.port), data_of(700), target, if_exists="overwrite")
    assert client.read(target) == data_of(700) and names_in() == ["target.csv"]
    assert result.etag == client.properties(target).etag


def test_a_late_create_does_not_empty_what_has_arrived(between: Between, client, target, names_in):
    """Not even that of a stream, which nothing can be gone on with."""

    def create(got: Forwarded, staged: RemotePath) -> None:
        with contextlib.suppress(errors.PathExistsError):
            client.create(staged, if_none_match=got.header("if-none-match"))

    again(between, r"\.partial\?resource=file", "action=flush", create)
    send(account_at(between.port), io.BytesIO(data_of(5 * CHUNK)), target)
    assert client.read(target) == data_of(5 * CHUNK) and names_in() == ["target.csv"]


# ------------------------------------------------------------------------------------ several files


def jobs_of(place: RemotePath, folder: Path, count: int) -> list[UploadJob]:
    jobs = []
    for number in range(count):
        path = folder / f"{number}.bin"
        path.write_bytes(data_of(number * 700))
        jobs.append(UploadJob(path, place.child(path.name)))
    return jobs


def test_several_files(lake, client, place, tmp_path, names_in):
    jobs = jobs_of(place, tmp_path, 12)
    results = upload_all(lake.account, jobs, UploadOptions(chunk_size=CHUNK), progress=False)
    assert [result.size for result in results] == [number * 700 for number in range(12)]
    for number, job in enumerate(jobs):
        assert client.read(job.target) == data_of(number * 700)
        assert results[number].url.endswith(job.target.path)
    assert len(names_in()) == 12


def test_no_files():
    assert upload_all(account_at(1), [], UploadOptions(), progress=False) == []


def test_one_of_several_exists_and_nothing_is_sent(between, client, place, tmp_path, names_in):
    jobs = jobs_of(place, tmp_path, 5)
    put(client, jobs[2].target, b"abc")
    put(client, jobs[4].target, b"abc")
    with pytest.raises(errors.PathExistsError, match=r"2.bin and 1 more exist; nothing was sent"):
        upload_all(account_at(between.port), jobs, UploadOptions(), progress=False)
    assert sum(got.length for got in between.seen) == 0 and between.count("^PUT") == 0
    assert names_in() == ["2.bin", "4.bin"]


@pytest.fixture(params=[2, 12], ids=["asked one by one", "by a listing"])
def several(request: pytest.FixtureRequest, place, tmp_path) -> list[UploadJob]:
    """Files of one piece."""
    jobs = []
    for number in range(request.param):
        (tmp_path / f"{number}.bin").write_bytes(data_of(number + 1))
        jobs.append(UploadJob(tmp_path / f"{number}.bin", place.child(f"{number}.bin")))
    return jobs


@pytest.mark.parametrize("if_exists", ["refuse", "skip"])
def test_what_a_killed_upload_left_is_in_nobodys_way(
    if_exists: Any, several, lake, client, monkeypatch
):
    for job in several[:2]:
        client.create(job.target, content_type=f"{MARK}; of=0123456789abcdef")
    monkeypatch.setattr(existing, "STALE", -1.0)
    upload_all(lake.account, several, UploadOptions(if_exists=if_exists), progress=False)
    for number, job in enumerate(several):
        assert client.read(job.target) == data_of(number + 1)


def test_a_killed_upload_of_several_goes_on_at_once(several, client, between):
    account = account_at(between.port)
    upload_all(account, several, UploadOptions(), progress=False)
    marks = {
        got.target.partition("?")[0].rpartition("/")[2]: got.header("x-ms-content-type")
        for got in between.seen
        if got.method == "PUT"
    }
    for job in several:
        client.delete(job.target)
        client.create(job.target, content_type=marks[job.target.name])
    upload_all(account, several, UploadOptions(), progress=False)
    for number, job in enumerate(several):
        assert client.read(job.target) == data_of(number + 1)


def test_what_another_upload_is_writing_is_not_said_to_exist(several, lake, client, names_in):
    client.create(several[1].target, content_type=f"{MARK}; of=0123456789abcdef")
    with pytest.raises(errors.ConflictError, match=r"1\.bin is being written by another upload"):
        upload_all(lake.account, several, UploadOptions(), progress=False)
    assert names_in() == ["1.bin"]


def test_a_directory_in_the_place_of_a_file_needs_another_cure(several, lake, client, names_in):
    client.create(several[1].target, directory=True)
    with pytest.raises(errors.ConflictError, match=r"is a directory, .* choose another") as caught:
        upload_all(lake.account, several, UploadOptions(), progress=False)
    assert "--overwrite" not in str(caught.value)
    assert names_in() == ["1.bin"]


def test_empty_files_exist_as_well(several, lake, client, names_in):
    for job in several[:2]:
        client.create(job.target)
    with pytest.raises(errors.PathExistsError, match=r"0\.bin and 1 more exist; nothing was sent"):
        upload_all(lake.account, several, UploadOptions(), progress=False)
    assert len(names_in()) == 2


def test_one_of_several_fails_and_the_others_arrive(lake, client, place, tmp_path, names_in):
    jobs = jobs_of(place, tmp_path, 6)
    client.create(jobs[3].target, directory=True)
    options = UploadOptions(if_exists="overwrite", chunk_size=CHUNK)
    with pytest.raises(errors.ConflictError, match=r"directory.*\(1 of 6 files failed, 5 arrived"):
        upload_all(lake.account, jobs, options, progress=False)
    for number in (0, 1, 2, 4, 5):
        assert client.read(jobs[number].target) == data_of(number * 700)
    assert len(names_in()) == 6


def test_one_source_of_several_is_missing_and_nothing_is_sent(between, place, tmp_path):
    jobs = jobs_of(place, tmp_path, 3)
    (tmp_path / "1.bin").unlink()
    with pytest.raises(errors.SourceNotFoundError, match=r"1\.bin"):
        upload_all(account_at(between.port), jobs, UploadOptions(), progress=False)
    assert between.seen == []


def test_a_wrong_key_ends_the_command_at_once(lake, place, tmp_path, names_in):
    from adls_magic.core.secret import Secret

    wrong = replace(lake.account, secret=Secret("A" * 86 + "=="))
    jobs = jobs_of(place, tmp_path, 40)
    for some in (jobs, jobs[:1]):
        with pytest.raises(errors.PermissionDeniedError) as caught:
            upload_all(wrong, some, UploadOptions(workers=2), progress=False)
        assert "arrived" not in str(caught.value) or " 0 arrived" in str(caught.value)
    assert names_in() == []


def test_skipping_some_of_several(lake, client, place, tmp_path):
    jobs = jobs_of(place, tmp_path, 4)
    put(client, jobs[1].target, b"kept")
    results = upload_all(lake.account, jobs, UploadOptions(if_exists="skip"), progress=False)
    assert [result.skipped for result in results] == [False, True, False, False]
    assert client.read(jobs[1].target) == b"kept"


def test_a_stream_among_several_is_refused_before_anything(between, place, tmp_path):
    jobs = [*jobs_of(place, tmp_path, 2), UploadJob(io.BytesIO(b"x"), place.child("s"))]
    with pytest.raises(errors.SourceError, match="stream can only be uploaded alone"):
        upload_all(account_at(between.port), jobs, UploadOptions(), progress=False)
    assert between.seen == []


# ------------------------------------------------------------------------------------ wrong options


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"workers": 0}, "--workers"),
        ({"workers": -1}, "--workers"),
        ({"workers": 9999}, "--workers"),
        ({"chunk_size": 0}, "--chunk-size"),
        ({"chunk_size": -5}, "--chunk-size"),
        ({"content_type": "text/ü"}, "--content-type"),
        ({"content_type": "a\nb/c"}, "--content"),
        ({"metadata": {"a b": "c"}}, "--metadata"),
        ({"metadata": {"": "c"}}, "--metadata"),
        ({"if_exists": "replace"}, "if_exists|overwrite"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], named: str, between: Between, target):
    with pytest.raises(errors.OptionError, match=named):
        send(account_at(between.port), b"abc", target, **options)
    assert between.seen == []


@pytest.mark.parametrize("source", [None, 7, {"a": 1}, object()])
def test_sources_that_are_none(source: Any, between: Between, target):
    with pytest.raises(errors.SourceError):
        send(account_at(between.port), source, target)
    assert between.seen == []


# -------------------------------------------------------------------- failures leave nothing behind


def tries_of_appends(between: Between) -> list[int]:
    """Tell how often each append was tried."""
    return list(Counter(line for line in between.lines if "action=append" in line).values())


@pytest.mark.parametrize("size", [CHUNK, 20 * CHUNK])
@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("change", ["shrink", "grow", "replace", "vanish"])
def test_a_source_that_changes(
    change: str, existing: bool, size: int, between: Between, client, target, tmp_path, names_in
):
    if existing:
        put(client, target, b"old")
    path = as_path(data_of(size), tmp_path)
    changed: list[int] = []

    def fault(got: Forwarded) -> None:
        if (got.method == "PUT" or got.method == "HEAD") and not changed:
            changed.append(1)
            if change == "shrink":
                os.truncate(path, size // 2)
            elif change == "grow":
                with path.open("ab") as file:
                    file.write(b"more")
            else:
                path.unlink()
                if change == "replace":
                    path.write_bytes(data_of(size))

    between.faults = fault
    with pytest.raises(errors.SourceError) as caught:
        send(account_at(between.port), path, target, if_exists="overwrite", workers=4)
    assert max(tries_of_appends(between), default=1) == 1
    assert "unchanged" in str(caught.value) and path.name in str(caught.value)
    assert names_in() == (["target.csv"] if existing else [])
    if existing:
        assert client.read(target) == b"old"


@pytest.mark.parametrize("parts", [0, 1, 30])
def test_a_producer_that_fails(parts: int, lake, client, target, names_in):
    put(client, target, b"old")

    def producer():
        for _ in range(parts):
            yield bytes(CHUNK // 2)
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        send(lake.account, producer(), target, if_exists="overwrite")
    assert client.read(target) == b"old" and names_in() == ["target.csv"]


@pytest.mark.parametrize("parts", [0, 1, 30])
def test_a_writer_left_by_an_exception(parts: int, lake, names_in, target):
    options = UploadOptions(chunk_size=CHUNK)
    with pytest.raises(ZeroDivisionError):
        with open_writer(lake.account, target, options, progress=False) as writer:
            for _ in range(parts):
                writer.write(bytes(CHUNK // 2))
            raise ZeroDivisionError
    assert writer.closed and writer.result is None and names_in() == []


def test_a_writer_that_is_aborted(lake, names_in, target):
    writer = open_writer(lake.account, target, UploadOptions(chunk_size=CHUNK), progress=False)
    writer.write(bytes(10 * CHUNK))
    writer.abort()
    writer.abort()
    writer.close()
    assert writer.closed and writer.result is None and names_in() == []


@pytest.mark.parametrize("size", [0, 10, 10 * CHUNK])
def test_a_writer_that_is_forgotten_is_discarded(size: int, lake, names_in, target):
    for _ in range(2):  # told each time
        writer = open_writer(lake.account, target, UploadOptions(chunk_size=CHUNK), progress=False)
        writer.write(bytes(size))
        with pytest.warns(RuntimeWarning, match="was never closed, so it was not written") as told:
            del writer
            gc.collect()
        assert told[0].filename == __file__
    assert names_in() == []


def test_a_writer_whose_write_failed_fails_its_close(between: Between, target, quick, names_in):
    """Also for a producer that swallows what its writes raise."""
    between.faults = lambda got: (
        Fault(instead=error(403, "AuthorizationFailure")) if "append" in got.target else None
    )
    account, options = account_at(between.port), UploadOptions(chunk_size=CHUNK, workers=1)
    with pytest.raises(errors.PermissionDeniedError):
        with open_writer(account, target, options, progress=False) as writer:
            for _ in range(50):
                with contextlib.suppress(errors.AdlsError, ValueError):
                    writer.write(bytes(CHUNK))
    assert writer.result is None and names_in() == []


@pytest.mark.parametrize("moment", ["wait", "buffer"])
def test_a_writer_that_was_stopped_ends_when_it_is_closed(
    moment: str, lake, names_in, target, monkeypatch: pytest.MonkeyPatch
):
    """As by a `finally`: also where the stop came while nothing was under way."""
    writer = open_writer(lake.account, target, UploadOptions(chunk_size=CHUNK), progress=False)
    writer.write(bytes(10 * CHUNK))

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    if moment == "wait":
        run = writer._run
        run.wait(lambda: run.pool.running == 0 and not writer._transfer.supply.waiting)
        monkeypatch.setattr(run.pool, "run_until", interrupted)
    else:  # between handing over a piece and having memory for the next
        monkeypatch.setattr(writer._transfer.supply, "buffer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.write(bytes(2 * CHUNK))
    monkeypatch.undo()
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"x")
    with pytest.raises(KeyboardInterrupt):
        writer.close()
    assert writer.result is None and names_in() == []


def test_a_writer_takes_what_files_take(lake, client, target):
    import array

    options = UploadOptions(chunk_size=CHUNK)
    with open_writer(lake.account, target, options, progress=False) as writer:
        assert writer.writable() and not writer.readable() and not writer.seekable()
        assert writer.write(bytearray(b"ab")) == 2
        assert writer.write(memoryview(b"cd")) == 2
        assert writer.write(array.array("H", [1, 2])) == 4
        assert writer.write(b"") == 0
        writer.flush()
        with pytest.raises(TypeError):
            writer.write("text")
        assert writer.tell() == 8
    assert client.read(target) == b"abcd" + array.array("H", [1, 2]).tobytes()


def test_a_writer_reuses_nothing_of_the_callers_buffer(lake, client, target):
    buffer = bytearray(CHUNK)
    with open_writer(lake.account, target, UploadOptions(chunk_size=CHUNK), progress=False) as file:
        for number in range(8):
            buffer[:] = bytes([number]) * CHUNK
            file.write(buffer)
    assert client.read(target) == b"".join(bytes([number]) * CHUNK for number in range(8))


def test_a_text_layer_over_a_writer(lake, client, target):
    """What `open(…, "w")` does."""
    raw = open_writer(lake.account, target, UploadOptions(chunk_size=CHUNK), progress=False)
    with raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
        text.write("äöü\n" * 500)
        text.flush()
        text.detach()
    assert client.read(target) == ("äöü\n" * 500).encode()


@pytest.mark.parametrize("step", ["resource=file", "action=append", "action=flush", "mode=legacy"])
def test_a_step_that_is_refused(step: str, between: Between, client, target, names_in, quick):
    put(client, target, b"old")

    def fault(got: Forwarded) -> Fault | None:
        if step in got.target:
            return Fault(instead=error(403, "AuthorizationPermissionMismatch"))
        return None

    between.faults = fault
    with pytest.raises(errors.PermissionDeniedError) as caught:
        send(account_at(between.port), data_of(9 * CHUNK), target, if_exists="overwrite")
    assert ("--in-place" in str(caught.value)) is (step == "mode=legacy")
    assert client.read(target) == b"old"
    if step == "resource=file":
        assert names_in() == ["target.csv"]


@pytest.mark.parametrize("size", [1, 9 * CHUNK])
def test_a_first_upload_that_fails_leaves_no_stub(size, between, target, names_in, quick):
    def fault(got: Forwarded) -> Fault | None:
        refused = error(403, "AuthorizationPermissionMismatch")
        return Fault(instead=refused) if "append" in got.target else None

    between.faults = fault
    with pytest.raises(errors.PermissionDeniedError):
        send(account_at(between.port), data_of(size), target)
    assert names_in() == []


def test_a_service_that_is_busy_for_good(between: Between, client, target, names_in, quick):
    put(client, target, b"old")
    between.faults = lambda got: (
        Fault(instead=error(503, "ServerBusy")) if "append" in got.target else None
    )
    with pytest.raises(errors.ServiceError, match="limits"):
        send(account_at(between.port), data_of(9 * CHUNK), target, if_exists="overwrite")
    assert max(tries_of_appends(between)) == quick.tries and client.read(target) == b"old"
    assert names_in() == ["target.csv"]


@pytest.mark.parametrize("if_exists", ["refuse", "overwrite"])
@pytest.mark.parametrize("size", [0, 10, 9 * CHUNK])
def test_every_answer_lost_once(size, if_exists, between, client, target, names_in, quick):
    """Each request is done by the service, and its first answer never comes."""
    if if_exists == "overwrite":
        put(client, target, b"old")
    seen: set[str] = set()

    def fault(got: Forwarded) -> Fault | None:
        key = f"{got.method} {got.target}"
        first = key not in seen
        seen.add(key)
        return Fault(after=True) if first else None

    between.faults = fault
    result = send(account_at(between.port), data_of(size), target, if_exists=if_exists)
    assert client.read(target) == data_of(size) and names_in() == ["target.csv"]
    assert result.etag == client.properties(target).etag
    assert result.retries > 0 and client.properties(target).content_type == "text/csv"


def test_the_length_at_the_service_is_compared(between: Between, client, target):
    """A service that answers a flush well and then tells of another length is not believed."""
    put(client, target, b"old")
    flushed: list[str] = []

    def fault(got: Forwarded) -> Fault | None:
        if "action=flush" in got.target:
            flushed.append(got.target)
        if got.method == "HEAD" and flushed:
            path = urllib.parse.unquote(got.target).split("/lake/")[1]
            found = client.find(RemotePath("lake", path))
            if found is not None and found.size > 3:
                told = {"Content-Length": "17", "ETag": found.etag, "x-ms-resource-type": "file"}
                return Fault(instead=answer(200, told))
        return None

    between.faults = fault
    with pytest.raises(errors.IntegrityError, match="17"):
        send(account_at(between.port), data_of(9 * CHUNK), target, if_exists="overwrite")
    assert client.read(target) in (b"old", data_of(9 * CHUNK))


@pytest.mark.parametrize("size", [CHUNK, 9 * CHUNK])
def test_a_source_that_fails_while_it_is_hashed(size, between, target, tmp_path, names_in):
    path = as_path(data_of(size), tmp_path)

    def fault(got: Forwarded) -> None:
        if got.method == "PUT":
            os.truncate(path, 10)

    between.faults = fault
    with pytest.raises(errors.SourceError):
        send(account_at(between.port), path, target, md5=True)
    assert names_in() == []


@pytest.mark.parametrize("ends", ["read", "write"])
def test_two_threads_write_two_files(ends: str, lake, client, place):
    """Runs are independent of each other."""
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            source = data_of(9 * CHUNK + number)
            given = source if ends == "read" else io.BytesIO(source)
            send(lake.account, given, place.child(str(number)))
        except BaseException as error:  # noqa: BLE001 - kept for the test
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for number in range(4):
        assert client.read(place.child(str(number))) == data_of(9 * CHUNK + number)


# ------------------------------------------------------------------------------------------- Stop


POSIX = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="sends a signal")


def stops_soon(call: Callable[[], object], reached: Callable[[], object]) -> errors.UploadStopped:
    """Press Ctrl-C once what the call is to be stopped in is reached."""
    with ctrl_c_once(reached) as pressed, pytest.raises(KeyboardInterrupt) as caught:
        call()
    took = time.monotonic() - pressed[0]
    assert isinstance(caught.value, errors.UploadStopped), repr(caught.value)
    assert took < AT_ONCE, f"it took {took:.2f} s to stop"
    # One whose start was interrupted may come up later, and ends by itself then.
    wait_until(lambda: not any(t.name.startswith("adls-upload") for t in threading.enumerate()))
    return caught.value


def hold(between: Between, pattern: str) -> Callable[[], bool]:
    """Let requests that fit wait until the test ends; tell when one of them has come."""
    reached = threading.Event()

    def fault(got: Forwarded) -> Fault | None:
        if not re.search(pattern, f"{got.method} {got.target}"):
            return None
        return Fault(then=reached.set, delay=LONG)

    between.faults = fault
    return reached.is_set


@POSIX
@pytest.mark.parametrize(
    "phase", ["HEAD", "resource=file", "append", "action=flush", "mode=legacy"]
)
def test_stop_in_every_phase(phase: str, between: Between, client, target, names_in):
    put(client, target, b"old")
    reached = hold(between, phase)
    stopped = stops_soon(
        lambda: send(
            account_at(between.port), data_of(20 * CHUNK), target, if_exists="overwrite", workers=3
        ),
        reached,
    )
    assert str(stopped).startswith("Stopped") and "\n" not in str(stopped)
    assert client.read(target) in (b"old", data_of(20 * CHUNK))


@POSIX
def test_stop_while_a_stream_is_sent(between: Between, client, target, names_in):
    reached = hold(between, "append")

    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(CHUNK)

    stops_soon(lambda: send(account_at(between.port), endless(), target), reached)
    assert client.find(target) is None


@POSIX
def test_stop_while_a_producer_is_waited_for(lake, client, target, names_in):
    is_asked = threading.Event()

    def slow() -> Iterator[bytes]:
        yield bytes(5 * CHUNK)
        is_asked.set()
        time.sleep(LONG)

    stops_soon(lambda: send(lake.account, slow(), target), is_asked.is_set)
    assert names_in() == []


@POSIX
def test_stop_while_several_are_looked_up(between: Between, place, tmp_path):
    reached = hold(between, "resource=filesystem|HEAD")
    jobs, account = jobs_of(place, tmp_path, 3), account_at(between.port)
    stops_soon(lambda: upload_all(account, jobs, UploadOptions(), progress=False), reached)


@POSIX
def test_stop_while_nobody_reads(target, tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    with SilentServer() as server:
        stops_soon(
            lambda: send(account_at(server.port), path, target, chunk_size=None),
            lambda: server.connections,
        )


@POSIX
def test_stop_while_waiting_to_try_again(between: Between, target):
    between.faults = lambda got: Fault(instead=answer(503, {"Retry-After": "60"}))

    def is_waiting() -> bool:
        return bool(between.seen) and not time.sleep(0.1)  # for the answer to arrive

    stops_soon(lambda: send(account_at(between.port), data_of(9 * CHUNK), target), is_waiting)


@POSIX
def test_after_a_stop_the_same_call_succeeds(between: Between, client, target, tmp_path, names_in):
    path = as_path(data_of(30 * CHUNK), tmp_path)
    reached = hold(between, "append&position=15000")
    stops_soon(lambda: send(account_at(between.port), path, target, workers=2), reached)
    between.faults = lambda got: None
    send(account_at(between.port), path, target, workers=2)
    assert client.read(target) == path.read_bytes() and names_in() == ["target.csv"]


@POSIX
def test_stop_keeps_what_an_earlier_run_has_staged(
    between: Between, client, target, tmp_path, names_in
):
    """A second stop, in the first moments of the rerun, must keep the first one's bytes."""
    path = as_path(data_of(30 * CHUNK), tmp_path)
    reached = hold(between, "append&position=20000")
    stopped = stops_soon(lambda: send(account_at(between.port), path, target, workers=1), reached)
    assert "staged" in str(stopped) and names_in() != []
    for phase in ("HEAD", "resource=file", "action=flush"):
        reached = hold(between, phase)
        stops_soon(lambda: send(account_at(between.port), path, target, workers=1), reached)
    between.faults = lambda got: None
    result = send(account_at(between.port), path, target, workers=1)
    assert result.resumed_from == 20 * CHUNK
    assert client.read(target) == path.read_bytes() and names_in() == ["target.csv"]


@POSIX
def test_a_rerun_with_other_metadata_stores_those(between: Between, client, target, tmp_path):
    path = as_path(data_of(30 * CHUNK), tmp_path)
    reached = hold(between, "append&position=20000")
    account = account_at(between.port)
    stops_soon(lambda: send(account, path, target, workers=1, metadata={"run": "1"}), reached)
    between.faults = lambda got: None
    send(account, path, target, workers=1, metadata={"run": "2"}, content_type="text/two")
    found = client.properties(target)
    assert found.metadata == {"run": "2"} and found.content_type == "text/two"
    assert client.read(target) == path.read_bytes()


def test_where_no_more_threads_can_be_had(lake, client, target, monkeypatch):
    """As in a container with a limit: those that there are do the work."""
    start, begun = threading.Thread.start, []

    def at_most_two(thread: threading.Thread) -> None:
        if thread.name == "adls-upload":
            if len(begun) == 2:
                raise RuntimeError("can't start new thread")
            begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", at_most_two)
    send(lake.account, data_of(40 * CHUNK), target, workers=8)
    assert client.read(target) == data_of(40 * CHUNK)
