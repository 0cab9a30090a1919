"""What the tests write to: a stream with write, flush, tell and close only, and what it got."""

from __future__ import annotations

from typing import Any

from adls_magic import output


class Written:
    """Collects bytes, counts writes, and fails from a given number of bytes on."""

    def __init__(self, *, fails_after: int | None = None, error: Exception | None = None) -> None:
        self.pieces: list[bytes] = []
        self._fails_after = fails_after
        self._error = error

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    def write(self, data: Any) -> int:
        piece = bytes(data)
        if self._fails_after is not None and len(self.data) + len(piece) > self._fails_after:
            raise self._error or OSError("full")
        self.pieces.append(piece)
        return len(piece)

    def tell(self) -> int:
        return len(self.data)

    def flush(self) -> None: ...

    def close(self) -> None:
        raise AssertionError("the stream belongs to its owner")


def written(value: object, extension: str, **options: object) -> bytes:
    """Plan and write a value, and return the bytes."""
    stream = Written()
    output.plan(value, extension, options=options).write(stream)
    return stream.data
