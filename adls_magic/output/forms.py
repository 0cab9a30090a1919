"""What the families of values tell about a value: its name, and a writer for each extension."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol, TextIO, cast

from adls_magic.core.errors import OutputError

Options = Mapping[str, object]
Writer = Callable[[BinaryIO, Options], None]

_BUFFER = 256 * 1024  # characters' worth of bytes gathered before they go to the stream


class Sink(Protocol):
    """All that is asked of a stream that a value is written to."""

    def write(self, data: Any, /) -> object:
        """Take all of `data`, any bytes-like object."""
        ...


@dataclass(frozen=True, slots=True)
class Missing:
    """Stands for a writer that would need packages that are not installed, any one of them."""

    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forms:
    """What a value can be written as.

    Attributes:
        what: the value in the final line, such as `DataFrame, 3 rows`.
        writers: extension → writer, or what is missing for it.
        anything: a writer for every extension, for values that are bytes or text already.
        text_only: the value is text, so that extensions of binary formats cannot hold it.
        source: the iterator that the writers read, when there is one.
    """

    what: str
    writers: Mapping[str, Writer | Missing] = field(default_factory=dict)
    anything: Writer | None = None
    text_only: bool = False
    source: Watched | None = None


class Watched(Iterator[object]):
    """An iterator that remembers the exception with which it failed.

    So an error of the user's own generator is told from one of the writing.
    """

    def __init__(self, items: Iterator[object]) -> None:
        self._items = items
        self.failure: BaseException | None = None

    def __next__(self) -> object:
        try:
            return next(self._items)
        except StopIteration:
            raise
        except BaseException as error:
            self.failure = error
            raise


def name_of(value: object) -> str:
    """Return the name of the value's type with its article: `a Figure`, `an Axes`."""
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {name}"


def needs(writer: Writer, *packages: str) -> Writer | Missing:
    """Return `writer` when one of the packages is installed, otherwise a `Missing`."""
    if any(importlib.util.find_spec(package) for package in packages):
        return writer
    return Missing(packages)


def no_options(options: Options, extension: str) -> None:
    """Raise OutputError when options are given for a form that has none."""
    if options:
        raise OutputError(f"writing {extension or 'text'} here takes no option {min(options)!r}")


@contextmanager
def text_over(stream: BinaryIO) -> Iterator[TextIO]:
    """Give a UTF-8 text file over a binary stream; line ends stay as they are written.

    The stream stays open. After an exception what is still buffered is dropped.
    """
    buffered = _Buffered(stream)
    text = io.TextIOWrapper(cast(BinaryIO, buffered), encoding="utf-8", newline="")
    try:
        yield text
        text.flush()
    finally:
        buffered.closing()


class _Buffered(io.BufferedIOBase):
    """Gathers small writes; ends without closing what is below."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._gathered = bytearray()
        self._ended = False

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override] # it is called with bytes
        if not self._ended:
            self._gathered += data
            if len(self._gathered) >= _BUFFER:
                self.flush()
        return len(data)

    def flush(self) -> None:
        if self._gathered and not self._ended:
            ready, self._gathered = self._gathered, bytearray()
            self._stream.write(ready)

    def closing(self) -> None:
        self._ended = True
