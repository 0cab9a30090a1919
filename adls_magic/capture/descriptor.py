"""File descriptor 1, perhaps 2, while a cell runs: what subprocesses and C code print.

It is led into a pipe that a thread of ours reads. The pipe blocks its writers when the lake is
slow. What is in it when Python itself prints, or when the cell ends, is taken first, so that
everything stays in the order in which it was written. A process that outlives the cell keeps its
end of the pipe; what it prints from then on goes where descriptor 1 led before. Descriptor 2 is
led into the same pipe, where the order of both is kept.

Not on Windows, where pipes cannot be polled. Threads: `drain` and the reader share the lock of
the owner, under which `take` is called. C code that prints more than the pipe holds without
releasing the GIL stops for ever, as it does under ipykernel, which reads its own pipe this way.
"""

from __future__ import annotations

import ctypes
import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

_STDOUT, _STDERR = 1, 2
_PIPE = 1024 * 1024  # bytes asked of Linux for the pipe; also the most that is drained at once
_READ = 256 * 1024  # bytes a read
_JOIN = 1.0  # seconds that the reader gets to notice the end


def available() -> bool:
    """Return whether descriptor 1 exists and can be led elsewhere on this platform."""
    if os.name == "nt" or not hasattr(select, "poll"):
        return False
    try:
        os.fstat(_STDOUT)
    except OSError:
        return False
    return True


class Descriptor:
    """Descriptor 1 led into a pipe from `start` to `finish`.

    Args:
        take: called with what comes out of the pipe, the lock held.
        lock: the owner's.
        stderr: lead descriptor 2 there as well.
    """

    def __init__(
        self, take: Callable[[bytes], None], lock: threading.RLock, *, stderr: bool
    ) -> None:
        self._take = take
        self._lock = lock
        self._with_stderr = stderr
        self._saved = -1
        self._saved_stderr = -1
        self._read_end = -1
        self._ended = False
        self._ending = False  # descriptor 1 is led back: what is in the pipe is the rest
        self._finished = False  # the rest has been taken
        self._thread: threading.Thread | None = None
        self._poll = select.poll()  # looks without waiting; the reader has one that waits
        self.pending = self._poll.poll  # with 0: true when there is something to drain

    def start(self) -> None:
        """Lead descriptor 1 into a new pipe and start reading it."""
        _flush_c_and_python()
        self._saved = os.dup(_STDOUT)
        self._read_end, write_end = os.pipe()
        self._poll.register(self._read_end, select.POLLIN)
        _widen(write_end)
        os.dup2(write_end, _STDOUT)
        if self._with_stderr:
            with suppress(OSError):  # a process may have none
                self._saved_stderr = os.dup(_STDERR)
                os.dup2(write_end, _STDERR)
        os.close(write_end)
        self._thread = threading.Thread(target=self._read, name="adls_magic-stdout", daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Take what is in the pipe now. Call it with the lock held."""
        taken = 0
        while not self._ended and taken < _PIPE and self._poll.poll(0):
            data = os.read(self._read_end, _READ)
            self._ended = not data
            taken += len(data)
            if data:
                self._pass_on(data)

    def finish(self, acquire: Callable[[], bool]) -> None:
        """Lead descriptor 1 back, and take the rest of what has been written.

        Args:
            acquire: takes the lock, or returns False when the rest is not wanted any more.
        """
        if self._saved < 0:
            return
        try:
            _flush_c_and_python()
        finally:
            self._lead_back()
        if self._thread is None:
            return  # Stop came before it was started
        self._ending = True  # from here on the reader, if it is at work, does the same
        if acquire():
            try:
                self.drain()
                self._finished = True
            finally:
                self._lock.release()
        if self._ended:
            self._thread.join(_JOIN)

    def _lead_back(self) -> None:
        os.dup2(self._saved, _STDOUT)
        if self._saved_stderr >= 0:
            os.dup2(self._saved_stderr, _STDERR)
            os.close(self._saved_stderr)

    def _pass_on(self, data: bytes) -> None:
        if not self._finished:
            self._take(data)
            return
        write_all(self._saved, data)

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._read_end, select.POLLIN)
        while not self._ended:
            poll.poll()
            with self._lock:
                ending = self._ending
                self.drain()
                self._finished |= ending
        os.close(self._read_end)
        os.close(self._saved)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data` to a descriptor; what nobody can take any more is dropped."""
    rest = memoryview(data)
    with suppress(OSError):
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _widen(pipe: int) -> None:
    """Ask for a larger pipe than the usual 64 KiB, so that writers wait less often."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)


def _flush_c_and_python() -> None:
    """Send on what C's and Python's own buffers for descriptor 1 still hold."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)
    for stream in (sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()  # type: ignore[union-attr] # None without a console
