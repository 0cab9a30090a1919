"""How much of a file has arrived without a gap, and when that is worth a checkpoint. Pure.

A checkpoint is a flush of the gapless front on the staged file. After a kill or a dead line the
service itself then knows how far the upload was.

The two distances are looked up at every use.
"""

from __future__ import annotations

CHECKPOINT_BYTES = 256 * 1024 * 1024
CHECKPOINT_SECONDS = 10.0


class Landing:
    """The gapless front of one upload, and the part of it that a checkpoint has made safe.

    Args:
        start: bytes that an earlier run had made safe.
        now: seconds, as for all its methods.
    """

    def __init__(self, start: int, now: float) -> None:
        self.front = start  # bytes that have arrived without a gap
        self.safe = start  # bytes that a checkpoint has flushed
        self.asked = start  # bytes that the last checkpoint was to flush, answered or not
        self._beyond: dict[int, int] = {}  # position → end of what arrived behind a gap
        self._repeated_until = start
        self._since = now

    def land(self, position: int, length: int, *, repeated: bool) -> None:
        """Take note of a piece that was acknowledged; `repeated`: it took several tries."""
        self._beyond[position] = position + length
        if repeated:
            self._repeated_until = max(self._repeated_until, position + length)
        while self.front in self._beyond:
            self.front = self._beyond.pop(self.front)

    def is_due(self, now: float) -> bool:
        """True when enough has arrived, or enough time has gone by, for a checkpoint.

        Not while a try that was given up may still arrive: what lands below a flush stays
        waiting there.
        """
        if self.front <= self.safe:
            return False
        if self._repeated_until > self.safe and now - self._since < 3 * CHECKPOINT_SECONDS:
            return False
        is_much = self.front - self.safe >= CHECKPOINT_BYTES
        return is_much or now - self._since >= CHECKPOINT_SECONDS

    def begin(self, now: float) -> int:
        """Return the position of the checkpoint that begins now; none is due until it ends."""
        self._since = now
        self.asked = self.front
        return self.front

    def rewind(self, position: int, now: float) -> None:
        """Begin again at `position`: all that arrived behind it is to be sent once more.

        The next checkpoint is put off, since more of what made that necessary may be on its way.
        """
        self._repeated_until = max(self._repeated_until, self.front, position + 1)
        self.front = self.safe = self.asked = position
        self._beyond.clear()
        self._since = now

    def save(self, position: int) -> None:
        """Take note that a checkpoint has made everything up to `position` safe."""
        self.safe = max(self.safe, position)
