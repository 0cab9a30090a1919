"""The lake is killed with SIGKILL under load, again and again, over one folder.

After each restart every answered change is there, whole; one that was on its way when the server
died is there whole or not at all; a file's bytes and its properties belong together; nothing is
left over. `ADLS_KILLS=300 pytest tests/reliability/test_lake_kill.py -s` is the long run.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from lake.wire import Reply, Wire

KILLS = int(os.environ.get("ADLS_KILLS", "8"))
SEED = int(os.environ.get("ADLS_SEED", random.SystemRandom().randrange(10**9)))
KEY = base64.b64encode(b"k" * 64).decode()
WRITERS = 4

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows"),
    pytest.mark.timeout(60 + KILLS * 10),
]

# The server. With a number of steps it kills itself before or after that many calls that touch
# the disk, so that the narrow gaps between them are hit as well as the long waits.
SERVER = """
import itertools, os, pathlib, signal, sys, time
from adls_magic.lake import LocalLake
from adls_magic.lake import journal

root, key, steps, after = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "after"
counter = itertools.count(1)
armed = False

def deadly(function):
    def call(*values, **named):
        fatal = armed and next(counter) == steps
        if fatal and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*values, **named)
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

if steps:
    os.fsync = deadly(os.fsync)
    os.ftruncate = deadly(os.ftruncate)
    os.copy_file_range = deadly(os.copy_file_range)
    pathlib.Path.replace = deadly(pathlib.Path.replace)
    pathlib.Path.unlink = deadly(pathlib.Path.unlink)
    pathlib.Path.mkdir = deadly(pathlib.Path.mkdir)
    journal.Journal._write = deadly(journal.Journal._write)
    journal.Journal._move = deadly(journal.Journal._move)
