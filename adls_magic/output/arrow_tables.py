"""pyarrow tables and readers, and whatever else speaks Arrow.

Everything here goes batch by batch. pyarrow is loaded only when a value of its own or an option
of the user asks for it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any, BinaryIO, cast

from adls_magic.core.text import count
from adls_magic.output import plain_data, rows
from adls_magic.output.forms import (
    SAMPLE,
    Forms,
    Missing,
    Names,
    Options,
    Writer,
    needs,
    only,
    parameters,
    without,
)

_ROW_GROUP = 1024 * 1024  # rows; what pyarrow takes by itself
_BATCH = 64 * 1024  # rows turned into Python objects at a time


def forms(value: Any, pyarrow: Any) -> Forms | None:
    """Return what a pyarrow value can be, None when it is not a table or reader."""
    if isinstance(value, pyarrow.RecordBatchReader):
        sample = value.schema.empty_table
        return _forms("RecordBatchReader", value.schema, writers_of(value.schema, value), sample)
    if isinstance(value, pyarrow.Array | pyarrow.ChunkedArray):
        named = pyarrow.table({"value": value})
        what = f"{type(value).__name__}, {count(len(value), 'row')}"
        return _forms(what, named.schema, _writers_of_table(named), _start_of(named))
    if isinstance(value, pyarrow.Table):
        what = f"Table, {count(value.num_rows, 'row')}"
        return _forms(what, value.schema, _writers_of_table(value), _start_of(value))
    if (lazy := _forms_of_scan(value)) is not None:
        return lazy
    if isinstance(value, pyarrow.RecordBatch):
        what = f"RecordBatch, {count(value.num_rows, 'row')}"
        writers = writers_of(value.schema, (value,), whole=True)
        return _forms(what, value.schema, writers, _start_of(value))
    return None


def _forms_of_scan(value: Any) -> Forms | None:
    """Return what a dataset or a scan of one can be, which is read while it is written."""
    module = sys.modules.get("pyarrow.dataset")
    if module is None or not isinstance(value, module.Dataset | module.Scanner):
        return None
    is_scan = isinstance(value, module.Scanner)
    schema = value.projected_schema if is_scan else value.schema

    def batches() -> Iterator[Any]:
        yield from value.to_batches()

    writers = writers_of(schema, batches())
    return _forms(type(value).__name__, schema, writers, schema.empty_table)


def _forms(
    what: str, schema: Any, writers: dict[str, Writer | Missing], sample: Callable[[], object]
) -> Forms:
    """Leave out csv for types that pyarrow has no text for, before it says so while it writes."""
    types = importlib.import_module("pyarrow.types")
    for field in schema:
        if types.is_nested(field.type):
            text = f"its column {field.name!r} holds {field.type}"
            unfit = {".csv": text, ".tsv": text}
            fitting = {name: one for name, one in writers.items() if name not in unfit}
            return Forms(what, fitting, sample=sample, unfit=unfit)
    return Forms(what, writers, sample=sample)


def _start_of(table: Any) -> Callable[[], object]:
    return lambda: table.slice(0, SAMPLE)


def forms_of_stream(value: Any) -> Forms | None:
    """Return what anything can be that offers its rows as an Arrow stream (duckdb, ibis …)."""
    if not hasattr(value, "__arrow_c_stream__") or isinstance(value, type):
        return None
    if importlib.util.find_spec("pyarrow") is None:
        return None
    pyarrow = importlib.import_module("pyarrow")
    try:
        reader = pyarrow.RecordBatchReader.from_stream(value)
    except pyarrow.ArrowInvalid:
        return None  # a stream of something else than rows
    sample = reader.schema.empty_table
    return _forms(type(value).__name__, reader.schema, writers_of(reader.schema, reader), sample)


def _batches(table: Any) -> Iterable[Any]:
    return (batch for batch in table.to_batches(max_chunksize=_BATCH))


def _writers_of_table(table: Any) -> dict[str, Writer | Missing]:
    """Give each column one dictionary, where the type of its numbers is large enough for that."""
    pyarrow = importlib.import_module("pyarrow")
    try:
        table, whole = table.unify_dictionaries(), True
    except pyarrow.ArrowInvalid:
        whole = False
    return writers_of(table.schema, _batches(table), whole=whole)


_NO_OPTIONS = only()
_CSV_OPTIONS = only(
    *("header", "include_header", "batch_size", "delimiter", "eol"),
    *("null_string", "quoting_style"),
)
_FEATHER_OPTIONS = only(
    *("compression", "use_threads", "allow_64bit", "emit_dictionary_deltas", "metadata_version"),
    *("unify_dictionaries", "use_legacy_format"),
)


def writers_of(
    schema: Any, batches: Iterable[Any], *, whole: bool = False
) -> dict[str, Writer | Missing]:
    """Return what record batches can be; they are read once, while they are written.

    Args:
        schema: of all of them.
        batches: the rows.
        whole: a column of all batches has one dictionary, if it has any.
    """

    def by(
        write: Callable[[BinaryIO, Any, Iterable[Any], Options], None],
        takes: Names = _NO_OPTIONS,
    ) -> Writer:
        return Writer(
            lambda stream, options: write(stream, schema, batches, options),
            takes,
            header=lambda stream, options: write(stream, schema, (), options),
        )

    return {
        ".csv": by(_write_csv, _CSV_OPTIONS),
        ".tsv": by(partial(_write_csv, separator="\t"), _CSV_OPTIONS),
        ".json": by(_write_json, plain_data.JSON_OPTIONS),
        ".jsonl": by(_write_json_lines, plain_data.LINES_OPTIONS),
        ".parquet": by(_write_parquet, _parquet_options),
        ".feather": by(partial(_write_feather, whole=whole), _FEATHER_OPTIONS),
        ".xlsx": needs(by(_write_excel), "openpyxl"),
        ".html": by(_write_html),
        ".md": by(_write_markdown),
    }


def _parquet_options() -> Collection[str]:
    writer = importlib.import_module("pyarrow.parquet").write_table
    return parameters(writer, besides=("where", "filesystem"))()


def _write_csv(
    stream: BinaryIO,
    schema: Any,
    batches: Iterable[Any],
    options: Options,
    separator: str = ",",
) -> None:
    module = importlib.import_module("pyarrow.csv")
    chosen = {"delimiter": separator, "quoting_style": "needed", **options}
    header = chosen.pop("header", chosen.pop("include_header", True))
    # pyarrow quotes every name of the header, so that is written here.
    settings = module.WriteOptions(include_header=False, **chosen)
    if (names := rows.header_of(schema.names, header)) is not None:
        ends = {"lineterminator": chosen.get("eol", "\n")}
        rows.write_csv(stream, names, (), separator=str(chosen["delimiter"]), options=ends)
    with module.CSVWriter(stream, schema, write_options=settings) as writer:
        for batch in batches:
            writer.write(batch)


def _write_parquet(stream: BinaryIO, schema: Any, batches: Iterable[Any], options: Options) -> None:
    module = importlib.import_module("pyarrow.parquet")
    most = cast(int, options.get("row_group_size") or _ROW_GROUP)
    with module.ParquetWriter(stream, schema, **without(options, "row_group_size")) as writer:
        for group in _row_groups(schema, batches, most):
            writer.write_table(group, row_group_size=most)


def _row_groups(schema: Any, batches: Iterable[Any], most: int) -> Iterator[Any]:
    """Gather batches into tables of at least so many rows."""
    pyarrow = importlib.import_module("pyarrow")
    gathered: list[Any] = []
    number = 0
    for batch in batches:
        gathered.append(batch)
        number += batch.num_rows
        if number >= most:
            yield pyarrow.Table.from_batches(gathered, schema)
            gathered, number = [], 0
    if gathered:
        yield pyarrow.Table.from_batches(gathered, schema)


def _write_feather(
    stream: BinaryIO, schema: Any, batches: Iterable[Any], options: Options, *, whole: bool = False
) -> None:
    if not whole and not options.get("emit_dictionary_deltas"):
        schema, batches = _without_dictionaries(schema, batches)
    module = importlib.import_module("pyarrow.ipc")
    chosen = module.IpcWriteOptions(**{"compression": "lz4", **options})
    with module.new_file(stream, schema, options=chosen) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _without_dictionaries(schema: Any, batches: Iterable[Any]) -> tuple[Any, Iterable[Any]]:
    """Put plain values for a dictionary, which can be another one in a batch that is yet to come.

    A feather file has one for a column; not every reader knows of additions to it.
    """
    types = importlib.import_module("pyarrow.types")
    plain = schema
    for place, field in enumerate(schema):
        if types.is_dictionary(field.type):
            plain = plain.set(place, field.with_type(field.type.value_type))
    if plain is schema:
        return schema, batches
    return plain, (batch.cast(plain) for batch in batches)


def _dicts(schema: Any, batches: Iterable[Any]) -> Iterator[object]:
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("two columns have the same name, of which JSON would keep one")
    return (dict(zip(schema.names, row, strict=True)) for row in _cells(batches))


def _write_json(stream: BinaryIO, schema: Any, batches: Iterable[Any], options: Options) -> None:
    plain_data.write_json_array(stream, _dicts(schema, batches), options)


def _write_json_lines(
    stream: BinaryIO, schema: Any, batches: Iterable[Any], options: Options
) -> None:
    plain_data.write_json_lines(stream, _dicts(schema, batches), options)


def _cells(batches: Iterable[Any]) -> Iterator[tuple[object, ...]]:
    for batch in batches:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _write_html(stream: BinaryIO, schema: Any, batches: Iterable[Any], options: Options) -> None:
    rows.write_html(stream, schema.names, _cells(batches))


def _write_markdown(
    stream: BinaryIO, schema: Any, batches: Iterable[Any], options: Options
) -> None:
    rows.write_markdown(stream, schema.names, _cells(batches))


def _write_excel(stream: BinaryIO, schema: Any, batches: Iterable[Any], options: Options) -> None:
    rows.write_excel(stream, schema.names, _cells(batches))
