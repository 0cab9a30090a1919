"""An iterator or file is looked at before it is written, and nothing of it is lost by that."""

from __future__ import annotations

import bz2
import gc
import gzip
import io
import mmap
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adls_magic import output
from adls_magic.core.errors import OptionError, OutputError, PermissionDeniedError
from adls_magic.output import looking

from .streams import Written, written

ROWS = [{"a": 0}, {"a": 1}, {"a": 2}]
LINES = b'{"a": 0}\n{"a": 1}\n{"a": 2}\n'


def generated() -> Iterator[dict[str, int]]:
    yield from ROWS


def frames() -> Any:
    return pd.read_csv(io.StringIO("a\n0\n1\n2\n"), chunksize=1)


@pytest.mark.parametrize(
    ("make", "extension", "expected"),
    [
        (generated, ".jsonl", LINES),
        (lambda: iter(ROWS), ".jsonl", LINES),
        (lambda: map(dict, ROWS), ".jsonl", LINES),
        (lambda: zip("ab", "cd", strict=True), ".csv", b"a,c\nb,d\n"),
        (frames, ".csv", b"a\n0\n1\n2\n"),
        (lambda: iter(["a", "b", "c"]), ".txt", b"abc"),
        (lambda: (piece for piece in (b"a", b"b")), ".bin", b"ab"),
        (lambda: iter([None, {"a": 1}]), ".jsonl", b'null\n{"a": 1}\n'),
    ],
)
def test_an_iterator_that_was_refused_is_written_whole(
    make: Any, extension: str, expected: bytes
) -> None:
    items = make()
    for _ in range(2):
        with pytest.raises((OptionError, OutputError), match=r" \(its first item was taken to loo"):
            output.plan(items, ".npy", options={"nosuch": 1})
    with pytest.raises(OptionError, match=r"its first item was taken"):
        output.plan(items, extension, options={"nosuch": 1})
    assert output.plan(items, extension).note.startswith("its first item was")  # as --dry-run does
    assert written(items, extension) == expected
    assert output.plan(items, extension).note == ""  # it is at its end


def test_one_iterator_is_not_taken_for_another() -> None:
    first, second = iter(ROWS), iter(ROWS[1:])
    for items in (first, second):
        output.plan(items, ".jsonl")
    assert written(first, ".jsonl") == LINES
    assert written(second, ".jsonl") == LINES[9:]


def test_a_refusal_by_the_lake_loses_nothing() -> None:
    items = iter([b"one", b"two"])
    with pytest.raises(PermissionDeniedError):
        output.plan(items, ".bin").write(Written(fails_after=0, error=PermissionDeniedError("no")))
    assert written(items, ".bin") == b"onetwo"


def test_a_writing_that_fails_says_what_is_gone() -> None:
    items = iter([{"a": 1}, {"b": 2}, {"a": 3}])
    with pytest.raises(
        OutputError, match=r"which the first one lacks; give .*\(what it gave until"
    ):
        written(items, ".csv")
    assert written(items, ".csv") == b"a\n3\n"
    pieces = iter([pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})])
    with pytest.raises(
        OutputError, match=r"which the first one lacks; give .*\(what it gave until"
    ):
        written(pieces, ".csv")
    items = iter([{"a": object()}, {"a": 1}])  # type: ignore[dict-item]
    with pytest.raises(OutputError, match=r"in JSON; it can be csv, tsv \(its first item was"):
        written(items, ".jsonl")
    assert next(items) == {"a": 1}


def test_an_option_that_is_wrong_only_for_the_rows_says_what_was_taken() -> None:
    items = iter(ROWS)
    with pytest.raises(OptionError, match=r"2 names for 1 columns \(its first item was taken"):
        written(items, ".csv", header=["a", "b"])
    assert written(items, ".jsonl") == LINES


def test_what_was_taken_is_kept_no_longer_than_the_iterator() -> None:
    class Row(dict[str, int]):
        pass

    row = Row(a=1)
    alive = weakref.ref(row)
    items = (each for each in [row])
    output.plan(items, ".jsonl")
    del row, items
    gc.collect()
    assert alive() is None


def test_only_a_few_are_kept_alive() -> None:
    others = [iter([{"a": 1}]) for _ in range(300)]
    for items in others:
        output.plan(items, ".jsonl")
    assert len(looking._kept) == 256
    assert written(others[-1], ".jsonl") == b'{"a": 1}\n'
    for items in others:
        list(looking.Looked(items, owner=items, unit=""))
    assert not looking._kept  # what has been written is kept no more


