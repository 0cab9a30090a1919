"""The transfer of a path or of bytes: length known, readable anywhere, resumable if it lasts."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable

from adls_magic.core.errors import AdlsError, ConflictError, IntegrityError, SourceError
from adls_magic.core.service.client import Client
from adls_magic.core.transfer.landing import Landing
from adls_magic.core.transfer.plan import Piece, plan_upload
from adls_magic.core.transfer.reader import Reader
from adls_magic.core.transfer.source import Source, md5_of, open_reader
from adls_magic.core.transfer.supply import FileSupply
from adls_magic.core.transfer.target import Target
from adls_magic.core.transfer.transfer import Count, Transfer

_MOST_REWINDS = 6
_FIRST_PAUSE = 0.25  # seconds before the second rewind; doubles with each


class FileTransfer(Transfer):
    """An upload of a path or of bytes: length known, readable at any position.

    Args:
        source: the path or the bytes; opened when the transfer's turn comes.
        target: where to.
        count: as for `Transfer`.
        md5: compute and store the whole source's MD5.
        stop: as for `Transfer`.
        chunk_size: bytes per append; None follows from the size.
    """

    def __init__(
        self,
        source: Source,
        target: Target,
        count: Count,
        *,
        md5: bool,
        stop: threading.Event,
        chunk_size: int | None,
    ) -> None:
        super().__init__(target, count, stop=stop, md5=md5)
        self._source = source
        self._chunk_size = chunk_size
        self._reader: Reader | None = None
        self._hashing: threading.Thread | None = None
        self._digest: str | BaseException | None = None
        self._landing: Landing | None = None
        self._landing_lock = threading.Lock()
        self._is_checkpointing = False
        self._rewinds = 0

    def _can_open(self) -> bool:
        return True

    def _open(self) -> None:
        self.outcome.began = time.monotonic()
        reader = self._reader = open_reader(self._source)
        if reader is None:
            raise SourceError("A pipe or device among several sources cannot be uploaded.")
        plan = plan_upload(reader.size, self._chunk_size)
        supply = FileSupply(reader, plan)
        self._supply = supply
        self._target.identify(reader.version())
        if supply.is_single:
            self._put_single(supply.take())
            return
        self._target.look()
        self._target.identify(f"{reader.identity()}|{plan.chunk_size}")
        start = self._target.open(plan if reader.is_lasting else None)
        supply.skip_to(start)
        self._count(start)
        self.outcome.resumed_from = start
        if reader.is_lasting and self._target.is_staged:
            self._landing = Landing(start, time.monotonic())
        self._begin_md5()

    def _due_checkpoint(self) -> Callable[[], None] | None:
        landing, now = self._landing, time.monotonic()
        if landing is None or self._is_checkpointing:
            return None
        if isinstance(self._supply, FileSupply) and not self._supply.has_more:
            return None  # the flush for good is near; it would have to wait for this one
        with self._landing_lock:
            if not landing.is_due(now):
                return None
            position = landing.begin(now)
        self._is_checkpointing = True
        return functools.partial(self._checkpoint, position)

    def _checkpoint(self, position: int) -> None:
        assert self._landing is not None  # noqa: S101 - it was due
        try:
            self._target.checkpoint(position)
            with self._landing_lock:
                self._landing.save(position)
        finally:
            self._is_checkpointing = False

    def _can_mend(self, error: BaseException) -> bool:
        is_torn = isinstance(error, AdlsError) and error.code == "InvalidFlushPosition"
        return is_torn and self._rewinds < _MOST_REWINDS

    def _rewind(self) -> None:
        """Send again what was not flushed, after a flush was refused: the pieces do not add up.

        Another run that this one took over from may still be sending for a moment: so each time
        there is a longer pause before.
        """
        self._rewinds += 1
        if self._rewinds > 1:
            self._stop.wait(_FIRST_PAUSE * 2 ** (self._rewinds - 2))
        position = self._target.rewind()
        assert isinstance(self._supply, FileSupply)  # noqa: S101
        self._count(-self._supply.rewind_to(position))
        if self._landing is not None:
            with self._landing_lock:
                self._landing.rewind(position, time.monotonic())

    def _landed(self, piece: Piece, *, repeated: bool) -> None:
        if self._landing is not None:
            with self._landing_lock:
                self._landing.land(piece.position, piece.length, repeated=repeated)

    @property
    def _safe(self) -> int:
        return self._landing.safe if self._landing is not None else 0

    def leave(self, client: Client | None = None) -> None:
        """After a stop or a failure: keep what a later run can use, remove the rest.

        No task may be under way. `client` replaces the target's own, when that is stopped.
        """
        target, landing = self._target, self._landing
        if not target.leaves_something:
            return
        is_of_use = not isinstance(self.outcome.error, (SourceError, IntegrityError, ConflictError))
        if landing is not None and landing.front > 0 and is_of_use:
            self.outcome.staged = landing.safe
            self.outcome.staged = target.leave(landing.front, client, asked=landing.asked)
        else:
            target.abandon(client)

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
        if self._hashing is not None:
            self._hashing.join()
        elif self._digest is None:
            self._digest = md5_of(self._reader, self._is_over)
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
