"""The plain texts that every front shows: sizes, ages, durations, rates and the summary line.

Pure functions; imports nothing of the package but the errors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from adls_magic.core.errors import OptionError

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL = ("B", "KB", "MB", "GB", "TB", "PB")
_FACTORS = {
    **{unit.lower(): 1024**power for power, unit in enumerate(_BINARY)},
    **{unit.lower(): 1000**power for power, unit in enumerate(_DECIMAL)},
    "": 1,
}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([A-Za-z]*)")
_AGES = (  # seconds in the unit, its name
    (365 * 86400, "year"),
    (30 * 86400, "month"),
    (86400, "day"),
    (3600, "hour"),
    (60, "minute"),
)


class Written(Protocol):
    """What the summary line needs to know of a result; `UploadResult` has it."""

    @property
    def url(self) -> str:
        """Where it is, as the user may write it again."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def seconds(self) -> float:
        """From the first request to the last answer."""

    @property
    def appended_at(self) -> int | None:
        """Length of the file before, when bytes were added to one."""

    @property
    def skipped(self) -> bool:
        """Whether nothing was sent because the target existed."""


def format_size(size: int) -> str:
    """Return a size in bytes with binary units and three digits: `0 B`, `512 B`, `1.20 GiB`."""
    if size < 1024:
        return f"{size} B"
    return _scaled(size)


def format_rate(size: int, seconds: float) -> str:
    """Return bytes a second as text: `86.5 MiB/s`; `""` where it would say nothing.

    The time of less than a mebibyte that took less than a tenth of a second is that of the
    answers, not of the line.
    """
    if size <= 0 or seconds <= 0 or (size < 1024**2 and seconds < 0.1):
        return ""
    return f"{_scaled(size / seconds)}/s"


def _scaled(amount: float) -> str:
    power = 0
    # 1023.5 would be rounded to 1024; so it goes on to the next unit.
    while amount >= (1023.5 if power else 1024) and power < len(_BINARY) - 1:
        amount /= 1024
        power += 1
    decimals = 2 if amount < 9.995 else 1 if amount < 99.95 else 0
    return f"{amount:.{decimals if power else 0}f} {_BINARY[power]}"


def format_duration(seconds: float) -> str:
    """Return a duration: `0.04 s`, `14.2 s`, `2 min 5 s`, `3 h 10 min`."""
    if seconds < 0.995:
        return f"{max(seconds, 0.0):.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def format_age(moment: datetime, *, now: datetime | None = None) -> str:
    """Return how long ago `moment` (with a time zone) was: `just now`, `2 days ago`.

    A moment slightly in the future is a clock that differs, and counts as now.
    """
    elapsed = ((now or datetime.now(UTC)) - moment).total_seconds()
    for length, unit in _AGES:
        if elapsed >= length:
            count = int(elapsed // length)
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    return "just now"


def parse_size(text: str) -> int:
    """Return the bytes that `8MiB`, `64MB` (powers of 1000), `1.5 GiB` or `4096` stand for.

    Raises:
        OptionError: not a size, an unknown unit, or less than one byte.
    """
    match = _SIZE.fullmatch(text.strip())
    factor = _FACTORS.get(match.group(2).lower()) if match else None
    if match is None or factor is None:
        raise OptionError("a size is written like 8MiB, 64MB or 4096 (bytes)")
    size = (
        int(float(match.group(1)) * factor)
        if "." in match.group(1)
        else (int(match.group(1)) * factor)
    )
    if size < 1:
        raise OptionError("a size must be at least 1 byte; write it like 8MiB, 64MB or 4096")
    return size


def summary(
    results: Sequence[Written],
    *,
    to: str | None = None,
    seconds: float | None = None,
    what: str | None = None,
) -> str:
    """Return the line that a command ends with.

    Args:
        results: one for each file, in any order.
        to: the directory to name for several files; by default the one that holds them all.
        seconds: wall time of the whole command; by default the longest of the files'.
        what: a few words on what was written, such as `DataFrame, 3 rows, csv`.
    """
    if len(results) == 1:
        return _one(results[0], what)
    return _several(results, to, seconds)


def _one(result: Written, what: str | None) -> str:
    if result.skipped:
        return f"Skipped {result.url}: it exists"
    rate = format_rate(result.size, result.seconds)
    details = f" [{what}]" if what else ""
    verb, now = "Wrote", ""
    if result.appended_at is not None:
        verb, now = "Appended", f", now {format_size(result.appended_at + result.size)},"
    return (
        f"{verb} {format_size(result.size)} to {result.url}{now} in "
        f"{format_duration(result.seconds)}{f' ({rate})' if rate else ''}{details}"
    )


def _several(results: Sequence[Written], to: str | None, seconds: float | None) -> str:
    written = [result for result in results if not result.skipped]
    place = to or common_directory([result.url for result in results])
    if not results:
        return "Wrote nothing: there are no files"
    if not written:
        return f"Wrote nothing: all {len(results)} files exist in {place}"
    size = sum(result.size for result in written)
    took = max(result.seconds for result in written) if seconds is None else seconds
    rate = format_rate(size, took)
    left_out = len(results) - len(written)
    return (
        f"Wrote {count(len(written), 'file')} ({format_size(size)}) to {place} "
        f"in {format_duration(took)}{f' ({rate})' if rate else ''}"
        f"{f'; skipped {left_out} that existed' if left_out else ''}"
    )


def count(number: int, noun: str) -> str:
    """Return `1 file`, `2 files`, `1,234 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def common_directory(urls: Sequence[str]) -> str:
    """Return the deepest directory that holds all of `urls`, ending in `/`; `""` for none."""
    if not urls:
        return ""
    shared = urls[0].split("/")[:-1]
    for url in urls[1:]:
        pieces = url.split("/")[:-1]
        same = 0
        while same < min(len(shared), len(pieces)) and shared[same] == pieces[same]:
            same += 1
        shared = shared[:same]
    return "/".join([*shared, ""]) if shared else ""


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return `rows` in aligned columns; those numbered in `right` are aligned to the right."""
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
