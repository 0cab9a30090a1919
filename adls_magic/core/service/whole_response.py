"""Answers that are whole and have an end: one that breaks off or goes on for ever is no answer."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from typing import Any, cast

LARGEST_HEAD = 256 * 1024  # bytes; real ones have one or two KiB
LARGEST_REPLY = 1024 * 1024  # bytes that follow the head of anything but a read or a listing
LARGEST_READ = 1024 * 1024 * 1024  # bytes of a read or a listing
_BLOCK = 1024 * 1024  # bytes to make room for at once, however many are told of


class WholeResponse(http.client.HTTPResponse):
    """An answer as `http.client` reads it, but one cut off inside its head is an error.

    The standard library takes the end of the connection for the end of the headers, so that the
    length, the etag or the error code could be missing, or half, without a word. And it reads as
    long as something comes, and makes room for whatever length is told.

    Raises:
        http.client.IncompleteRead: from `begin` and `whole`.
        http.client.HTTPException: more comes than an answer can have.
    """

    def begin(self) -> None:
        """Read the status line and the headers."""
        with self._bounded(LARGEST_HEAD, is_head=True):
            super().begin()

    def read(self, amt: int | None = None) -> bytes:
        """Read so many bytes, or all; there is no more of these than an answer can have."""
        return self.whole(LARGEST_READ) if amt is None or amt < 0 else super().read(amt)

    def whole(self, most: int) -> bytes:
        """Read the body to its end; `most` is in bytes."""
        if self.fp is None:  # there is none
            return b""
        if self.length is not None and self.length > most:
            raise http.client.HTTPException("the answer is too large")
        blocks: list[bytes] = []
        with self._bounded(most + LARGEST_HEAD):  # what frames chunks comes on top
            while block := self.read(_BLOCK):
                blocks.append(block)
        if self.length:
            raise http.client.IncompleteRead(b"".join(blocks), self.length)
        return b"".join(blocks)

    @contextlib.contextmanager
    def _bounded(self, most: int, *, is_head: bool = False) -> Iterator[None]:
        stream = self.fp
        self.fp = cast(Any, _Bounded(stream, most, is_head=is_head))
        try:
            yield
        finally:
            if self.fp is not None:  # None once the end was read
                self.fp = stream


class _Bounded:
    """A stream that gives so many bytes; more is an error.

    Args:
        stream: buffered, to be read.
        most: bytes.
        is_head: the stream must not end within or between lines.
    """

    def __init__(self, stream: Any, most: int, *, is_head: bool = False) -> None:
        self._stream = stream
        self._left = most
        self._is_head = is_head
        self._begun = False

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._stream.readline(limit)
        # That nothing came at all is told apart above: the connection was kept for too long.
        if self._is_head and self._begun and not line.endswith(b"\n") and len(line) != limit:
            raise http.client.IncompleteRead(line)
        self._begun = True
        return self._counted(line)

    def read(self, amount: int) -> bytes:
        if amount < 0:  # of a chunk
            raise http.client.HTTPException("a length below zero")
        return self._counted(self._stream.read(min(amount, _BLOCK)))

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise http.client.HTTPException("the answer has no end")
        return data

    def close(self) -> None:
        self._stream.close()
