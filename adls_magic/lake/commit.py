"""The flush: waiting pieces become the file's content, durably and as a whole or not at all.

Three ways, all of which leave the old content in place until the journal's commit:

- the first flush syncs the side file that the pieces lie in and puts it in the target's place;
- a small file is written anew, old bytes and pieces, and replaced likewise;
- a big file grows: the journal notes that it will, the pieces are copied behind its end and
  synced, then its row gets the new size. Readers go by the row; after a crash the note has the
  rest cut off.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from adls_magic.lake import rows
from adls_magic.lake.answers import Refusal
from adls_magic.lake.entries import Entry
from adls_magic.lake.journal import Change, cut_file
from adls_magic.lake.locks import Key
from adls_magic.lake.store import Store
from adls_magic.lake.uncommitted import Area, Piece, SideFile, copy_bytes

BLOCKS = 50_000  # pieces that a file may consist of, as on the service
_SMALL = 1 << 20  # bytes; up to here a copy costs less than the two more commits of growing
_BINARY = getattr(os, "O_BINARY", 0)


def flush(
    store: Store, key: Key, position: int, *, retain: bool, decide: Callable[[Entry], Entry]
) -> Entry:
    """Commit what waits up to `position`, which becomes the file's length in bytes.

    Args:
        store: the lake's content.
        key: filesystem and path.
        position: length of the file afterwards.
        retain: keep what waits beyond `position`.
        decide: gets the file's entry and returns it with its new properties, or refuses.

    Raises:
        Refusal: `PathNotFound`, `InvalidFlushPosition`, and what `decide` raises.
        OSError: the disk refused; the file is as it was and the data still waits.
    """
    with store.locks.hold(key):
        old = store.find(key)
        if old is None:
            raise Refusal("PathNotFound")
        if old.is_directory:
            raise Refusal("ResourceTypeMismatch")
        new = decide(old)
        if position < old.size:
            raise Refusal("InvalidFlushPosition")
        area = store.uncommitted.find(key)
        pieces = area.tile(old.size, position) if position > old.size else []
        new = replace(new, size=position, blocks=old.blocks + len(pieces))
        if new.blocks > BLOCKS:
            raise Refusal("BlockCountExceedsLimit")
        new = _commit(store, key, old, new, area=area, pieces=pieces)
        store.uncommitted.settle(key, area, pieces, retain=retain)
        return new


def _commit(
    store: Store, key: Key, old: Entry, new: Entry, *, area: Area, pieces: list[Piece]
) -> Entry:
    if not pieces:
        store.journal.commit(Change(statements=[rows.put(key, new)]))
        return new
    main = area.detach_main()
    try:
        if main is not None:
            _keep_rest(store, area, main, new.size)
        if old.size > _SMALL:
            return _grow(store, key, old, new, pieces=pieces)
        if main is not None and old.size == 0:
            return _replace(store, key, new, main, pieces=pieces)
        file = store.uncommitted.new_file()
        try:
            return _replace(store, key, new, file, pieces=pieces, old=old)
        finally:
            file.leave()
    finally:
        if main is not None:
            main.leave()


def _replace(
    store: Store,
    key: Key,
    new: Entry,
    file: SideFile,
    *,
    pieces: list[Piece],
    old: Entry | None = None,
) -> Entry:
    before = store.place(key) if old is not None and old.size else None
    _fill(file, pieces, new.size, old=before)
    return store.put_file(key, new, file)


def _keep_rest(store: Store, area: Area, main: SideFile, end: int) -> None:
    """Bring pieces beyond the flush's end elsewhere: their side file becomes the target."""
    for piece in area.beyond(end):
        if piece.file is main:
            file = store.uncommitted.new_file()
            _fill(file, [replace(piece, position=0)], piece.length, sync=False)
            area.relocate(piece, file)


def _fill(
    file: SideFile,
    pieces: list[Piece],
    size: int,
    *,
    old: os.PathLike[str] | None = None,
    sync: bool = True,
) -> None:
    """Bring all pieces, and the old bytes before them, into a side file and sync it."""
    target = os.open(file.path, os.O_RDWR | _BINARY)
    try:
        if old is not None:
            _copy_from(old, target, offset=0, at=0, length=pieces[0].position)
        _copy_pieces([piece for piece in pieces if piece.file is not file], target)
        os.ftruncate(target, size)
        if sync:
            os.fsync(target)
    finally:
        os.close(target)


def _copy_pieces(pieces: list[Piece], target: int) -> None:
    for piece in pieces:
        _copy_from(
            piece.file.path, target, offset=piece.offset, at=piece.position, length=piece.length
        )


def _copy_from(path: os.PathLike[str], target: int, *, offset: int, at: int, length: int) -> None:
    source = os.open(path, os.O_RDONLY | _BINARY)
    try:
        copy_bytes(source, target, offset=offset, at=at, length=length)
    finally:
        os.close(source)


def _grow(store: Store, key: Key, old: Entry, new: Entry, *, pieces: list[Piece]) -> Entry:
    place = store.place(key)
    note = Change(statements=[rows.put(key, old)], cut=(*key, store.on_disk(key)))
    ticket = store.journal.commit(note)
    store.growing.add(key)
    with contextlib.ExitStack() as always, contextlib.ExitStack() as undo:
        always.callback(store.growing.discard, key)
        undo.callback(_cut_back, store, place, old, ticket)
        target = os.open(place, os.O_RDWR | _BINARY)
        try:
            _copy_pieces(pieces, target)
            os.fsync(target)
            new = replace(new, disk_time=os.fstat(target).st_mtime_ns)
        finally:
            os.close(target)
        store.journal.commit(Change(statements=[rows.put(key, new)], settles=[ticket]))
        undo.pop_all()
    return new


def _cut_back(store: Store, place: Path, old: Entry, ticket: int) -> None:
    # The note stays if even this fails, and the next start cuts the file.
    with contextlib.suppress(OSError, sqlite3.Error):
        cut_file(place, old.size, old.disk_time)
        store.journal.commit(Change(settles=[ticket]))
