"""What is no value to be written: a text that says nothing, what cannot be read, or is awaited."""

from __future__ import annotations

import asyncio
import inspect
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

from adls_magic import output
from adls_magic.core.errors import OutputError

from .streams import written

LONG = range(1500)


@pytest.mark.parametrize(
    ("value", "lines", "last"),
    [
        (pd.DataFrame({f"c{place}": LONG for place in range(30)}), 1501, "1499  1499"),
        (pd.DataFrame({"a": ["x" * 300]}), 2, "0  " + "x" * 300),
        (pd.Series(LONG), 1501, "dtype: int64"),
        (pl.DataFrame({f"c{place}": LONG for place in range(30)}), 1507, "└──────┴"),
        (pl.Series("a", LONG), 1504, "]"),
        (np.zeros((1500, 2, 2), int), 4499, "        [0, 0]]]"),
        (list(LONG), 1500, " 1499]"),
        ({"a": np.arange(1500), "b": pl.Series("s", LONG)}, 1, ""),
    ],
)
def test_the_text_in_a_file_is_whole(value: Any, lines: int, last: str) -> None:
    shown = repr(value)
    text = written(value, ".txt").decode()
    assert ".." not in text
    assert "…" not in text
    if last:
        assert len(text.splitlines()) == lines
        assert text.splitlines()[-1].startswith(last)
    assert repr(value) == shown  # the limits are back
    with pytest.raises(OutputError, match=r"as a file without extension; it can be .*txt"):
        output.plan(value, "")
    assert output.text_of(value, "") is None
    assert output.text_of(value, ".txt") == text[:-1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (pd.DataFrame({"a": [1]}), "   a\n0  1"),
        (pd.DataFrame({f"column {place}": [place] for place in range(15)}), None),
        (7, "7"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_a_short_text_can_be_in_a_file_without_extension(value: Any, text: str | None) -> None:
    shown = written(value, "").decode()
    assert shown == written(value, ".txt").decode()
    assert text is None or shown == f"{text}\n"
    assert len(shown.splitlines()) <= 2


@pytest.mark.parametrize(
    ("make", "offer"),
    [
        (lambda: matplotlib.figure.Figure(), "png"),
        (lambda: iter([{"a": 1}]), "jsonl"),
        (lambda: pa.table({"a": [1]}), "parquet"),
        (lambda: pa.array([1]), "csv"),
        (lambda: pyarrow.dataset.dataset(pa.table({"a": [1]})), "csv"),
        (lambda: pl.LazyFrame({"a": [1]}), "csv"),
    ],
)
def test_a_text_that_is_not_the_content_is_refused(make: Any, offer: str) -> None:
    assert output.text_of(make(), ".txt") is None
    for extension in (".txt", ".log", ""):
        with pytest.raises(OutputError, match=rf"; it can be .*{offer}") as raised:
            output.plan(make(), extension)
        assert "txt" not in str(raised.value).partition("it can be")[2]


async def awaited() -> int:
    return 1


async def streamed() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("extension", [".txt", ".json", "", ".pkl"])
def test_what_has_not_been_awaited_is_refused(extension: str) -> None:
    coroutine = awaited()
    assert inspect.iscoroutine(coroutine)
    with pytest.raises(OutputError, match=r"^a coroutine has not been awaited.*result = await"):
        output.plan(coroutine, extension)
    coroutine.close()
    loop = asyncio.new_event_loop()
    with pytest.raises(OutputError, match=r"^a Future has not been awaited"):
        output.plan(loop.create_future(), extension)
    loop.close()
    with pytest.raises(OutputError, match=r"^an async_generator .*\[row async for row in"):
        output.plan(streamed(), extension)


class AsyncFile:
    """A file of aiofiles, as far as one is looked at."""

    async def read(self, size: int = -1) -> bytes:
        return b""

    def __aiter__(self) -> AsyncFile:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


def test_an_async_file_is_no_file() -> None:
    with pytest.raises(OutputError, match=r"^an AsyncFile gives what it has to `async for`"):
        output.plan(AsyncFile(), ".txt")


@pytest.mark.parametrize("extension", [".txt", ".zip", ".csv", ".json"])
def test_what_has_a_read_of_another_kind_is_no_file(tmp_path: Path, extension: str) -> None:
    packed = tmp_path / "z.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", "b")
    with zipfile.ZipFile(packed) as archive:
        with pytest.raises(OutputError, match=r"^a ZipFile cannot .*; write what its read\(\) g"):
            output.plan(archive, extension)
        with archive.open("a") as member:
            assert written(member, extension) == b"b"
    table = tmp_path / "t.parquet"
    pa.parquet.write_table(pa.table({"a": [1]}), table)
    with pa.parquet.ParquetFile(table) as file:
        with pytest.raises(OutputError, match=r"^a ParquetFile cannot .*write what its read\(\)"):
            output.plan(file, extension)
        if extension == ".csv":
            assert written(file.read(), extension) == b"a\n1\n"


def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with (
        path.open("wb") as file,
        pytest.raises(OutputError, match=r"^a BufferedWriter that is open for writing .*'rb'"),
    ):
        output.plan(file, ".bin")
    buffer = io.BytesIO()
    buffer.close()
    for closed in (file, buffer):
        with pytest.raises(OutputError, match=r"that is closed cannot be read; open it again"):
            output.plan(closed, ".bin")


def test_nothing_is_an_array_of_nothing() -> None:
    assert written(iter([]), ".json") == b"[\n]\n"
    assert written(iter([]), ".jsonl") == b""
    with pytest.raises(OutputError, match=r"^a list_iterator without items cannot .*json, txt$"):
        output.plan(iter([]), ".parquet")
    assert output.plan(io.BufferedReader(io.BytesIO()), ".txt").description.endswith("at its end")


class Failing:
    def _repr_html_(self) -> str:
        raise LookupError("mine")

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        raise LookupError("mine")


def test_a_display_that_fails_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OutputError, match=r"as \.csv; it can be txt$"):
        output.plan(Failing(), ".csv")
    assert capsys.readouterr() == ("", "")
