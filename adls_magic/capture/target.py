"""The file in the lake as a capture sees it: opened late, committed or discarded as a whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

from adls_magic.output import compress
from adls_magic.output.forms import Sink

OpenTarget = Callable[[str | None], AbstractContextManager[Sink]]

HELD = 1024 * 1024  # bytes that are kept back before anything is opened, and sent at a time


class Target:
    """A binary stream for writing that opens the file when its first mebibyte is full.

    So nothing is sent for what turns out to be empty, small and wrong, or not wanted after all.
    One thread at a time may use it, not always the same one.
    """

    def __init__(self, open_target: OpenTarget, content_type: str | None, compression: str) -> None:
        self._open = open_target
        self._content_type = content_type
        self._compression = compression
        self._context: AbstractContextManager[Sink] | None = None
        self._stream: Sink | None = None
        self._compressed: compress.CompressedStream | None = None
        self._held = bytearray()
        self.size = 0  # bytes written, before compression
        self._last = b""

    def begin(self) -> bytes | None:
        """Open the file now; return the last byte of what is added to, None when it is empty."""
        self._sink()
        last_byte = getattr(self._stream, "last_byte", None)
        end: bytes | None = last_byte() if last_byte is not None else None
        return end

    @property
    def opened(self) -> bool:
        """Whether something has been sent already."""
        return self._stream is not None

    @property
    def held(self) -> bytes:
        """The latest bytes, which have not been sent yet: all of them while not `opened`."""
        return bytes(self._held)

    def append(self, data: bytes) -> None:
        """Take a few bytes; they are sent in pieces of a mebibyte or more."""
        self._held += data
        self.size += len(data)
        if len(self._held) >= HELD:
            self._send_held()

    def write(self, data: Any, /) -> int:
        """Take any bytes-like object; a large one is sent without being copied here."""
        view = memoryview(data).cast("B")
        if view.nbytes < HELD:
            self.append(bytes(view))
        else:
            self._send_held()
            self.size += view.nbytes
            self._last = bytes(view[-1:])
            self._sink().write(view)
        return view.nbytes

    @property
    def last(self) -> bytes:
        """The last byte written, nothing while nothing is."""
        return bytes(self._held[-1:]) or self._last

    def tell(self) -> int:
        """Return how many bytes have been written."""
        return self.size

    def flush(self) -> None:
        """Do nothing: what is sent early cannot be seen before the commit anyway."""

    def close(self) -> None:
        """Do nothing: only `commit` and `discard` end a target."""

    def commit(self) -> None:
        """Send the rest and make the file what was written; an empty one if nothing was."""
        try:
            self._send_held()
            self._sink()
            if self._compressed is not None:
                self._compressed.finish()
        except BaseException as error:
            self.discard(error)
            raise
        context, self._context = self._context, None
        if context is not None:
            context.__exit__(None, None, None)

    def discard(self, reason: BaseException) -> None:
        """Forget everything that was written; the file stays, or stays missing, as it was."""
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
            # Handed over, not cleared: the stream may keep a view of it.
            held, self._held = self._held, bytearray()
            self._last = bytes(held[-1:])
            self._sink().write(held)

    def _sink(self) -> Sink:
        if self._stream is None:
            context = self._open(self._content_type)
            self._stream = context.__enter__()
            self._context = context
            if self._compression:
                self._compressed = compress.CompressedStream(self._stream, self._compression)
        return self._compressed or self._stream
