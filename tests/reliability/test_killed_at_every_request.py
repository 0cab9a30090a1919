"""An upload is cut off at its n-th request, for every n: before it, and before its answer.

From then on nothing gets through any more, no request to clean up either, as when the process is
killed. Then the same command runs again, on a sound line.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from core.conftest import (  # noqa: F401 - one is for every test here
    account_at,
    nothing_is_left,
)
from core.servers import Between, Fault, Forwarded
from core.uploads import CHUNK, data_of, put

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service import calls
from adls_magic.core.service.client import Client
from adls_magic.core.service.retry import RetryPolicy
from adls_magic.core.transfer import landing, run
from adls_magic.core.transfer.existing import is_unfinished
from adls_magic.core.transfer.upload import UploadJob, UploadOptions, UploadResult, upload_all

from .processes import environment

SMALL, LARGE = 700, 6 * CHUNK + 5
OLD = b"what was there before"


@dataclass(frozen=True)
class Case:
    """A command: the sizes of its files, and what there is when it begins."""

    sizes: tuple[int, ...]
    exists: bool = False
    in_place: bool = False
    if_exists: str = "refuse"
    workers: int = 1
    md5: bool = False

    def options(self) -> UploadOptions:
        return UploadOptions(
            if_exists=self.if_exists,
            chunk_size=CHUNK,
            workers=self.workers,
            in_place=self.in_place,
            md5=self.md5,
        )


FOLDER = (SMALL, 3 * CHUNK, 0)
CASES = {
    "small and new": Case((SMALL,)),
    "small and new with its MD5": Case((SMALL,), md5=True),
    "empty and new": Case((0,)),
    "large and new": Case((LARGE,)),
    "large and new by several threads": Case((LARGE,), workers=3),
    "small over another": Case((SMALL,), exists=True, if_exists="overwrite"),
    "large over another": Case((LARGE,), exists=True, if_exists="overwrite", md5=True),
    "small, new, in place": Case((SMALL,), in_place=True),
    "large, new, in place": Case((LARGE,), in_place=True),
    "small over another in place": Case((SMALL,), True, in_place=True, if_exists="overwrite"),
    "large over another in place": Case((LARGE,), True, in_place=True, if_exists="overwrite"),
    "a folder": Case(FOLDER, if_exists="skip", workers=3),
    "a folder over another": Case(FOLDER, exists=True, if_exists="overwrite", workers=2),
}


class Cut:
    """Cuts the line off at its n-th request, for good."""

    def __init__(self, number: int, *, done: bool) -> None:
        self._left = itertools.count(1)
        self._number = number
        self._done = done
        self.is_over = False

    def __call__(self, got: Forwarded) -> Fault | None:
        number = next(self._left)
        self.is_over |= number >= self._number
        if number == self._number and self._done:
            return Fault(after=True)
        return Fault(before=True) if number >= self._number else None


@pytest.fixture
def dies_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that tries nothing twice, and makes safe what arrived every two chunks."""
    once = RetryPolicy(tries=1)
    monkeypatch.setattr(calls, "RetryPolicy", lambda **given: once)
    monkeypatch.setattr(run, "RetryPolicy", lambda **given: once)
    monkeypatch.setattr(landing, "CHECKPOINT_BYTES", 2 * CHUNK)


@dataclass(frozen=True)
class Scene:
    """A command in a directory of its own."""

    case: Case
    jobs: list[UploadJob]

    def upload(self, account) -> list[UploadResult]:
        return upload_all(account, self.jobs, self.case.options(), progress=False)

    def has_arrived(self, client: Client) -> bool:
        """Check that every target is what it was or the whole new file; True when all are new."""
        arrived = 0
        for job in self.jobs:
            found = client.find(job.target)
            if found is None:
                assert not self.case.exists
                continue
            content = client.read(job.target)
            assert found.size == len(content)
            if not is_unfinished(found) and content == Path(job.source).read_bytes():
                arrived += 1
            elif self.case.exists:
                assert content == OLD or (content == b"" and self.case.in_place)
            else:
                assert is_unfinished(found)
        return arrived == len(self.jobs)


