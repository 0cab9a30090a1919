"""Real processes append to one file at once; some are killed in the middle.

`ADLS_APPENDS=1000 pytest tests/reliability/test_append.py -s` is the long run.
"""

from __future__ import annotations

import dataclasses
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
from core.conftest import lake_port
from core.servers import Between

import adls_magic as adls
from adls_magic.core.account.address import RemotePath
from adls_magic.core.errors import AdlsError, ConflictError
from adls_magic.core.service import calls
from adls_magic.core.service.client import Client
from adls_magic.core.service.retry import RetryPolicy
from adls_magic.core.transfer import run
from adls_magic.core.transfer.existing import MARK
from adls_magic.core.transfer.lease import LEASE_SECONDS
from adls_magic.lake import LocalLake

from .processes import environment
from .test_killed_at_every_request import Cut

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


# ------------------------------------------------------------- cut off at every request, for good


class Later:
    """Lets time go by for the leases of a lake, and for nothing else."""

    def __init__(self, lake: LocalLake, monkeypatch: pytest.MonkeyPatch) -> None:
        assert lake._store is not None
        self._seconds = 0.0
        clock = lambda: time.monotonic() + self._seconds  # noqa: E731
        monkeypatch.setattr(lake._store.leases, "_clock", clock)

    def go(self, seconds: float) -> None:
        self._seconds += seconds


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("pieces", [0, 1, 4])
@pytest.mark.parametrize("is_there", [False, True])
def test_cut_off_at_every_request(
    is_there: bool, pieces: int, done: bool, lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old or new, and whole; and the next append finds nothing of it in its way."""
    once = RetryPolicy(tries=1)
    monkeypatch.setattr(calls, "RetryPolicy", lambda **given: once)
    monkeypatch.setattr(run, "RetryPolicy", lambda **given: once)
    later = Later(lake, monkeypatch)
    old, new = (b"old\n" if is_there else b""), b"n" * 999 + b"\n"
    new *= pieces
    with Between(lake_port(lake)) as between:
        endpoint = lake.account.endpoint.replace(str(lake_port(lake)), str(between.port))
        account = dataclasses.replace(lake.account, endpoint=endpoint)
        for number in itertools.count(1):
            name = f"log{number}.txt"
            path = lake.root / "lake" / name
            if is_there:
                adls.upload(old, name, account=lake.account)
            between.faults = cut = Cut(number, done=done)
            said = ""
            try:
                with adls.open(
                    name, "ab", account=account, chunk_size=1000, workers=2, patience=0.2
                ) as log:
                    log.write(new)
            except AdlsError as error:
                said = str(error)
                assert cut.is_over
            between.faults = lambda got: None
            content = path.read_bytes() if path.exists() else b""
            assert content in (old, old + new)
            # That it has arrived, or may have, is said; and else that it has not.
            assert not said or content == old or "look at its end" in said
            assert said or content == old + new
            later.go(LEASE_SECONDS + 1)
            with adls.open(name, "a", account=lake.account, patience=0.2) as log:
                log.write("after\n")
            assert path.read_bytes() == content + b"after\n"
            with Client(lake.account) as client:
                found = client.properties(RemotePath("lake", name))
            assert found.lease_state == "available" and MARK not in str(found.content_type)
            assert list((lake.root / ".adls-lake" / "waiting").iterdir()) == []
            if not cut.is_over:
                break
            assert number < 100
    assert number >= 6
