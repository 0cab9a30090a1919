"""Who may change which path: one holder at a time for a path, or for a whole subtree."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

Key = tuple[str, str]  # filesystem, path


class PathLocks:
    """Exclusive holds on paths; a hold on a tree excludes everything in and above it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._paths: set[Key] = set()
        self._trees: set[Key] = set()

    @contextmanager
    def hold(self, *keys: Key, trees: tuple[Key, ...] = ()) -> Iterator[None]:
        """Wait until all of `keys` and `trees` are free, and hold them."""
        wanted = set(keys)
        with self._changed:
            self._changed.wait_for(lambda: self._free(wanted, trees))
            self._paths |= wanted
            self._trees.update(trees)
        try:
            yield
        finally:
            with self._changed:
                self._paths -= wanted
                self._trees.difference_update(trees)
                self._changed.notify_all()

    def _free(self, keys: set[Key], trees: tuple[Key, ...]) -> bool:
        if keys & self._paths:
            return False
        if any(inside(key, tree) for key in keys for tree in self._trees):
            return False
        held = [*self._paths, *self._trees]
        return not any(inside(key, tree) or inside(tree, key) for tree in trees for key in held)


def inside(key: Key, tree: Key) -> bool:
    """Whether a path is a tree's top or lies below it."""
    if key[0] != tree[0]:
        return False
    return not tree[1] or key[1] == tree[1] or key[1].startswith(tree[1] + "/")
