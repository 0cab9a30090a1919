"""Every table format is read back by the library that wrote it and compared."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from adls_magic import output
from adls_magic.core.errors import OptionError, OutputError, PermissionDeniedError

from .streams import Written, written

PLAIN = pd.DataFrame(
    {"n": [1, 2, 3], "x": [0.1, -2.5, 1e-20], "s": ["a", 'quote " , and\nline', "ü€😀"]}
)
POLARS = pl.DataFrame(PLAIN.to_dict("list"))
ARROW = pa.Table.from_pandas(PLAIN, preserve_index=False)
TABLES = ["pandas", "polars", "lazy", "arrow", "reader", "batch", "pieces", "arrow stream"]


class OnlyStream:
    """Stands for duckdb's relations, ibis' tables and the like."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return ARROW.__arrow_c_stream__(requested_schema)


def table(kind: str) -> Any:
    pieces = (PLAIN.iloc[start : start + 1] for start in range(len(PLAIN)))
    return {
        "pandas": lambda: PLAIN.copy(),
        "polars": lambda: POLARS,
        "lazy": lambda: POLARS.lazy(),
        "arrow": lambda: ARROW,
        "reader": lambda: ARROW.to_reader(max_chunksize=1),
        "batch": lambda: ARROW.to_batches()[0],
        "pieces": lambda: pieces,
        "arrow stream": OnlyStream,
    }[kind]()


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("extension", [".csv", ".tsv"])
def test_csv_and_tsv(kind: str, extension: str) -> None:
    data = written(table(kind), extension)
    back = pd.read_csv(io.BytesIO(data), sep="," if extension == ".csv" else "\t")
    pd.testing.assert_frame_equal(back, PLAIN, check_exact=True)
    assert b"\r" not in data


@pytest.mark.parametrize("kind", TABLES)
def test_parquet(kind: str) -> None:
    back = pd.read_parquet(io.BytesIO(written(table(kind), ".parquet")))
    pd.testing.assert_frame_equal(back, PLAIN, check_exact=True)


@pytest.mark.parametrize("kind", TABLES)
def test_feather(kind: str) -> None:
    back = pd.read_feather(io.BytesIO(written(table(kind), ".feather")))
    pd.testing.assert_frame_equal(back, PLAIN, check_exact=True)


@pytest.mark.parametrize("kind", TABLES)
def test_json_and_json_lines(kind: str) -> None:
    expected = PLAIN.to_dict("records")
    assert json.loads(written(table(kind), ".json")) == expected
    lines = written(table(kind), ".jsonl").decode().splitlines()
    assert [json.loads(line) for line in lines] == expected


@pytest.mark.parametrize("kind", TABLES)
def test_html_holds_every_row_and_escapes(kind: str) -> None:
    page = written(table(kind), ".html").decode()
    assert page.count("<tr>") == len(PLAIN) + 1
    assert "&quot; , and" in page
    assert "ü€😀" in page


@pytest.mark.parametrize("kind", TABLES)
def test_markdown_has_a_line_for_every_row(kind: str) -> None:
    lines = written(table(kind), ".md").decode().splitlines()
    assert lines[:2] == ["| n | x | s |", "| --- | --- | --- |"]
    assert lines[3] == '| 2 | -2.5 | quote " , and<br>line |'
    assert len(lines) == 5


@pytest.mark.parametrize("kind", ["pandas", "arrow", "polars", "lazy", "pieces"])
def test_xlsx(kind: str) -> None:
    back = pd.read_excel(io.BytesIO(written(table(kind), ".xlsx")))
    pd.testing.assert_frame_equal(back, PLAIN)


def test_xlsx_without_its_package_says_which() -> None:
    try:
        import openpyxl  # noqa: F401
    except ImportError:
        with pytest.raises(OutputError, match="pip install openpyxl"):
            output.plan(PLAIN, ".xlsx")


