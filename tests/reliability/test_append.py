"""Real processes append to one file at once; some are killed in the middle.

`ADLS_APPENDS=1000 pytest tests/reliability/test_append.py -s` is the long run.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import adls_magic as adls
from adls_magic.core.errors import ConflictError
from adls_magic.core.transfer.lease import LEASE_SECONDS
from adls_magic.lake import LocalLake

from .processes import environment

APPENDS = int(os.environ.get("ADLS_APPENDS", "120"))
WRITERS = 4

pytestmark = pytest.mark.timeout(120 + APPENDS)

# Appends lines of all lengths, one an append; the text tells a damaged one.
WRITER = """
import sys
import adls_magic as adls

me, count = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    with adls.open("logs/all.txt", "a", patience=600.0) as log:
        log.write(f"{me} {number} {me * (number * 37 % 1000)} end\\n")
"""

# Takes the lease, sends much, and never comes to an end.
STUCK = """
import sys, time
import adls_magic as adls

with adls.open("logs/all.txt", "ab", chunk_size=100_000) as log:
    log.write(b"half" * 1_000_000)
    print("sent", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[LocalLake]:
    with LocalLake(tmp_path / "lake") as running:
        yield running


def start(lake: LocalLake, script: str, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)],
        env=environment(lake.account),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_all_appends_arrive_whole_and_in_order(lake: LocalLake) -> None:
    each = APPENDS // WRITERS
    writers = [start(lake, WRITER, me, each) for me in "abcd"]
    for writer in writers:
        assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    began = time.monotonic()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        out, err = writer.communicate()
        assert (writer.returncode, out, err) == (0, "", "")
    took = time.monotonic() - began
    text = (lake.root / "lake/logs/all.txt").read_text()
    print(f"{WRITERS * each} appends by {WRITERS} processes in {took:.1f} s")
    seen: dict[str, list[int]] = {me: [] for me in "abcd"}
    for line in text.splitlines():
        found = re.fullmatch(r"([abcd]) (\d+) (.*) end", line)
        assert found, line
        me, number, filling = found[1], int(found[2]), found[3]
        assert filling == me * (number * 37 % 1000)
        seen[me].append(number)
    assert seen == {me: list(range(each)) for me in "abcd"}
    # They took turns, and not each writer all of its own at once.
    owners = [line[0] for line in text.splitlines()]
    assert sum(one != other for one, other in itertools.pairwise(owners)) >= WRITERS


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
def test_a_process_that_is_killed_holds_nobody_up(
    lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lake.root / "lake/logs/all.txt"
    with adls.open("logs/all.txt", "w", account=lake.account) as log:
        log.write("old\n")
    stuck = start(lake, STUCK)
    assert stuck.stdout is not None and stuck.stderr is not None
    assert stuck.stdout.readline() == "sent\n", stuck.stderr.read()
    assert path.read_text() == "old\n"
    with pytest.raises(ConflictError, match="Somebody else holds"):
        append(lake, patience=0.2)
    stuck.send_signal(signal.SIGKILL)
    stuck.communicate()
    assert path.read_text() == "old\n"
    # Its lease has as long to live as it was taken for, however often it was renewed before.
    assert lake._store is not None
    clock = lambda: time.monotonic() + LEASE_SECONDS  # noqa: E731
    monkeypatch.setattr(lake._store.leases, "_clock", clock)
    append(lake, patience=0.2)
    assert path.read_text() == "old\nnew\n"


def append(lake: LocalLake, *, patience: float) -> None:
    with adls.open("logs/all.txt", "a", account=lake.account, patience=patience) as log:
        log.write("new\n")
