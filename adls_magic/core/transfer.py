"""One file on its way: open, pieces, commit – as tasks for the pool's threads.

Methods called by the pool run under its lock and only look at or change state; the tasks they
return run without it and do the talking.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from enum import Enum, auto

from adls_magic.core.errors import AdlsError, SourceError
from adls_magic.core.outcome import Outcome
from adls_magic.core.plan import Piece, plan_upload
from adls_magic.core.source import PieceBody, Reader, Source, md5_of, open_reader
from adls_magic.core.supply import FileSupply, StreamSupply
from adls_magic.core.target import SkippedError, Target

Count = Callable[[int], None]


class _State(Enum):
    NEW = auto()
    OPENING = auto()
    SENDING = auto()
    COMMITTING = auto()
    ABANDONING = auto()
    DONE = auto()


class Transfer:
    """An upload of one source to one target.

    Args:
        count: called by workers with bytes sent, negative when a try is taken back.
        stop: set when the user stops.
    """

    def __init__(self, count: Count, stop: threading.Event) -> None:
        self.outcome = Outcome()
        self._target: Target | None = None
        self._supply: FileSupply | StreamSupply | None = None
        self._count = count
        self._stop = stop
        self._state = _State.NEW
        self._under_way = 0

    # ------------------------------------------------------- under the pool's lock

    @property
    def is_done(self) -> bool:
        """True when nothing is left to do and no task is under way."""
        return self._state is _State.DONE and self._under_way == 0

    @property
    def under_way(self) -> int:
        """Number of tasks that threads are at."""
        return self._under_way

    def next_task(self) -> Callable[[], None] | None:
        """Return what can be done now, None when nothing can (yet)."""
        task = self._next_task()
        if task is not None:
            self._under_way += 1
        return task

    def _next_task(self) -> Callable[[], None] | None:
        if self._state is _State.NEW and self._can_open():
            self._state = _State.OPENING
            return self._open
        if self._state is _State.SENDING and self._supply is not None:
            taken = self._supply.take()
            if taken is not None:
                return functools.partial(self._send, *taken)
            if self._supply.is_ended and self._under_way == 0:
                self._state = _State.COMMITTING
                return self._commit
        if self._state is _State.ABANDONING and self._under_way == 0:
            self._state = _State.DONE
            return self._abandon
        return None

    def settle(self, error: BaseException | None) -> None:
        """Take note that a task has ended, with `error` if it failed."""
        self._under_way -= 1
        if error is not None:
            self._fail(error)
        elif self._state in (_State.OPENING, _State.COMMITTING):
            is_over = self._state is _State.COMMITTING or self.outcome.ended
            self._state = _State.DONE if is_over else _State.SENDING
        if self.is_done:
            self._let_go()

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, SkippedError):
            self.outcome.skipped = True
            self.outcome.size, self.outcome.etag = error.existing.size, error.existing.etag
            self._state = _State.DONE
        elif self._state not in (_State.ABANDONING, _State.DONE):
            self.outcome.error = error
            self._state = _State.ABANDONING
        self.outcome.ended = time.monotonic()

    # ------------------------------------------------------------- on workers

    def _can_open(self) -> bool:
        raise NotImplementedError

    def _open(self) -> None:
        raise NotImplementedError

    def _check_source(self) -> None:
        """Raise SourceError when the source changed since it was opened."""

    def _md5(self) -> str | None:
        """Return the base64 MD5 of all that was sent; waits for it."""
        return None

    def _let_go(self) -> None:
        """Close the source."""

    def _send(self, reader: Reader, piece: Piece) -> None:
        assert self._target is not None  # noqa: S101 - opened before any piece
        body = PieceBody(reader, piece.position, piece.length, self._count)
        try:
            self._target.append(piece.position, body)
        except BaseException:
            body.take_back()
            raise

    def _put_single(self, taken: tuple[Reader, Piece] | None) -> None:
        """Upload a file that is one piece, or none."""
        target = self._target
        assert target is not None  # noqa: S101 - made just before
        body = None
        if taken is not None:
            reader, piece = taken
            body = PieceBody(reader, piece.position, piece.length, self._count, is_whole=True)
        md5 = self._md5()
        etag = target.put_whole(body, md5)
        if etag is None:
            etag = target.replace_whole(body, md5)
        self._finish(etag, md5)

    def _commit(self) -> None:
        assert self._target is not None and self._supply is not None  # noqa: S101
        self._check_source()
        md5 = self._md5()
        etag = self._target.commit(self._supply.size, md5)
        self._finish(etag, md5)

    def _finish(self, etag: str, md5: str | None) -> None:
        assert self._supply is not None  # noqa: S101
        self.outcome.size, self.outcome.etag, self.outcome.md5 = self._supply.size, etag, md5
        self.outcome.ended = time.monotonic()

    def _abandon(self) -> None:
        if self._target is not None and not self._stop.is_set():
            self._target.abandon()


class FileTransfer(Transfer):
    """An upload of a path or of bytes: length known, readable at any position.

    Args:
        source: the path or the bytes; opened when the transfer's turn comes.
        target: makes the target from the source's identity.
        count: as for `Transfer`.
        md5: compute and store the whole source's MD5.
        stop: as for `Transfer`.
        chunk_size: bytes per append; None follows from the size.
    """

    def __init__(
        self,
        source: Source,
        target: Callable[[str], Target],
        count: Count,
        *,
        md5: bool,
        stop: threading.Event,
        chunk_size: int | None,
    ) -> None:
        super().__init__(count, stop)
        self._source = source
        self._make_target = target
        self._wants_md5 = md5
        self._chunk_size = chunk_size
        self._reader: Reader | None = None
        self._hashing: threading.Thread | None = None
        self._digest: str | BaseException | None = None

    def _can_open(self) -> bool:
        return True

    def _open(self) -> None:
        self.outcome.began = time.monotonic()
        reader = self._reader = open_reader(self._source)
        if reader is None:
            raise SourceError("A pipe or device among several sources cannot be uploaded.")
        plan = plan_upload(reader.size, self._chunk_size)
        supply = FileSupply(reader, plan)
        self._target = self._make_target(f"{reader.identity()}|{plan.chunk_size}")
        self._supply = supply
        if supply.is_single:
            self._put_single(supply.take())
            return
        self._target.look()
        self._target.open()
        self._begin_md5()

    def _begin_md5(self) -> None:
        """Hash beside the sending, in a thread of its own that ends before the commit."""
        if self._wants_md5:
            self._hashing = threading.Thread(target=self._hash, name="adls-md5", daemon=True)
            self._hashing.start()

    def _hash(self) -> None:
        assert self._reader is not None  # noqa: S101
        try:
            self._digest = md5_of(self._reader, self._is_over)
        except AdlsError as error:
            self._digest = error

    def _md5(self) -> str | None:
        if not self._wants_md5 or self._reader is None:
            return None
        if self._hashing is None:
            return md5_of(self._reader, self._is_over)
        self._hashing.join()
        if isinstance(self._digest, BaseException):
            raise self._digest
        return self._digest

    def _is_over(self) -> bool:
        return self._stop.is_set() or self.outcome.error is not None

    def _check_source(self) -> None:
        if self._reader is not None:
            self._reader.check_unchanged()

    def _let_go(self) -> None:
        if self._hashing is not None:
            self._hashing.join()
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class StreamTransfer(Transfer):
    """An upload of bytes that a producer hands over piece by piece, length unknown.

    Args:
        target: where to; `look` has been called.
        count: as for `Transfer`.
        stop: as for `Transfer`.
        digest: returns the base64 MD5 of all that was handed over, when it is to be stored.
    """

    def __init__(
        self,
        target: Target,
        count: Count,
        *,
        stop: threading.Event,
        digest: Callable[[], str] | None,
    ) -> None:
        super().__init__(count, stop)
        self.supply = StreamSupply()
        self._supply = self.supply
        self._target = target
        self._digest = digest

    def end(self) -> None:
        """Tell that the producer has put its last piece. The caller holds the pool's lock."""
        self.supply.is_ended = True

    def skip(self, skipped: SkippedError) -> None:
        """Take note that the target is left alone."""
        self._fail(skipped)

    @property
    def has_failed(self) -> bool:
        """True when no further piece is of use."""
        return self.outcome.error is not None

    def _can_open(self) -> bool:
        return self.supply.is_ended or self.supply.waiting > 1

    def _open(self) -> None:
        assert self._target is not None  # noqa: S101 - given at the start
        if self.supply.is_single:
            self._put_single(self.supply.take())
        else:
            self._target.open()

    def _md5(self) -> str | None:
        return self._digest() if self._digest is not None else None