@pytest.mark.parametrize(
    ("frame", "columns"),
    [
        (PLAIN, ["n", "x", "s"]),
        (PLAIN.sort_values("n", ascending=False), ["n", "x", "s"]),
        (PLAIN.nlargest(2, "x"), ["n", "x", "s"]),
        (PLAIN.set_index("n"), ["n", "x", "s"]),
        (PLAIN.set_index(["n", "s"]), ["n", "s", "x"]),
        (PLAIN.set_axis(["p", "q", "r"]), ["Unnamed: 0", "n", "x", "s"]),
        (pd.Series([1, 2]), ["value"]),
        (pd.Series({2019: 5, 2020: 6}, name="sales"), ["Unnamed: 0", "sales"]),
    ],
)
def test_the_index_is_written_unless_it_is_row_numbers(frame: Any, columns: list[str]) -> None:
    assert list(pd.read_csv(io.BytesIO(written(frame, ".csv")))) == columns


def test_an_index_that_says_something_survives_every_format() -> None:
    frame = PLAIN.set_index("s")
    for extension in (".json", ".jsonl", ".html", ".md", ".feather"):
        assert "ü€😀".encode() in written(frame, extension), extension
    back = pd.read_parquet(io.BytesIO(written(frame, ".parquet")))
    pd.testing.assert_frame_equal(back, frame)


def test_options_go_through() -> None:
    assert written(PLAIN, ".csv", index=True, sep=";").startswith(b";n;x;s\n")
    assert json.loads(written(PLAIN, ".json", orient="split"))["columns"] == ["n", "x", "s"]
    assert written(POLARS, ".csv", separator=";").startswith(b"n;x;s\n")
    assert written(ARROW, ".csv", include_header=False).startswith(b"1,0.1,")
    packed = written(PLAIN, ".parquet", compression="gzip")
    metadata = pyarrow.parquet.ParquetFile(io.BytesIO(packed)).metadata
    assert metadata.row_group(0).column(0).compression == "GZIP"


EVERY = [".csv", ".tsv", ".json", ".jsonl", ".parquet", ".feather", ".html", ".md"]


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("extension", EVERY)
def test_an_unknown_option_is_found_before_anything_is_written(kind: str, extension: str) -> None:
    with pytest.raises(OptionError, match=rf"as \{extension} takes no option 'no_such'"):
        output.plan(table(kind), extension, options={"no_such": 1})


@pytest.mark.parametrize(
    ("value", "extension", "name"),
    [
        (PLAIN, ".csv", "mode"),
        (PLAIN, ".csv", "compression"),  # the suffix .gz says it
        (PLAIN, ".jsonl", "orient"),
        (PLAIN, ".parquet", "partition_cols"),  # would make a folder on this machine
        (POLARS.lazy(), ".parquet", "lazy"),  # would write nothing
        (POLARS, ".csv", "compression"),
        (ARROW, ".parquet", "where"),
    ],
)
def test_options_that_the_name_of_the_target_decides(value: Any, extension: str, name: str) -> None:
    with pytest.raises(OptionError, match=f"takes no option '{name}'"):
        output.plan(value, extension, options={name: "x"})


@pytest.mark.parametrize("kind", TABLES)
def test_every_kind_of_table_takes_options(kind: str) -> None:
    packed = written(table(kind), ".parquet", row_group_size=1, compression="zstd")
    metadata = pyarrow.parquet.ParquetFile(io.BytesIO(packed)).metadata
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert metadata.row_group(0).num_rows == 1
    assert metadata.num_row_groups == metadata.num_rows


def test_the_index_with_other_shapes_of_json() -> None:
    split = json.loads(written(PLAIN, ".json", orient="split", index=False))
    assert "index" not in split
    assert split["data"][0] == [1, 0.1, "a"]


def test_a_csv_for_excel() -> None:
    assert written(PLAIN[["s"]], ".csv", encoding="utf-8-sig").startswith(b"\xef\xbb\xbfs\n")


