"""Frames that come in pieces: one table, with the columns of the first piece."""

from __future__ import annotations

import datetime
import gc
import io
import weakref
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pyarrow.parquet as pq
import pytest

from adls_magic import output
from adls_magic.core.errors import OutputError

from .streams import written


def frames(kind: str, *columns: dict[str, list[Any]]) -> Iterator[Any]:
    make = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}[kind]
    return (make(each) for each in columns)


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
@pytest.mark.parametrize("extension", [".csv", ".jsonl", ".json", ".parquet", ".md"])
def test_pieces_have_the_columns_of_the_first(kind: str, extension: str) -> None:
    one, more = {"id": [1], "name": ["a"]}, {"id": [2], "name": ["b"], "email": ["c"]}
    with pytest.raises(OutputError, match=r"^piece 2 has the column 'email', .*same columns"):
        written(frames(kind, one, more), extension)
    with pytest.raises(OutputError, match=r"^piece 3 lacks the column 'email' .*same columns"):
        written(frames(kind, more, more, one), extension)
    turned = {"name": ["b"], "id": [2]}
    assert written(frames(kind, one, turned), extension) == written(
        frames(kind, one, {"id": [2], "name": ["b"]}), extension
    )


def test_pieces_have_the_index_of_the_first() -> None:
    named, plain = pd.DataFrame({"s": ["a"], "n": [1]}).set_index("s"), pd.DataFrame({"n": [1]})
    assert written(iter([named, named]), ".csv") == b"s,n\na,1\na,1\n"
    with pytest.raises(OutputError, match="piece 2 lacks the column 's'"):
        written(iter([named, plain]), ".csv")
    with pytest.raises(OutputError, match="piece 2 has the column 's'"):
        written(iter([plain, named]), ".jsonl")


def test_pieces_of_pandas_need_no_common_types() -> None:
    def chunks() -> Any:
        return pd.read_csv(io.StringIO("a,b\n1,2\n3,q\n"), chunksize=1)

    assert written(chunks(), ".csv") == b"a,b\n1,2\n3,q\n"
    assert written(chunks(), ".jsonl") == b'{"a":1,"b":2}\n{"a":3,"b":"q"}\n'
    assert written(frames("pandas", {"a": [1]}, {"a": [2.5]}), ".csv") == b"a\n1\n2.5\n"
    nothing = frames("pandas", {"a": [None]}, {"a": ["x"]})
    assert written(nothing, ".tsv", sep=";", index=True) == b";a\n0;\n0;x\n"


def test_where_a_common_type_is_needed_the_column_is_named() -> None:
    with pytest.raises(OutputError, match=r"^column 'b' of piece 2 cannot be int64.*or write csv"):
        written(frames("pandas", {"b": [1]}, {"b": ["q"]}), ".parquet")
    with pytest.raises(
        OutputError, match=r"^column 'a' of piece 2 cannot be int64.*\(cast\)( \(|$)"
    ):
        written(frames("polars", {"a": [1]}, {"a": ["x"]}), ".feather")


MOMENT = datetime.datetime(2026, 1, 1, 2, 3, 4)
ZONED = MOMENT.replace(tzinfo=datetime.UTC)
DAY = datetime.date(2026, 1, 1)
# What a cast of pyarrow would turn into something else without a word.
UNLIKE: dict[str, tuple[Any, Any]] = {
    "bool, float": (True, 0.5),
    "bool, int": (True, 7),
    "int, bool": (7, True),
    "date, datetime": (DAY, MOMENT),
    "datetime, date": (MOMENT, DAY),
    "naive, zoned": (MOMENT, ZONED),
    "zoned, naive": (ZONED, MOMENT),
    "decimal, finer": (Decimal("1.5"), Decimal("2.25")),
    "float, decimal": (1.5, Decimal("2.25")),
    "time, int": (MOMENT, 7),
    "int, time": (7, MOMENT),
    "str, int": ("x", 5),
    "str, bool": ("x", True),
    "str, float": ("x", 0.3),
    "int, str": (5, "5"),
    "time, str": (MOMENT, "2026-02-01"),
    "in a list": ([True], [7]),
    "in a dict": ({"k": "x"}, {"k": 5}),
    "other keys": ({"k": 1}, {"j": 1}),
}


