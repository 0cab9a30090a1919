"""What the families of values tell about a value: its name, and a writer for each extension."""

from __future__ import annotations

import codecs
import difflib
import importlib.util
import inspect
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol, TextIO, cast

from adls_magic.core.ends import continued
from adls_magic.core.errors import OptionError

Options = Mapping[str, object]
Parameters = Mapping[str, inspect.Parameter | None]
Names = Callable[[], Collection[str]]  # asked only when there are options to be judged

# Also of what is spelt: an ndarray, an SVG.
_LIKE_A_VOWEL = re.compile(r"[aeioAEIO]|[nN][^aeiouyAEIOUY]|[FHLMRSX][B-DF-HJ-NP-TV-Z]")
SAMPLE = 20  # rows or items of a sample
_BUFFER = 256 * 1024  # characters' worth of bytes gathered before they go to the stream


class Sink(Protocol):
    """All that is asked of a stream that a value is written to."""

    def write(self, data: Any, /) -> object:
        """Take all of `data`, any bytes-like object."""
        ...


def _no_names() -> Collection[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes one value in one form.

    Attributes:
        write: takes the stream and the options.
        takes: returns the names of its options.
        header: writes what comes before the rows of a csv, takes the same.
        width: cells of every row of a csv that has no header; 0 when that is not known.
        made: what it writes is made already, with the options, which are settled by that.
    """

    write: Callable[[BinaryIO, Options], None]
    takes: Names = _no_names
    header: Callable[[BinaryIO, Options], None] | None = None
    width: int = 0
    made: bool = False

    def check(self, options: Options, form: str) -> None:
        """Raise OptionError when one of the options is none of this form's."""
        if not options:
            return
        known = self.takes()
        for name in options:
            if name not in known:
                raise OptionError(_unknown(name, known, form))


def _unknown(name: str, known: Collection[str], form: str) -> str:
    text = f"writing {form} takes no option {name!r}"
    if not known:
        return f"{text}: it has none"
    if close := difflib.get_close_matches(name, known, n=1):
        return f"{text}; did you mean {close[0]!r}?"
    return f"{text}; it takes {', '.join(sorted(known))}"


def refuse_options(options: Options, form: str) -> None:
    """Raise OptionError when there are options for a form that has none."""
    for name in options:
        raise OptionError(_unknown(name, (), form))


def only(*names: str) -> Names:
    """Return what a writer takes that knows exactly these options."""
    return lambda: names


def parameters(
    function: Callable[..., object], *, besides: Collection[str], also: Collection[str] = ()
) -> Callable[[], Parameters]:
    """Return what a writer takes that passes its options to a function: name → parameter.

    Args:
        function: of some library; its first parameter, the stream, is no option.
        besides: parameters that are not the user's to choose here.
        also: names that the writer itself adds.
    """

    def names() -> Parameters:
        found = list(inspect.signature(function).parameters.values())[1:]
        named = {
            one.name: one for one in found if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        }
        hidden = {*besides, *(name for name in named if name.startswith("_"))}
        own = {name: one for name, one in named.items() if name not in hidden}
        return own | {name: named.get(name) for name in also}

    return names


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
        unfit: extension → what is in the value that such a file cannot hold, for the message.
        sample: gives a small value like this one, or its beginning. It is written for trial
            before an extension is offered, as it depends on the content what can be written.
        start: gives the first bytes of what is written as it is, by which compressed data are
            known; fewer than eight only where there are no more, or many empty items before them.
    """

    what: str
    writers: Mapping[str, Writer | Missing] = field(default_factory=dict)
    anything: Writer | None = None
    text_only: bool = False
    source: Watched | None = None
    sample: Callable[[], object] | None = None
    start: Callable[[], bytes] = bytes
    unfit: Mapping[str, str] = field(default_factory=dict)


class Watched(Iterator[object]):
    """An iterator that remembers the exception with which it failed.

    So an error of the user's own generator is told from one of the writing.
    """

    def __init__(self, items: Iterator[object]) -> None:
        self._items = items
        self.failure: BaseException | None = None

    @property
    def note(self) -> str:
        """What its owner has to know of it until it is written; "" for nothing."""
        return ""

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
    return f"{'an' if _LIKE_A_VOWEL.match(name) else 'a'} {name}"


def needs(writer: Writer, *packages: str) -> Writer | Missing:
    """Return `writer` when one of the packages is installed, otherwise a `Missing`."""
    if any(importlib.util.find_spec(package) for package in packages):
        return writer
    return Missing(packages)


def encoding_of(options: Options) -> str:
    """Return the option `encoding` of a form that is text, UTF-8 by default.

    Raises:
        OptionError: Python does not know it.
    """
    name = str(options.get("encoding", "utf-8"))
    try:
        codecs.lookup(name)
    except LookupError:
        raise OptionError(
            f"there is no encoding {name!r}; utf-8-sig is the one for Excel"
        ) from None
    return name.lower().replace("_", "-")


def without(options: Options, *names: str) -> dict[str, Any]:
    """Return the options besides those of these names."""
    return {name: value for name, value in options.items() if name not in names}


@contextmanager
def text_over(
    stream: BinaryIO, *, encoding: str = "utf-8", errors: str = "strict"
) -> Iterator[TextIO]:
    """Give a text file over a binary stream; line ends stay as they are written.

    It begins with the mark by which UTF-16 and UTF-32 tell the order of their bytes. The stream
    stays open. After an exception what is still buffered is dropped.
    """
    # Named with its order, since Python writes a mark of its own only to a stream that can seek.
    ordered = continued(encoding, b"")
    marked = ordered != encoding and ordered != "utf-8"
    buffered = _Buffered(stream)
    text = io.TextIOWrapper(
        cast(BinaryIO, buffered),
        encoding=ordered if marked else encoding,
        errors=errors,
        newline="",
    )
    try:
        if marked:
            text.write(codecs.BOM_UTF8.decode())
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
