"""Values that are bytes or text already: written as they are, streamed, whatever the extension."""

from __future__ import annotations

import contextlib
import inspect
import io
import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from adls_magic.core.errors import OutputError
from adls_magic.core.text import count
from adls_magic.output import pieces, plain_data
from adls_magic.output.forms import Forms, Options, Watched, Writer, name_of
from adls_magic.output.looking import Looked

_CHUNK = 1024 * 1024  # bytes or characters read or encoded at a time
_START = 8  # bytes or characters read to see what a file holds
_MOST_SEEN = 64  # items taken to see that, of which many may be empty
_BYTES = (bytes, bytearray, memoryview)


def forms(value: Any) -> Forms | None:
    """Return how bytes, str, file-likes and iterators are written, None for anything else.

    Raises:
        OutputError: a file that is closed, or cannot be read.
    """
    if isinstance(value, _BYTES):
        view = memoryview(value).cast("B")
        what = f"{type(value).__name__}, {count(view.nbytes, 'byte')}"
        return Forms(what, anything=_writer(_slices(view)), start=lambda: bytes(view[:_START]))
    if isinstance(value, str):
        what = f"str, {count(len(value), 'character')}"
        return Forms(what, anything=_writer(_encoded(_slices(value))), text_only=True)
    if is_readable(value):
        if getattr(value, "closed", False) is True:
            raise OutputError(
                f"{name_of(value)} that is closed cannot be read; open it again, and write it "
                f"before it is closed"
            )
        if isinstance(value, io.BytesIO | io.StringIO):
            # The position of a buffer that was just filled is its end; its content is what is
            # meant.
            inner = forms(value.getvalue())
            assert inner is not None  # noqa: S101 - bytes and str are above
            return replace(inner, what=type(value).__name__)
        if (found := _forms_of_file(value)) is not None:
            return found
    return _forms_of_iterator(value) if isinstance(value, Iterator) else None


def is_readable(value: Any) -> bool:
    """Return whether a value has what a file is read by, which others have as well."""
    # pandas' reader of csv in pieces has read() as well, but its pieces are frames.
    return callable(getattr(value, "read", None)) and not hasattr(value, "get_chunk")


def _forms_of_file(value: Any) -> Forms | None:
    """Return how a file is written from where it stands, None when it is none after all.

    Raises:
        OutputError: it cannot be read.
    """
    nothing = _read_nothing(value)
    if nothing is None:
        return None
    place = _place_of(value) if not nothing else None
    name = type(value).__name__
    blocks = iter(lambda: value.read(_CHUNK) or None, None)
    if place is not None:
        start = value.read(_START)
        value.seek(place)
        source = Watched(blocks)
        name = name if start else f"{name}, at its end"
        found = _streamed(name, start or nothing, source, source, start=lambda: start)
        assert found.anything is not None  # noqa: S101 - `_streamed` gives it
        return replace(found, anything=_going_back(value, place, found.anything))
    items = Looked(blocks, owner=value, unit="first bytes were")
    if nothing:  # this one gives what it has, whatever it is asked for
        items.keep(nothing)
        if items.look() and items.seen[-1] == nothing:
            raise OutputError(
                f"the read() of {name_of(value)} gives the same again, whatever size it is asked "
                f"for, so it would have no end; write what it gives"
            )
    elif not items.seen and (start := value.read(_START)):
        items.keep(start)
    parts = itertools.chain(items.seen, items)
    kind = items.seen[0] if items.seen else nothing
    return _streamed(name, kind, parts, items, start=lambda: _start_of(items))


def _place_of(value: Any) -> Any | None:
    """Return where a file stands when it can go back there, otherwise None."""
    try:
        if _is_pipe(value) or (hasattr(value, "seekable") and not value.seekable()):
            return None
        place = value.tell()
        value.seek(place)
    except Exception:  # noqa: BLE001 - it has no such methods, or what they do is something else
        return None
    return place


def _is_pipe(value: Any) -> bool:
    """Whether it stands for something without places; on Windows pipes say that they can seek."""
    try:
        return not stat.S_ISREG(os.fstat(value.fileno()).st_mode)
    except Exception:  # noqa: BLE001 - it has no descriptor
        return False


