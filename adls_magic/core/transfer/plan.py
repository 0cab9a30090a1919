"""Which bytes travel in which append: pure arithmetic.

Pieces lie on a fixed grid that follows from the file's size (or the position in a stream) and
the chunk size only. So a piece sent twice, by whatever run, is the very same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from adls_magic.core.errors import OptionError

MIB = 1024 * 1024
# A file has at most 50,000 committed blocks, an append at most 4,000 MiB.
# https://learn.microsoft.com/azure/storage/blobs/scalability-targets
MOST_PIECES = 50_000
LARGEST_CHUNK = 4000 * MIB
# Above 4 MiB an append takes the service's fast path; small enough to be lost without pain.
DEFAULT_CHUNK = 8 * MIB
# Those of a stream are held in memory, one for each connection and one that is being filled.
STREAM_CHUNK = 6 * MIB
# A file of more pieces than this gets larger ones, which cost less a byte, but there must be
# enough of them for every connection to be busy to the end.
_FEW_PIECES, _LARGER_CHUNK = 64, 16 * MIB
# A file of more pieces than this gets larger ones still, before their number grows on.
_MANY_PIECES, _LARGEST_DEFAULT = 8192, 32 * MIB


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of bytes that travels in one append."""

    position: int  # bytes from the file's start
    length: int  # bytes


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """The grid of one file: `count` pieces of `chunk_size` bytes, the last one what is left."""

    size: int  # bytes
    chunk_size: int  # bytes

    @property
    def count(self) -> int:
        """Number of pieces; none for an empty file."""
        return -(-self.size // self.chunk_size)

    def piece(self, index: int) -> Piece:
        """Return piece `index`, counted from 0."""
        position = index * self.chunk_size
        return Piece(position, min(self.chunk_size, self.size - position))

    def index_at(self, position: int) -> int | None:
        """Return the piece that starts at `position` (the end counts as one), None if none does."""
        if position > self.size:
            return None
        if position == self.size:
            return self.count
        return position // self.chunk_size if position % self.chunk_size == 0 else None


def plan_upload(size: int, chunk_size: int | None = None) -> UploadPlan:
    """Lay the grid for a file of `size` bytes; `chunk_size` is the user's wish, in bytes.

    Raises:
        OptionError: the wish, or the file, would break the service's limits.
    """
    if size > MOST_PIECES * LARGEST_CHUNK:
        raise OptionError("The source is larger than the largest possible file (190 TiB).")
    if chunk_size is None:
        return UploadPlan(size, _default_chunk(size))
    check_chunk_size(chunk_size)
    if -(-size // chunk_size) > MOST_PIECES:
        least = _round_up(-(-size // MOST_PIECES))
        raise OptionError(
            f"--chunk-size is too small for this file: a file has at most {MOST_PIECES:,} pieces. "
            f"Give at least {least // MIB}MiB, or leave it out."
        )
    return UploadPlan(size, chunk_size)


def check_chunk_size(chunk_size: int) -> None:
    """Refuse a chunk size that no append can have.

    Raises:
        OptionError: it is below 1 byte or above 4,000 MiB.
    """
    if not 1 <= chunk_size <= LARGEST_CHUNK:
        raise OptionError("--chunk-size must be between 1 byte and 4000MiB.")


def _default_chunk(size: int) -> int:
    larger = min(_LARGER_CHUNK, _round_up(-(-size // _FEW_PIECES)))
    many = min(_LARGEST_DEFAULT, _round_up(-(-size // _MANY_PIECES)))
    least = _round_up(-(-size // MOST_PIECES))
    return min(LARGEST_CHUNK, max(DEFAULT_CHUNK, larger, many, least))


def _round_up(length: int) -> int:
    return -(-length // MIB) * MIB


def stream_chunk(position: int, chunk_size: int | None = None) -> int:
    """Return the length of the piece at `position` of a stream whose end is not known.

    Grows fourfold with every 10,000 pieces: 50,000 pieces hold 19 TiB. A size that the user
    chose stays as it is.
    """
    if chunk_size is not None:
        return chunk_size
    length, end = STREAM_CHUNK, 0
    while True:
        end += 10_000 * length
        if position < end or length * 4 > LARGEST_CHUNK:
            return length
        length *= 4
