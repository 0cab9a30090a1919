"""Files and directories of a lake: plain files below the root, properties in a database.

The disk says what exists and how long it is; the database holds what the disk cannot. A file that
differs from its row in size or modification time was changed by hand and gets a new version.

Every change takes its paths from `locks`, looks, and commits through the journal.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from adls_magic.lake import names, rows
from adls_magic.lake.answers import Refusal
from adls_magic.lake.entries import Clock, Entry, from_nanoseconds
from adls_magic.lake.journal import Change, Journal, Move, Statement, sync_directory
from adls_magic.lake.leases import Leases
from adls_magic.lake.locks import Key, PathLocks
from adls_magic.lake.uncommitted import SideFile, Uncommitted

Decide = Callable[[Entry | None], Entry]


class Store:
    """One lake's content.

    Attributes:
        root: the folder that is served.
        locks, journal, leases, uncommitted, clock: the parts that operations share.
        deleted: names of removed filesystems, and until when they stay taken.
        growing: files that are longer on disk than committed, for a moment.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / names.HOME
        for name in ("waiting", "trash"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        self.locks = PathLocks()
        self.leases = Leases()
        self.clock = Clock()
        self.growing: set[Key] = set()
        self.deleted: dict[str, float] = {}
        with contextlib.ExitStack() as undo:
            self.journal = Journal(root, self.home / names.DATABASE)
            undo.callback(self.journal.close)
            self._sweep_leftovers()
            self.uncommitted = Uncommitted(self.home / "waiting")
            self.clock.after(rows.newest_stamp(self.journal))
            undo.pop_all()

    def close(self) -> None:
        """Finish running commits and close the database."""
        self.journal.close()

    def _sweep_leftovers(self) -> None:
        for name in ("waiting", "trash"):
            folder = self.home / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(exist_ok=True)
        sync_directory(self.home)

    # Names on disk

    def on_disk(self, key: Key) -> str:
        """Return a path's place, relative to the root."""
        segments = [segment for segment in key[1].split("/") if segment]
        return "/".join([key[0], *(names.name_on_disk(segment) for segment in segments)])

    def place(self, key: Key) -> Path:
        """Return a path's place."""
        return self.root / self.on_disk(key)

    def segment_of(self, name: str) -> str:
        """Return the segment that a name on disk stands for."""
        found = self.journal.read("SELECT name FROM long_names WHERE disk = ?", (name,))
        return str(found[0][0]) if found else name

    def _long_names(self, path: str) -> list[Statement]:
        sql = "INSERT OR IGNORE INTO long_names (disk, name) VALUES (?, ?)"
        return [
            (sql, (names.name_on_disk(segment), segment))
            for segment in path.split("/")
            if segment and names.needs_other_name(segment)
        ]

    # Looking

    def find(self, key: Key) -> Entry | None:
        """Return a file or directory; None when there is none."""
        entry, facts = rows.get(self.journal, key), self.stat(key)
        if (entry is None and facts is None) or (entry and facts and self._agree(entry, facts)):
            return entry
        with self.journal.view:
            return self.reconcile(key, rows.get(self.journal, key), self.stat(key))

    def stat(self, key: Key) -> os.stat_result | None:
        """Return what the disk says about a path; None when nothing is there."""
        try:
            return self.place(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _agree(self, entry: Entry, facts: os.stat_result) -> bool:
        if entry.is_directory or stat.S_ISDIR(facts.st_mode):
            return entry.is_directory and stat.S_ISDIR(facts.st_mode)
        return entry.size == facts.st_size and entry.disk_time == facts.st_mtime_ns

    def reconcile(
        self, key: Key, entry: Entry | None, facts: os.stat_result | None
    ) -> Entry | None:
        """Return the entry for what lies on disk, which may have been changed by hand."""
        if facts is None:
            return None
        if entry is not None and (self._agree(entry, facts) or key in self.growing):
            return entry
        stamp = from_nanoseconds(facts.st_mtime_ns)
        if stat.S_ISDIR(facts.st_mode):
            return Entry(True, 0, stamp, stamp, stamp, permissions="rwxr-x---")
        if entry is None or entry.is_directory:
            entry = Entry(False, 0, stamp, stamp, stamp)
        content = replace(entry.content, md5="")
        return replace(
            entry.touched(stamp),
            size=facts.st_size,
            disk_time=facts.st_mtime_ns,
            content=content,
        )

    def open(self, key: Key) -> tuple[Entry, int]:
        """Open a file for reading: its entry, and a descriptor that belongs to the caller.

        Raises:
            Refusal: `PathNotFound`.
        """
        with self.journal.view:
            entry = self.find(key)
            if entry is None:
                raise Refusal("PathNotFound")
            if entry.is_directory:
                return entry, -1
            return entry, os.open(self.place(key), os.O_RDONLY | getattr(os, "O_BINARY", 0))

    # Changing

    def relative(self, file: SideFile) -> str:
        """Return a side file's place relative to the root."""
        return file.path.relative_to(self.root).as_posix()

    def put_file(self, key: Key, entry: Entry, file: SideFile, *, sync: bool = True) -> Entry:
        """Let a side file, synced by the caller, become a file's content; the path is held.

        Args:
            key: filesystem and path.
            entry: what is known about the file.
            file: its bytes.
            sync: whether the side file has bytes that a power cut could take away.
        """
        entry = replace(entry, disk_time=file.path.stat().st_mtime_ns)
        self.journal.commit(
            Change(
                statements=[rows.put(key, entry), *self._long_names(key[1])],
                moves=[Move(self.relative(file), self.on_disk(key))],
                undo=rows.restore(self.journal, key),
                sync=sync,
            )
        )
        file.kept = True
        return entry

    def create(self, key: Key, decide: Decide) -> Entry:
        """Create a file or directory, or replace one, with the parents it needs.

        Args:
            key: filesystem and path.
            decide: gets what is there and returns the new entry, or refuses.

        Raises:
            Refusal: what `decide` raises; `FilesystemNotFound`, `PathConflict`.
        """
        while True:
            self.make_parents(key)
            with self.locks.hold(key):
                if not self.is_directory((key[0], names.parent(key[1]))):
                    continue  # removed again meanwhile
                entry = decide(self.find(key))
                if entry.is_directory:
                    return self._put_directory(key, entry)
                return self._put_empty(key, entry)

    def _put_empty(self, key: Key, entry: Entry) -> Entry:
        file = self.uncommitted.new_file()
        try:
            entry = self.put_file(key, entry, file, sync=False)
        finally:
            file.leave()
        self.uncommitted.drop(key)
        self.leases.drop(key)
        return entry

    def _put_directory(self, key: Key, entry: Entry) -> Entry:
        self.place(key).mkdir(exist_ok=True)
        sync_directory(self.place(key).parent)
        statements = [rows.put(key, entry), *self._long_names(key[1])]
        self.journal.commit(Change(statements=statements))
        return entry

    def is_directory(self, key: Key) -> bool:
        """Whether a directory (or the filesystem's root) exists."""
        return self.place(key).is_dir()

    def make_parents(self, key: Key) -> None:
        """Make the missing directories above a path.

        Raises:
            Refusal: `FilesystemNotFound`; `PathConflict`: one of them is a file.
        """
        if not self.is_directory((key[0], "")):
            raise Refusal("FilesystemNotFound")
        above = (key[0], names.parent(key[1]))
        if self.is_directory(above):
            return
        self.make_parents(above)
        with self.locks.hold(above):
            if self.place(above).exists() and not self.is_directory(above):
                raise Refusal("PathConflict")
            if self.is_directory((key[0], names.parent(above[1]))):
                stamp = self.clock.stamp()
                entry = Entry(True, 0, stamp, stamp, stamp, permissions="rwxr-x---")
                self._put_directory(above, entry)

    def update(self, key: Key, decide: Callable[[Entry], Entry]) -> Entry:
        """Change what is known about a file or directory, not its bytes.

        Raises:
            Refusal: `PathNotFound`, and what `decide` raises.
        """
        with self.locks.hold(key):
            entry = self.find(key)
            if entry is None:
                raise Refusal("PathNotFound")
            entry = decide(entry)
            self.journal.commit(Change(statements=[rows.put(key, entry)]))
            return entry

    def delete(self, key: Key, check: Callable[[Entry], None]) -> None:
        """Remove a file, or a directory with all that is in it.

        Raises:
            Refusal: `PathNotFound`, and what `check` raises.
        """
        with self.locks.hold(trees=(key,)):
            entry = self.find(key)
            if entry is None:
                raise Refusal("PathNotFound")
            check(entry)
            self.discard(key)

    def discard(self, key: Key, more: Sequence[Statement] = ()) -> None:
        """Remove all that is at and below a path, which is held; `more` goes into the commit."""
        trash = f"{names.HOME}/trash/{self.clock.stamp():x}"
        change = Change(
            statements=[rows.delete(key), *more],
            moves=[Move(self.on_disk(key), trash)],
            undo=rows.restore(self.journal, key),
        )
        self.journal.commit(change)
        self.uncommitted.drop(key, tree=True)
        self.leases.drop(key, tree=True)
        remove(self.root / trash)

    def is_empty(self, key: Key) -> bool:
        """Whether nothing is in a directory."""
        with os.scandir(self.place(key)) as entries:
            return next(entries, None) is None

    def rename(
        self, source: Key, target: Key, decide: Callable[[Entry | None, Entry | None], Entry]
    ) -> Entry:
        """Let a file or directory have another name, in one step.

        Args:
            source: what to rename.
            target: the new name.
            decide: gets what is at source and target, returns the entry with its new properties.

        Raises:
            Refusal: what `decide` raises; `RenameDestinationParentPathNotFound`.
        """
        with self.locks.hold(trees=tuple({source, target})):
            entry = decide(self.find(source), self.find(target))
            if not self.is_directory((target[0], names.parent(target[1]))):
                raise Refusal("RenameDestinationParentPathNotFound")
            if source != target:
                self._move(source, target, entry)
            return entry

    def _move(self, source: Key, target: Key, entry: Entry) -> None:
        moved = [rows.delete(target), rows.move(source, target), rows.put(target, entry)]
        change = Change(
            statements=[*moved, *self._long_names(target[1])],
            moves=[Move(self.on_disk(source), self.on_disk(target))],
            undo=[*rows.restore(self.journal, source), *rows.restore(self.journal, target)],
        )
        self.journal.commit(change)
        self.uncommitted.move(source, target)
        self.leases.move(source, target)


def remove(path: Path) -> None:
    """Remove a file or a folder as far as the platform lets us; the next start sweeps the rest."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
