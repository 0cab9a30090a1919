"""Ctrl-C for this process, in the moment that a test means."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator

from patience import wait_until


@contextlib.contextmanager
def ctrl_c_once(is_so: Callable[[], object]) -> Iterator[list[float]]:
    """Press Ctrl-C in the main thread as soon as it is so; what is to be stopped stands inside.

    Yields what the moment comes into, by the monotonic clock. Nothing is pressed when what stands
    inside has ended before.
    """
    main = threading.main_thread().ident
    assert main is not None
    pressed: list[float] = []
    is_over = threading.Event()

    def press() -> None:
        wait_until(lambda: is_over.is_set() or is_so())
        if not is_over.is_set():
            pressed.append(time.monotonic())
            signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        yield pressed
    finally:
        is_over.set()
        thread.join()
