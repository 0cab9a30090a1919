"""The file in the lake as a capture sees it: opened late, committed or discarded as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from adls_magic.core.ends import Ends
from adls_magic.core.errors import CellError
from adls_magic.output import compress
from adls_magic.output.forms import Sink

OpenTarget = Callable[[str | None], AbstractContextManager[Sink]]

HELD = 1024 * 1024  # bytes that are kept back before anything is opened
_GATHERED = 256 * 1024  # bytes of small writes that are sent at a time afterwards
_MOST_PARTS = 4096  # small writes that are held one by one; a short one takes 40 bytes more
_RECENT = 8 * 1024  # bytes at the end that can still be looked at


class UnsentError(CellError):
    """What the cell printed was given up; for a cell that prints on."""

    def __init__(self) -> None:
        super().__init__("the cell was stopped while its text was sent, so nothing was written")


class Target:
    """A binary stream for writing that opens the file when its first mebibyte is full.

    So nothing is sent for what turns out to be empty, small and wrong, or not wanted after all.
    One thread at a time may use it, not always the same one; any may discard it.
    """

    def __init__(self, open_target: OpenTarget, content_type: str | None, compression: str) -> None:
        self._open = open_target
        self._content_type = content_type
        self._compression = compression
        self._context: AbstractContextManager[Sink] | None = None
        self._stream: Sink | None = None
        self._compressed: compress.CompressedStream | None = None
        self._held: list[bytes] = []  # joined when they are sent, which is their only copy
        self._held_size = 0
        self._most_held = HELD
        self._sent_last = b""  # the end of what was sent
        self._discarded: BaseException | None = None
        self.size = 0  # bytes written, before compression

    def begin(self, most: int) -> Ends | None:
        """Open the file now; return the ends of what is added to, None when that is empty.

        Args:
            most: bytes of its beginning.
        """
        self._sink()
        ends = getattr(self._stream, "ends", None)
        found: Ends | None = ends(most) if ends is not None else None
        return found

    @property
    def opened(self) -> bool:
        """Whether something has been sent already."""
        return self._stream is not None

    @property
    def held(self) -> bytes:
        """All bytes while not `opened`, and their end afterwards."""
        return b"".join(self._held) if self._stream is None else self.recent

    @property
    def recent(self) -> bytes:
        """The last 8 KiB that were written."""
        return (self._sent_last + b"".join(self._held)[-_RECENT:])[-_RECENT:]

    def append(self, data: bytes | memoryview) -> None:
        """Take bytes: small ones are gathered, large ones are passed on as they are."""
        size = len(data)
        self.size += size
        if size >= self._most_held:
            self._send_held()
            self._send(data)
            return
        self._held.append(data if type(data) is bytes else bytes(data))
        self._held_size += size
        if self._held_size >= self._most_held:
            self._send_held()
        elif len(self._held) >= _MOST_PARTS:
            self._held = [b"".join(self._held)]

    def write(self, data: Any, /) -> int:
        """Take any bytes-like object."""
        view = data if type(data) is bytes else memoryview(data).cast("B")
        self.append(view)
        return len(view)

    def tell(self) -> int:
        """Return how many bytes have been written."""
        return self.size

    def flush(self) -> None:
        """Do nothing: what is sent early cannot be seen before the commit anyway."""

    def close(self) -> None:
        """Do nothing: only `commit` and `discard` end a target."""

    def commit(self) -> None:
        """Send the rest and make the file what was written; an empty one if nothing was."""
        with self.discarded_on_failure():
            self._send_held()
            self._sink()
            if self._compressed is not None:
                self._compressed.finish()
        context, self._context = self._context, None
        if context is not None:
            context.__exit__(None, None, None)

    @contextmanager
    def discarded_on_failure(self) -> Iterator[None]:
        """Forget everything when what is done in here fails, or is stopped."""
        try:
            yield
        except BaseException as error:
            self.discard(error)
            raise

    def discard(self, reason: BaseException) -> None:
        """Forget everything that was written; the file stays, or stays missing, as it was.

        A thread that is sending, or opening the file, is made to come back by it.
        """
        self._discarded = reason
        self._held.clear()
        context, self._context = self._context, None
        if context is None:
            return
        # One made from a generator lets the reason through; and clean-up that failed besides
        # must not hide it.
        with suppress(Exception):
            context.__exit__(type(reason), reason, reason.__traceback__)

    def _send_held(self) -> None:
        if self._held:
            held, self._held, self._held_size = self._held, [], 0
            self._send(b"".join(held))

    def _send(self, data: bytes | memoryview) -> None:
        self._sent_last = bytes(data[-_RECENT:])
        self._sink().write(data)

    def _sink(self) -> Sink:
        if self._stream is None:
            context = self._open(self._content_type)
            self._stream = context.__enter__()
            self._context = context
            if self._discarded is not None:  # while it was being opened
                self.discard(self._discarded)
                raise UnsentError
            self._most_held = _GATHERED
            if self._compression:
                self._compressed = compress.CompressedStream(self._stream, self._compression)
        return self._compressed or self._stream
