"""One range of a file over several connections, as one alone rarely fills a line."""

from __future__ import annotations

import contextlib
import queue
from typing import TYPE_CHECKING

from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_PIECE = 4 * 1024 * 1024  # bytes; less is not worth a request of its own
_MOST = 8  # connections
_LOOK_EVERY = 0.1  # seconds


class ParallelRead:
    """Reads ranges of one version of a file. For one caller at a time.

    What is small is read by the caller's thread. Otherwise its threads read with a client of
    their own: so they can be ended at once, and the caller's client lives on.

    Args:
        client: the caller's.
        remote: the file.
        etag: of the only version that will do.
    """

    def __init__(self, client: Client, remote: RemotePath, etag: str) -> None:
        self._client = client
        self._remote = remote
        self._etag = etag
        self._own: Client | None = None
        self._threads: ThreadPoolExecutor | None = None

    def fill(self, view: memoryview, start: int) -> int:
        """Fill `view` (at least one byte) from position `start`; return how many bytes there were.

        Nothing writes to `view` after the return, nor after an exception.

        Raises:
            AdlsError: of the first piece that failed, as from `Client.read_into`; the others are
                given up.
        """
        pieces = _pieces(len(view))
        if len(pieces) > 1:
            with contextlib.ExitStack() as undo:
                undo.callback(self.close)
                reads = self._begin(view, start, pieces)
                if reads:
                    count = _sum_of(reads)
                    undo.pop_all()
                    return count
        return self._read(self._client, view, start)

    def _begin(self, view: memoryview, start: int, pieces: list[slice]) -> list[Future[int]]:
        """Begin to read the pieces; nothing where threads can be had no more."""
        try:
            if self._threads is None or self._own is None:
                from concurrent.futures import ThreadPoolExecutor

                self._own = Client(self._client.account)
                self._threads = ThreadPoolExecutor(_MOST, thread_name_prefix="adls-read")
            return [
                self._threads.submit(self._read, self._own, view[piece], start + piece.start)
                for piece in pieces
            ]
        except RuntimeError:  # the program is ending, or has too many threads
            return []

    def _read(self, client: Client, view: memoryview, start: int) -> int:
        return client.read_into(self._remote, view, start=start, if_match=self._etag)

    def close(self) -> None:
        """End what is under way, and the threads; the next range begins new ones."""
        if self._own is not None:
            self._own.abort()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
            self._threads = None
        if self._own is not None:
            self._own.close()
            self._own = None


def _sum_of(reads: list[Future[int]]) -> int:
    """Add up the results as they come; the first failure ends it."""
    ended: queue.SimpleQueue[Future[int]] = queue.SimpleQueue()
    for read in reads:
        read.add_done_callback(ended.put)
    count, left = 0, len(reads)
    while left:
        # In short waits: once polars is imported, an interrupt no longer ends a long one.
        with contextlib.suppress(queue.Empty):
            count += ended.get(timeout=_LOOK_EVERY).result()
            left -= 1
    return count


def _pieces(length: int) -> list[slice]:
    """Part so many bytes into pieces of about the same size."""
    size = max(_PIECE, -(-length // _MOST))
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]
