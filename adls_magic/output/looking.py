"""Iterators that were looked at: what was taken to see what they give is kept for the writing.

Only its first item tells what can be made of an iterator, and who takes it takes it from the
owner, who may have to choose another extension first. So it is kept here, and is the first one
again when that very iterator is looked at or written next. It is kept as long as the iterator
lives; iterators that Python cannot tell the end of (those of lists, `map`, `zip`) are kept
alive until they are written, the latest few hundred of them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from adls_magic.output.forms import Watched

# Iterators that are kept alive; of older ones, what was taken is lost. More than anybody looks at
# and still means to write.
_MOST = 256


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was taken from an iterator or file, and how to know that it is still the same one.

    Attributes:
        owner: returns the iterator or file, None when it is no more.
        items: what was taken.
        holds: this keeps the owner alive.
    """

    owner: Callable[[], object]
    items: list[object]
    holds: bool = False


_kept: dict[int, _Kept] = {}  # by the identity of the owner, in the order of the first look


class Looked(Watched):
    """An iterator of which items can be seen before they are taken.

    As an iterator it gives what comes behind `seen`. When the first of that is taken, what was
    seen counts as written and is dropped.

    Args:
        items: the iterator.
        owner: what the user holds: the iterator itself, or the file that it reads.
        unit: what was taken, to the user, with its verb: `first item was`.

    Attributes:
        seen: the items that were taken to be seen, by this look and by earlier ones.
    """

    def __init__(self, items: Iterator[object], *, owner: object, unit: str) -> None:
        super().__init__(items)
        self._owner = owner
        self._unit = unit
        self._taken = False
        kept = _kept.get(id(owner))
        self.seen = kept.items if kept is not None and kept.owner() is owner else []

    def look(self) -> bool:
        """Take one more item to be seen; return whether there was one."""
        try:
            item = super().__next__()
        except StopIteration:
            return False
        self.keep(item)
        return True

    def keep(self, item: object) -> None:
        """Count something that was taken from the owner among the items seen."""
        self.seen.append(item)
        kept = _kept.get(id(self._owner))
        if kept is None or kept.items is not self.seen:
            _keep(self._owner, self.seen)

    def __next__(self) -> object:
        if self.seen:
            _kept.pop(id(self._owner), None)
            self.seen.clear()
        self._taken = True
        return super().__next__()

    @property
    def note(self) -> str:
        """Say what was taken and where it went."""
        if self.seen:
            return f"its {self._unit} taken to look at it; the next write of it begins with that"
        if self._taken:
            return "what it gave until then is gone: make it anew before you write it again"
        return ""


def _keep(owner: object, items: list[object]) -> None:
    key = id(owner)
    try:
        reference: Callable[[], object] = weakref.ref(owner, lambda _: _kept.pop(key, None))
    except TypeError:
        _kept[key] = _Kept(lambda: owner, items, holds=True)
        held = [one for one, kept in _kept.items() if kept.holds]
        for oldest in held[:-_MOST]:
            del _kept[oldest]
    else:
        _kept[key] = _Kept(reference, items)
