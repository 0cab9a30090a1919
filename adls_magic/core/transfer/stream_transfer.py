"""The transfer of bytes that a producer hands over piece by piece, length unknown."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable

from adls_magic.core.transfer.existing import SkippedError
from adls_magic.core.transfer.plan import Piece
from adls_magic.core.transfer.supply import StreamSupply
from adls_magic.core.transfer.target import Target
from adls_magic.core.transfer.transfer import Count, State, Transfer

# Appends leave no trace at the service until they are flushed: a staged file that takes them for
# days must not look as if nobody had touched it.
TOUCH_SECONDS = 3600.0


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
        super().__init__(target, count, stop=stop, md5=digest is not None)
        self.supply = StreamSupply()
        self._supply = self.supply
        self._digest = digest
        self._touched = time.monotonic()
        self._opens_now = False

    def end(self) -> None:
        """Tell that the producer has put its last piece. The caller holds the pool's lock."""
        self.supply.is_ended = True

    def open_now(self) -> None:
        """Open the target before anything is there to send. The caller holds the pool's lock."""
        self._opens_now = True

    @property
    def is_open(self) -> bool:
        """True when the target has been opened, and while it takes pieces."""
        return self._state is State.SENDING

    @property
    def start(self) -> int:
        """Length of the file that is added to, once it is open; else 0."""
        return self._target.start or 0

    def skip(self, skipped: SkippedError) -> None:
        """Take note that the target is left alone."""
        self._fail(skipped)

    @property
    def has_failed(self) -> bool:
        """True when no further piece is of use."""
        return self.outcome.error is not None

    def _can_open(self) -> bool:
        return self._opens_now or self.supply.is_ended or self.supply.waiting > 1

    def _open(self) -> None:
        if self.supply.is_single:
            self._put_single(self.supply.take())
        else:
            self._target.open()
            self._touched = time.monotonic()

    def _due_checkpoint(self) -> Callable[[], None] | None:
        now = time.monotonic()
        if now - self._touched < TOUCH_SECONDS or not self._target.is_staged:
            return None
        self._touched = now
        # Flushes nothing: no try that was given up can land below it.
        return functools.partial(self._target.checkpoint, 0)

    def _landed(self, piece: Piece, *, repeated: bool) -> None:
        self.supply.release(piece.position)

    def _md5(self) -> str | None:
        return self._digest() if self._digest is not None else None