def set_up(case: Case, client: Client, place: RemotePath, folder: Path, label: str) -> Scene:
    jobs = []
    directory = place.child(label)
    for number, size in enumerate(case.sizes):
        (path := folder / f"{label}-{number}.bin").write_bytes(data_of(size))
        jobs.append(UploadJob(path, directory.child(f"{number}.bin")))
        if case.exists:
            put(client, jobs[-1].target, OLD)
    return Scene(case, jobs)


def whole(scene: Scene, client: Client) -> None:
    """Every target is the new file, and nothing else is there."""
    for job in scene.jobs:
        assert client.read(job.target) == Path(job.source).read_bytes()
        assert client.properties(job.target).content_type == "application/octet-stream"
    listed = [item.name for item in client.list(scene.jobs[0].target.parent)]
    assert sorted(listed) == sorted(job.target.path for job in scene.jobs)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", CASES)
def test_cut_off_at_every_request(
    name: str, done: bool, lake, between: Between, client: Client, place, tmp_path, dies_at_once
):
    account, resumed = account_at(between.port), set()
    for number in itertools.count(1):
        scene = set_up(CASES[name], client, place, tmp_path, f"n{number}")
        between.faults = cut = Cut(number, done=done)
        try:
            scene.upload(account)
        except errors.AdlsError:
            assert cut.is_over
        has_arrived = scene.has_arrived(client)
        between.faults = lambda got: None
        try:
            resumed |= {result.resumed_from for result in scene.upload(account)}
        except errors.PathExistsError:
            # It is there, and only the answer that said so was lost.
            assert has_arrived and scene.case.if_exists == "refuse"
        whole(scene, client)
        assert waiting(lake) == []
        if not cut.is_over:
            break
        assert number < 100
    assert number > len(CASES[name].sizes)
    lasts = max(CASES[name].sizes) > 2 * CHUNK and not CASES[name].in_place
    assert (len(resumed) > 1) is lasts


def waiting(lake) -> list[Path]:
    """What the lake holds of bytes that nobody has flushed."""
    return list((lake.root / ".adls-lake" / "waiting").iterdir())


# -------------------------------------------------------------------------------- a real process


class Kill:
    """Sends `kill -9` to a process at its n-th request, before the service sees it or after."""

    def __init__(self, number: int, *, done: bool) -> None:
        self._left = itertools.count(1)
        self._number = number
        self._done = done
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self, got: Forwarded) -> Fault | None:
        if next(self._left) != self._number:
            return None
        if self._done:
            return Fault(then=self._strike, after=True)
        self._strike()
        return Fault(before=True)

    def _strike(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def start(between: Between) -> Callable[..., subprocess.Popen[bytes]]:
    """Start `adls-magic upload` in a process of its own."""

    def start(*words: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "adls_magic", "upload", *map(str, words)],
            env=environment(account_at(between.port)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    return start


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("size", "number"),
    [(SMALL, 5), (SMALL, 6), (LARGE, 2), (LARGE, 10), (LARGE, 12)],
)
def test_killed_process(
    size: int, number: int, done: bool, start, between: Between, client, place, tmp_path, names_in
):
    """Replacing a file: at the append or the rename; at the create, the flush or the rename."""
    (path := tmp_path / "source.bin").write_bytes(data_of(size))
    target = place.child("target.bin")
    put(client, target, OLD)
    words = (path, target.path, "--overwrite", "--chunk-size", CHUNK, "--workers", 1)
    between.faults = kill = Kill(number, done=done)
    kill.process = process = start(*words)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, said
    assert client.read(target) in (OLD, path.read_bytes())
    between.faults = lambda got: None
    again = start(*words)
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert client.read(target) == path.read_bytes()
    assert names_in() == ["target.bin"]
