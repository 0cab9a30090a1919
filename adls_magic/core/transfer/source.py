"""What a user gives to upload: a path, bytes, a file-like or an iterator, and how each is read."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from adls_magic.core.errors import SourceError
from adls_magic.core.transfer.reader import BLOCK, FileReader, MemoryReader, Reader

Source = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | IO[bytes]
    | IO[str]
    | Iterable[bytes]
    | Iterable[str]
)


def open_reader(source: Source) -> Reader | None:
    """Return a reader for a path or for bytes; None for what can only be read as a stream.

    A `str` is a path. Pipes and devices are streams, whatever size they claim.

    Raises:
        SourceError: the path cannot be read, or the source is nothing that gives bytes.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return MemoryReader(source)
    if not isinstance(source, (str, os.PathLike)):
        _check_stream(source)
        return None
    if _is_pipe(source):
        return None
    reader = FileReader(source)
    if reader.tells_its_size:
        return reader
    reader.close()
    return None


def _is_pipe(path: str | os.PathLike[str]) -> bool:
    """True for a pipe or device; asked without opening it, which its writer would notice."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _check_stream(source: object) -> None:
    if not (hasattr(source, "read") or isinstance(source, (Iterator, list, tuple))):
        raise SourceError(_WRONG_SOURCE.format(type(source).__name__))


_WRONG_SOURCE = (
    "A {} is nothing that an upload can read: it takes a path, bytes, a file or an iterator of "
    "bytes or text. To write a value in a format, use %adls_upload --var or %%adls_write."
)


def stream_of(source: Source) -> Iterator[bytes | bytearray | memoryview]:
    """Yield the bytes of a file-like, an iterator or a pipe in order; text becomes UTF-8.

    Raises:
        SourceError: the source gives something that is neither bytes nor text.
    """
    if isinstance(source, (str, os.PathLike)):
        with Path(source).open("rb", buffering=0) as file:
            yield from stream_of(file)
        return
    for part in _parts(source):
        if isinstance(part, str):
            try:
                yield part.encode()
            except UnicodeEncodeError:
                raise SourceError("The source gave text that is no Unicode.") from None
        elif isinstance(part, (bytes, bytearray, memoryview)):
            yield part
        else:
            raise SourceError(_WRONG_SOURCE.format(f"source of {type(part).__name__}"))


def _parts(source: Any) -> Iterator[Any]:
    if not hasattr(source, "read"):
        yield from source
        return
    while True:
        part = source.read(BLOCK)
        if part is None:
            raise SourceError("The source is a file that does not wait for its data.")
        if len(part) == 0:
            return
        yield part


def md5_of(reader: Reader, is_over: Callable[[], bool]) -> str | None:
    """Return the base64 MD5 of the whole source; None when `is_over` said to stop."""
    digest = hashlib.md5(usedforsecurity=False)
    for block in reader.blocks(0, reader.size):
        if is_over():
            return None
        digest.update(block)
    return base64.b64encode(digest.digest()).decode()
