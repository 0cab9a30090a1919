"""Data that was appended and not flushed yet.

Each file with such data has an `Area`. Pieces lie in one sparse side file, each at its own
position, so that the first flush can put the side file itself in the target's place. A piece whose
bytes would touch a region that somebody wrote or is writing gets a side file of its own: an append
that breaks off must leave what waited at its position as it was.

Side files live in the lake's own folder. They do not outlive the server: what a crash leaves is
swept at the next start, as after the service's seven days.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adls_magic.lake.answers import Refusal
from adls_magic.lake.locks import Key, inside

KEPT = 7 * 24 * 3600  # seconds without an append, after which waiting data is dropped
PIECES = 100_000  # the blob service's limit of uncommitted blocks
_FARTHEST = 1 << 40  # bytes; beyond it a sparse file may not reach (ext4: 16 TiB)
_COPY = 1 << 20  # bytes a step where the kernel does not copy


class SideFile:
    """A file of waiting bytes, removed when nobody uses it any more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._users = 1
        self._lock = threading.Lock()
        self.kept = False  # True once it has become the committed file

    def use(self) -> SideFile:
        """Count one more user."""
        with self._lock:
            self._users += 1
        return self

    def leave(self) -> None:
        """Count one user less; the last one removes the file."""
        with self._lock:
            self._users -= 1
            last = self._users == 0 and not self.kept
        if last:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)


@dataclass(slots=True, eq=False)
class Piece:
    """One append's bytes: `length` bytes for `position` in the file, at `offset` of a side file."""

    position: int
    length: int
    file: SideFile
    offset: int

    @property
    def end(self) -> int:
        """First byte after it."""
        return self.position + self.length


class Area:
    """The waiting data of one file."""

    def __init__(self, new_file: Callable[[], SideFile]) -> None:
        self.last_used = time.monotonic()
        self._new_file = new_file
        self._lock = threading.Lock()
        self._pieces: dict[int, Piece] = {}
        self._dropped = False
        self._main: SideFile | None = None
        self._starts: list[int] = []  # regions of the main file that were given out, sorted
        self._ends: list[int] = []
        self._active = 0  # appends on their way
        self._writing = 0  # those of them that go into the main file

    def start(self, position: int, length: int) -> Piece | None:
        """Return the place for an append, to be accepted or abandoned; None: take a new area.

        Raises:
            Refusal: too many pieces are waiting.
        """
        with self._lock:
            if self._dropped:
                return None
            if len(self._pieces) >= PIECES:
                raise Refusal("UncommittedBlockCountExceedsLimit")
            self.last_used = time.monotonic()
            piece = self._place(position, length)
            self._active += 1
            return piece

    def _place(self, position: int, length: int) -> Piece:
        if position + length > _FARTHEST or not self._claim(position, position + length):
            return Piece(position, length, self._new_file(), 0)
        if self._main is None:
            self._main = self._new_file()
        self._writing += 1
        return Piece(position, length, self._main.use(), position)

    def _claim(self, start: int, end: int) -> bool:
        at = bisect.bisect_left(self._starts, start)
        if at and self._ends[at - 1] > start:
            return False
        if at < len(self._starts) and self._starts[at] < end:
            return False
        self._starts.insert(at, start)
        self._ends.insert(at, end)
        return True

    def accept(self, piece: Piece) -> None:
        """Let a written piece wait, in the place of one that waited at its position."""
        with self._lock:
            self._written(piece)
            self.last_used = time.monotonic()
            old = piece if self._dropped else self._pieces.get(piece.position)
            if not self._dropped:
                self._pieces[piece.position] = piece
        if old is not None:
            old.file.leave()

    def abandon(self, piece: Piece) -> None:
        """Forget an append that broke off; its region in the main file stays given out."""
        with self._lock:
            self._written(piece)
        piece.file.leave()

    def _written(self, piece: Piece) -> None:
        self._active -= 1
        if piece.file is self._main:
            self._writing -= 1

    def drop(self) -> None:
        """Throw everything away; appends still on their way come to nothing."""
        with self._lock:
            gone = self._end()
        for file in gone:
            file.leave()

    def _end(self) -> list[SideFile]:
        """Take no more appends; return the files that nobody needs any longer."""
        self._dropped = True
        gone = [piece.file for piece in self._pieces.values()]
        if self._main is not None:
            gone.append(self._main)
        self._pieces, self._main = {}, None
        return gone

    def tile(self, start: int, end: int) -> list[Piece]:
        """Return the pieces that fill `[start, end)` exactly.

        Raises:
            Refusal: `InvalidFlushPosition`: gaps, overlaps, or a piece that crosses a border.
        """
        with self._lock:
            pieces = sorted(
                (piece for piece in self._pieces.values() if piece.position < end),
                key=lambda piece: piece.position,
            )
        ends = [start, *(piece.end for piece in pieces)]
        if [piece.position for piece in pieces] != ends[:-1] or ends[-1] != end:
            raise Refusal("InvalidFlushPosition")
        return pieces

    def detach_main(self) -> SideFile | None:
        """Take the main side file away from later appends; None while one is being written."""
        with self._lock:
            if self._writing or self._main is None:
                return None
            main, self._main = self._main, None
            self._starts, self._ends = [], []
            return main

    def beyond(self, end: int) -> list[Piece]:
        """Return the pieces that wait from `end` on."""
        with self._lock:
            return [piece for piece in self._pieces.values() if piece.position >= end]

    def relocate(self, piece: Piece, file: SideFile) -> None:
        """Let a waiting piece's bytes lie at the start of another side file from now on."""
        with self._lock:
            old, piece.file, piece.offset = piece.file, file, 0
        old.leave()

    def settle(self, committed: list[Piece], *, retain: bool) -> bool:
        """Remove committed pieces, and without `retain` all others too.

        Returns:
            Whether nothing waits and nothing is on its way: then the area has ended.
        """
        with self._lock:
            gone = committed if retain else list(self._pieces.values())
            gone = [piece for piece in gone if self._pieces.get(piece.position) is piece]
            for piece in gone:
                del self._pieces[piece.position]
            ended = not self._pieces and not self._active
            files = [piece.file for piece in gone]
            # In the same breath: an append that begins after it needs a new area.
            files += self._end() if ended else []
        for file in files:
            file.leave()
        return ended