def _read_nothing(value: Any) -> Any | None:
    """Return the empty bytes or text that a file gives for nothing, None for what is no file.

    Raises:
        OutputError: it is a file that cannot be read.
    """
    try:
        nothing = value.read(0)
    except Exception as error:  # noqa: BLE001 - also of what has a read() for something else
        readable = getattr(value, "readable", None)
        if callable(readable) and readable() is False:
            raise OutputError(
                f"{name_of(value)} that is open for writing cannot be read; close it, and open "
                f"it again with 'rb'"
            ) from None
        if not isinstance(value, io.IOBase):
            return None
        raise OutputError(
            f"reading {name_of(value)} failed: {type(error).__name__}: {error}"
        ) from None
    if inspect.iscoroutine(nothing):
        nothing.close()
    return nothing if isinstance(nothing, (*_BYTES, str)) else None


def _going_back(file: Any, place: Any, writer: Writer) -> Writer:
    """Return a writer that leaves the file where it stood when the writing fails."""

    def go_back() -> None:
        with contextlib.suppress(Exception):
            file.seek(place)

    def write(stream: BinaryIO, options: Options) -> None:
        with contextlib.ExitStack() as failing:
            failing.callback(go_back)
            writer.write(stream, options)
            failing.pop_all()

    return Writer(write)


def _forms_of_iterator(value: Iterator[object]) -> Forms:
    """Look at the first item to see what comes, and have it kept."""
    name = type(value).__name__
    items = Looked(value, owner=value, unit="first item was")
    if not items.seen and not items.look():
        return _forms_of_nothing(name, items)
    first = items.seen[0]
    if isinstance(first, (*_BYTES, str)):
        parts = itertools.chain(items.seen, items)
        return _streamed(name, first, parts, items, start=lambda: _start_of(items))
    return pieces.forms(items) or plain_data.forms_of_items(items)


def _forms_of_nothing(name: str, items: Watched) -> Forms:
    def array(stream: BinaryIO, options: Options) -> None:
        plain_data.write_json_array(stream, items, options)

    return Forms(
        f"{name} without items",
        {".json": Writer(array, plain_data.JSON_OPTIONS)},
        anything=_writer(iter(())),
        text_only=True,
        source=items,
    )


def _streamed(
    name: str,
    kind: object,
    parts: Iterator[object],
    source: Watched,
    *,
    start: Callable[[], Any],
) -> Forms:
    """Return how pieces of bytes or text are written.

    Args:
        name: of the type of what gives them.
        kind: one of them, or an empty one.
        parts: all of them.
        source: what they come from.
        start: gives the first bytes.
    """
    if isinstance(kind, str):
        return Forms(name, anything=_writer(_encoded(parts)), text_only=True, source=source)
    return Forms(name, anything=_writer(_checked(parts)), source=source, start=start)


def _start_of(items: Looked) -> bytes:
    """Return the first bytes of an iterator of bytes; as many items are seen as that takes."""
    start = b""
    for number in range(_MOST_SEEN):
        if len(start) >= _START or not (number < len(items.seen) or items.look()):
            break
        item = items.seen[number]
        if not isinstance(item, _BYTES):
            break  # which the writing will tell
        start += bytes(memoryview(item).cast("B")[:_START])
    return start


def _slices(whole: Any) -> Iterator[Any]:
    return (whole[start : start + _CHUNK] for start in range(0, len(whole), _CHUNK))


def _encoded(parts: Iterable[object]) -> Iterator[bytes]:
    for part in parts:
        if not isinstance(part, str):
            raise TypeError(
                f"text is followed by {type(part).__name__}; make every piece a str, or leave "
                f"that one out"
            )
        # As the standard streams do, so that every str can be written.
        yield part.encode("utf-8", "backslashreplace")


def _checked(parts: Iterable[object]) -> Iterator[bytes]:
    for part in parts:
        if not isinstance(part, _BYTES):
            raise TypeError(
                f"bytes are followed by {type(part).__name__}; make every piece bytes, or leave "
                f"that one out"
            )
        yield part  # type: ignore[misc] # anything that a stream takes


def _writer(parts: Iterator[bytes]) -> Writer:
    def write(stream: BinaryIO, options: Options) -> None:
        for part in parts:
            stream.write(part)

    return Writer(write)
