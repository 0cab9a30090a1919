"""polars DataFrames, Series and LazyFrames, by the methods that they have; no import of polars.

A LazyFrame is computed while it is written (its `sink_*` methods), where the format allows.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, BinaryIO

from adls_magic.core.text import count
from adls_magic.output import rows
from adls_magic.output.forms import SAMPLE, Forms, Missing, Options, Writer, needs, parameters

_SLICE = 50_000  # rows turned into JSON at a time


def forms(value: Any, polars: Any) -> Forms | None:
    """Return what a polars value can be, None when it is not a frame or Series."""
    if isinstance(value, polars.LazyFrame):
        columns = _schema_of(value, polars)
        return _fitting(
            "LazyFrame",
            _lazy_writers(value),
            columns,
            sample=lambda: polars.DataFrame(schema=columns),
        )
    if isinstance(value, polars.Series):
        named = value if value.name else value.alias("value")
        value, what = named.to_frame(), f"Series, {count(value.len(), 'row')}"
    elif isinstance(value, polars.DataFrame):
        what = f"DataFrame, {count(value.height, 'row')}"
    else:
        return None
    return _fitting(what, _writers(value), value.schema, sample=lambda: value.head(SAMPLE))


def _schema_of(frame: Any, polars: Any) -> Any:
    try:
        return frame.collect_schema()
    except polars.exceptions.PolarsError:
        return {}  # the writing will say what is wrong with the query


def _fitting(
    what: str,
    writers: dict[str, Writer | Missing],
    columns: Mapping[str, Any],
    *,
    sample: Callable[[], object],
) -> Forms:
    """Leave out what the types of the columns forbid, before polars says so while it writes.

    For bytes in JSON it would not even do that: it panics, aloud and with a trace.
    """
    unfit: dict[str, str] = {}
    for name, kind in columns.items():
        text = f"its column {name!r} holds {kind}"
        if kind.is_nested() or kind.base_type().__name__ in _NO_TEXT:
            unfit = {".csv": text, ".tsv": text} | unfit
        if "Binary" in str(kind):  # also inside a list
            unfit = {".json": text, ".jsonl": text} | unfit
    fitting = {name: one for name, one in writers.items() if name not in unfit}
    return Forms(what, fitting, sample=sample, unfit=unfit)


_NO_TEXT = ("Binary", "Duration", "Object")  # types that polars has no text for in a csv


# About where to and when, which DEST and the suffix of its name decide.
_OF_THE_FILE = (
    *("partition_by", "partition_chunk_size_bytes", "storage_options", "credential_provider"),
    *("check_extension", "sync_on_close", "mkdir", "lazy", "sinked_paths_callback"),
)
_OF_THE_SUFFIX = (*_OF_THE_FILE, "compression", "compression_level")


def _calling(
    method: Callable[..., object], *, besides: Collection[str] = _OF_THE_FILE, **defaults: object
) -> Writer:
    def write(stream: BinaryIO, options: Options) -> None:
        method(stream, **{**defaults, **options})

    return Writer(write, parameters(method, besides=besides))


def _delimited(frame: Any, method: str, **defaults: object) -> Writer:
    """Take the option `header` as every family does; polars has a name of its own for it."""

    def write(rows: Any, stream: BinaryIO, options: Options) -> None:
        chosen = {**defaults, **options}
        if "header" in chosen:
            chosen["include_header"] = chosen.pop("header")
        getattr(rows, method)(stream, **chosen)

    return Writer(
        partial(write, frame),
        parameters(getattr(frame, method), besides=_OF_THE_SUFFIX, also=["header"]),
        header=lambda stream, options: write(frame.clear(), stream, options),
    )


def _writers(frame: Any) -> dict[str, Writer | Missing]:
    return {
        ".csv": _delimited(frame, "write_csv"),
        ".tsv": _delimited(frame, "write_csv", separator="\t"),
        ".json": Writer(lambda stream, options: rows.join_arrays(stream, _records(frame))),
        ".jsonl": _calling(frame.write_ndjson, besides=_OF_THE_SUFFIX),
        ".parquet": _calling(frame.write_parquet),
        ".feather": _calling(frame.write_ipc),
        ".xlsx": _excel(frame),
        ".html": Writer(
            lambda stream, options: rows.write_html(stream, frame.columns, frame.iter_rows())
        ),
        ".md": Writer(
            lambda stream, options: rows.write_markdown(stream, frame.columns, frame.iter_rows())
        ),
    }


def _excel(frame: Any) -> Writer | Missing:
    """Take polars' own writer, which needs xlsxwriter, or else what pandas and pyarrow take."""
    if not isinstance(own := needs(_calling(frame.write_excel), "xlsxwriter"), Missing):
        return own
    plain = Writer(
        lambda stream, options: rows.write_excel(stream, frame.columns, frame.iter_rows())
    )
    return needs(plain, "openpyxl", "xlsxwriter")


def _lazy_writers(frame: Any) -> dict[str, Writer | Missing]:
    """Sinks compute while they write; the formats without one collect first."""

    def collected(extension: str) -> Writer:
        def write(stream: BinaryIO, options: Options) -> None:
            writer = _writers(frame.collect())[extension]
            assert not isinstance(writer, Missing)  # noqa: S101 - asked for below
            writer.write(stream, options)

        return Writer(write)

    return {
        ".csv": _delimited(frame, "sink_csv"),
        ".tsv": _delimited(frame, "sink_csv", separator="\t"),
        ".json": collected(".json"),
        ".jsonl": _calling(frame.sink_ndjson, besides=_OF_THE_SUFFIX),
        ".parquet": _calling(frame.sink_parquet),
        ".feather": _calling(frame.sink_ipc),
        ".xlsx": needs(collected(".xlsx"), "openpyxl", "xlsxwriter"),
        ".html": collected(".html"),
        ".md": collected(".md"),
    }


def _records(frame: Any) -> Iterator[bytes]:
    for part in frame.iter_slices(_SLICE):
        buffer = io.BytesIO()
        part.write_json(buffer)
        yield buffer.getvalue()
