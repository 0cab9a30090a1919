"""Answers whose head is whole: one that ends in the midst of its headers is no answer."""

from __future__ import annotations

import http.client
from typing import Any, cast


class WholeResponse(http.client.HTTPResponse):
    """An answer as `http.client` reads it, but one cut off inside its head is an error.

    The standard library takes the end of the connection for the end of the headers, so that the
    length, the etag or the error code could be missing, or half, without a word.

    Raises:
        http.client.IncompleteRead: from `begin`.
    """

    def begin(self) -> None:
        """Read the status line and the headers."""
        stream = self.fp
        self.fp = cast(Any, _Head(stream))
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = stream


class _Head:
    """Lines of a head, each with its end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._begun = False

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._stream.readline(limit)
        # That nothing came at all is told apart above: the connection was kept for too long.
        if self._begun and not line.endswith(b"\n") and len(line) != limit:
            raise http.client.IncompleteRead(line)
        self._begun = True
        return line

    def close(self) -> None:
        self._stream.close()
