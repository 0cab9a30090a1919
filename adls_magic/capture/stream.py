"""`sys.stdout` while a cell runs.

What is captured: prints of the cell, of threads that it starts, of log records whose stream is
the `sys.stdout` of before, and (where the platform lets us) of subprocesses, `!commands` and C
code. What is not: `sys.stderr` (unless it is asked for), tracebacks, `display()`, and threads that
ran before the cell; their text goes where it went before.

Threads: one lock covers the target and the order of what goes there. A thread of the cell never
sees an error of the target; it is kept in `failure`, and raised to the thread that runs the cell.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import get_ident
from typing import Any

from adls_magic.capture.beside import Bytes, CellStderr, Passing, copy_of, leads_to
from adls_magic.capture.descriptor import Descriptor, available, write_all
from adls_magic.capture.swap import swapped
from adls_magic.capture.target import Target, UnsentError
from adls_magic.capture.text import StandardText

_GATHERED = 256 * 1024  # characters of printed text that are passed on at a time
_COST = 64  # characters that a text counts for besides its own: each is an object of its own
_PATIENCE = 0.5  # seconds that a cell which failed waits for what is being sent


class _Now:
    """What changes with every write. Apart, as setting an attribute of the stream is slow."""

    __slots__ = ("failure", "room", "sender", "shown")

    def __init__(self) -> None:
        self.sender: int | None = None  # thread that is sending to the target
        self.failure: Exception | None = None
        self.shown = 0  # bytes shown in the notebook as well
        self.room = 0  # characters that may be gathered before they are passed on


_forks = 0  # how many forks lie between this process and the first one


def _note_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


class CellStdout(StandardText):
    """A text stream whose bytes go to a `Target` from `start` to `finish`.

    Before and after, and for threads that are not the cell's, it passes text to the stream that
    it stands in for.

    Args:
        target: takes the bytes.
        shown: bytes of the text, from its beginning, that are shown in the notebook as well;
            None shows all.
        stderr: take what goes to `sys.stderr` and descriptor 2 as well.
    """

    name = "<stdout>"

    def __init__(self, target: Target, *, shown: int | None, stderr: bool = False) -> None:
        self._target = target
        self._show_limit = shown
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lock = threading.RLock()
        self._forks = _forks
        self._owner = threading.current_thread()
        self._owner_id = get_ident()
        self._earlier = frozenset(threading.enumerate()) - {self._owner}
        self._active = False
        self._revealed = 0  # bytes of the text that `reveal` has been through
        self._now = _Now()
        self._texts: list[str] = []  # printed, and not passed on yet
        self._descriptor: Descriptor | None = None
        self._before: Any = sys.stdout
        self._outside: Any = self._before
        self._write_outside: Callable[[str], object] = self._before.write
        self._stderr = CellStderr(self) if stderr else None
        self._swaps = ExitStack()

    def __setattr__(self, name: str, value: object) -> None:
        # IPython 9 replaces the `write` of sys.stdout around each cell, to keep all that is
        # printed for the history. A cell that prints 10 GiB would need as much memory.
        if name != "write":
            super().__setattr__(name, value)

    @property
    def buffer(self) -> io.RawIOBase:
        """The binary side, for `sys.stdout.buffer.write(b"…")`."""
        return Bytes(self)

    @property
    def failure(self) -> Exception | None:
        """What the target raised, None while it takes everything."""
        return self._now.failure

    @property
    def captures_processes(self) -> bool:
        """Whether descriptor 1 is captured as well."""
        return self._descriptor is not None

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return False: a file has no colours and no cursor."""
        return False

    def fileno(self) -> int:
        """Return descriptor 1 while it is captured as well.

        Raises:
            io.UnsupportedOperation: it is not.
        """
        if self._descriptor is None:
            raise io.UnsupportedOperation("fileno")
        return 1

    def flush(self) -> None:
        """Flush what is shown in the notebook; of the file nothing is seen before its end."""
        if self._shows() or not self.captures_this_thread():
            self._outside.flush()

    def close(self) -> None:
        """Do nothing: the notebook goes on after the cell."""

    def write(self, text: str, /) -> int:
        """Take text as it is, without touching its line ends."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if not text:  # as the `end=""` of a print
            return 0
        now = self._now
        if (
            self._active
            and now.sender is None
            and get_ident() == self._owner_id
            and _forks == self._forks
        ):
            # The usual case, without detours, for cells that print lines.
            with self._lock:
                if self._descriptor is not None and self._descriptor.pending(0):
                    self._descriptor.drain()
                self._texts.append(text)
                now.room -= len(text) + _COST
                if now.room < 0:
                    self._pass_on()
        elif self.captures_this_thread():
            self.take(text.encode(self.encoding, self.errors))
        else:
            self._write_outside(text)
        return len(text)

    def take(self, data: bytes) -> None:
        """Take bytes from Python, after what is waiting in the pipe of descriptor 1."""
        if _forks != self._forks:
            # A forked child: the target is the parent's, the pipe leads there.
            write_all(1, data)
            return
        with self._lock:
            if self._descriptor is not None and self._descriptor.pending(0):
                self._descriptor.drain()
            self._pass_on(data)

    def captures_this_thread(self) -> bool:
        """Return whether what this thread prints belongs to the cell."""
        # What the upload itself prints, while it takes text, does not.
        if not self._active or self._now.sender == get_ident():
            return False
        thread = threading.current_thread()
        return thread is self._owner or thread not in self._earlier

    def include(self, thread: threading.Thread) -> None:
        """Take what a thread prints that ran before the cell and now works for it."""
        self._earlier -= {thread}

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Print to the notebook for a moment: what a cell displays is not what it prints."""
        if sys.stdout is not self:
            yield
            return
        if self._may_send():
            try:
                if self._descriptor is not None:
                    self._descriptor.drain()  # what was printed before is shown before
                self._pass_on_quietly()
            finally:
                self._lock.release()
        stream = sys.stdout = Passing(self._outside, self._write_outside)
        try:
            yield
        finally:
            if sys.stdout is stream:
                sys.stdout = self

    def reveal(self) -> None:
        """Show in the notebook what has been taken but not shown; of long text the end."""
        new, self._revealed = self._target.size - self._revealed, self._target.size
        if self._show_limit == 0 and new:
            held = self._target.held[-new:]
            if self._target.opened:
                held = held.partition(b"\n")[2]  # only the end of a long text, in whole lines
            self._write_outside(held.decode(errors="replace"))

    def start(self) -> None:
        """Become `sys.stdout`."""
        if available():
            if leads_to(self._before, 1):
                self._outside = self._swaps.enter_context(copy_of(self._before, 1))
                self._write_outside = self._outside.write
            stderr = self._stderr is not None
            if self._stderr is not None:
                self._swaps.enter_context(self._stderr.kept_outside())
            self._descriptor = Descriptor(self._pass_on_quietly, self._lock, stderr=stderr)
            self._descriptor.start()
        self._active = True
        if self._stderr is not None:
            self._swaps.enter_context(self._stderr.taken())
        # Whoever kept the old stream, such as a log handler, writes to this one.
        self._swaps.enter_context(swapped(self._before, "write", self._write_of_before))
        sys.stdout = self

    def give_up(self, reason: BaseException) -> None:
        """Forget what was taken if a thread is sending and does not get it through.

        After this nothing waits for the target, however slow the line is.
        """
        if self._lock.acquire(timeout=_PATIENCE):
            self._lock.release()
            return
        self._now.failure = self._now.failure or UnsentError()
        self._target.discard(reason)

    def finish(self) -> None:
        """Give `sys.stdout` back, with everything taken that had been printed.

        Raises:
            KeyboardInterrupt: it was stopped, and what was taken is given up. `sys.stdout` and
                the descriptors are given back all the same.
        """
        if sys.stdout is self:
            sys.stdout = self._before
        try:
            self._take_the_rest()
        except BaseException as stop:
            self.give_up(stop)
            raise
        finally:
            self._active = False
            self._swaps.close()
            self._outside, self._write_outside = self._before, self._write_before

    def _take_the_rest(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            descriptor.finish(self._may_send)
        if self._may_send():
            try:
                self._pass_on_quietly()
                self._active = False
            finally:
                self._lock.release()

    def _may_send(self) -> bool:
        """Take the lock; False when all is given up and a thread does not come back with it."""
        return self._lock.acquire(timeout=-1 if self._now.failure is None else _PATIENCE)

    def _write_before(self, text: str) -> object:
        return self._before.write(text)  # looked up each time: others replace it as well

    def _write_of_before(self, text: str) -> int:
        return self.write(text)

    def _pass_on_quietly(self, data: bytes = b"") -> None:
        with suppress(Exception):  # kept in `failure`; the next print of the cell raises it
            self._pass_on(data)

    def _pass_on(self, data: bytes = b"") -> None:
        """Let the target take what was printed and gathered, then `data`. Call it with the lock."""
        now = self._now
        printed = b""
        if now.failure is None:
            now.sender = get_ident()
            try:
                if self._texts:
                    printed = "".join(self._texts).encode(self.encoding, self.errors)
                    self._texts.clear()
                    self._target.append(printed)
                if data:
                    self._target.append(data)
            except Exception as error:  # noqa: BLE001 - raised below, in the cell's own thread
                now.failure = error
            except BaseException:  # a Stop, which the cell may catch; or it was given up
                now.failure = UnsentError()
                if get_ident() == self._owner_id:
                    raise
            finally:
                now.sender = None
        if now.failure is not None:
            self._texts.clear()
            now.room = 0  # so that the next print raises it
            if threading.current_thread() is self._owner:
                raise now.failure
            return
        if self._shows():
            now.shown += len(printed) + len(data)
            self._write_outside(self._decoder.decode(printed + data))
        now.room = 0 if self._shows() else _GATHERED

    def _shows(self) -> bool:
        return self._show_limit is None or self._now.shown < self._show_limit
