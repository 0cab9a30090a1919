"""Where bytes come from: files, memory, streams; and the bodies that carry pieces of them.

A file is read in blocks into one reused buffer a thread, at given positions, so that memory does
not grow with the file and a file that shrinks is an error and not a crash (a mapped one would
take the process down). A source that changes while it is read is an error.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from adls_magic.core.errors import SourceError, SourceNotFoundError
from adls_magic.core.service.file_sending import is_available, send_file
from adls_magic.core.service.transport import Stopped

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
        except FileNotFoundError:
            raise SourceNotFoundError(f"There is no file {self._path}.") from None
        except (OSError, ValueError) as error:
            raise SourceError(_unreadable(self._path, error)) from None
        self._stat = os.fstat(self._fd)
        if stat.S_ISDIR(self._stat.st_mode):
            os.close(self._fd)
            raise SourceError(_is_directory(self._path))
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


def _unreadable(path: Path, error: OSError | ValueError) -> str:
    with contextlib.suppress(OSError, ValueError):
        if path.is_dir():
            return _is_directory(path)
    reason = getattr(error, "strerror", None) or "this is no name of a file"
    return f"{str(path)[:200]!r} cannot be read: {reason}."


def _is_directory(path: Path) -> str:
    return f"{path} is a directory: add --recursive (-r) to upload what is in it."


def _buffer() -> memoryview:
    buffer: memoryview | None = getattr(_buffers, "view", None)
    if buffer is None:
        buffer = _buffers.view = memoryview(bytearray(BLOCK))
    return buffer


class MemoryReader:
    """Bytes in memory, read without copying."""

    is_lasting = False
    descriptor: int | None = None

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._view = memoryview(data).cast("B")
        self.size = len(self._view)

    def blocks(self, position: int, length: int) -> Iterator[bytes | memoryview]:
        """Yield slices of the memory itself."""
        end = position + length
        for start in range(position, end, BLOCK):
            yield self._view[start : min(start + BLOCK, end)]

    def identity(self) -> str:
        """Name the bytes as `version` does."""
        return self.version()

    def version(self) -> str:
        """Name the bytes by their digest; many bytes, which would take long, by chance."""
        if self.size > _MOST_HASHED:
            return os.urandom(16).hex()
        return hashlib.blake2b(self._view, digest_size=16).hexdigest()

    def check_unchanged(self) -> None:
        """Nothing to compare: the bytes are held."""

    def close(self) -> None:
        """Nothing to close: blocks may still refer to the bytes."""


class PieceBody:
    """A piece of a reader as the body of a request, counted as it leaves.

    When a try is repeated, what it had counted is taken back first, so that a bar never runs
    past its end.

    Args:
        reader: where the bytes are.
        position: bytes from the source's start.
        length: bytes.
        count: told of bytes sent, negative when they are taken back.
        is_whole: the piece is the whole source, and its arrival makes the file: so the source
            is checked before the last block leaves.
    """

    def __init__(
        self,
        reader: Reader,
        position: int,
        length: int,
        count: Callable[[int], None],
        *,
        is_whole: bool = False,
    ) -> None:
        self.length = length
        self._reader = reader
        self._position = position
        self._count = count
        self._counted = 0
        self._is_whole = is_whole
        self.tries = 0

    def blocks(self) -> Iterator[bytes | memoryview]:
        """Yield the piece from its start."""
        self._begin()
        for block in self._reader.blocks(self._position, self.length):
            if self._is_whole and self._counted + len(block) == self.length:
                self._reader.check_unchanged()
            yield block
            self._note(len(block))

    def send_plain(self, sock: socket.socket, is_over: Callable[[], bool]) -> bool:
        """Send the piece from the system's cache of the file, where that can be done.

        Raises:
            SourceError: the file has become shorter.
            Stopped: `is_over` said so.
        """
        descriptor = self._reader.descriptor
        if descriptor is None or self._is_whole or not is_available():
            return False

        def sent(count: int) -> None:
            self._note(count)
            if is_over():
                raise Stopped

        self._begin()
        count = send_file(sock, descriptor, self._position, self.length, sent)
        if 0 < count < self.length and isinstance(self._reader, FileReader):
            raise self._reader.cut_short()
        return count > 0

    def _begin(self) -> None:
        self.take_back()
        self.tries += 1

    def _note(self, sent: int) -> None:
        self._counted += sent
        self._count(sent)

    def take_back(self) -> None:
        """Uncount what the last try had sent."""
        if self._counted:
            self._count(-self._counted)
            self._counted = 0


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
