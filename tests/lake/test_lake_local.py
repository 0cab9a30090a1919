"""`LocalLake`: start, find, stop; one server for a folder; the key's file."""

from __future__ import annotations

import base64
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import wait_until

from adls_magic.lake import LakeInUseError, LocalLake, find_or_start, stop_all
from adls_magic.lake.local import FoundLake

from .wire import has_come, wire_of

PUBLISHED_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    stop_all()
    left = [t for t in set(threading.enumerate()) - before if t.name.startswith("adls-lake")]
    assert not left


def test_start_and_stop(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "new" / "folder", filesystem="data")
    with pytest.raises(RuntimeError):
        _ = lake.url
    with lake as running:
        assert running is lake
        assert lake.url.startswith("http://127.0.0.1:")
        assert lake.url.endswith("/devstoreaccount1")
        account = lake.account
        assert (account.name, account.endpoint, account.filesystem) == (
            "devstoreaccount1",
            lake.url,
            "data",
        )
        assert (tmp_path / "new" / "folder" / "data").is_dir()
        port = int(lake.url.rpartition(":")[2].partition("/")[0])
        wire = wire_of(lake)
        idle = wire.connect()
        assert wire.send("HEAD", "/data?resource=filesystem", connection=idle).status == 200
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    assert idle.sock is not None and idle.sock.recv(1) == b""
    wire.close()
    lake.stop()


def test_start_again_on_the_same_folder(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path)
    with lake:
        etag = wire_of(lake).write("/lake/a/b", b"data").etag
        key = lake.account.secret
    with lake:
        wire = wire_of(lake)
        assert lake.account.secret == key
        assert wire.get("/lake/a/b").body == b"data"
        assert wire.head("/lake/a/b").etag == etag
    with LocalLake(tmp_path, filesystem="second") as other:
        assert wire_of(other).get("/lake/a/b").body == b"data"


def test_key_is_random_and_private(tmp_path: Path) -> None:
    keys = []
    for name in ("one", "two"):
        with LocalLake(tmp_path / name) as lake:
            assert lake.account.secret is not None
            keys.append(lake.account.secret.reveal())
            assert lake.key_file.read_text("ascii").strip() == keys[-1]
            assert keys[-1] not in repr(lake) + repr(lake.account)
            if os.name != "nt":
                assert stat.S_IMODE(lake.key_file.stat().st_mode) == 0o600
    assert len({*keys, PUBLISHED_KEY}) == 3
    assert len(base64.b64decode(keys[0])) == 64


def test_given_key_and_account(tmp_path: Path) -> None:
    key = base64.b64encode(b"key").decode()
    with LocalLake(tmp_path, account="contoso", key=key) as lake:
        assert lake.url.endswith("/contoso")
        assert not lake.key_file.exists()
        assert wire_of(lake).write("/lake/x", b"data").status == 200


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="filesystem"):
        LocalLake(tmp_path, filesystem="No")
    lake = LocalLake(tmp_path, key="not base64!")
    with pytest.raises(ValueError, match="key"):
        lake.start()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError):
        LocalLake(tmp_path / "file").start()


def test_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        lake = LocalLake(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(OSError):
            lake.start()
    lake.start()
    lake.stop()


def test_two_servers_never_serve_one_folder(tmp_path: Path) -> None:
    with LocalLake(tmp_path), pytest.raises(LakeInUseError, match="already"):
        LocalLake(tmp_path).start()


def test_find_or_start_is_idempotent(tmp_path: Path) -> None:
    first = find_or_start(tmp_path / "lake")
    assert isinstance(first, LocalLake)
    assert find_or_start(tmp_path / "lake", filesystem="more") is first
    assert (tmp_path / "lake" / "more").is_dir()
    second = find_or_start(tmp_path / "other")
    assert second is not first
    stop_all()
    third = find_or_start(tmp_path / "lake")
    assert third is not first


def test_account_follows_the_filesystem_asked_for(tmp_path: Path) -> None:
    find_or_start(tmp_path, filesystem="one")
    assert find_or_start(tmp_path, filesystem="two").account.filesystem == "two"


OTHER_PROCESS = """
import sys
from adls_magic.lake import LocalLake
with LocalLake(sys.argv[1]) as lake:
    print(lake.url, flush=True)
    sys.stdin.read()
"""


def test_finds_the_server_of_another_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        found = find_or_start(tmp_path, filesystem="mine")
        assert isinstance(found, FoundLake)
        assert found.url == url
        wire = wire_of(found)
        assert wire.write("/mine/x", b"data").status == 200
        assert (tmp_path / "mine" / "x").read_bytes() == b"data"
        with pytest.raises(LakeInUseError):
            LocalLake(tmp_path).start()
        process.kill()
        process.wait()
    # The dead server's state and lock are no obstacle.
    assert (tmp_path / ".adls-lake" / "state.json").exists()
    again = find_or_start(tmp_path)
    assert isinstance(again, LocalLake)
    assert wire_of(again).get("/mine/x").body == b"data"


def test_another_process_with_a_key_of_its_own(tmp_path: Path) -> None:
    key = base64.b64encode(b"own").decode()
    with LocalLake(tmp_path, key=key) as lake, pytest.raises(LakeInUseError, match=lake.url):
        find_or_start(tmp_path)


def test_a_stranger_on_the_old_port_is_not_our_lake(tmp_path: Path) -> None:
    with LocalLake(tmp_path):
        pass
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        state = {"url": f"http://127.0.0.1:{port}/devstoreaccount1", "account": "x", "pid": 1}
        (tmp_path / ".adls-lake" / "state.json").write_text(json.dumps(state))
        lake = find_or_start(tmp_path)
        assert isinstance(lake, LocalLake)
        assert lake.url != state["url"]


def test_stop_in_the_middle_of_requests(tmp_path: Path) -> None:
    with LocalLake(tmp_path) as lake:
        wire = wire_of(lake)
        wire.create("/lake/x")
        wire.begin_append("/lake/x", 0, b"half of it", 1_000_000)
        wait_until(lambda: has_come(tmp_path, b"half of it"))
    wire.close()


def held_files(root: Path) -> list[str]:
    """Files below a folder that this process still has open."""
    links = list(Path("/proc/self/fd").iterdir())
    targets = [str(link.readlink()) for link in links if link.is_symlink()]
    return [target for target in targets if target.startswith(str(root))]


@pytest.mark.parametrize("fault", ["a file named as the filesystem", "a broken database"])
def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path, fault: str) -> None:
    if fault == "a broken database":
        place = tmp_path / ".adls-lake" / "lake.db"
        place.parent.mkdir()
        place.write_bytes(b"no database" * 1000)
    else:
        place = tmp_path / "lake"
        place.write_text("a file")
    lake = LocalLake(tmp_path)
    with pytest.raises(OSError, match="move it") as caught:
        lake.start()
    assert caught.value.filename == str(place)
    with pytest.raises(RuntimeError, match="not running"):
        _ = lake.url
    if sys.platform == "linux":
        assert held_files(tmp_path) == []
    place.unlink()
    with lake:
        assert wire_of(lake).write("/lake/x", b"data").status == 200


def test_a_file_in_the_place_of_another_filesystem_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "second").write_text("a file")
    with LocalLake(tmp_path, filesystem="first") as lake:
        with pytest.raises(FileExistsError, match="move it"):
            lake.use_filesystem("second")
        assert lake.account.filesystem == "first"
