"""What is special about Arrow's data: scans that are lazy, and columns with dictionaries."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet
import pytest

from adls_magic import output
from adls_magic.core.errors import OptionError

from .streams import Written, written

TABLE = pa.table({"n": range(60_000), "s": ["x"] * 60_000})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Any:
    place: Path = tmp_path_factory.mktemp("data") / "x.parquet"
    pyarrow.parquet.write_table(TABLE, place, row_group_size=20_000)
    return pyarrow.dataset.dataset(place)


@pytest.mark.parametrize("make", [lambda one: one, lambda one: one.scanner()])
def test_a_dataset_is_written_while_it_is_read(dataset: Any, make: Any) -> None:
    value = make(dataset)
    back = pyarrow.parquet.read_table(io.BytesIO(written(value, ".parquet")))
    assert back.equals(TABLE)
    assert written(value, ".csv").decode().splitlines()[-1] == '59999,"x"'
    stream = Written()
    output.plan(value, ".jsonl").write(stream)
    assert max(map(len, stream.pieces)) < 0.5 * len(stream.data)
    assert output.plan(value, ".csv").description == f"{type(value).__name__}, csv"


def test_a_scan_has_its_own_columns(dataset: Any) -> None:
    scan = dataset.scanner(columns=["n"], filter=pyarrow.dataset.field("n") < 2)
    assert written(scan, ".csv") == b"n\n0\n1\n"


def chunks() -> list[Any]:
    return [pa.table({"a": pa.array([one]).dictionary_encode()}) for one in ("x", "y")]


def test_chunks_with_dictionaries_of_their_own() -> None:
    data = written(pa.concat_tables(chunks()), ".feather")
    table = pyarrow.feather.read_table(io.BytesIO(data))
    assert table.to_pydict() == {"a": ["x", "y"]}
    assert pa.types.is_dictionary(table.schema.field("a").type)
    assert pl.read_ipc(data)["a"].to_list() == ["x", "y"]


def test_dictionaries_that_are_too_many_for_one() -> None:
    numbers = pa.array(range(100), pa.int8())
    names = [pa.array([f"{one}{number}" for number in range(100)]) for one in "xy"]
    tables = [pa.table({"a": pa.DictionaryArray.from_arrays(numbers, each)}) for each in names]
    table = pa.concat_tables(tables)
    for data in (written(table, ".feather"), written(iter(tables), ".feather")):
        back = pyarrow.feather.read_table(io.BytesIO(data))
        assert back.to_pydict() == table.to_pydict()


def pieces_of_categories() -> Iterator[Any]:
    yield from (pd.DataFrame({"a": pd.Categorical([one])}) for one in ("x", "y"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: pa.concat_tables(chunks()).to_reader(),
        lambda: iter(chunks()),
        lambda: (batch for table in chunks() for batch in table.to_batches()),
        pieces_of_categories,
    ],
)
@pytest.mark.parametrize("extension", [".feather", ".parquet", ".csv", ".jsonl"])
def test_a_stream_whose_dictionaries_differ(make: Any, extension: str) -> None:
    data = io.BytesIO(written(make(), extension))
    read = {
        ".feather": pd.read_feather,
        ".parquet": pd.read_parquet,
        ".csv": pd.read_csv,
        ".jsonl": lambda file: pd.read_json(file, lines=True),
    }[extension]
    assert read(data)["a"].tolist() == ["x", "y"]


def test_additions_to_a_dictionary_when_they_are_wanted() -> None:
    both = pa.concat_tables(chunks()).unify_dictionaries().to_reader()
    data = written(both, ".feather", emit_dictionary_deltas=True)
    table = pyarrow.feather.read_table(io.BytesIO(data))
    assert pa.types.is_dictionary(table.schema.field("a").type)


def test_the_header_of_a_csv_is_written_as_its_rows_are() -> None:
    table = pa.table({"a": [1], "b": ["x"]})
    assert written(table, ".csv", eol="\r\n") == b'a,b\r\n1,"x"\r\n'
    with pytest.raises(OptionError, match="takes no option 'quoting_header'"):
        written(table, ".csv", quoting_header="all_valid")  # which would have no effect