@pytest.mark.parametrize(("make", "number"), [(generated, 300), (lambda: iter(ROWS), 100)])
def test_many_others_are_looked_at_meanwhile(make: Any, number: int) -> None:
    items = [make() for _ in range(number)]
    for each in items:
        output.plan(each, ".jsonl")
    assert written(items[0], ".jsonl") == LINES


@pytest.mark.parametrize(
    ("items", "extension", "expected"),
    [
        (generated, ".jsonl", LINES),
        (generated, ".csv", b"a\n0\n1\n2\n"),
        (frames, ".csv", b"a\n0\n1\n2\n"),
    ],
)
def test_what_is_planned_twice_is_written_once(items: Any, extension: str, expected: bytes) -> None:
    same = items()
    first, second = output.plan(same, extension), output.plan(same, extension)
    target, other = Written(), Written()
    first.write(target)
    second.write(other)
    assert target.data == expected
    assert b"0" not in other.data
    assert second.is_spent


@pytest.mark.parametrize("mode", ["rb", "r"])
def test_a_file_that_was_refused_stands_where_it_stood(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "local.txt"
    path.write_bytes(b"0123456789" * 200_000)
    with path.open(mode) as file:
        file.seek(3)
        with pytest.raises((OutputError, OptionError)) as raised:
            output.plan(file, ".parquet" if mode == "r" else ".txt", options={"nosuch": 1})
        assert "taken" not in str(raised.value)
        assert file.tell() == 3
        with pytest.raises(PermissionDeniedError):
            output.plan(file, ".txt").write(
                Written(fails_after=1_500_000, error=PermissionDeniedError("no"))
            )
        assert file.tell() == 3
        assert written(file, ".txt") == path.read_bytes()[3:]


def test_a_pipe_that_was_refused_is_written_whole() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"0123456789")
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        with pytest.raises(OptionError, match=r"\(its first bytes were taken to look at it"):
            output.plan(file, ".txt", options={"nosuch": 1})
        assert written(file, ".txt") == b"0123456789"


def test_a_file_that_only_looks_as_if_it_could_not_go_back_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        output.plan(mapped, ".bin")  # before Python 3.13 it has no seekable()
        assert mapped.tell() == 0
        assert written(mapped, ".bin") == b"0123456789"
    with path.open() as text:
        next(text)  # after which it does not tell where it stands
        output.plan(text, ".txt")
        text.seek(0)
        assert written(text, ".txt") == b"0123456789"


class Blocks:
    """Reads as the least of files do: without places, and whatever it is asked for."""

    def __init__(self, *blocks: Any) -> None:
        self._blocks = iter(blocks)

    def read(self, size: int = -1) -> Any:
        return next(self._blocks, b"")


def test_a_file_that_gives_what_it_likes_loses_nothing() -> None:
    file = Blocks(b"one", b"two", b"three")
    output.plan(file, ".bin")
    assert written(file, ".bin") == b"onetwothree"


def test_a_file_that_gives_the_same_for_ever_is_refused() -> None:
    class Whole:
        def read(self, size: int = -1) -> bytes:
            return b"everything"

    file = Whole()
    for _ in range(2):
        with pytest.raises(OutputError, match=r"the read\(\) of a Whole gives the same again"):
            output.plan(file, ".bin")
    assert written(Blocks(b"one"), ".bin") == b"one"


def test_empty_items_are_not_all_taken_to_see_what_comes() -> None:
    taken = 0

    def empty() -> Iterator[bytes]:
        nonlocal taken
        for taken in range(1, 1001):  # noqa: B007 - counted
            yield b""
        yield b"end"

    items = empty()
    output.plan(items, ".gz")
    assert taken <= 64
    assert written(items, ".txt") == b"end"


@pytest.mark.parametrize(("suffix", "packed"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_what_is_compressed_is_not_compressed_again(
    tmp_path: Path, suffix: str, packed: Any
) -> None:
    data = packed(b"a\n1\n")
    path = tmp_path / "data"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert written(file, f".csv{suffix}") == data
    for value in (data, io.BytesIO(data), iter([data]), Blocks(data)):
        assert written(value, f".csv{suffix}") == data
    bits = [b"", *(data[place : place + 1] for place in range(len(data)))]
    assert written(iter(bits), f".csv{suffix}") == data
    assert written(Blocks(*bits[1:]), f".csv{suffix}") == data
    for value in (iter([b"a\n1\n"]), io.BytesIO(b"a\n1\n"), iter(["a\n", "1\n"])):
        assert written(value, suffix) != b"a\n1\n"
        assert not written(value, suffix).startswith(b"a")
