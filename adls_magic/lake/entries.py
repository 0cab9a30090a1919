"""What the lake knows about a file, directory or filesystem beside its bytes.

Values and their storage form; no I/O.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

_TICKS_TO_1970 = 621_355_968_000_000_000  # 100 ns since the year 1, the unit of the service's ETags
_TICKS_1601_TO_1970 = 116_444_736_000_000_000  # Windows file time


class Clock:
    """Gives out version stamps: the time in 100 ns since the year 1, each greater than the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def stamp(self) -> int:
        """Return a stamp that no earlier call got."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() // 100 + _TICKS_TO_1970)
            return self._last

    def after(self, stamp: int) -> None:
        """Never give out a stamp up to this one; for stamps found on disk."""
        with self._lock:
            self._last = max(self._last, stamp)


def seconds(stamp: int) -> float:
    """Return a stamp as seconds since 1970."""
    return (stamp - _TICKS_TO_1970) / 1e7


def from_nanoseconds(nanoseconds: int) -> int:
    """Return a file's time as a stamp."""
    return nanoseconds // 100 + _TICKS_TO_1970


def file_time(stamp: int) -> int:
    """Return a stamp as Windows file time."""
    return stamp - _TICKS_TO_1970 + _TICKS_1601_TO_1970


@dataclass(frozen=True, slots=True)
class Content:
    """The stored content headers; "" for those not set."""

    type: str = ""
    encoding: str = ""
    language: str = ""
    disposition: str = ""
    cache_control: str = ""
    md5: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or directory.

    Attributes:
        size: committed bytes.
        stamp: version; the ETag is its hexadecimal form.
        modified: stamp of the last change of the content.
        created: stamp of the creation.
        disk_time: the file's modification time on disk in ns; another one there means that
            somebody changed the file by hand.
        blocks: pieces that the committed bytes came in.
        metadata: name → value in base64.
    """

    is_directory: bool
    size: int
    stamp: int
    modified: int
    created: int
    disk_time: int = 0
    blocks: int = 0
    content: Content = Content()
    metadata: Mapping[str, str] = field(default_factory=dict)
    owner: str = "$superuser"
    group: str = "$superuser"
    permissions: str = "rw-r-----"
    acl: str = ""

    @property
    def etag(self) -> str:
        """The ETag without quotes, as listings write it."""
        return f"0x{self.stamp:X}"

    def touched(self, stamp: int) -> Entry:
        """Return the entry with a new version."""
        return replace(self, stamp=stamp, modified=stamp)

    def to_text(self) -> str:
        """Return the storage form."""
        facts = {name: getattr(self, name) for name in _FACTS}
        facts["content"] = {name: getattr(self.content, name) for name in Content.__slots__}
        return json.dumps(facts, separators=(",", ":"), ensure_ascii=False)


_FACTS = [
    fact.name
    for fact in fields(Entry)
    if fact.name not in ("is_directory", "size", "stamp", "disk_time")
]


def entry_from_row(row: tuple[int, int, int, int, str]) -> Entry:
    """Return the entry of a stored row: is_directory, size, stamp, disk_time, facts."""
    facts = json.loads(row[4])
    facts["content"] = Content(**facts["content"])
    return Entry(bool(row[0]), row[1], row[2], disk_time=row[3], **facts)


@dataclass(frozen=True, slots=True)
class Filesystem:
    """One filesystem: name, version, metadata (name → value in base64)."""

    name: str
    stamp: int
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """The ETag without quotes."""
        return f"0x{self.stamp:X}"
