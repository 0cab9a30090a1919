"""Whole uploads through a line that fails at random, in every way, with the default policy.

Nothing is lost, nothing is there twice, nothing is left over. The long run, and one run again:
`ADLS_FAULT_RUNS=200 pytest tests/reliability/test_random_faults.py`, with `ADLS_SEED=…` to begin
at another number.
"""

from __future__ import annotations

import io
import os
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from core.conftest import KEY, account_at, lake_port
from core.servers import Between, Fault, Forwarded, answer, error
from core.uploads import CHUNK, put

from adls_magic.core.account.address import RemotePath
from adls_magic.core.service import transport
from adls_magic.core.service.client import Client
from adls_magic.core.service.retry import RetryPolicy
from adls_magic.core.transfer import landing
from adls_magic.core.transfer.upload import UploadJob, UploadOptions, upload_all
from adls_magic.lake import LocalLake

RUNS = int(os.environ.get("ADLS_FAULT_RUNS", "6"))
SEED = int(os.environ.get("ADLS_SEED", "1"))
TIME_OUT = 0.4  # seconds, for an answer; a minute would make long tests
LATE = 0.6  # seconds
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
    monkeypatch.setattr(transport, "BLOCK_TIMEOUT", TIME_OUT)
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
            print(f"{between.lines}\n{len(between.seen)} requests; {faults.made}; waits {waits}")
        check(client, jobs, command, results)
        between.drain()
    check(client, jobs, command, results)
    # A transient fault costs a fraction of a second, not many.
    assert all(seconds <= 0.2 * 2 ** (failures - 1) for failures, seconds in waits)


def check(client: Client, jobs, command: Command, results) -> None:
    for job, content, result in zip(jobs, command.contents, results, strict=True):
        assert client.read(job.target) == content
        assert result.size == len(content)
        assert client.properties(job.target).content_type == "application/octet-stream"
    listed = sorted(item.name for item in client.list(jobs[0].target.parent))
    assert listed == sorted(job.target.path for job in jobs)
