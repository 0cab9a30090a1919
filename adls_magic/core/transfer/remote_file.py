"""A file of the lake for reading at any position, of one version, with few requests.

Bytes come in windows that grow while the file is read in sequence, over several connections when
they are large; the last few are kept, so that a reader who jumps between a table of contents and
the data asks for neither twice.
"""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adls_magic.core import errors
from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.service.response import PathProperties
from adls_magic.core.transfer.parallel_read import ParallelRead

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MIB = 1024 * 1024
_FIRST_WINDOW = 2 * _MIB  # bytes; a small file is read whole, and so is a big one's end
_LARGEST_WINDOW = 16 * _MIB
_KEPT = 3  # windows: at 16 MiB each what an open file takes at most
_BLOCK = 32 * _MIB  # bytes; as many are asked for at once when everything is
BUFFER = 256 * 1024  # bytes; for the buffered reader around this


@dataclass(frozen=True, slots=True)
class _Window:
    start: int
    data: bytearray

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class RemoteFile(io.RawIOBase):
    """The version of a file that is there when it is opened. For one thread at a time.

    Args:
        account: whose file.
        remote: where it is.

    Raises:
        PathNotFoundError: there is no such file.
        PathError: it is a directory.
    """

    mode = "rb"

    def __init__(self, account: Account, remote: RemotePath) -> None:
        super().__init__()
        self._opened = contextlib.ExitStack()
        self.name = remote.path
        self._remote = remote
        self._client = self._opened.enter_context(Client(account))
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            found = self._look()
            undo.pop_all()
        self._size = found.size
        self._read = ParallelRead(self._client, remote, found.etag)
        self._opened.callback(self._read.close)
        self._position = 0
        self._windows: list[_Window] = []  # the latest last
        self._length = _FIRST_WINDOW  # bytes of the latest window
        self._reached = -1  # end of the latest request: one that goes on there is in sequence

    def _look(self) -> PathProperties:
        found = self._client.properties(self._remote)
        if found.is_directory:
            raise errors.PathError(f"{self._url} is a directory; what is read is a file")
        return found

    @property
    def _url(self) -> str:
        return self._client.url(self._remote)

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a position, which may be behind the end; return it."""
        self._check_open()
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        if whence not in starts or starts[whence] + offset < 0:
            raise ValueError("a file has no such position")
        self._position = starts[whence] + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read some bytes, at least one unless the file is at its end.

        Raises:
            ConflictError: the file has changed since it was opened.
            AdlsError: the service cannot be asked.
        """
        self._check_open()
        view = memoryview(buffer).cast("B")
        view = view[: max(0, self._size - self._position)]
        if not len(view):
            return 0
        window = self._window_here()
        if window is None and len(view) >= self._length:
            self._fetch(view, self._position)
            self._position += len(view)
            return len(view)
        window = window or self._next_window()
        offset = self._position - window.start
        count = min(len(view), len(window.data) - offset)
        view[:count] = memoryview(window.data)[offset : offset + count]
        self._position += count
        return count

    def readall(self) -> bytes:
        """Read everything up to the end."""
        self._check_open()
        left = self._size - self._position
        if left <= 0:
            return b""
        # Gives its value without a copy. Nothing is read into its own memory: a view of that in
        # the traceback of an error keeps it from being freed, which can crash the interpreter.
        whole = io.BytesIO()
        whole.seek(left - 1)
        whole.write(b"\0")
        whole.seek(0)
        block = memoryview(bytearray(min(_BLOCK, left)))
        while left:
            count = self.readinto(block[: min(_BLOCK, left)])
            whole.write(block[:count])
            left -= count
        return whole.getvalue()

    def _window_here(self) -> _Window | None:
        """Return the window that holds the position, and keep it longest."""
        for window in self._windows:
            if window.start <= self._position < window.end:
                self._windows.remove(window)
                self._windows.append(window)
                return window
        return None

    def _next_window(self) -> _Window:
        start = self._position
        if start == self._reached:
            length = self._length = min(2 * self._length, _LARGEST_WINDOW)
        else:
            length = self._length = _FIRST_WINDOW
            # What comes before the end is of more use than what would be beyond it.
            start = max(0, min(start, self._size - length))
        window = _Window(start, bytearray(min(length, self._size - start)))
        del self._windows[: -(_KEPT - 1)]
        self._fetch(memoryview(window.data), start)
        self._windows.append(window)
        return window

    def _fetch(self, view: memoryview, start: int) -> None:
        try:
            count = self._read.fill(view, start)
        except (errors.ConflictError, errors.PathNotFoundError) as error:
            what = "was removed" if isinstance(error, errors.PathNotFoundError) else "changed"
            raise error.retold(
                f"{self._url} {what} while it was read, so what was read is of an older version: "
                "open it again.",
            ) from None
        if count < len(view):
            raise errors.IntegrityError(
                f"{self._url} ended {len(view) - count} bytes early: open it again."
            )
        self._reached = start + count

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def close(self) -> None:
        """Close the connections; nothing can be read any more."""
        if not self.closed:
            super().close()
            self._windows = []
            self._opened.close()
