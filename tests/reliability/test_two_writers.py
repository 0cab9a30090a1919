"""Different sources to one target at the same time: one of them is there, whole.

`ADLS_ROUNDS=300 pytest tests/reliability/test_two_writers.py` is the long run.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.lake import LocalLake

from .resuming import CHUNK, Setting, setting

ROUNDS = int(os.environ.get("ADLS_ROUNDS", "6"))
SEED = int(os.environ.get("ADLS_SEED", random.SystemRandom().randrange(10**9)))
# One piece or none, and staged: of the same length, and of different ones.
SIZES = [0, CHUNK // 2, CHUNK - 1, CHUNK + 1, 9 * CHUNK + 5, 9 * CHUNK + 6]
# What tells the loser what to do.
CURES = ("run it again", "overwrite=True", "skip_existing=True", "was taken over by another run")

pytestmark = pytest.mark.timeout(120 + ROUNDS * 20)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLake]:
    with LocalLake(tmp_path_factory.mktemp("lake")) as running:
        yield running


@pytest.fixture
def here(lake: LocalLake, tmp_path: Path) -> Iterator[Setting]:
    with setting(lake, tmp_path) as made:
        yield made


class Writer(threading.Thread):
    """An upload that begins when all of them are there, or a little later."""

    def __init__(self, here: Setting, number: int, given: Any, barrier: threading.Barrier) -> None:
        super().__init__()
        self.number, self.given, self.barrier, self.here = number, given, barrier, here
        self.error: BaseException | None = None

    def run(self) -> None:
        import adls_magic as adls

        source, options, wait = self.given
        self.barrier.wait(30)
        threading.Event().wait(wait)
        try:
            adls.upload(
                source,
                f"{self.here.directory}/target",
                account=self.here.lake.account,
                progress=False,
                chunk_size=CHUNK,
                content_type=f"text/x-{self.number}",
                metadata={"writer": str(self.number)},
                **options,
            )
        except BaseException as error:  # noqa: BLE001 - kept for the test
            self.error = error


def race(here: Setting, givens: list[tuple[Any, dict[str, Any], float]]) -> list[Writer]:
    barrier = threading.Barrier(len(givens))
    writers = [Writer(here, number, given, barrier) for number, given in enumerate(givens)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert not writer.is_alive()
    return writers


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("existing", [False, True])
def test_one_wins_whole(here: Setting, existing: bool, overwrite: bool, tmp_path: Path):
    print(f"ADLS_SEED={SEED} ADLS_ROUNDS={ROUNDS}")
    chance = random.Random(f"{SEED}{existing}{overwrite}")
    pairs = list(itertools.combinations_with_replacement(SIZES, 2))
    for turn in range(ROUNDS * 3):
        old = b"old" * turn + b"." if existing else None
        if old is not None:
            here.upload(here.server(), old, "target", overwrite=True)
        elif here.content("target") is not None:
            here.client.delete(here.remote("target"))
        contents = [bytes([65 + number]) * size for number, size in enumerate(chance.choice(pairs))]
        givens = []
        for number, content in enumerate(contents):
            source: Any = tmp_path / f"source{number}"
            source.write_bytes(content)
            if chance.random() < 0.3:
                source = iter([content[: len(content) // 2], content[len(content) // 2 :]])
            givens.append((source, {"overwrite": overwrite}, chance.random() * 0.004))
        judge(here, race(here, givens), contents, old, overwrite=overwrite)


def judge(
    here: Setting,
    writers: list[Writer],
    contents: list[bytes],
    old: bytes | None,
    *,
    overwrite: bool,
) -> None:
    won = [writer.number for writer in writers if writer.error is None]
    for writer in writers:
        if writer.error is not None:
            assert isinstance(writer.error, (errors.PathExistsError, errors.ConflictError)), writer
            assert any(cure in str(writer.error) for cure in CURES), writer.error
    found = here.client.properties(here.remote("target"))
    content = here.content("target")
    if old is not None and not overwrite:
        assert not won and content == old
    else:
        assert won and (overwrite or len(won) == 1), [writer.error for writer in writers]
        number = int(found.metadata["writer"])
        assert number in won and content == contents[number]
        # What is stored with a file is of the same upload.
        assert found.content_type == f"text/x-{number}"
    # A file that came too late may be kept for a rerun with --overwrite, and that is said.
    kept = [writer for writer in writers if "are staged: run it again" in str(writer.error)]
    left = here.staged()
    assert len(left) == len(kept) and len(here.names()) == 1 + len(left)
    for item in left:
        here.client.delete(RemotePath("lake", item.name))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="starts processes")
@pytest.mark.parametrize("size", [CHUNK // 2, 30 * CHUNK])
def test_two_processes(here: Setting, size: int):
    sources = [here.source(size, name=f"{number}", seed=number) for number in range(2)]
    server = here.server()
    processes = [here.prepared(server, source, "target") for source in sources]
    for process in processes:
        process.begin()
    said = [process.outcome() for process in processes]
    won = [number for number, one in enumerate(said) if "error" not in one]
    assert len(won) == 1
    assert here.content("target") == sources[won[0]].read_bytes()
    text = said[1 - won[0]]["text"]
    assert any(cure in text for cure in CURES)
    assert len(here.names()) == 1 + ("are staged: run it again" in text)