def test_a_wrong_value_of_an_option_sends_nothing() -> None:
    stream = Written()
    with pytest.raises(OutputError, match="writing DataFrame, 3 rows, parquet failed"):
        output.plan(PLAIN, ".parquet", options={"compression": "none such"}).write(stream)
    assert stream.data == b""


def test_dates_and_missing_values_in_json() -> None:
    frame = pd.DataFrame({"d": pd.to_datetime(["2026-11-01"]), "m": [None], "f": [0.1 + 0.2]})
    row = json.loads(written(frame, ".json"))[0]
    assert row["d"].startswith("2026-11-01T00:00:00")
    assert row["m"] is None
    assert row["f"] == 0.1 + 0.2


@pytest.mark.parametrize("extension", [".csv", ".jsonl", ".json", ".feather", ".parquet"])
@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_large_frames_are_written_in_pieces(kind: Any, extension: str) -> None:
    numbers = np.random.default_rng(1).random(110_000)
    stream = Written()
    output.plan(kind({"n": numbers, "m": numbers}), extension).write(stream)
    assert max(map(len, stream.pieces)) < 0.7 * len(stream.data)


def test_pieces_of_pandas_own_reader() -> None:
    text = "a,b\n" + "".join(f"{n},{n * n}\n" for n in range(100))
    reader = pd.read_csv(io.StringIO(text), chunksize=10)
    assert written(reader, ".csv").decode() == text


def test_a_generator_of_frames_is_read_while_it_is_written() -> None:
    stream = Written()
    progress: list[int] = []

    def pieces() -> Iterator[pd.DataFrame]:
        for _ in range(3):
            progress.append(stream.tell())
            yield pd.DataFrame({"n": np.random.default_rng(1).random(200_000)})

    output.plan(pieces(), ".feather").write(stream)
    assert progress[0] == 0 < progress[1] < progress[2]


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("extension", [".csv", ".parquet", ".jsonl", ".feather"])
def test_a_refusal_of_the_lake_is_not_disguised(kind: str, extension: str) -> None:
    error = PermissionDeniedError("no right to write")
    encoding = output.plan(table(kind), extension)
    with pytest.raises(PermissionDeniedError):
        encoding.write(Written(fails_after=0, error=error))


@pytest.mark.parametrize("extension", [".csv", ".jsonl", ".feather", ".parquet"])
def test_a_reader_of_batches_is_read_while_it_is_written(extension: str) -> None:
    stream = Written()
    progress: list[int] = []
    schema = pa.schema([("n", pa.float64())])

    def batches() -> Iterator[Any]:
        for _ in range(3):
            progress.append(stream.tell())
            yield pa.record_batch([np.random.default_rng(1).random(100_000)], schema=schema)

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    options = {"row_group_size": 100_000} if extension == ".parquet" else {}
    output.plan(reader, extension, options=options).write(stream)
    assert progress[0] < progress[1] < progress[2]


@pytest.mark.parametrize("extension", [".csv", ".jsonl", ".feather", ".parquet"])
def test_a_lazy_frame_is_written_in_pieces(extension: str) -> None:
    numbers = np.random.default_rng(1).random(1_000_000)
    stream = Written()
    output.plan(pl.LazyFrame({"n": numbers}).sort("n"), extension).write(stream)
    assert max(map(len, stream.pieces)) < 0.7 * len(stream.data)


def test_a_frame_is_no_picture() -> None:
    with pytest.raises(OutputError) as raised:
        output.plan(PLAIN, ".png")
    assert str(raised.value).startswith("a DataFrame cannot be written as .png; it can be csv, tsv")


