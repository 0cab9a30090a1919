"""The lake's database, and the only way to change it: group commits with intents.

A change is a list of statements and of moves of files. The moves are written down as intents in
the very transaction of the statements and done right after its commit; after a crash the next
start does those that are missing, so that rows and files change together. One thread commits;
all changes that arrive while a commit is being synced go together into the next one.

Whoever asks for a change must hold the paths that it touches (`locks.PathLocks`).
"""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adls_magic.lake import names

Statement = tuple[str, tuple[Any, ...]]

_SETTLE = 128  # intents that are kept until the folders in which they were done get synced

_SCHEMA = """
CREATE TABLE IF NOT EXISTS filesystems (
    name TEXT PRIMARY KEY, stamp INTEGER NOT NULL, metadata TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    filesystem TEXT NOT NULL, path TEXT NOT NULL, is_directory INTEGER NOT NULL,
    size INTEGER NOT NULL, stamp INTEGER NOT NULL, disk_time INTEGER NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (filesystem, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, source TEXT NOT NULL,
    target TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS long_names (disk TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Move:
    """Put `source` in the place of `target`; both relative to the root."""

    source: str
    target: str


@dataclass(slots=True)
class Change:
    """Statements and moves that take effect together, durably.

    Attributes:
        statements: SQL with its values.
        moves: done in order, after the commit.
        undo: statements that take the others back if a move fails.
        sync: whether the moves' sources must be durable names before the commit.
        cut: a file that is about to grow, as filesystem, path and name on disk (relative); after
            a crash it is cut to the size in its row, until the ticket of this change is settled.
        settles: tickets of earlier changes whose growing is over.
    """

    statements: list[Statement] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    undo: list[Statement] = field(default_factory=list)
    sync: bool = True
    cut: tuple[str, str, str] | None = None
    settles: list[int] = field(default_factory=list)


class _Waiting:
    """A change on its way: the asking thread sleeps until it is done."""

    def __init__(self, change: Change | None) -> None:
        self.change = change
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.ticket = 0
        self.intents: list[int] = []


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, where the platform can."""
    if os.name == "nt":
        return
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _connected(file: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(
        sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    ) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        yield connection


class Journal:
    """The database of one lake.

    Attributes:
        view: held while rows and files may differ; readers that find them differing take it
            and look again.
    """

    def __init__(self, root: Path, file: Path) -> None:
        self.view = threading.RLock()
        self._root = root
        self._queue: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()
        self._settled: list[int] = []  # intents that are done
        self._unsynced: set[Path] = set()  # where they were done
        self._pressing = False  # whether one of them must not outlive the next commit
        self._reader_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="adls-lake-journal", daemon=True)
        with contextlib.ExitStack() as undo:
            self._reader = undo.enter_context(_connected(file))
            self._writer = undo.enter_context(_connected(file))
            self._writer.executescript(_SCHEMA)
            self._recover()
            self._thread.start()
            self._connections = undo.pop_all()

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._reader_lock:
            return self._reader.execute(sql, values).fetchall()

    def commit(self, change: Change) -> int:
        """Make a change durable and return its ticket.

        Raises:
            OSError: the disk refused; nothing has changed.
            sqlite3.Error: likewise.
        """
        waiting = _Waiting(change)
        self._queue.put(waiting)
        waiting.done.wait()
        if waiting.error is not None:
            raise waiting.error
        return waiting.ticket

    def close(self) -> None:
        """Finish what is on its way and close the database."""
        self._queue.put(_Waiting(None))
        self._thread.join()
        self._connections.close()

    def _run(self) -> None:
        open_ = True
        while open_:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            changes = [(waiting, waiting.change) for waiting in batch if waiting.change is not None]
            open_ = len(changes) == len(batch)
            if changes or not open_:
                self._commit_batch(changes)

    def _commit_batch(self, batch: list[tuple[_Waiting, Change]]) -> None:
        try:
            settled = self._sync_before(batch)
            with self.view:
                with self._transaction():
                    self._forget(settled)
                    for waiting, change in batch:
                        self._write(waiting, change)
                del self._settled[: len(settled)]
                for waiting, change in batch:
                    self._move(waiting, change)
        except Exception as error:  # noqa: BLE001 - handed to those who wait; the thread lives on
            for waiting, _ in batch:
                waiting.error = waiting.error or error
        finally:
            for waiting, _ in batch:
                waiting.done.set()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def _sync_before(self, batch: list[tuple[_Waiting, Change]]) -> list[int]:
        """Sync the names that this commit relies on; return the intents that it may forget."""
        directories = {
            (self._root / move.source).parent
            for _, change in batch
            for move in change.moves
            if change.sync
        }
        settled: list[int] = []
        if self._pressing or not batch or len(self._settled) >= _SETTLE:
            settled, self._pressing = list(self._settled), False
            directories |= self._unsynced
            self._unsynced = set()
        for directory in directories:
            sync_directory(directory)
        return settled

    def _write(self, waiting: _Waiting, change: Change) -> None:
        for sql, values in change.statements:
            self._writer.execute(sql, values)
        for move in change.moves:
            waiting.intents.append(self._intend("move", move.source, move.target))
        if change.cut is not None:
            filesystem, path, target = change.cut
            waiting.ticket = self._intend("cut", f"{filesystem}/{path}", target)
        self._forget(change.settles)

    def _intend(self, kind: str, source: str, target: str) -> int:
        cursor = self._writer.execute(
            "INSERT INTO intents (kind, source, target) VALUES (?, ?, ?)", (kind, source, target)
        )
        return cursor.lastrowid or 0

    def _forget(self, intents: list[int]) -> None:
        self._writer.executemany("DELETE FROM intents WHERE id = ?", [(id_,) for id_ in intents])

    def _move(self, waiting: _Waiting, change: Change) -> None:
        """Do a committed change's moves; if the disk refuses, take the change back."""
        done: list[Move] = []
        try:
            for move in change.moves:
                self._replace(move)
                done.append(move)
        except OSError as error:
            waiting.error = error
            self._take_back(waiting, change, done)
        else:
            self._settled += waiting.intents
            # A side file's name is used once, but a path may come to life again: then a note
            # that it is to be moved away must be gone.
            self._pressing |= any(not m.source.startswith(names.HOME) for m in change.moves)

    def _take_back(self, waiting: _Waiting, change: Change, done: list[Move]) -> None:
        # Should even this fail, the intents stay, and the next start does the whole change.
        with contextlib.suppress(OSError, sqlite3.Error):
            for move in reversed(done):
                self._replace(Move(move.target, move.source))
            with self._transaction():
                for sql, values in change.undo:
                    self._writer.execute(sql, values)
                self._forget(waiting.intents)

    def _replace(self, move: Move) -> None:
        source, target = self._root / move.source, self._root / move.target
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        self._unsynced |= {source.parent, target.parent}

    def _recover(self) -> None:
        """Do the moves that a crash left undone, and cut files that were growing."""
        rows = self.read("SELECT kind, source, target FROM intents ORDER BY id")
        for kind, source, target in rows:
            with contextlib.suppress(OSError):
                if kind == "cut":
                    self._cut(source, self._root / target)
                elif (self._root / source).exists():
                    self._replace(Move(source, target))
        while self._unsynced:
            sync_directory(self._unsynced.pop())
        with self._transaction():
            self._writer.execute("DELETE FROM intents")

    def _cut(self, name: str, target: Path) -> None:
        filesystem, _, path = name.partition("/")
        rows = self.read(
            "SELECT size, disk_time FROM entries WHERE filesystem = ? AND path = ?",
            (filesystem, path),
        )
        for size, disk_time in rows:
            # Of the same size: a crash came between the cut and setting the time.
            if target.stat().st_size >= size:
                cut_file(target, size, disk_time)


def cut_file(path: Path, size: int, disk_time: int) -> None:
    """Cut a file to a size in bytes and give it back its modification time in ns, durably."""
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())
    os.utime(path, ns=(disk_time, disk_time))
