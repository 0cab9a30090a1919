"""A file-like for writing: it appears at the target on a clean close, or not at all."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import time
from collections.abc import Callable
from typing import Any

from adls_magic.core.account.address import RemotePath
from adls_magic.core.ends import TAIL, Ends
from adls_magic.core.transfer.commit import CommittedOnExit
from adls_magic.core.transfer.existing import SkippedError
from adls_magic.core.transfer.filling import Filling
from adls_magic.core.transfer.job import UploadResult
from adls_magic.core.transfer.plan import stream_chunk
from adls_magic.core.transfer.run import Run
from adls_magic.core.transfer.stream_transfer import TOUCH_SECONDS, StreamTransfer


class Writer(CommittedOnExit, io.BufferedIOBase):
    """A binary file-like of unknown length, sent while it is written.

    Writing blocks while enough pieces are on their way, so memory stays at the pieces in flight
    and the producer goes at the line's pace. As a context manager it commits on a clean exit
    only; an exception discards. Use it from one thread.

    Attributes:
        name: the path in the lake.
        result: the UploadResult after the commit, None before.
        skipped: the target exists and is left alone; what is written goes nowhere.

    Raises:
        PathExistsError: a file is there and was not to be replaced; said before any write.
    """

    mode = "wb"

    def __init__(self, run: Run, remote: RemotePath) -> None:
        self._run = run
        self._remote = remote
        self.name = remote.path
        self._digest = hashlib.md5(usedforsecurity=False) if run.options.md5 else None
        self._position = 0  # bytes handed over
        self._handed = time.monotonic()
        self.skipped = False
        self.result: UploadResult | None = None
        self._failure: BaseException | None = None  # of a write; a close repeats it
        target = run.target(remote)
        target.identify(os.urandom(16).hex())
        self._transfer = StreamTransfer(
            target, run.progress.count, stop=run.client.stop, digest=self._md5()
        )
        self._filling = self._new_filling()
        run.adopt(self._transfer)
        try:
            target.look()
        except SkippedError as skipped:
            self.skipped = True
            self._transfer.skip(skipped)
        self._is_closed = False  # only now is there something to be closed
        self.drop_at_exit()

    def _md5(self) -> Callable[[], str] | None:
        digest = self._digest
        return None if digest is None else lambda: base64.b64encode(digest.digest()).decode()

    def _new_filling(self) -> Filling:
        size = stream_chunk(self._position, self._run.options.chunk_size)
        return Filling(size, self._transfer.supply.buffer)

    @property
    def closed(self) -> bool:
        """Whether it was committed or discarded."""
        return self._is_closed

    def writable(self) -> bool:
        """True, as for every file opened for writing."""
        return True

    def readable(self) -> bool:
        """False."""
        return False

    def seekable(self) -> bool:
        """False: bytes leave while more are written."""
        return False

    def tell(self) -> int:
        """Return the number of bytes written so far."""
        return self._position + self._filling.filled

    def flush(self) -> None:
        """Do nothing: what is written appears when the file is closed."""

    def ends(self, most: int = TAIL) -> Ends | None:
        """Return the beginning and the end of the file that this adds to, None when it is empty.

        From here on nobody else can append, so what follows can rely on it.

        Args:
            most: bytes of the beginning.

        Raises:
            ConflictError: somebody else holds the file.
        """
        if self._run.options.if_exists != "append" or self.closed:
            return None
        transfer = self._transfer
        with self._run.pool.lock:
            transfer.open_now()
            self._run.pool.wake(transfer)
        self._run.wait(lambda: transfer.is_open or transfer.has_failed)
        self._check()
        size = transfer.start
        if size == 0:
            return None
        read = self._run.client.read
        head = read(self._remote, end=min(most, size))
        tail = read(self._remote, start=max(0, size - TAIL), end=size) if size > most else head
        return Ends(head, tail[-TAIL:], size)

    def write(self, data: Any) -> int:
        """Take bytes; send a piece whenever one is full. Return the number of bytes taken.

        Raises:
            ValueError: the file is closed.
            AdlsError: sending has failed; nothing will appear at the target.
            UploadStopped: the user stopped; nothing will appear either.
        """
        if self.closed:
            raise ValueError("I/O operation on closed file")
        view = memoryview(data).cast("B")
        taken = len(view)
        if self.skipped:
            return taken
        try:
            self._take(view, lasting=type(data) is bytes)
        except BaseException as error:
            # Nobody knows how much of it was taken, and a piece on its way may be the one that
            # would be filled next.
            self._failure = self._failure or error
            self.abort()
            raise
        return taken

    def _take(self, view: memoryview, *, lasting: bool) -> None:
        if self._digest is not None:
            self._digest.update(view)
        while len(view):
            view = view[self._filling.take(view, lasting=lasting) :]
            if self._filling.is_full:
                self._hand_over()
        if self._filling.filled and time.monotonic() - self._handed >= TOUCH_SECONDS:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give the full piece to the workers, once few enough are under way."""
        if self._position == 0:
            self._run.progress.expect(None)
        self._run.progress.draw()
        transfer = self._transfer
        self._run.wait(
            lambda: (
                transfer.has_failed
                or transfer.supply.waiting + transfer.under_way
                < max(2, self._run.concurrency.limit)
            )
        )
        self._check()
        self._put_piece()

    def _check(self) -> None:
        """Raise the failure of what was sent, if there is one."""
        self._failure = self._run.failure()
        if self._failure is not None:
            self.abort()
            raise self._failure from None

    def _put_piece(self) -> None:
        with self._run.pool.lock:
            self._transfer.supply.put(self._filling)
            self._position += self._filling.filled
            self._filling = self._new_filling()
            self._handed = time.monotonic()
            self._run.pool.wake(self._transfer)

    def close(self) -> None:
        """Send the rest and let the file appear; afterwards `result` is set.

        Raises:
            AdlsError: the target is unchanged.
            UploadStopped: the user stopped; the target is unchanged.
        """
        if self.closed:
            if self._failure is not None:
                raise self._failure
            return
        self._is_closed = True
        transfer = self._transfer
        with self._run:
            if not self.skipped:
                if self._filling.filled:
                    self._put_piece()
                with self._run.pool.lock:
                    transfer.end()
                    self._run.pool.wake(transfer)
                self._run.wait(lambda: transfer.is_done)
            failure = self._run.failure()
            if failure is not None:
                raise failure from None
            self.result = self._run.result(self._remote, transfer.outcome)

    def abort(self) -> None:
        """Give up: nothing appears at the target, and what was staged is removed."""
        if self.closed:
            return
        self._is_closed = True
        self._run.end(cut=True)
