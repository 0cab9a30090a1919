"""The lake's folder: plain files, changes by hand, waiting data, a full disk, memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE, wait_until, wait_until_still

from adls_magic.lake import LocalLake
from adls_magic.lake.commit import BLOCKS
from adls_magic.lake.locks import PathLocks
from adls_magic.lake.server import Server

from .wire import Wire, has_come, waiting, wire_of


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[LocalLake]:
    """A fresh lake for each test: these look into its folders."""
    with LocalLake(tmp_path / "lake") as running:
        yield running


resource = pytest.importorskip("resource")


def test_committed_files_are_plain_files(wire: Wire, lake: LocalLake, place: str) -> None:
    wire.write(f"{place}/%C3%BC%20b.csv", b"a,b\n1,2\n")
    file = lake.root / place[1:] / "ü b.csv"
    assert file.read_bytes() == b"a,b\n1,2\n"
    wire.append(f"{place}/%C3%BC%20b.csv", 8, b"waiting")
    assert file.read_bytes() == b"a,b\n1,2\n"
    wire.flush(f"{place}/%C3%BC%20b.csv", 15)
    assert file.read_bytes() == b"a,b\n1,2\nwaiting"


def test_files_dropped_by_hand(wire: Wire, lake: LocalLake, place: str) -> None:
    folder = lake.root / place[1:] / "by" / "hand"
    folder.mkdir(parents=True)
    (folder / "data.txt").write_bytes(b"dropped")
    head = wire.head(f"{place}/by/hand/data.txt")
    assert head.headers["content-length"] == "7"
    assert head.headers["content-type"] == "application/octet-stream"
    assert wire.head(f"{place}/by/hand/data.txt").etag == head.etag
    listed = wire.get(f"/lake?resource=filesystem&recursive=true&directory={place[6:]}").json
    assert [item["name"].rpartition("/")[2] for item in listed["paths"]] == [
        "by",
        "hand",
        "data.txt",
    ]
    assert listed["paths"][2]["etag"] == head.etag.strip('"')
    assert wire.get(f"{place}/by/hand/data.txt").body == b"dropped"
    wire.append(f"{place}/by/hand/data.txt", 7, b" and more", "&flush=true")
    assert (folder / "data.txt").read_bytes() == b"dropped and more"
    assert wire.rename(f"{place}/by", f"{place}/moved").status == 201
    assert (lake.root / place[1:] / "moved/hand/data.txt").read_bytes() == b"dropped and more"


def test_files_changed_and_removed_by_hand(wire: Wire, lake: LocalLake, place: str) -> None:
    wire.create(place, x_ms_content_type="text/csv", x_ms_properties="k=djE=")
    wire.append(place, 0, b"abc")
    etag = wire.flush(place, 3, x_ms_content_md5="AAAAAAAAAAAAAAAAAAAAAA==").etag
    file = lake.root / place[1:]
    file.write_bytes(b"changed")
    head = wire.head(place)
    assert head.etag != etag
    assert (head.headers["content-length"], head.headers["content-type"]) == ("7", "text/csv")
    assert "content-md5" not in head.headers
    assert wire.get(place).body == b"changed"
    assert wire.flush(place, 7, If_Match=etag).status == 412
    file.unlink()
    assert wire.head(place).status == 404
    assert wire.append(place, 0, b"x").status == 404
    assert wire.create(place, If_None_Match="*").status == 201
    assert "x-ms-properties" not in wire.head(place).headers


def test_a_filesystem_made_by_hand(wire: Wire, lake: LocalLake) -> None:
    (lake.root / "by-hand" / "a").mkdir(parents=True)
    (lake.root / "Not a name").mkdir()
    names = [f["name"] for f in wire.get("/?resource=account").json["filesystems"]]
    assert "by-hand" in names and "Not a name" not in names
    assert wire.create("/by-hand/a/b").status == 201


def test_links_in_circles(wire: Wire, lake: LocalLake, place: str) -> None:
    folder = lake.root / place[1:]
    folder.mkdir()
    (folder / "circle").symlink_to(folder, target_is_directory=True)
    (folder / "broken").symlink_to(folder / "nothing")
    wire.create(f"{place}/file")
    listed = wire.get(f"/lake?resource=filesystem&recursive=true&directory={place[6:]}").json
    assert [item["name"] for item in listed["paths"]] == [f"{place[6:]}/file"]


# Waiting data


def test_no_side_file_stays_behind(wire: Wire, lake: LocalLake, place: str) -> None:
    path = place
    wire.create(path)
    for _ in range(3):
        wire.append(path, 0, b"abc")
        wire.append(path, 0, b"abcd")
    wire.flush(path, 4)
    assert waiting(lake.root) == []
    wire.append(path, 4, b"e")
    wire.append(path, 9, b"far")
    wire.flush(path, 5, "&retainUncommittedData=true")
    wire.flush(path, 5)
    assert waiting(lake.root) == []
    wire.append(path, 5, b"e")
    wire.create(path)
    wire.append(path, 0, b"e")
    wire.send("DELETE", path)
    assert waiting(lake.root) == []


def test_old_waiting_data_is_dropped(tmp_path: Path) -> None:
    with LocalLake(tmp_path) as lake:
        wire = wire_of(lake)
        wire.create("/lake/x")
        wire.append("/lake/x", 0, b"abc")
        assert lake._store is not None
        lake._store.uncommitted.sweep()
        assert len(waiting(tmp_path)) == 1
        lake._store.uncommitted.sweep(older_than=0)
        assert waiting(tmp_path) == []
        assert wire.flush("/lake/x", 3).code == "InvalidFlushPosition"


def test_leftovers_are_swept_at_start(tmp_path: Path) -> None:
    with LocalLake(tmp_path) as lake:
        wire_of(lake).create("/lake/x")
        wire_of(lake).append("/lake/x", 0, b"abc")
        (tmp_path / ".adls-lake" / "trash" / "old").mkdir()
    assert len(waiting(tmp_path)) == 1
    with LocalLake(tmp_path):
        assert waiting(tmp_path) == []
        assert list((tmp_path / ".adls-lake" / "trash").iterdir()) == []


def test_an_append_that_breaks_off_changes_nothing(wire: Wire, lake: LocalLake, place: str) -> None:
    wire.create(place)
    wire.append(place, 0, b"0123456789")
    for position, half in ((0, b"XXXXX"), (10, b"YYYYY")):
        connection = wire.begin_append(place, position, half, 10)
        wait_until(lambda half=half: has_come(lake.root, half))
        connection.close()
    wait_until(lambda: len(waiting(lake.root)) == 1)
    assert wire.flush(place, 20).code == "InvalidFlushPosition"
    assert wire.append(place, 10, b"abcdefghij").status == 202
    assert wire.flush(place, 20).status == 200
    assert wire.get(place).body == b"0123456789abcdefghij"
    assert waiting(lake.root) == []


def test_flush_while_an_append_is_on_its_way(wire: Wire, lake: LocalLake, place: str) -> None:
    """A slow append must not reach into the file that the flush has committed."""
    wire.create(place)
    wire.append(place, 0, b"0123456789")
    connection = wire.begin_append(place, 10, b"abcde", 10)
    wait_until(lambda: has_come(lake.root, b"abcde"))
    assert wire.flush(place, 10).status == 200
    connection.send(b"fghij")
    assert connection.getresponse().status == 202
    assert (lake.root / place[1:]).read_bytes() == b"0123456789"
    # It waits now, and the next flush takes it.
    assert wire.flush(place, 20).status == 200
    assert wire.get(place).body == b"0123456789abcdefghij"


def test_create_and_delete_while_an_append_is_on_its_way(
    wire: Wire, lake: LocalLake, place: str
) -> None:
    for final in ("create", "delete"):
        wire.create(place)
        connection = wire.begin_append(place, 0, b"01234", 10)
        wait_until(lambda: has_come(lake.root, b"01234"))
        assert (
            wire.create(place) if final == "create" else wire.send("DELETE", place)
        ).status < 300
        connection.send(b"56789")
        assert connection.getresponse().status == 202
        wait_until(lambda: waiting(lake.root) == [])
        wire.create(place)
        assert wire.flush(place, 10).code == "InvalidFlushPosition"


# Growing, big files, many pieces


def test_growing_a_big_file_piece_by_piece(wire: Wire, lake: LocalLake, place: str) -> None:
    data = os.urandom(5 << 20)
    step = 700_000
    wire.create(place)
    for start in range(0, len(data), step):
        end = min(start + step, len(data))
        wire.append(place, start, data[start:end])
        wire.append(place, end, b"later")  # replaced by the next step
        assert wire.flush(place, end, "&retainUncommittedData=true").status == 200
        assert (lake.root / place[1:]).stat().st_size == end
    assert wire.get(place).body == data
    assert wire.flush(place, len(data)).status == 200
    assert waiting(lake.root) == []


def test_readers_see_whole_versions_only(wire: Wire, place: str) -> None:
    """Readers poll while a big file grows and is replaced."""
    versions = [bytes([n]) * (1 << 20) + bytes([n]) * (n * 50_000) for n in range(6)]
    wire.create(place)
    stop, seen, wrong = threading.Event(), set(), []

    def poll() -> None:
        client = Wire(wire.port, wire.account, wire.key)
        connection = client.connect()
        while not stop.is_set():
            reply = client.get(place, connection=connection)
            body = reply.body
            if len(set(body)) > 1 or int(reply.headers["content-length"]) != len(body):
                wrong.append(len(body))
            seen.add(len(body))
        client.close()

    readers = [threading.Thread(target=poll) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number, data in enumerate(versions):
        wire.write(f"{place}-new", data)
        wire.rename(f"{place}-new", place)
        grown = data + bytes([number]) * 300_000
        wire.append(place, len(data), grown[len(data) :])
        assert wire.flush(place, len(grown)).status == 200
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert seen <= {0} | {len(v) for v in versions} | {len(v) + 300_000 for v in versions}
    assert len(seen) > 2


def test_too_many_pieces(wire: Wire, lake: LocalLake, place: str) -> None:
    from dataclasses import replace

    wire.write(place, b"abc")
    assert lake._store is not None
    key = ("lake", place[6:])
    lake._store.update(key, lambda entry: replace(entry, blocks=BLOCKS))
    wire.append(place, 3, b"d")
    reply = wire.flush(place, 4)
    assert (reply.status, reply.code) == (409, "BlockCountExceedsLimit")


SMALL_DISK = """
import resource, signal, sys
from adls_magic.lake import LocalLake
lake = LocalLake(sys.argv[1]).start()
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
print(lake.url, flush=True)
sys.stdin.read()
lake.stop()
"""


@pytest.mark.skipif(os.name == "nt", reason="no limit of file sizes on Windows")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """The server may not write files beyond 3 MB, which fails as a full disk does."""
    with subprocess.Popen(
        [sys.executable, "-c", SMALL_DISK, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        url = process.stdout.readline()
        key = (tmp_path / ".adls-lake" / "key").read_text("ascii").strip()
        wire = Wire(int(url.rpartition(":")[2].partition("/")[0]), "devstoreaccount1", key)
        old = b"o" * 2_000_000
        etag = wire.write("/lake/x", old).etag
        reply = wire.append("/lake/x", 2_000_000, b"n" * 3_100_000)
        assert (reply.status, reply.code) == (507, "InsufficientStorage")
        assert wire.append("/lake/x", 2_000_000, b"n" * 900_000).status == 202
        assert wire.append("/lake/x", 2_900_000, b"n" * 90_000).status == 202
        assert wire.flush("/lake/x", 2_990_000).status == 200
        wire.append("/lake/x", 2_990_000, b"n" * 9_000)
        wire.create("/lake/y")
        for start in range(0, 2_900_000, 2_900_000):
            wire.append("/lake/y", start, b"y" * 2_900_000)
        wire.flush("/lake/y", 2_900_000)
        etag = wire.head("/lake/y").etag
        reply = wire.append("/lake/y", 2_900_000, b"z" * 200_000)
        assert (reply.status, reply.code) == (507, "InsufficientStorage")
        head = wire.head("/lake/y")
        assert (head.etag, head.headers["content-length"]) == (etag, "2900000")
        assert (tmp_path / "lake" / "y").stat().st_size == 2_900_000
        assert wire.write("/lake/z", b"goes on").status == 200
        wire.close()
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def tiny_disk(folder: Path) -> bool:
    """Mount a file system of 8 MiB, where that is allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    return shutil.which("mount") is not None and (
        subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


def test_a_really_full_disk(tmp_path: Path) -> None:
    root = tmp_path / "tiny"
    if not tiny_disk(root):
        pytest.skip("no right to mount a small file system")
    try:
        with LocalLake(root) as lake:
            wire = wire_of(lake)
            old = os.urandom(2 << 20)
            etag = wire.write("/lake/x", old).etag
            more = os.urandom(1 << 20)
            wire.append("/lake/x", 2 << 20, more)
            # Leave less than the flush needs to copy behind the end.
            free = shutil.disk_usage(root).free
            (root / "filler").write_bytes(b"f" * (free - 600_000))
            reply = wire.flush("/lake/x", 3 << 20)
            assert (reply.status, reply.code) == (507, "InsufficientStorage")
            assert wire.get("/lake/x").body == old
            assert wire.head("/lake/x").etag == etag
            reply = wire.append("/lake/x", 5 << 20, more)
            assert (reply.status, reply.code) == (507, "InsufficientStorage")
            (root / "filler").unlink()
            # The data still waits, and now it fits.
            assert wire.flush("/lake/x", 3 << 20).status == 200
            assert wire.get("/lake/x").body == old + more
        with LocalLake(root) as lake:
            assert wire_of(lake).get("/lake/x").body == old + more
    finally:
        subprocess.run(["umount", str(root)], check=True)


# Speed and memory


def test_memory_does_not_depend_on_the_body(wire: Wire, place: str) -> None:
    wire.create(place)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    connection = wire.begin_append(place, 0, None, 256 << 20)
    block = bytes(1 << 20)
    for _ in range(256):
        connection.send(block)
    assert connection.getresponse().status == 202
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
    assert grown < 16 * 1024
    wire.send("DELETE", place)


def test_many_small_files_from_many_connections(wire: Wire, place: str) -> None:
    """Group commit: what hundreds of separate syncs would take is shared."""

    def work(number: int) -> None:
        client = Wire(wire.port, wire.account, wire.key)
        connection = client.connect()
        for count in range(40):
            path = f"{place}/{number}/{count}"
            client.create(path, connection=connection)
            reply = client.append(path, 0, b"data", "&flush=true", connection=connection)
            assert reply.status == 202
        client.close()

    started = time.monotonic()
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 30
    reply = wire.get(f"/lake?resource=filesystem&recursive=true&directory={place[6:]}")
    assert len(reply.json["paths"]) == 8 * 41


# Locks


def test_holds_exclude_each_other() -> None:
    locks = PathLocks()
    entered = threading.Event()

    def other(key: tuple[str, str], tree: bool) -> None:
        with locks.hold(*(() if tree else (key,)), trees=(key,) if tree else ()):
            entered.set()

    cases = [
        (("f", "a"), False, True),
        (("f", "a/b"), False, True),
        (("f", "a/b"), True, True),
        (("f", ""), True, True),
        (("f", "ab"), False, False),
        (("g", "a"), True, False),
    ]
    for key, tree, excluded in cases:
        entered.clear()
        with locks.hold(trees=(("f", "a"),)):
            thread = threading.Thread(target=other, args=(key, tree))
            thread.start()
            if excluded:
                wait_until_still(thread)
                assert not entered.is_set(), key
            else:
                assert entered.wait(PATIENCE), key
        thread.join(PATIENCE)
        assert entered.is_set()


def test_server_binds_loopback_only(lake: LocalLake) -> None:
    assert isinstance(lake._server, Server)
    assert lake._server._listener.getsockname()[0] == "127.0.0.1"