@pytest.mark.parametrize("case", UNLIKE)
@pytest.mark.parametrize(
    ("kind", "extension"),
    [("pandas", ".parquet"), ("polars", ".parquet"), ("arrow", ".feather"), ("arrow", ".jsonl")],
)
def test_no_value_becomes_another(kind: str, extension: str, case: str) -> None:
    one, other = UNLIKE[case]
    with pytest.raises(OutputError, match=r"^column 'a' of piece 2 cannot be .*give it one type"):
        written(frames(kind, {"a": [one]}, {"a": [other]}), extension)


# (the type of the first piece, that of the second, values of the second)
ALIKE: list[tuple[Any, Any, list[Any]]] = [
    (pa.int8(), pa.int64(), [1, None]),
    (pa.uint64(), pa.int8(), [1]),
    (pa.float64(), pa.int64(), [2**53]),
    (pa.float64(), pa.float32(), [0.5]),
    (pa.string(), pa.null(), [None]),
    (pa.string(), pa.float64(), [None]),
    (pa.string(), pa.large_string(), ["x"]),
    (pa.large_binary(), pa.binary(), [b"x"]),
    (pa.string(), pa.dictionary(pa.int8(), pa.string()), ["x", None, "x"]),
    (pa.dictionary(pa.int8(), pa.string()), pa.large_string(), ["x", None, "x"]),
    (pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.string()), ["x"]),
    (pa.timestamp("ns", "UTC"), pa.timestamp("ms", "UTC"), [ZONED]),
    (pa.decimal128(9, 3), pa.decimal128(3, 1), [Decimal("1.500")]),
    (pa.date64(), pa.date32(), [DAY]),
    (pa.large_list(pa.int64()), pa.list_(pa.int8()), [[1]]),
    (pa.struct({"k": pa.float64()}), pa.struct({"k": pa.int8()}), [{"k": 1.0}]),
]


@pytest.mark.parametrize(("first", "second", "values"), ALIKE, ids=str)
def test_types_that_differ_in_width_only(first: Any, second: Any, values: list[Any]) -> None:
    pieces = [pa.table({"a": pa.array([], first)}), pa.table({"a": pa.array(values, second)})]
    table = pq.read_table(io.BytesIO(written(iter(pieces), ".parquet")))
    assert table.column("a").to_pylist() == values


@pytest.mark.parametrize(
    ("first", "second", "value"),
    [
        (pa.int8(), pa.int64(), 128),
        (pa.float64(), pa.int64(), 2**53 + 1),
        (pa.float32(), pa.float64(), 0.1),
        (pa.timestamp("s"), pa.timestamp("us"), MOMENT.replace(microsecond=1)),
        (pa.decimal128(2, 1), pa.decimal128(4, 1), Decimal("123.5")),
    ],
    ids=str,
)
def test_a_value_that_does_not_fit(first: Any, second: Any, value: Any) -> None:
    pieces = [pa.table({"a": pa.array([], first)}), pa.table({"a": pa.array([value], second)})]
    with pytest.raises(OutputError, match=r"^column 'a' of piece 2 cannot be .*\(cast\)( \(|$)"):
        written(iter(pieces), ".parquet")


def test_whole_numbers_of_pandas_some_of_which_are_missing() -> None:
    data = written(frames("pandas", {"a": [1]}, {"a": [2, None]}), ".parquet")
    assert pq.read_table(io.BytesIO(data)).column("a").to_pylist() == [1, 2, None]
    with pytest.raises(OutputError, match="column 'a' of piece 2 cannot be int64"):
        written(frames("pandas", {"a": [1]}, {"a": [2.5, None]}), ".parquet")


