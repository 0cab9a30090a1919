"""The texts that users see."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adls_magic.core.errors import OptionError
from adls_magic.core.text import (
    common_directory,
    format_age,
    format_duration,
    format_rate,
    format_size,
    parse_size,
    summary,
    table,
)

LAKE = "abfss://raw@contoso.dfs.core.windows.net"


@dataclass(frozen=True)
class Result:
    url: str
    size: int
    seconds: float
    skipped: bool = False
    appended_at: int | None = None


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (10 * 1024 - 1, "10.0 KiB"),
        (99 * 1024, "99.0 KiB"),
        (1024**2 - 1, "1.00 MiB"),
        (1023 * 1024, "1023 KiB"),
        (1288490189, "1.20 GiB"),
        (5 * 1024**4, "5.00 TiB"),
        (5000 * 1024**5, "5000 PiB"),
    ],
)
def test_format_size(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(0, 2**59))
def test_a_formatted_size_is_short_and_reads_back_within_half_a_percent(size: int) -> None:
    text = format_size(size)
    assert re.fullmatch(r"\d{1,4} B|(?:\d\.\d\d|\d\d\.\d|\d{3}|10[012]\d) [KMGTP]iB", text)
    if size:
        assert abs(parse_size(text) - size) <= size * 0.0051 + 1


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("8MiB", 8 * 1024**2),
        ("8mib", 8 * 1024**2),
        ("64MB", 64 * 1000**2),
        ("64 MB", 64 * 1000**2),
        ("1.5GiB", 3 * 1024**3 // 2),
        ("12 B", 12),
        (" 1KiB ", 1024),
    ],
)
def test_parse_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0.4", "-1", "8M", "8 MiBs", "MiB", "1e3", "1,5MB", "½"])
def test_parse_size_refuses_what_is_no_size(text: str) -> None:
    with pytest.raises(OptionError, match="8MiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-0.1, "0.00 s"),
        (0.044, "0.04 s"),
        (0.999, "1.0 s"),
        (14.23, "14.2 s"),
        (59.97, "1 min 0 s"),
        (125.4, "2 min 5 s"),
        (3599.7, "1 h 0 min"),
        (11400, "3 h 10 min"),
    ],
)
def test_format_duration(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-30, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (7300, "2 hours ago"),
        (2 * 86400, "2 days ago"),
        (70 * 86400, "2 months ago"),
        (800 * 86400, "2 years ago"),
    ],
)
def test_format_age(seconds: float, text: str) -> None:
    now = datetime(2026, 11, 3, 12, tzinfo=UTC)
    assert format_age(now - timedelta(seconds=seconds), now=now) == text


def test_a_rate_of_nothing_is_not_told() -> None:
    assert format_rate(0, 3.0) == ""
    assert format_rate(10**9, 0.0) == ""
    assert format_rate(1024**2 - 1, 0.09) == ""
    assert format_rate(1024**2, 0.0625) == "16.0 MiB/s"
    assert format_rate(1024, 0.5) == "2.00 KiB/s"


def test_the_summary_of_one_file_is_the_line_of_the_design() -> None:
    result = Result(f"{LAKE}/2026/11/sales.csv", 1288490189, 14.2)
    assert summary([result]) == (
        f"Wrote 1.20 GiB to {LAKE}/2026/11/sales.csv in 14.2 s (86.5 MiB/s)"
    )


def test_the_summary_says_what_was_written() -> None:
    line = summary([Result(f"{LAKE}/a.csv", 4096, 2.0)], what="DataFrame, 3 rows, csv")
    assert line == (
        f"Wrote 4.00 KiB to {LAKE}/a.csv in 2.0 s (2.00 KiB/s) [DataFrame, 3 rows, csv]"
    )


def test_an_empty_file_has_no_rate() -> None:
    assert summary([Result(f"{LAKE}/a", 0, 0.25)]) == f"Wrote 0 B to {LAKE}/a in 0.25 s"


def test_a_skipped_file_is_named() -> None:
    assert summary([Result(f"{LAKE}/a", 0, 0.1, True)]) == f"Skipped {LAKE}/a: it exists"


def test_the_summary_of_several_files() -> None:
    results = [Result(f"{LAKE}/in/{day}/a.csv", 1024**2, 2.0) for day in range(12)]
    assert summary(results, seconds=4.0) == (
        f"Wrote 12 files (12.0 MiB) to {LAKE}/in/ in 4.0 s (3.00 MiB/s)"
    )


def test_skipped_files_are_named_by_number() -> None:
    results = [Result(f"{LAKE}/in/{n}", 1024, 1.0, n > 1) for n in range(5)]
    assert summary(results).endswith("in 1.0 s (2.00 KiB/s); skipped 3 that existed")
    assert summary(results[2:]) == f"Wrote nothing: all 3 files exist in {LAKE}/in/"
    assert summary(results[1:], to="X").startswith("Wrote 1 file (1.00 KiB) to X in")


def test_common_directory() -> None:
    assert common_directory([f"{LAKE}/a/b/c", f"{LAKE}/a/bc/c"]) == f"{LAKE}/a/"
    assert common_directory([f"{LAKE}/x"]) == f"{LAKE}/"
    assert common_directory([]) == ""


def test_table_aligns_and_leaves_no_blanks_at_the_end() -> None:
    assert table([("a", "1", "x"), ("long", "200", "")], right=(1,)) == "a       1  x\nlong  200"
    assert table([]) == ""
