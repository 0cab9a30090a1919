"""Whole uploads through a line that fails at random, in every way, with the default policy.

Nothing is lost, nothing is there twice, nothing is left over. The long run, and one run again:
`ADLS_FAULT_RUNS=200 pytest tests/reliability/test_random_faults.py`, with `ADLS_SEED=…` to begin
at another number.
"""

from __future__ import annotations

import io
import os
import random
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from core.conftest import (  # noqa: F401 - one is for every test here
    KEY,
    account_at,
    lake_port,
    nothing_is_left,
)
from core.servers import Between, Fault, Forwarded, answer, error
from core.uploads import CHUNK, put

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service import calls, connections
from adls_magic.core.service.client import Client
from adls_magic.core.service.retry import RetryPolicy
from adls_magic.core.transfer import landing
from adls_magic.core.transfer.upload import UploadJob, UploadOptions, UploadResult, upload_all
from adls_magic.lake import LocalLake

RUNS = int(os.environ.get("ADLS_FAULT_RUNS", "6"))
SEED = int(os.environ.get("ADLS_SEED", "1"))
TIME_OUT = 0.4  # seconds, for an answer; a minute would make long tests
LATE = 0.6  # seconds
LATE_CREATE = "request after the time-out: PUT ."
OLD = b"what was there before"

pytestmark = pytest.mark.timeout(120)

BUSY = {"x-ms-error-code": "ServerBusy"}
FAULTS: dict[str, Fault] = {
    "closed before": Fault(before=True),
    "reset before": Fault(before=True, reset=True),
    "reset within the body": Fault(within=True, reset=True),
    "closed when it was done": Fault(after=True),
    "reset when it was done": Fault(after=True, reset=True),
    "half an answer": Fault(half=True),
    "500": Fault(instead=error(500, "InternalError")),
    "500 though it was done": Fault(swapped=error(500, "OperationTimedOut")),
    "502 of a gateway": Fault(instead=answer(502, {"Content-Type": "text/html"}, b"<html>")),
    "502 though it was done": Fault(swapped=answer(502, {"Content-Type": "text/html"}, b"<p>")),
    "503": Fault(instead=answer(503, BUSY)),
    "503 with Retry-After": Fault(instead=answer(503, {**BUSY, "Retry-After": "0.1"})),
    "504": Fault(instead=answer(504)),
    "408": Fault(instead=answer(408)),
    "429": Fault(instead=answer(429)),
    "slow drain": Fault(slowly=0.1),
    "answer after the time-out": Fault(delay=LATE),
    "request after the time-out": Fault(late=LATE),
}


@dataclass
class Faults:
    """Makes a fault of a share of the requests, by a seed."""

    seed: int
    share: float
    made: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._lock = threading.Lock()

    def __call__(self, got: Forwarded) -> Fault | None:
        with self._lock:
            if self._chance.random() >= self.share:
                return None
            name = self._chance.choice(list(FAULTS))
            self.made.append(f"{name}: {got.method} {got.target.rpartition('/')[2]}")
        return FAULTS[name]


@dataclass(frozen=True)
class Command:
    """An upload of some files, made up by a seed."""

    contents: list[bytes]
    exists: bool
    kind: str
    options: UploadOptions

    @classmethod
    def of(cls, seed: int) -> Command:
        chance = random.Random(-seed)
        kind = chance.choice(["path", "path", "bytes", "stream"])
        count = chance.choice([1, 1, 1, 4]) if kind == "path" else 1
        most = chance.choice([CHUNK, 10 * CHUNK, 60 * CHUNK])
        exists = chance.random() < 0.5
        return cls(
            [chance.randbytes(chance.randint(0, most)) for _ in range(count)],
            exists,
            kind,
            UploadOptions(
                if_exists="overwrite" if exists else "refuse",
                workers=chance.choice([1, 3, 6, None]),
                chunk_size=CHUNK,
                in_place=chance.random() < 0.2,
                md5=chance.random() < 0.3,
            ),
        )

    def jobs(self, folder: Path, place: RemotePath) -> list[UploadJob]:
        jobs = []
        for number, content in enumerate(self.contents):
            (path := folder / f"{number}.bin").write_bytes(content)
            sources = {"path": path, "bytes": content, "stream": io.BytesIO(content)}
            jobs.append(UploadJob(sources[self.kind], place.child(path.name)))
        return jobs


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[LocalLake]:
    """One of its own: what a late request does to it is looked at when all is over."""
    with LocalLake(tmp_path / "lake", key=KEY) as started:
        yield started


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """Note each wait before another try: failures so far, and seconds."""
    noted: list[tuple[int, float]] = []
    wait: Callable[..., float] = RetryPolicy.wait

    def noting(self: RetryPolicy, failures: int, retry_after: float | None = None) -> float:
        seconds = wait(self, failures, retry_after)
        if retry_after is None:
            noted.append((failures, seconds))
        return seconds

    monkeypatch.setattr(RetryPolicy, "wait", noting)
    return noted