def test_what_pandas_has_of_its_own_goes_on() -> None:
    frame = pd.DataFrame(
        {
            "s": ["x", None],
            "c": pd.Categorical(["u", "v"]),
            "t": pd.to_datetime(["2026-01-01", None]),
            "p": pd.period_range("2026-01", periods=2, freq="M"),
            "i": pd.array([1, None], dtype="Int64"),
            "b": [True, None],
        }
    )
    back = pd.read_parquet(io.BytesIO(written(iter([frame, frame]), ".parquet")))
    pd.testing.assert_frame_equal(back, pd.concat([frame, frame], ignore_index=True))


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
@pytest.mark.parametrize("extension", [".csv", ".jsonl", ".parquet"])
def test_a_piece_that_is_written_is_kept_no_longer(kind: str, extension: str) -> None:
    alive: list[bool] = []

    def three() -> Iterator[Any]:
        (first,) = frames(kind, {"a": [1], "b": ["x"]})
        known = weakref.ref(first)
        yield first
        del first
        for number in (2, 3):
            gc.collect()
            alive.append(known() is not None)
            yield from frames(kind, {"a": [number], "b": ["y"]})

    assert b"y" in written(three(), extension)
    assert not alive[-1]


def test_the_types_of_the_first_piece_are_those_of_all_its_rows() -> None:
    late = pd.DataFrame({"a": [None] * 100 + ["x"], "b": [[1.5]] * 101})
    table = pyarrow.parquet.read_table(io.BytesIO(written(iter([late, late]), ".parquet")))
    assert table.equals(pa.Table.from_pandas(pd.concat([late, late]), preserve_index=False))


def test_a_piece_of_another_package_is_named_with_it() -> None:
    mixed = iter([pd.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]})])
    said = r"^piece 2 is a DataFrame of polars, the first one a DataFrame of pandas; make"
    with pytest.raises(OutputError, match=said):
        written(mixed, ".csv")
    with pytest.raises(OutputError, match=r"^piece 2 is a dict, the first one"):
        written(iter([pd.DataFrame({"a": [1]}), {"a": 1}]), ".csv")


def test_what_pyarrow_says_of_a_piece_is_its_first_sentence() -> None:
    with pytest.raises(OutputError, match=r"in the first one \([^()\"]*'int' object\); give"):
        written(frames("pandas", {"b": [1]}, {"b": ["q", 1]}), ".parquet")


@pytest.mark.parametrize(
    "cells",
    [
        pa.array(["a", "b"], pa.string_view()),
        pa.RunEndEncodedArray.from_arrays([1, 2], ["a", "b"]),
        pa.array(["a", "b"]).dictionary_encode(),
    ],
)
def test_pieces_of_any_type_of_arrow(cells: pa.Array) -> None:
    table = pa.table({"x": cells})
    assert written(iter([table, table]), ".jsonl") == b'{"x": "a"}\n{"x": "b"}\n' * 2


def test_pieces_of_pandas_that_arrow_has_no_types_or_names_for() -> None:
    large = pd.DataFrame({"n": [2**70]})
    assert written(iter([large]), ".csv") == b"n\n%d\n" % (2**70)
    with pytest.raises(OutputError, match=r"cannot be written as \.parquet; it can be csv"):
        output.plan(iter([large]), ".parquet")
    numbered = pd.DataFrame([[1, "x"]])
    table = pyarrow.parquet.read_table(io.BytesIO(written(iter([numbered] * 2), ".parquet")))
    assert table.to_pydict() == {"0": [1, 1], "1": ["x", "x"]}


def test_a_workbook_that_fails_complains_no_more_later() -> None:
    def failing() -> Iterator[Any]:
        yield pa.table({"a": [1]})
        raise RuntimeError("the source")

    with pytest.raises(RuntimeError, match="the source"):
        written(failing(), ".xlsx")
    gc.collect()  # pytest fails the test for what is raised in here
