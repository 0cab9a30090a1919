"""An attribute of somebody else's object, replaced for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

_NOTHING = object()


@contextmanager
def swapped(owner: object, name: str, value: object) -> Iterator[None]:
    """Give the instance `owner` another attribute, and take it away again if it is still there.

    Objects that allow no attributes of their own keep what they have.
    """
    own = getattr(owner, "__dict__", {})
    before = own.get(name, _NOTHING)
    with suppress(AttributeError, TypeError):
        setattr(owner, name, value)
    try:
        yield
    finally:
        if own.get(name, _NOTHING) is value:
            if before is _NOTHING:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
