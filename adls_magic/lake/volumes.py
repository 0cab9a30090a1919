"""Filesystems: the folders right below the root."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator

from adls_magic.lake import names
from adls_magic.lake.answers import Refusal
from adls_magic.lake.entries import Filesystem, from_nanoseconds
from adls_magic.lake.journal import Change, sync_directory
from adls_magic.lake.store import Store

BEING_DELETED = 30.0  # seconds that a deleted filesystem's name stays taken, as on the service


def filesystem(store: Store, name: str) -> Filesystem | None:
    """Return a filesystem; None when there is none."""
    facts = store.stat((name, ""))
    if facts is None or not stat.S_ISDIR(facts.st_mode):
        return None
    rows = store.journal.read("SELECT stamp, metadata FROM filesystems WHERE name = ?", (name,))
    if rows:
        return Filesystem(name, rows[0][0], json.loads(rows[0][1]))
    return Filesystem(name, from_nanoseconds(facts.st_ctime_ns))


def require(store: Store, name: str) -> Filesystem:
    """Return a filesystem.

    Raises:
        Refusal: `FilesystemNotFound`.
    """
    found = filesystem(store, name)
    if found is None:
        raise Refusal("FilesystemNotFound")
    return found


def filesystems(store: Store) -> Iterator[Filesystem]:
    """Yield all filesystems in the order of their names."""
    for name in sorted(os.listdir(store.root)):  # noqa: PTH208 - only names are needed
        try:
            names.check_filesystem(name)
        except Refusal:
            continue
        found = filesystem(store, name)
        if found is not None:
            yield found


def put(store: Store, name: str, metadata: dict[str, str]) -> Filesystem:
    """Store a filesystem's metadata."""
    found = Filesystem(name, store.clock.stamp(), metadata)
    sql = "INSERT OR REPLACE INTO filesystems VALUES (?, ?, ?)"
    values = (name, found.stamp, json.dumps(metadata))
    store.journal.commit(Change(statements=[(sql, values)]))
    return found


def create(store: Store, name: str, metadata: dict[str, str]) -> Filesystem:
    """Make a filesystem.

    Raises:
        Refusal: `FilesystemAlreadyExists`, `FilesystemBeingDeleted`.
    """
    with store.locks.hold(trees=((name, ""),)):
        if filesystem(store, name) is not None:
            raise Refusal("FilesystemAlreadyExists")
        if time.monotonic() < store.deleted.get(name, 0.0):
            raise Refusal("FilesystemBeingDeleted")
        (store.root / name).mkdir()
        sync_directory(store.root)
        return put(store, name, metadata)


def delete(store: Store, name: str, check: Callable[[Filesystem], None]) -> None:
    """Remove a filesystem with all that is in it.

    Raises:
        Refusal: `FilesystemNotFound`, and what `check` raises.
    """
    with store.locks.hold(trees=((name, ""),)):
        check(require(store, name))
        sql = "DELETE FROM filesystems WHERE name = ?"
        store.discard((name, ""), [(sql, (name,))])
        store.deleted[name] = time.monotonic() + BEING_DELETED