@pytest.mark.parametrize("share", [0.02, 0.1])
@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
def test_random_faults(
    seed: int, share: float, lake: LocalLake, client: Client, place, tmp_path, monkeypatch, waits
):
    print(f"ADLS_SEED={seed} ADLS_FAULT_RUNS=1")
    monkeypatch.setattr(connections, "BLOCK_TIMEOUT", TIME_OUT)
    monkeypatch.setattr(landing, "CHECKPOINT_BYTES", 3 * CHUNK)
    command = Command.of(seed)
    jobs = command.jobs(tmp_path, place)
    if command.exists:
        for job in jobs:
            put(client, job.target, OLD)
    with Between(lake_port(lake), faults := Faults(seed, share)) as between:
        try:
            results = upload_all(account_at(between.port), jobs, command.options, progress=False)
        finally:
            print(f"{len(between.seen)} requests; {faults.made}; waits {waits}")
        between.drain()
    for job, content, result in zip(jobs, command.contents, results, strict=True):
        assert client.read(job.target) == content
        assert result.size == len(content)
        assert client.properties(job.target).content_type == "application/octet-stream"
    found = {item.name: item.size for item in client.list(place)}
    others = {name: size for name, size in found.items() if "partial" in name}
    assert found.keys() - others.keys() == {job.target.path for job in jobs}
    # The create of a staged file that reaches the service when all is over leaves that, empty.
    assert len(others) <= sum(one.startswith(LATE_CREATE) for one in faults.made)
    assert set(others.values()) <= {0}
    # A transient fault costs a fraction of a second, not many.
    assert all(seconds <= 0.2 * 2 ** (failures - 1) for failures, seconds in waits)


# ------------------------------------------------------------------------------------- giving up

KEPT = 20 * CHUNK
GIVEN_UP = {
    "503": (Fault(instead=answer(503, BUSY)), r"at its limits.*\[503 ServerBusy"),
    "500": (Fault(instead=error(500, "InternalError")), r"the service failed.*\[500 InternalError"),
    "a line that keeps breaking": (Fault(before=True), r"the connection broke"),
    "no answer": (Fault(delay=LATE), r"did not answer in time"),
}


@pytest.mark.parametrize("everything", [False, True], ids=["appends", "everything"])
@pytest.mark.parametrize("name", GIVEN_UP)
def test_giving_up(
    name: str, everything: bool, between: Between, client, place, tmp_path, monkeypatch
):
    """After a bounded number of tries, with the last cause; a rerun goes on from what is safe."""
    fault, says = GIVEN_UP[name]
    monkeypatch.setattr(connections, "BLOCK_TIMEOUT", TIME_OUT)
    monkeypatch.setattr(landing, "CHECKPOINT_BYTES", 5 * CHUNK)
    policy = RetryPolicy(tries=3, first_wait=0.01)
    monkeypatch.setattr(calls, "RetryPolicy", lambda **given: policy)
    (path := tmp_path / "source.bin").write_bytes(content := random.Random(1).randbytes(2 * KEPT))
    target, down = place.child("target.bin"), threading.Event()
    put(client, target, OLD)

    def faults(got: Forwarded) -> Fault | None:
        if f"append&position={KEPT}" in got.target:
            down.set()
        return fault if down.is_set() and (everything or "append" in got.target) else None

    def upload() -> UploadResult:
        options = UploadOptions(if_exists="overwrite", chunk_size=CHUNK, workers=1)
        account = account_at(between.port)
        return upload_all(account, [UploadJob(path, target)], options, progress=False)[0]

    between.faults = faults
    with pytest.raises(errors.AdlsError, match=says) as caught:
        upload()
    print(caught.value)
    assert re.search(r"run it again|try again", str(caught.value))
    assert "19.5 KiB are staged: run it again to go on from there" in str(caught.value)
    assert between.count(f"action=append&position={KEPT}$") == policy.tries
    assert client.read(target) == OLD
    between.faults = lambda got: None
    assert upload().resumed_from == KEPT
    assert client.read(target) == content


def test_patience_is_bounded_by_default():
    """No try begins later than a minute and a half after the first failure."""
    policy = RetryPolicy()
    assert policy.patience <= 90 and policy.tries <= 12
