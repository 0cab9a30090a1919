"""What the tests of resuming have in common: real client processes, and a server that counts.

Bytes are counted by `Between`, the server in front of the lake, from the bodies that arrived
there whole. What it holds back when a client is killed is passed on later: a straggler.
"""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patience import PATIENCE, wait_until

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.servers import Between, Fault, Forwarded

import adls_magic as adls
from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.secret import Secret
from adls_magic.core.service.client import Client
from adls_magic.core.service.response import PathItem
from adls_magic.core.transfer import landing
from adls_magic.lake import LocalLake

from .processes import environment

CHUNK = 16 * 1024  # bytes
CHECKPOINT = 20 * CHUNK  # bytes

# A client of its own process: uploads what it is told to, and prints what came of it. Bytes and
# streams are made of the file, as there is no other way to give it the same ones.
CLIENT = """
import json, sys
from adls_magic.core.transfer import landing
import adls_magic as adls

told = json.loads(sys.argv[1])
if told["checkpoint"]:
    landing.CHECKPOINT_BYTES = told["checkpoint"]
path, step = told["source"], 50_000
data = b"" if told["kind"] == "path" else open(path, "rb").read()
parts = (data[start : start + step] for start in range(0, len(data), step))
source = {"path": path, "bytes": data, "stream": parts}[told["kind"]]
print("ready", flush=True)
sys.stdin.readline()
try:
    result = adls.upload(source, told["target"], progress=False, **told["options"])
    said = {"resumed_from": result.resumed_from, "size": result.size}
except BaseException as error:
    said = {"error": type(error).__name__, "text": str(error)}
print(json.dumps(said), flush=True)
"""


class Process:
    """A client process; it begins to upload when `begin` is called."""

    def __init__(
        self,
        account: Account,
        source: Path,
        target: str,
        *,
        kind: str = "path",
        checkpoint: int = CHECKPOINT,
        **options: Any,
    ) -> None:
        options.setdefault("chunk_size", CHUNK)
        told = {"source": str(source), "target": target, "kind": kind, "options": options}
        self._process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, json.dumps({**told, "checkpoint": checkpoint})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(account),
            text=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def begin(self) -> Process:
        assert self._out.readline() == "ready\n"
        self._in.write("\n")
        self._in.flush()
        return self

    def kill(self) -> None:
        """As `kill -9` does."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._close()

    def outcome(self) -> dict[str, Any]:
        """Wait until it has ended, and return what it said."""
        said = json.loads(self._out.readline())
        assert self._process.wait(PATIENCE) == 0
        self._close()
        return said

    def _close(self) -> None:
        self._in.close()
        self._out.close()

    def end(self) -> None:
        """Whatever became of it, nothing of it is left."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if not self._out.closed:
            self._close()


class Gate:
    """Lets appends pass until so many bytes have, then holds them back until it is opened.

    `then` is called with every request that is not held back, and may return a fault.
    """

    def __init__(
        self,
        limit: int | None = None,
        then: Callable[[Forwarded], Fault | None] = lambda got: None,
    ) -> None:
        self._limit = limit
        self._then = then
        self._lock = threading.Lock()
        self._opened = threading.Event()
        self.reached = threading.Event()
        self.passed = 0  # bytes of appends that were not held back

    def __call__(self, got: Forwarded) -> Fault | None:
        if is_append(got):
            with self._lock:
                holds = self._limit is not None and self.passed + got.length > self._limit
                self.passed += 0 if holds else got.length
            if holds:
                self.reached.set()
                self._opened.wait(PATIENCE)
        return self._then(got)

    def wait(self) -> None:
        """Wait until an append is held back."""
        assert self.reached.wait(PATIENCE), "it did not get that far"

    def open(self) -> None:
        """Let everything pass from now on, also what was held back."""
        self._limit = None
        self._opened.set()


def is_append(got: Forwarded) -> bool:
    return "action=append" in got.target


def is_flush(got: Forwarded) -> bool:
    return "action=flush" in got.target


def number(got: Forwarded, name: str) -> int:
    """A number of the query: where an append begins, how long a flush makes the file."""
    found = re.search(rf"[?&]{name}=(\d+)", got.target)
    assert found is not None, got.target
    return int(found[1])


