"""Sources of known length, readable at any position: files and memory.

A file is read in blocks into one reused buffer a thread, at given positions, so that memory does
not grow with the file and a file that shrinks is an error and not a crash (a mapped one would
take the process down). A source that changes while it is read is an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from adls_magic.core.errors import SourceError
from adls_magic.core.transfer.unreadable import is_folder, unreadable

BLOCK = 256 * 1024  # bytes; large enough to be cheap, small enough for the processor's cache
_SAMPLE = 64 * 1024  # bytes at each end of a file that tell versions of it apart
_MOST_HASHED = 16 * 1024 * 1024  # bytes in memory that are told apart by a digest of them all

_buffers = threading.local()


class Reader(Protocol):
    """A source of known length that can be read at any position by any thread.

    Attributes:
        size: bytes.
        is_lasting: a later run can read the same bytes again.
        descriptor: of the open file that holds the bytes, None when there is none.
    """

    size: int
    is_lasting: bool
    descriptor: int | None

    def blocks(self, position: int, length: int) -> Iterator[bytes | memoryview]:
        """Yield `length` bytes from `position`; a block is valid until the next is asked for."""

    def version(self) -> str:
        """Return a text that differs when the bytes may differ, without reading any."""

    def identity(self) -> str:
        """Return a text that differs when the bytes may differ, surer for having read some."""

    def check_unchanged(self) -> None:
        """Raise SourceError when the source is no longer what it was at the start."""

    def close(self) -> None:
        """Let go of the source."""


class FileReader:
    """A local file, held open; reads do not move a shared position.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: it is a directory, or may not be read.
    """

    is_lasting = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        try:
            flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
            self._fd = os.open(self._path, flags)
        except (OSError, ValueError) as error:
            if os.path.isdir(self._path):  # noqa: PTH112 - never raises; Windows opens no folder
                raise is_folder(self._path) from None
            raise unreadable(self._path, error) from None
        self._stat = os.fstat(self._fd)
        if stat.S_ISDIR(self._stat.st_mode):
            os.close(self._fd)
            raise is_folder(self._path)
        self.size = self._stat.st_size
        self.descriptor: int | None = self._fd
        self._lock = threading.Lock()  # only for platforms without positioned reads

    @property
    def tells_its_size(self) -> bool:
        """False for files of the kernel (/proc), which are longer than they say."""
        return self.size > 0 or self._read_into(memoryview(bytearray(1)), 0) == 0

    def blocks(self, position: int, length: int) -> Iterator[bytes | memoryview]:
        """Yield the bytes in blocks of the calling thread's buffer.

        Raises:
            SourceError: the file has become shorter or cannot be read any more.
        """
        buffer = _buffer()
        end = position + length
        while position < end:
            block = buffer[: min(BLOCK, end - position)]
            count = self._read_into(block, position)
            if count == 0:
                raise self.cut_short()
            yield block[:count]
            position += count

    def cut_short(self) -> SourceError:
        """Return the error that tells of an end before the expected one."""
        if os.fstat(self._fd).st_size >= self.size:
            return SourceError(
                f"{self._path} cannot be read any more: it has bytes that its disk or its server "
                "does not give. The target is unchanged."
            )
        return SourceError(
            f"{self._path} became shorter while it was read; the target is unchanged. "
            "Upload it again when nothing writes to it."
        )

    def _read_into(self, block: memoryview, position: int) -> int:
        try:
            if hasattr(os, "preadv"):
                return os.preadv(self._fd, [block], position)
            with self._lock:
                os.lseek(self._fd, position, os.SEEK_SET)
                data = os.read(self._fd, len(block))
            block[: len(data)] = data
            return len(data)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise SourceError(f"{self._path} cannot be read any more: {reason}.") from None

    def version(self) -> str:
        """Name the file by place, size and modification time."""
        stated = f"{self._stat.st_ino}|{self.size}|{self._stat.st_mtime_ns}"
        return f"{self._path.absolute()}|{stated}"

    def identity(self) -> str:
        """Name the file by its version and a digest of both its ends."""
        digest = hashlib.blake2b(digest_size=16)
        ends = {0, max(0, self.size - _SAMPLE)}
        for position in sorted(ends):
            for block in self.blocks(position, min(_SAMPLE, self.size - position)):
                digest.update(block)
        return f"{self.version()}|{digest.hexdigest()}"

    def check_unchanged(self) -> None:
        """Compare size and modification time, and that the name still leads to this file.

        Raises:
            SourceError: it has changed, was replaced or has vanished.
        """
        try:
            here = self._path.stat()
        except OSError:
            raise SourceError(
                f"{self._path} has vanished while it was read; the target is unchanged."
            ) from None
        now = os.fstat(self._fd)
        if not os.path.samestat(here, now) or (now.st_size, now.st_mtime_ns) != (
            self._stat.st_size,
            self._stat.st_mtime_ns,
        ):
            raise SourceError(
                f"{self._path} changed while it was read; the target is unchanged. "
                "Upload it again when nothing writes to it."
            )

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            os.close(self._fd)


def _buffer() -> memoryview:
    buffer: memoryview | None = getattr(_buffers, "view", None)
    if buffer is None:
        buffer = _buffers.view = memoryview(bytearray(BLOCK))
    return buffer


class MemoryReader:
    """Bytes in memory, in one part or several, read without copying.

    Args:
        parts: the bytes.
        start: position of the first of them, for a piece of something longer.
    """

    is_lasting = False
    descriptor: int | None = None

    def __init__(self, *parts: bytes | bytearray | memoryview, start: int = 0) -> None:
        self._views = [memoryview(part).cast("B") for part in parts]
        self._start = start
        self.size = sum(len(view) for view in self._views)

    def blocks(self, position: int, length: int) -> Iterator[bytes | memoryview]:
        """Yield slices of the memory itself."""
        skipped, left = position - self._start, length
        for view in self._views:
            here = view[skipped : skipped + left]
            for start in range(0, len(here), BLOCK):
                yield here[start : start + BLOCK]
            skipped = max(0, skipped - len(view))
            left -= len(here)

    def identity(self) -> str:
        """Name the bytes as `version` does."""
        return self.version()

    def version(self) -> str:
        """Name the bytes by their digest; many bytes, which would take long, by chance."""
        if self.size > _MOST_HASHED:
            return os.urandom(16).hex()
        digest = hashlib.blake2b(digest_size=16)
        for view in self._views:
            digest.update(view)
        return digest.hexdigest()

    def check_unchanged(self) -> None:
        """Nothing to compare: the bytes are held."""

    def close(self) -> None:
        """Nothing to close: blocks may still refer to the bytes."""
