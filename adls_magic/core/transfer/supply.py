"""The pieces of one upload, handed out one by one: from a reader, or from a producer's writes."""

from __future__ import annotations

from collections import deque

from adls_magic.core.transfer.filling import Filling
from adls_magic.core.transfer.plan import Piece, UploadPlan
from adls_magic.core.transfer.reader import MemoryReader, Reader


class FileSupply:
    """The pieces of a source of known length. Not thread-safe: the pool's lock guards it."""

    def __init__(self, reader: Reader, plan: UploadPlan) -> None:
        self._reader = reader
        self._plan = plan
        self._next = 0
        self.size = plan.size  # bytes handed out in the end
        self.is_ended = True  # no more pieces than are known will come

    @property
    def is_single(self) -> bool:
        """True when the whole file is one piece, or none."""
        return self._plan.count <= 1

    @property
    def has_more(self) -> bool:
        """True while pieces are left to take."""
        return self._next < self._plan.count

    def skip_to(self, position: int) -> None:
        """Leave out the pieces before `position`, which is on the grid: they have arrived."""
        self._next = self._plan.index_at(position) or 0

    def rewind_to(self, position: int) -> int:
        """Hand out again all pieces from `position` on; return how many bytes that are.

        Raises:
            ValueError: `position` is not on the grid, or beyond what was handed out.
        """
        index = self._plan.index_at(position)
        if index is None or index > self._next:
            raise ValueError(position)
        reached = min(self.size, self._next * self._plan.chunk_size)
        self._next = index
        return reached - position

    def take(self) -> tuple[Reader, Piece] | None:
        """Return the next piece and the reader that it reads from (at the piece's position)."""
        if not self.has_more:
            return None
        piece = self._plan.piece(self._next)
        self._next += 1
        return self._reader, piece


class StreamSupply:
    """The pieces of a stream, in the order in which its producer filled them.

    What had to be copied lies in memory that is used again once its piece has arrived, so that
    it never is more than what is on its way and what is being filled.
    """

    def __init__(self) -> None:
        self._filled: deque[tuple[Reader, Piece]] = deque()
        self._held: dict[int, bytearray] = {}  # by position
        self._free: deque[bytearray] = deque()
        self.size = 0
        self.is_ended = False
        self._count = 0

    @property
    def is_single(self) -> bool:
        """True when the stream ended within its first piece."""
        return self.is_ended and self._count <= 1

    @property
    def waiting(self) -> int:
        """Number of filled pieces that nobody has taken yet."""
        return len(self._filled)

    def buffer(self, length: int) -> bytearray:
        """Return memory for a piece of `length` bytes, whose content does not matter."""
        while self._free:
            buffer = self._free.pop()
            if len(buffer) == length:
                return buffer
        return bytearray(length)

    def put(self, filling: Filling) -> None:
        """Add the next piece, whose bytes must not change until it is released."""
        parts, memory = filling.done()
        if memory is not None:
            self._held[self.size] = memory
        piece = Piece(self.size, filling.filled)
        self._filled.append((MemoryReader(*parts, start=self.size), piece))
        self.size += piece.length
        self._count += 1

    def release(self, position: int) -> None:
        """Let the memory of the piece at `position`, which has arrived, be used again."""
        memory = self._held.pop(position, None)
        if memory is not None:
            self._free.append(memory)

    def take(self) -> tuple[Reader, Piece] | None:
        """Return the next filled piece, None when none is waiting."""
        return self._filled.popleft() if self._filled else None