@pytest.mark.parametrize(
    ("make", "wrong", "right"),
    [
        (lambda: pd.DataFrame({"t": pd.date_range("2026", periods=2, tz="UTC")}), "xlsx", "csv"),
        (lambda: pd.DataFrame([[1, 2]], columns=["n", "n"]), "json parquet", "csv"),
        (lambda: pd.DataFrame({"n": ["a", 1]}), "parquet feather", "csv json"),
        (lambda: PLAIN.set_index("n", drop=False), "json html", "csv parquet"),
        (lambda: pl.DataFrame({"n": [[1], [2]]}), "csv", "parquet jsonl"),
        (lambda: pl.LazyFrame({"n": [[1], [2]]}), "csv", "parquet jsonl"),
        (lambda: pl.DataFrame({"n": [b"x"]}), "json jsonl", "parquet"),
        (lambda: pa.table({"n": [b"x"]}), "json", "parquet csv"),
        (lambda: pa.table({"n": [[1]]}).to_reader(), "csv", "parquet"),
        (lambda: pa.Table.from_arrays([pa.array([1])] * 2, ["n", "n"]), "json jsonl", "csv"),
        (lambda: iter([pl.DataFrame({"n": [[1]]})]), "csv", "parquet"),
        (lambda: iter([pd.DataFrame({"n": ["a", 1]})]), "parquet feather", "csv jsonl"),
    ],
)
def test_offered_is_what_this_very_frame_can_be(make: Any, wrong: str, right: str) -> None:
    with pytest.raises(OutputError) as raised:
        output.plan(make(), ".npy")
    offers = str(raised.value).rpartition("it can be ")[2].partition(" (")[0].split(", ")
    assert not {*wrong.split()} & {*offers}
    assert {*right.split()} <= {*offers}
    for name in {*offers} - {"txt"}:
        assert written(make(), f".{name}"), name
    for name in wrong.split():
        with pytest.raises(OutputError):
            written(make(), f".{name}")


def test_a_query_that_fails_is_told_by_its_own_message() -> None:
    with pytest.raises(OutputError, match=r"writing LazyFrame, csv failed: ColumnNotFoundError"):
        written(pl.LazyFrame({"n": [1]}).select("missing"), ".csv")


@pytest.mark.parametrize("make", [pa.array, lambda items: pa.chunked_array([items])])
def test_arrow_arrays_are_a_column(make: Any) -> None:
    assert written(make([1, 2]), ".csv") == b"value\n1\n2\n"


def test_a_large_frame_is_not_written_to_see_what_it_can_be(monkeypatch: Any) -> None:
    tried: list[int] = []
    for name in ("to_html", "to_csv", "to_json", "_repr_html_"):
        method = getattr(pd.DataFrame, name)

        def noting(self: Any, *args: Any, method: Any = method, **given: Any) -> Any:
            tried.append(len(self))
            return method(self, *args, **given)

        monkeypatch.setattr(pd.DataFrame, name, noting)
    with pytest.raises(OutputError, match=r"cannot be written as \.png; it can be csv, .*html"):
        output.plan(pd.DataFrame({"n": np.zeros(1000)}), ".png")
    assert tried and max(tried) <= 20


def test_descriptions() -> None:
    assert output.plan(PLAIN, ".csv").description == "DataFrame, 3 rows, csv"
    assert output.plan(POLARS[:1], ".parquet").description == "DataFrame, 1 row, parquet"
    assert output.plan(POLARS.lazy(), ".csv.gz").description == "LazyFrame, csv, gz"


@pytest.mark.parametrize("extension", [".csv", ".tsv", ".md", ".html"])
def test_arrays_in_cells_are_whole(extension: str) -> None:
    array = np.append(np.arange(2000), 1 / 3)
    for value in (
        pd.DataFrame({"a": pd.Series([array, [array]], dtype=object)}),
        iter([pd.DataFrame({"a": pd.Series([array, [array]], dtype=object)})]),
        [{"a": array}, {"a": [array]}],
        iter([{"a": array}, {"a": [array]}]),
    ):
        if extension in (".md", ".html") and not isinstance(value, pd.DataFrame):
            continue  # rows of Python have no such form
        text = written(value, extension).decode()
        found = re.findall(r"\d+\.\d*(?:e[+-]\d+)?", text)
        assert [float(number) for number in found] == [*array, *array]
    assert "..." in str(array)
