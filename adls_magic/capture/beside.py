"""What stands beside a cell's `sys.stdout`: its binary side, and `sys.stderr` where it is wanted.

Both hand everything to the text stream that they belong to, and have no state of their own.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from adls_magic.capture.swap import swapped
from adls_magic.capture.text import StandardText


class Taking(Protocol):
    """What the cell's stdout is asked for here."""

    def take(self, data: bytes) -> None:
        """Take bytes into the target."""

    def captures_this_thread(self) -> bool:
        """Return whether what this thread prints belongs to the cell."""

    def write(self, text: str, /) -> int:
        """Take text as that stream does."""

    def fileno(self) -> int:
        """Return its descriptor."""


class Bytes(io.RawIOBase):
    """The binary side of the cell's stdout, or of its stderr."""

    def __init__(self, text: Taking) -> None:
        self._text = text

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any, /) -> int:
        """Take bytes as they are."""
        view = bytes(data)
        if self._text.captures_this_thread():
            self._text.take(view)
        else:
            self._text.write(view.decode(errors="replace"))
        return len(view)

    def fileno(self) -> int:
        """Return the descriptor while it is captured as well."""
        return self._text.fileno()


class CellStderr(StandardText):
    """`sys.stderr` whose text joins that of a cell's stdout, in the order of both.

    Args:
        stdout: takes the text of the cell's threads; that of others goes where it went before.
    """

    name = "<stderr>"

    def __init__(self, stdout: Taking) -> None:
        self._stdout = stdout
        self._before: Any = sys.stderr
        self._write_outside: Callable[[str], object] = self._before.write

    @property
    def buffer(self) -> io.RawIOBase:
        """The binary side."""
        return Bytes(self)

    def take(self, data: bytes) -> None:
        """Take bytes into the target."""
        self._stdout.take(data)

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return descriptor 2; it is captured together with descriptor 1."""
        self._stdout.fileno()
        return 2

    def captures_this_thread(self) -> bool:
        """Return whether what this thread prints belongs to the cell."""
        return self._stdout.captures_this_thread()

    def flush(self) -> None:
        """Do nothing: the stream before flushes itself."""

    def close(self) -> None:
        """Do nothing: the notebook goes on after the cell."""

    def write(self, text: str, /) -> int:
        """Take text as it is, without touching its line ends."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._stdout.captures_this_thread():
            self._stdout.take(text.encode(self.encoding, self.errors))
        else:
            self._write_outside(text)
        return len(text)

    @contextmanager
    def kept_outside(self) -> Iterator[None]:
        """Keep a way to the stream of before, which may lead to descriptor 2 itself."""
        if not leads_to(self._before, 2):
            yield
            return
        with copy_of(self._before, 2) as copy:
            self._write_outside = copy.write
            try:
                yield
            finally:
                self._write_outside = self._write_before

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Be `sys.stderr`, and get what is written to the one of before."""
        with swapped(self._before, "write", self.write):
            sys.stderr = self
            try:
                yield
            finally:
                if sys.stderr is self:
                    sys.stderr = self._before
        self._write_outside = self._write_before

    def _write_before(self, text: str) -> object:
        return self._before.write(text)  # looked up each time: others replace it as well


class Passing:
    """A stream with the `write` that it had before the cell's output was taken from it."""

    def __init__(self, stream: Any, write: Callable[[str], object]) -> None:
        self._stream = stream
        self.write = write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def leads_to(stream: Any, descriptor: int) -> bool:
    """Return whether a text stream writes to that descriptor itself, and is not one of a cell."""
    try:
        return not hasattr(stream, "captures_this_thread") and bool(stream.fileno() == descriptor)
    except (OSError, AttributeError, ValueError):
        return False


def copy_of(stream: Any, descriptor: int) -> TextIO:
    """Open another stream to where `stream` leads now, for what is shown meanwhile."""
    stream.flush()
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return os.fdopen(os.dup(descriptor), "w", encoding=encoding, errors="replace", buffering=1)