lake = LocalLake(root, key=key)
armed = len(sys.argv) > 5
lake.start()
armed = True
print(lake.url, flush=True)
time.sleep(600)
"""


class Server:
    """A real server process."""

    def __init__(self, root: Path, *, steps: int = 0, after: bool = False) -> None:
        arguments = [str(root), KEY, str(steps), "after" if after else "before"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, *arguments], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        url = self.process.stdout.readline()
        assert url, "the lake did not start"
        port = int(url.rpartition(":")[2].partition("/")[0])
        self.wire = Wire(port, "devstoreaccount1", KEY)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class Known:
    """What a writer knows of its files: None is absent, b"" empty."""

    content: dict[str, bytes | None] = field(default_factory=dict)
    pending: dict[str, list[bytes | None]] = field(default_factory=dict)
    done: int = 0


class Died(Exception):
    """The server is gone; the last change may or may not have happened."""


class Writer:
    """Changes files of its own, one change at a time, and keeps account."""

    def __init__(self, wire: Wire, number: int, known: Known, rng: random.Random) -> None:
        self.wire = wire
        self.base = f"/lake/w{number}"
        self.known = known
        self.rng = rng
        self.connection = wire.connect()

    def run(self) -> None:
        choices = [self.write, self.write, self.append, self.append, self.stage, self.delete]
        choices += [self.move_directory, self.truncate]
        try:
            while True:
                self.rng.choice(choices)()
        except Died:
            self.connection.close()

    def call(self, method: str, target: str, body: bytes | None = None, **extra: str) -> Reply:
        try:
            return self.wire.send(method, target, body, connection=self.connection, **extra)
        except (OSError, http.client.HTTPException):
            raise Died from None

    def change(
        self,
        outcomes: dict[str, bytes | None],
        method: str,
        target: str,
        status: tuple[int, ...],
        **extra: str,
    ) -> None:
        """Do a change; until it is answered both outcomes are possible."""
        for path, content in outcomes.items():
            self.known.pending[path] = [self.known.content.get(path), content]
        reply = self.call(method, target, None, **extra)
        assert reply.status in status, (method, target, reply)
        self.known.pending.clear()
        self.known.content |= outcomes
        self.known.done += 1

    def data(self) -> bytes:
        size = self.rng.choice([1, 100, 5_000, 200_000, 1_500_000])
        return self.rng.randbytes(size)

    def any_path(self) -> str:
        return f"{self.base}/d{self.rng.randrange(2)}/f{self.rng.randrange(4)}"

    def create(self, path: str) -> None:
        self.change({path: b""}, "PUT", f"{path}?resource=file", (201,))

    def send(self, path: str, data: bytes, position: int) -> None:
        """Append in several pieces, out of order, some of them twice."""
        cuts = sorted({0, len(data), *(self.rng.randrange(len(data)) for _ in range(2))})
        pieces = list(itertools.pairwise(cuts))
        self.rng.shuffle(pieces)
        for start, end in [*pieces, *self.rng.sample(pieces, 1)]:
            target = f"{path}?action=append&position={position + start}"
            reply = self.call("PATCH", target, data[start:end])
            assert reply.status == 202, reply

    def flush(self, path: str, whole: bytes) -> None:
        md5 = base64.b64encode(hashlib.md5(whole).digest()).decode()
        target = f"{path}?action=flush&position={len(whole)}"
        target += self.rng.choice(["", "&retainUncommittedData=true", "&close=true"])
        self.change({path: whole}, "PATCH", target, (200,), x_ms_content_md5=md5)

    def write(self, path: str | None = None) -> str:
        path = path or self.any_path()
        data = self.data()
        self.create(path)
        self.send(path, data, 0)
        self.flush(path, data)
        return path

    def append(self) -> None:
        path = self.any_path()
        old = self.known.content.get(path)
        if old is None:
            return
        more = self.data()
        self.send(path, more, len(old))
        self.flush(path, old + more)

    def stage(self) -> None:
        """Write under another name, then rename over the target."""
        source, target = self.write(f"{self.base}/staged"), self.any_path()
        self.call("PUT", f"{target.rpartition('/')[0]}?resource=directory")
        self.known.pending.clear()
        data = self.known.content[source]
        outcomes = {source: None, target: data}
        self.change(outcomes, "PUT", f"{target}?mode=legacy", (201,), x_ms_rename_source=source)

    def delete(self) -> None:
        path = self.any_path()
        if self.known.content.get(path) is not None:
            self.change({path: None}, "DELETE", path, (200,))

    def truncate(self) -> None:
        self.create(self.any_path())

    def move_directory(self) -> None:
        """Rename a directory with files, there and, next time, back."""
        here, there = f"{self.base}/d0/", f"{self.base}/moved/"
        if not any(v is not None for k, v in self.known.content.items() if k.startswith(here)):
            return
        old = {path: None for path in self.known.content if path.startswith(there)}
        if old:
            self.change(old, "DELETE", f"{there[:-1]}?recursive=true", (200, 404))
        outcomes: dict[str, bytes | None] = {}
        for path, content in list(self.known.content.items()):
            if path.startswith(here):
                outcomes[path] = None
                outcomes[there + path[len(here) :]] = content
        target = f"{there[:-1]}?mode=legacy"
        self.change(outcomes, "PUT", target, (201,), x_ms_rename_source=here[:-1])


def check(server: Server, root: Path, knowns: list[Known]) -> None:
    """Compare the restarted lake with what the writers know, and settle what was open."""
    connection = server.wire.connect()
    assert not list((root / ".adls-lake" / "waiting").iterdir())
    assert not list((root / ".adls-lake" / "trash").iterdir())
    for number, known in enumerate(knowns):
        for path in {*known.content, *known.pending}:
            possible = known.pending.get(path, [known.content.get(path)])
            known.content[path] = check_file(server, root, connection, path, possible)
        moved_together(known)
        known.pending.clear()
        seen = {
            "/" + str(file.relative_to(root))
            for file in (root / "lake" / f"w{number}").rglob("*")
            if file.is_file()
        }
        assert seen == {path for path, content in known.content.items() if content is not None}
    connection.close()


def moved_together(known: Known) -> None:
    """A change of several files happened to all of them or to none."""
    sides = [
        {index for index, content in enumerate(both) if known.content[path] == content}
        for path, both in known.pending.items()
    ]
    if sides:
        assert set.intersection(*sides), known.pending.keys()


def check_file(
    server: Server,
    root: Path,
    connection: http.client.HTTPConnection,
    path: str,
    possible: list[bytes | None],
) -> bytes | None:
    reply = server.wire.get(path, connection=connection)
    content = None if reply.status == 404 else reply.body
    assert content in possible, (path, len(content or b""), [p and len(p) for p in possible])
    file = root / path.lstrip("/")
    assert (file.read_bytes() if file.exists() else None) == content
    if content is not None:
        assert reply.status == 200
        md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
        # The digest was stored by the flush of these very bytes: both or neither.
        assert reply.headers.get("content-md5") == (md5 if content else None), path
    return content


def die_while_recovering(root: Path, steps: int) -> None:
    """Start a server that dies at one of its first steps, if it gets that far."""
    arguments = [sys.executable, "-c", SERVER, str(root), KEY, str(steps), "before", "at start"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()


def run_writers(server: Server, knowns: list[Known], rng: random.Random) -> list[threading.Thread]:
    threads = []
    for number, known in enumerate(knowns):
        writer = Writer(server.wire, number, known, random.Random(rng.random()))
        threads.append(threading.Thread(target=writer.run))
    for thread in threads:
        thread.start()
    return threads


@pytest.fixture
def knowns() -> Iterator[list[Known]]:
    yield [Known() for _ in range(WRITERS)]


def test_kill_under_load(tmp_path: Path, knowns: list[Known]) -> None:
    print(f"ADLS_SEED={SEED} ADLS_KILLS={KILLS}")
    rng = random.Random(SEED)
    for kill in range(KILLS):
        by_step = kill % 2 == 1
        steps = rng.randrange(1, 400) if by_step else 0
        if kill % 4 == 2:
            die_while_recovering(tmp_path, rng.randrange(1, 8))
        server = Server(tmp_path, steps=steps, after=rng.random() < 0.5)
        try:
            check(server, tmp_path, knowns)
        except (OSError, http.client.HTTPException):
            assert by_step  # it reached its last step already
        threads = run_writers(server, knowns, rng)
        if not by_step:
            time.sleep(rng.uniform(0.05, 0.9))
            server.process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), f"ADLS_SEED={SEED} kill {kill}"
        server.kill()
    server = Server(tmp_path)
    try:
        check(server, tmp_path, knowns)
    finally:
        server.kill()
    done = sum(known.done for known in knowns)
    print(f"{done} changes answered over {KILLS} kills")
    assert done > KILLS * 3