class Uncommitted:
    """All areas of a lake."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._areas: dict[Key, Area] = {}
        self._lock = threading.Lock()
        self._names = itertools.count(1)

    def new_file(self) -> SideFile:
        """Return a new, empty side file."""
        file = SideFile(self.folder / f"{next(self._names):016x}")
        file.path.touch(exist_ok=False)
        return file

    def start(self, key: Key, position: int, length: int) -> tuple[Area, Piece]:
        """Return a file's area, and in it the place for an append.

        Raises:
            Refusal: too many pieces are waiting.
        """
        while True:
            with self._lock:
                area = self._areas.setdefault(key, Area(self.new_file))
            piece = area.start(position, length)
            if piece is not None:
                return area, piece
            self._forget(key, area)

    def find(self, key: Key) -> Area:
        """Return a file's area; an empty one when nothing waits."""
        with self._lock:
            return self._areas.get(key) or Area(self.new_file)

    def settle(self, key: Key, area: Area, committed: list[Piece], *, retain: bool) -> None:
        """Remove committed pieces from an area, and the area when it is empty."""
        if area.settle(committed, retain=retain):
            self._forget(key, area)

    def _forget(self, key: Key, area: Area) -> None:
        with self._lock:
            if self._areas.get(key) is area:
                del self._areas[key]

    def drop(self, key: Key, *, tree: bool = False) -> None:
        """Throw away what waits for a file, or for all below a directory."""
        with self._lock:
            keys = [k for k in self._areas if inside(k, key)] if tree else [key]
            areas = [self._areas.pop(k) for k in keys if k in self._areas]
        for area in areas:
            area.drop()

    def move(self, source: Key, target: Key) -> None:
        """Let what waits for a file, or below a directory, follow a rename."""
        self.drop(target, tree=True)
        with self._lock:
            for key in [k for k in self._areas if inside(k, source)]:
                moved = (target[0], target[1] + key[1][len(source[1]) :])
                self._areas[moved] = self._areas.pop(key)

    def sweep(self, *, older_than: float = KEPT) -> None:
        """Drop what nobody has touched for so many seconds."""
        limit = time.monotonic() - older_than
        with self._lock:
            old = [key for key, area in self._areas.items() if area.last_used < limit]
        for key in old:
            self.drop(key)


def copy_bytes(source: int, target: int, *, offset: int, at: int, length: int) -> None:
    """Copy a range between open files, in the kernel where it can.

    Raises:
        OSError: the disk is full, or the source is shorter than it should be.
    """
    while length:
        done = _copy_some(source, target, offset, at, length)
        if not done:
            raise OSError(f"a side file of the lake ends {length} bytes early")
        offset, at, length = offset + done, at + done, length - done


def _copy_some(source: int, target: int, offset: int, at: int, length: int) -> int:
    if hasattr(os, "copy_file_range"):
        with contextlib.suppress(OSError):  # not across every pair of file systems
            done = os.copy_file_range(source, target, min(length, 1 << 30), offset, at)
            if done:
                return done
    os.lseek(source, offset, os.SEEK_SET)
    os.lseek(target, at, os.SEEK_SET)
    block = os.read(source, min(length, _COPY))
    view = memoryview(block)
    while view:
        view = view[os.write(target, view) :]
    return len(block)
