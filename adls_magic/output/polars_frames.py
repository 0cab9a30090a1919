"""polars DataFrames, Series and LazyFrames, by the methods that they have; no import of polars.

A LazyFrame is computed while it is written (its `sink_*` methods), where the format allows.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from adls_magic.output import rows
from adls_magic.output.forms import Forms, Missing, Options, Writer, needs, no_options

_SLICE = 50_000  # rows turned into JSON at a time


def forms(value: Any, polars: Any) -> Forms | None:
    """Return what a polars value can be, None when it is not a frame or Series."""
    if isinstance(value, polars.LazyFrame):
        return Forms("LazyFrame", _lazy_writers(value))
    if isinstance(value, polars.Series):
        named = value if value.name else value.alias("value")
        return Forms(f"Series, {_count(value.len())}", _writers(named.to_frame()))
    if isinstance(value, polars.DataFrame):
        return Forms(f"DataFrame, {_count(value.height)}", _writers(value))
    return None


def _count(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"


def _calling(method: Callable[..., object], **defaults: object) -> Writer:
    return lambda stream, options: _called(method, stream, {**defaults, **options})


def _delimited(method: Callable[..., object], **defaults: object) -> Writer:
    """Take the option `header` as every family does; polars has a name of its own for it."""

    def write(stream: BinaryIO, options: Options) -> None:
        chosen = {**defaults, **options}
        if "header" in chosen:
            chosen["include_header"] = chosen.pop("header")
        _called(method, stream, chosen)

    return write


def _called(method: Callable[..., object], stream: BinaryIO, options: dict[str, object]) -> None:
    method(stream, **options)


def _writers(frame: Any) -> dict[str, Writer | Missing]:
    return {
        ".csv": _delimited(frame.write_csv),
        ".tsv": _delimited(frame.write_csv, separator="\t"),
        ".json": lambda stream, options: _write_json(stream, frame, options),
        ".jsonl": _calling(frame.write_ndjson),
        ".parquet": _calling(frame.write_parquet),
        ".feather": _calling(frame.write_ipc),
        ".xlsx": needs(_calling(frame.write_excel), "xlsxwriter"),
        ".html": lambda stream, options: _write_table(stream, frame, options, ".html"),
        ".md": lambda stream, options: _write_table(stream, frame, options, ".md"),
    }


def _lazy_writers(frame: Any) -> dict[str, Writer | Missing]:
    """Sinks compute while they write; the formats without one collect first."""

    def collected(extension: str) -> Writer:
        def write(stream: BinaryIO, options: Options) -> None:
            writer = _writers(frame.collect())[extension]
            assert not isinstance(writer, Missing)  # noqa: S101 - asked for below
            writer(stream, options)

        return write

    excel = needs(collected(".xlsx"), "xlsxwriter")
    return {
        ".csv": _delimited(frame.sink_csv),
        ".tsv": _delimited(frame.sink_csv, separator="\t"),
        ".json": collected(".json"),
        ".jsonl": _calling(frame.sink_ndjson),
        ".parquet": _calling(frame.sink_parquet),
        ".feather": _calling(frame.sink_ipc),
        ".xlsx": excel,
        ".html": collected(".html"),
        ".md": collected(".md"),
    }


def _write_json(stream: BinaryIO, frame: Any, options: Options) -> None:
    no_options(options, ".json")
    rows.join_arrays(stream, _records(frame))


def _records(frame: Any) -> Iterator[bytes]:
    for part in frame.iter_slices(_SLICE):
        buffer = io.BytesIO()
        part.write_json(buffer)
        yield buffer.getvalue()


def _write_table(stream: BinaryIO, frame: Any, options: Options, extension: str) -> None:
    no_options(options, extension)
    writer = rows.write_html if extension == ".html" else rows.write_markdown
    writer(stream, frame.columns, frame.iter_rows())
