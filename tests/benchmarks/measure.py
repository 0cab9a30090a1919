"""What every driver shares: its command line, and the measuring of one upload.

A driver is run once for each upload, in a process of its own. It imports what it needs, makes
its client, and hands a function that uploads to `main`, which prints one line of JSON. Only the
standard library is used here, because the peers live in a venv without adls_magic.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "acct"
FILESYSTEM = "bench"
FOLDER = "data"
KEY = "bm90IGEgc2VjcmV0LCB0aGUgc2luayBkb2VzIG5vdCBsb29rIGF0IGl0"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Task:
    """One upload: what to send where, and with which settings.

    `workers` and `chunk_size` (bytes) are None where a client is to use its own defaults.
    `options` are words that only one driver understands.
    """

    endpoint: str
    files: list[Path]
    is_directory: bool
    workers: int | None
    chunk_size: int | None
    options: frozenset[str]

    @property
    def tuned(self) -> bool:
        return self.workers is not None

    @property
    def file(self) -> Path:
        """The only file of a task that is not a directory."""
        (file,) = self.files
        return file

    def name(self, file: Path) -> str:
        """The path of a file within the filesystem."""
        return f"{FOLDER}/{file.name}"


Prepare = Callable[[Task], Callable[[], object]]


def _private_bytes() -> int:
    """Anonymous resident memory: what a process does not share and cannot drop."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def _peak_rss_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _forget_peak() -> None:
    """Let VmHWM start anew, so that it is the upload's own and not the imports'."""
    Path("/proc/self/clear_refs").write_text("5")


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured(upload: Callable[[], object]) -> dict[str, object]:
    """Run the upload once. `started` and `ended` are of the clock that all processes share."""
    gc.collect()
    _forget_peak()
    private, cpu, started = _private_bytes(), _cpu_seconds(), time.monotonic()
    upload()
    ended = time.monotonic()
    return {
        "seconds": ended - started,
        "cpu_seconds": _cpu_seconds() - cpu,
        "started": started,
        "ended": ended,
        "private_at_start": private,
        "private_at_end": _private_bytes(),
        "peak_rss": _peak_rss_bytes(),
    }


def parse(words: list[str], clients: list[str]) -> tuple[str, Task]:
    """The client's name and its task, from a driver's command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=clients)
    parser.add_argument("--endpoint", required=True, help="base URL, ends in the account")
    parser.add_argument("--file", type=Path, help="upload this file …")
    parser.add_argument("--directory", type=Path, help="… or all files of this directory")
    parser.add_argument("--workers", type=int, help="requests in flight; default: the client's")
    parser.add_argument("--chunk-size", type=int, help="bytes; default: the client's")
    parser.add_argument("--option", action="append", default=[])
    given = parser.parse_args(words)
    task = Task(
        endpoint=given.endpoint,
        files=sorted(given.directory.iterdir()) if given.directory else [given.file],
        is_directory=given.directory is not None,
        workers=given.workers,
        chunk_size=given.chunk_size,
        options=frozenset(given.option),
    )
    return given.client, task


def main(clients: dict[str, Prepare]) -> None:
    """Measure one upload by the client named on the command line; print it as JSON."""
    client, task = parse(sys.argv[1:], list(clients))
    upload = clients[client](task)
    print(json.dumps(measured(upload)), flush=True)
