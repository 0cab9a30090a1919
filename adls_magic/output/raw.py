"""Values that are bytes or text already: written as they are, streamed, whatever the extension."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from adls_magic.output import compress, pieces, plain_data
from adls_magic.output.forms import Forms, Options, Watched, Writer

_CHUNK = 1024 * 1024  # bytes or characters read or encoded at a time


def forms(value: Any) -> Forms | None:
    """Return how bytes, str, file-likes and iterators are written, None for anything else."""
    if isinstance(value, bytes | bytearray | memoryview):
        size = memoryview(value).nbytes
        what = f"{type(value).__name__}, {size:,} byte{'' if size == 1 else 's'}"
        return Forms(what, anything=_writer(_slices(memoryview(value).cast("B"))))
    if isinstance(value, str):
        what = f"str, {len(value):,} character{'' if len(value) == 1 else 's'}"
        return Forms(what, anything=_writer(_encoded(_slices(value))), text_only=True)
    if isinstance(value, io.BytesIO | io.StringIO):
        # The position of a buffer that was just filled is its end; its content is what is meant.
        inner = forms(value.getvalue())
        assert inner is not None  # noqa: S101 - bytes and str are above
        return Forms(type(value).__name__, anything=inner.anything, text_only=inner.text_only)
    if _is_file(value):
        blocks = Watched(iter(lambda: value.read(_CHUNK) or None, None))
        return _forms_of_iterator(type(value).__name__, blocks)
    if isinstance(value, Iterator):
        return _forms_of_iterator(type(value).__name__, Watched(value))
    return None


def _is_file(value: Any) -> bool:
    # pandas' reader of csv in pieces has read() as well, but its pieces are frames.
    return callable(getattr(value, "read", None)) and not hasattr(value, "get_chunk")


def _forms_of_iterator(name: str, items: Watched) -> Forms:
    """Look at the first item to see what comes, and put it back."""
    first = next(items, None)
    if first is None:
        return _forms_of_nothing(name, items)
    if isinstance(first, bytes | bytearray | memoryview | str):
        parts = itertools.chain([first], items)
        text = isinstance(first, str)
        writer = _writer(_encoded(parts) if text else _checked(parts))
        return Forms(name, anything=writer, text_only=text, source=items)
    return pieces.forms(first, items) or plain_data.forms_of_items(first, items)


def _forms_of_nothing(name: str, items: Watched) -> Forms:
    return Forms(f"{name} without items", anything=_writer(iter(())), text_only=True, source=items)


def _slices(whole: Any) -> Iterator[Any]:
    return (whole[start : start + _CHUNK] for start in range(0, len(whole), _CHUNK))


def _encoded(parts: Iterable[object]) -> Iterator[bytes]:
    for part in parts:
        if not isinstance(part, str):
            raise TypeError(f"text is followed by {type(part).__name__}")
        # As the standard streams do, so that every str can be written.
        yield part.encode("utf-8", "backslashreplace")


def _checked(parts: Iterable[object]) -> Iterator[bytes]:
    for part in parts:
        if not isinstance(part, bytes | bytearray | memoryview):
            raise TypeError(f"bytes are followed by {type(part).__name__}")
        yield part  # type: ignore[misc] # anything that a stream takes


def _writer(parts: Iterator[bytes]) -> Writer:
    def write(stream: BinaryIO, options: Options) -> None:
        for part in parts:
            stream.write(part)

    return Writer(write)


def starts_compressed(value: object, suffix: str) -> bool:
    """Return whether `value` is bytes that are compressed for `suffix` already."""
    if isinstance(value, io.BytesIO):
        value = value.getbuffer()
    if not isinstance(value, bytes | bytearray | memoryview):
        return False
    return compress.already(suffix, bytes(memoryview(value).cast("B")[:8]))