@dataclass
class Setting:
    """A lake, a directory of it, and servers in front of it that count and hold back."""

    lake: LocalLake
    client: Client
    directory: str
    folder: Path
    _servers: list[Between]
    _gates: list[Gate]
    _processes: list[Process]

    # ------------------------------------------------------------------- local

    def source(self, size: int, *, name: str = "source.bin", seed: int = 1) -> Path:
        path = self.folder / name
        path.write_bytes(random.Random(seed).randbytes(size))
        return path

    # --------------------------------------------------------------- the way there

    def server(self, gate: Gate | None = None) -> Between:
        """A server in front of the lake; each upload gets its own, to count it by itself."""
        gate = gate or Gate()
        port = int(self.lake.url.rpartition(":")[2].partition("/")[0])
        self._gates.append(gate)
        self._servers.append(Between(port, gate))
        return self._servers[-1]

    def account(self, server: Between) -> Account:
        secret = self.lake.account.secret
        assert isinstance(secret, Secret)
        endpoint = f"http://127.0.0.1:{server.port}/{self.lake.account.name}"
        return Account(
            self.lake.account.name, endpoint, auth="key", secret=secret, filesystem="lake"
        )

    def prepared(self, server: Between, source: Path, target: str, **given: Any) -> Process:
        """A client process that waits for its `begin`."""
        process = Process(self.account(server), source, f"{self.directory}/{target}", **given)
        self._processes.append(process)
        return process

    def start(self, server: Between, source: Path, target: str, **given: Any) -> Process:
        """Begin an upload in a process of its own."""
        return self.prepared(server, source, target, **given).begin()

    def upload(self, server: Between, source: Any, target: str, **given: Any) -> Any:
        """Upload in this process."""
        given.setdefault("chunk_size", CHUNK)
        given.setdefault("progress", False)
        place = f"{self.directory}/{target}"
        return adls.upload(source, place, account=self.account(server), **given)

    # ------------------------------------------------------------------ what is there

    def remote(self, target: str) -> RemotePath:
        return RemotePath("lake", f"{self.directory}/{target}")

    def content(self, target: str) -> bytes | None:
        """What is at a target, as it lies on the disk."""
        path = self.lake.root / "lake" / self.directory / target
        return path.read_bytes() if path.exists() else None

    def names(self) -> list[str]:
        return sorted(name_of(item) for item in self._items())

    def staged(self) -> list[PathItem]:
        """The staged files that are there, by the service's word."""
        return [item for item in self._items() if item.name.endswith(".partial")]

    def _items(self) -> list[PathItem]:
        return list(self.client.list(RemotePath("lake", self.directory, is_directory=True)))

    def only_staged(self) -> PathItem:
        (item,) = self.staged()
        return item

    def end(self) -> None:
        for process in self._processes:
            process.end()
        for gate in self._gates:
            gate.open()
        for server in self._servers:
            server.close()


_settings = 0


@contextmanager
def setting(lake: LocalLake, folder: Path) -> Iterator[Setting]:
    """A directory of the lake for one test, and everything ended afterwards."""
    global _settings
    _settings += 1
    with Client(lake.account) as client:
        here = Setting(lake, client, f"r{_settings}", folder, [], [], [])
        client.create(RemotePath("lake", here.directory), directory=True)
        try:
            yield here
        finally:
            here.end()


def name_of(item: PathItem) -> str:
    return item.name.rpartition("/")[2]


def travelled(server: Between) -> int:
    """Bytes of appends that came to a server."""
    return sum(got.length for got in server.seen if is_append(got))


def flushes(server: Between) -> list[Forwarded]:
    return [got for got in server.seen if is_flush(got)]


def path_of(got: Forwarded) -> str:
    return urllib.parse.unquote(got.target.partition("?")[0])


def settled(server: Between, checkpoint: int = CHECKPOINT) -> None:
    """Wait until there was a checkpoint at a server, and the next is not due yet.

    The latest has its answer; one before it may have been given up, by a line that broke. Where
    the next is due and does not come, as all workers are held back, nothing happens any more.
    """
    last, since = 0, time.monotonic()

    def is_settled() -> bool:
        nonlocal last, since
        came = flushes(server)
        if not came or not came[-1].status:
            return False
        if front(server) - number(came[-1], "position") < checkpoint:
            return True
        answered = sum(bool(got.status) for got in server.seen)
        if answered != last:
            last, since = answered, time.monotonic()
        return time.monotonic() - since > 5

    wait_until(is_settled)


def front(server: Between) -> int:
    """Where the appends that came to a server and were answered have their first gap."""
    arrived = sorted(
        (number(got, "position"), got.length)
        for got in server.seen
        if is_append(got) and got.status
    )
    end = arrived[0][0] if arrived else 0
    for position, length in arrived:
        if position <= end:
            end = max(end, position + length)
    return end


def shorten_checkpoints(monkeypatch: Any) -> None:
    """Make a checkpoint after few bytes, in this process."""
    monkeypatch.setattr(landing, "CHECKPOINT_BYTES", CHECKPOINT)
