"""Waiting for what another thread or process does."""

from __future__ import annotations

import contextlib
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
    """Return when threads have not been at work for a while, as those that wait."""
    seen = [_work_of(thread) for thread in threads]
    since = time.monotonic()

    def are_still() -> bool:
        nonlocal seen, since
        now = [_work_of(thread) for thread in threads]
        if now != seen or any(work.startswith("R") for work in now):
            seen, since = now, time.monotonic()
        return time.monotonic() - since > 0.3

    wait_until(are_still)


def _work_of(thread: threading.Thread) -> str:
    """The state of a thread (R: it would work if it could) and the time that it has worked."""
    # Not sys._current_frames, which can wait for ever where other threads come and go.
    task = Path(f"/proc/self/task/{thread.native_id}")
    with contextlib.suppress(OSError):  # elsewhere than on Linux, and when it has ended
        state = (task / "stat").read_text().rpartition(") ")[2][0]
        return f"{state} {(task / 'schedstat').read_text().split()[0]}"
    return ""
