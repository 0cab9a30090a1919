"""One file on its way: open, pieces, commit – as tasks for the pool's threads.

Methods called by the pool run under its lock and only look at or change state; the tasks they
return run without it and do the talking.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable
from enum import Enum, auto

from adls_magic.core.errors import ConnectionFailedError
from adls_magic.core.service.client import Client
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.existing import SkippedError
from adls_magic.core.transfer.outcome import Outcome
from adls_magic.core.transfer.plan import Piece
from adls_magic.core.transfer.reader import Reader
from adls_magic.core.transfer.supply import FileSupply, StreamSupply
from adls_magic.core.transfer.target import Target

Count = Callable[[int], None]

# Seconds by which the question for the flushed length goes ahead of the rename beside it; one
# that arrives after it has to be asked again at the new name.
_HEAD_START = 0.002


class State(Enum):
    """Where a transfer is."""

    NEW = auto()
    OPENING = auto()
    SENDING = auto()
    REWINDING = auto()
    FLUSHING = auto()
    APPEARING = auto()
    ABANDONING = auto()
    DONE = auto()


class Transfer:
    """An upload of one source to one target.

    Args:
        target: where to.
        count: called by workers with bytes sent, negative when a try is taken back.
        stop: set when the user stops.
        md5: the MD5 of the whole is stored, and compared with what the service then tells.
    """

    def __init__(self, target: Target, count: Count, *, stop: threading.Event, md5: bool) -> None:
        self.outcome = Outcome()
        self._wants_md5 = md5
        self._target = target
        self._supply: FileSupply | StreamSupply | None = None
        self._count = count
        self._stop = stop
        self._state = State.NEW
        self._under_way = 0
        self._last_tasks = [self._appear, self._verify]
        self._must_rewind = False

    # ------------------------------------------------------- under the pool's lock

    @property
    def is_done(self) -> bool:
        """True when nothing is left to do and no task is under way."""
        return self._state is State.DONE and self._under_way == 0

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
        if self._state is State.NEW and self._can_open():
            self._state = State.OPENING
            return self._open
        if self._must_rewind:
            return self._next_rewind()
        if self._state is State.SENDING and self._supply is not None:
            checkpoint = self._due_checkpoint()
            if checkpoint is not None:
                return checkpoint
            taken = self._supply.take()
            if taken is not None:
                return functools.partial(self._send, *taken)
            if self._supply.is_ended and self._under_way == 0:
                self._state = State.FLUSHING
                return self._flush
        # A file that is to be replaced waits for the comparison of lengths; a new one appears
        # meanwhile, which saves a round trip.
        may_go_on = self._under_way == 0 or not self._target.replaces
        if self._state is State.APPEARING and self._last_tasks and may_go_on:
            return self._last_tasks.pop()
        if self._state is State.ABANDONING and self._under_way == 0:
            self._state = State.DONE
            return self._abandon
        return None

    def _next_rewind(self) -> Callable[[], None] | None:
        """Return the task that rewinds, once nothing is under way any more."""
        if self._under_way:
            return None
        self._must_rewind = False
        self._state = State.REWINDING
        return self._rewind

    def settle(self, error: BaseException | None) -> None:
        """Take note that a task has ended, with `error` if it failed."""
        self._under_way -= 1
        if error is not None:
            self._fail(error)
        elif self._state is State.OPENING:
            self._state = State.DONE if self.outcome.ended else State.SENDING
        elif self._state is State.REWINDING:
            self._state = State.SENDING
        elif self._state is State.FLUSHING:
            self._state = State.APPEARING
        elif self._state is State.APPEARING and not self._last_tasks and not self._under_way:
            self.outcome.ended = time.monotonic()
            self._state = State.DONE
        if self.is_done:
            self._let_go()

    def _fail(self, error: BaseException) -> None:
        if self._state in (State.SENDING, State.FLUSHING) and self._can_mend(error):
            self._must_rewind = True
            self._state = State.SENDING
            return
        self._must_rewind = False
        if isinstance(error, SkippedError):
            self.outcome.skipped = True
            self._count(self._supply.size if self._supply is not None else 0)
            self.outcome.size, self.outcome.etag = error.existing.size, error.existing.etag
            self._state = State.DONE
        elif self._state not in (State.ABANDONING, State.DONE):
            self.outcome.error = error
            self._state = State.ABANDONING
        self.outcome.ended = time.monotonic()

    # ------------------------------------------------------------- on workers

    def _can_open(self) -> bool:
        raise NotImplementedError

    def _open(self) -> None:
        raise NotImplementedError

    def _due_checkpoint(self) -> Callable[[], None] | None:
        """Return the task that makes safe what has arrived, None when none is due."""
        return None

    def _can_mend(self, error: BaseException) -> bool:
        """True when sending some of it again may cure `error`."""
        return False

    def _rewind(self) -> None:
        """Go back to what the service holds for good. Nothing else is under way."""
        raise NotImplementedError

    def _landed(self, piece: Piece, *, repeated: bool) -> None:
        """Take note that a piece has arrived."""

    @property
    def _safe(self) -> int:
        """Bytes that a later run need not send again, as far as the service has confirmed."""
        return 0

    def _check_source(self) -> None:
        """Raise SourceError when the source changed since it was opened."""

    def _md5(self) -> str | None:
        """Return the base64 MD5 of all that was sent; waits for it."""
        return None

    def _let_go(self) -> None:
        """Close the source."""

    def _send(self, reader: Reader, piece: Piece) -> None:
        body = PieceBody(reader, piece.position, piece.length, self._count, md5=self._wants_md5)
        with contextlib.ExitStack() as undo:
            undo.callback(body.take_back)
            self._target.append(piece.position, body)
            undo.pop_all()
        self._landed(piece, repeated=body.tries > 1)

    def _put_single(self, taken: tuple[Reader, Piece] | None) -> None:
        """Upload a file that is one piece, or none."""
        target = self._target
        body = None
        if taken is not None:
            reader, piece = taken
            body = PieceBody(
                reader,
                piece.position,
                piece.length,
                self._count,
                is_whole=True,
                md5=self._wants_md5,
            )
        else:
            self._check_source()
        self._note(target.put_whole(body, self._md5), self._md5())
        self.outcome.ended = time.monotonic()

    def _flush(self) -> None:
        assert self._supply is not None  # noqa: S101
        md5 = self._md5()
        # Only then: what changes while it is hashed has another MD5 than what was sent.
        self._check_source()
        self._note(self._target.flush(self._supply.size, md5), md5)

    def _appear(self) -> None:
        if not self._target.replaces:
            self._stop.wait(_HEAD_START)
        self._target.appear()

    def _verify(self) -> None:
        assert self._supply is not None  # noqa: S101
        self._target.verify(self._supply.size, self.outcome.md5)

    def _note(self, etag: str, md5: str | None) -> None:
        assert self._supply is not None  # noqa: S101
        self.outcome.size, self.outcome.etag, self.outcome.md5 = self._supply.size, etag, md5
        self.outcome.appended_at = self._target.start

    def _abandon(self) -> None:
        # A line that was found dead for a minute and a half is not asked once more; the run
        # tries for a moment when it ends.
        if isinstance(self.outcome.error, ConnectionFailedError):
            if self._target.leaves_something:  # else it has appeared already
                self.outcome.staged = self._safe
        elif not self._stop.is_set():
            self.leave()

    @property
    def leaves_something(self) -> bool:
        """True while something unfinished is at the service."""
        return self._target.leaves_something

    @property
    def is_at_its_end(self) -> bool:
        """True when a stop cannot tell any more whether the target is old or new."""
        return self._state in (State.FLUSHING, State.APPEARING)

    def leave(self, client: Client | None = None) -> None:
        """After a stop or a failure: remove what is at the service, if anything.

        No task may be under way. `client` replaces the target's own, when that is stopped.
        """
        self._target.abandon(client)
