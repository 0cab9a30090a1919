"""Waiting for what another thread or process does."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

PATIENCE = 60.0  # seconds for what takes a moment when nobody else is at work
# Seconds in which what is over at once is over on every machine. A test that says so lets what
# is not to be waited for take `LONG`, so that the two cannot be taken for each other.
AT_ONCE = 30.0
LONG = 90.0


def wait_until(is_so: Callable[[], object]) -> None:
    """Return as soon as it is so; fail when it never is."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def wait_until_still(*threads: threading.Thread) -> None:
    """Return when threads have stayed where they are for a while, as one does that waits."""
    seen = [_place_of(thread) for thread in threads]
    since = time.monotonic()

    def are_still() -> bool:
        nonlocal seen, since
        now = [_place_of(thread) for thread in threads]
        if now != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > 0.2

    wait_until(are_still)


def _place_of(thread: threading.Thread) -> tuple[int, int]:
    """Tell calls and steps apart; no frame is kept, which would keep what its variables hold."""
    frame = sys._current_frames().get(thread.ident or 0)
    return (id(frame), frame.f_lasti) if frame else (0, 0)
