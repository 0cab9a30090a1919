"""What a file that is added to begins and ends with, and what follows from it."""

from __future__ import annotations

import codecs
import sys
from dataclasses import dataclass

TAIL = 4  # bytes: the longest form of a line's end in any encoding of Unicode
# Encodings that begin with a mark: what it is when the bytes of a character are turned round.
_TURNED = {
    "utf-16": {"big": codecs.BOM_UTF16_BE, "little": codecs.BOM_UTF16_LE},
    "utf-32": {"big": codecs.BOM_UTF32_BE, "little": codecs.BOM_UTF32_LE},
}


@dataclass(frozen=True, slots=True)
class Ends:
    """The beginning and the end of a file.

    Attributes:
        head: its first bytes, as many as were asked for.
        tail: its last `TAIL` bytes, or all.
        size: of the file, in bytes.
    """

    head: bytes
    tail: bytes
    size: int

    @property
    def is_whole(self) -> bool:
        """True when `head` is all that there is."""
        return len(self.head) == self.size


def continued(encoding: str, head: bytes) -> str:
    """Return how text goes on in a file: a mark may stand at its start only.

    Args:
        encoding: of the file, a name that Python knows.
        head: first bytes of the file; of no matter but for UTF-16 and UTF-32.
    """
    name = codecs.lookup(encoding).name
    if name == "utf-8-sig":
        return "utf-8"
    if name not in _TURNED:
        return encoding
    found = (order for order, mark in _TURNED[name].items() if head.startswith(mark))
    return f"{name}-{next(found, sys.byteorder)[0]}e"


def marked(head: bytes) -> str:
    """Return `utf-16` or `utf-32` for a file that begins with the mark of one, else ""."""
    longest_first = sorted(_TURNED, reverse=True)  # a mark of UTF-32 begins with one of UTF-16
    found = (name for name in longest_first if head.startswith((*_TURNED[name].values(),)))
    return next(found, "")
