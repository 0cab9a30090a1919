"""Waiting for what another thread or process does."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

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


def _place_of(thread: threading.Thread) -> object:
    """Where in the code a thread is, and how long it has been at work.

    Not which frame that is: Python makes an object for it each time it is asked.
    """
    frame = sys._current_frames().get(thread.ident or 0)
    spent = ""
    with contextlib.suppress(OSError):  # elsewhere than on Linux
        spent = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text().split()[0]
    return (frame.f_code, frame.f_lasti, spent) if frame else None
