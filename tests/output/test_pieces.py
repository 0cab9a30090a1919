"""Frames that come in pieces: one table, with the columns of the first piece."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

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
