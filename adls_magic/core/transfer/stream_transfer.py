"""The transfer of bytes that a producer hands over piece by piece, length unknown."""

from __future__ import annotations

import threading
from collections.abc import Callable

from adls_magic.core.transfer.existing import SkippedError
from adls_magic.core.transfer.supply import StreamSupply
from adls_magic.core.transfer.target import Target
from adls_magic.core.transfer.transfer import Count, Transfer


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
        if self.supply.is_single:
            self._put_single(self.supply.take())
        else:
            self._target.open()

    def _md5(self) -> str | None:
        return self._digest() if self._digest is not None else None
