"""What waits for a flush, when appends and flushes meet."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adls_magic.lake.uncommitted import Uncommitted

KEY = ("fs", "file")


@pytest.fixture
def hasty() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_an_append_that_begins_while_a_flush_ends_is_kept(tmp_path: Path, hasty: None) -> None:
    """It was answered, so a later flush must find it."""
    uncommitted = Uncommitted(tmp_path)
    committed: list[int] = []
    over = threading.Event()

    def flush() -> None:
        area = uncommitted.find(KEY)
        pieces = area.beyond(0)
        uncommitted.settle(KEY, area, pieces, retain=True)
        committed.extend(piece.position for piece in pieces)

    def flush_on() -> None:
        while not over.is_set():
            flush()

    flushing = threading.Thread(target=flush_on)
    flushing.start()
    try:
        for number in range(15000):
            area, piece = uncommitted.start(KEY, number, 1)
            area.accept(piece)
    finally:
        over.set()
        flushing.join()
    flush()
    assert sorted(committed) == list(range(15000))
    assert not list(tmp_path.iterdir())
