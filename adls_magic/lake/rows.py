"""The statements that read and change the rows of files and directories."""

from __future__ import annotations

from typing import Any

from adls_magic.lake.entries import Entry, entry_from_row
from adls_magic.lake.journal import Journal, Statement
from adls_magic.lake.locks import Key

# A row and all below it are a range of the primary key, from which siblings such as `a-b` of `a`
# are left out. See `_range` for the values.
_SELECT_ONE = """SELECT is_directory, size, stamp, disk_time, facts FROM entries
    WHERE filesystem = ? AND path = ?"""
_SELECT = """SELECT * FROM entries
    WHERE filesystem = ? AND path >= ? AND path < ? AND (path = ? OR path >= ?)"""
_DELETE = """DELETE FROM entries
    WHERE filesystem = ? AND path >= ? AND path < ? AND (path = ? OR path >= ?)"""
_MOVE = """UPDATE entries SET filesystem = ?, path = ? || substr(path, ?)
    WHERE filesystem = ? AND path >= ? AND path < ? AND (path = ? OR path >= ?)"""
_PUT = "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)"
_LAST = "\U0010ffff"


def _range(key: Key) -> tuple[str, ...]:
    filesystem, path = key
    if not path:
        return filesystem, "", _LAST, "", ""
    return filesystem, path, path + "0", path, path + "/"  # "0" is the character after "/"


def get(journal: Journal, key: Key) -> Entry | None:
    """Return a path's row."""
    rows = journal.read(_SELECT_ONE, key)
    return entry_from_row(rows[0]) if rows else None


def put(key: Key, entry: Entry) -> Statement:
    """Return the statement that stores an entry."""
    facts = (entry.is_directory, entry.size, entry.stamp, entry.disk_time, entry.to_text())
    return _PUT, (*key, *facts)


def delete(key: Key) -> Statement:
    """Return the statement that removes a path's row and all below it."""
    return _DELETE, _range(key)


def move(source: Key, target: Key) -> Statement:
    """Return the statement that gives a path's row, and all below it, a new name."""
    # substr counts from 1.
    return _MOVE, (*target, len(source[1]) + 1, *_range(source))


def restore(journal: Journal, key: Key) -> list[Statement]:
    """Return the statements that bring a path and all below it back to how they are now."""
    found: list[tuple[Any, ...]] = journal.read(_SELECT, _range(key))
    return [delete(key), *((_PUT, row) for row in found)]


def newest_stamp(journal: Journal) -> int:
    """Return the latest version stamp in the database, 0 for none."""
    return int(journal.read("SELECT max(stamp) FROM entries")[0][0] or 0)
