"""The piece of a stream that is being filled by what its producer writes."""

from __future__ import annotations

from collections.abc import Callable

# Large `bytes` stay where they are. Smaller ones cost little to copy while they are fresh in the
# processor's cache, and many of them, allocated and freed by different threads, take more memory.
_LEAST_KEPT = 512 * 1024  # bytes


class Filling:
    """The bytes of a piece until it is full: copied, but for large ones that nobody can change.

    Args:
        size: bytes of the full piece.
        memory: gives memory of that size, if anything has to be copied.
    """

    def __init__(self, size: int, memory: Callable[[int], bytearray]) -> None:
        self._size = size
        self._new_memory = memory
        self._memory: bytearray | None = None
        self._parts: list[memoryview] = []
        self._copied = self._listed = 0  # bytes of the memory: used, and in `_parts` already
        self.filled = 0  # bytes of the piece

    @property
    def is_full(self) -> bool:
        """True when it takes no more."""
        return self.filled == self._size

    def take(self, data: memoryview, *, lasting: bool) -> int:
        """Take as many bytes as there is room for and return their number.

        Args:
            data: bytes.
            lasting: they never change, so they need not be copied.
        """
        part = data[: self._size - self.filled]
        if lasting and len(part) >= _LEAST_KEPT:
            self._list_copied()
            self._parts.append(part)
        else:
            self._copy(part)
        self.filled += len(part)
        return len(part)

    def done(self) -> tuple[list[memoryview], bytearray | None]:
        """Return the parts that hold the bytes, and the memory that some of them lie in."""
        self._list_copied()
        return self._parts, self._memory

    def _copy(self, part: memoryview) -> None:
        if self._memory is None:
            self._memory = self._new_memory(self._size)
        end = self._copied + len(part)
        self._memory[self._copied : end] = part
        self._copied = end

    def _list_copied(self) -> None:
        if self._memory is not None and self._copied > self._listed:
            self._parts.append(memoryview(self._memory)[self._listed : self._copied])
            self._listed = self._copied
