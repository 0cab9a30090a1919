"""pandas DataFrames and Series, by the methods that they have; pandas is never imported here.

The index: parquet keeps it as pandas does. In the other formats the row numbers that pandas
gives by itself are left out, and every other index is written as columns before the others:
a DataFrame's index without a name that consists of whole numbers (also after sorting and
filtering), and a Series' index 0 … n-1, are such row numbers. The option `index` decides
otherwise.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import MappingProxyType
from typing import Any, BinaryIO

from adls_magic.core.text import count
from adls_magic.output import pandas_json, rows
from adls_magic.output.forms import (
    SAMPLE,
    Forms,
    Missing,
    Names,
    Options,
    Parameters,
    Writer,
    encoding_of,
    needs,
    only,
    parameters,
    text_over,
    without,
)


def forms(value: Any, pandas: Any) -> Forms | None:
    """Return what a pandas value can be, None when it is neither a DataFrame nor a Series."""
    if not isinstance(value, pandas.DataFrame | pandas.Series):
        return None
    labelled = has_labels(value)
    frame = value
    if isinstance(value, pandas.Series):
        frame = value.to_frame("value" if value.name is None else value.name)
    what = f"{type(value).__name__}, {count(len(value), 'row')}"
    return Forms(what, _writers(frame, labelled), sample=lambda: value.head(SAMPLE))


def has_labels(value: Any) -> bool:
    """Return whether a frame's or Series' index says more than row numbers do."""
    index = value.index
    if index.nlevels > 1 or index.name is not None:
        return True
    if value.ndim == 1:
        # The labels of a Series are its keys, so only 0 … n-1 says nothing.
        return not (type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1)
    return bool(index.dtype.kind not in "iu")


# About the file and not what is in it: DEST and its suffix decide.
_OF_THE_FILE = ("mode", "compression", "storage_options", "filesystem", "partition_cols")
_OF_LINES = ("orient", "lines", "indent")  # would not be JSON lines any more


def _writers(frame: Any, labelled: bool) -> dict[str, Writer | Missing]:
    def parquet(stream: BinaryIO, options: Options) -> None:
        frame.to_parquet(stream, **options)

    def feather(stream: BinaryIO, options: Options) -> None:
        flat(frame, labelled, options).to_feather(stream, **without(options, "index"))

    def excel(stream: BinaryIO, options: Options) -> None:
        frame.to_excel(stream, **{"index": labelled, **options})

    on_lines = _row_writers(frame, (frame,), labelled)

    def write_json(stream: BinaryIO, options: Options) -> None:
        if "orient" in options or options.get("lines"):
            pandas_json.write_whole(stream, frame, options)
        else:
            on_lines[".json"].write(stream, options)

    return {
        **on_lines,
        ".json": Writer(
            write_json,
            parameters(frame.to_json, besides=_OF_THE_FILE),
        ),
        ".parquet": needs(
            Writer(parquet, _parquet_options(frame.to_parquet)), "pyarrow", "fastparquet"
        ),
        ".feather": needs(Writer(feather, _feather_options), "pyarrow"),
        ".xlsx": needs(
            Writer(excel, parameters(frame.to_excel, besides=_OF_THE_FILE)),
            *("openpyxl", "xlsxwriter"),
        ),
    }


def writers_of_pieces(first: Any, pieces: Iterable[Any]) -> dict[str, Writer]:
    """Return the forms that DataFrames can be one after the other, whatever their types.

    Args:
        first: DataFrame, whose index decides whether indexes are written.
        pieces: all of them, with the same columns; read once, while they are written.
    """
    return _row_writers(first, pieces, has_labels(first))


def _row_writers(first: Any, frames: Iterable[Any], labelled: bool) -> dict[str, Writer]:
    def flats(options: Options) -> Iterator[Any]:
        return (flat(frame, labelled, options) for frame in frames)

    def table(write_table: Callable[[BinaryIO, rows.Columns, rows.Rows], None]) -> Writer:
        def write(stream: BinaryIO, options: Options) -> None:
            columns = list(flat(first.iloc[:0], labelled, options).columns)
            cells = (part.itertuples(index=False, name=None) for part in flats(options))
            write_table(stream, columns, itertools.chain.from_iterable(cells))

        return Writer(write, only("index"))

    on_a_line = parameters(first.to_json, besides=(*_OF_THE_FILE, *_OF_LINES))
    return {
        ".csv": _delimited(first, frames, labelled, ","),
        ".tsv": _delimited(first, frames, labelled, "\t"),
        ".json": Writer(
            lambda stream, options: pandas_json.write_array(stream, flats(options), options),
            on_a_line,
        ),
        ".jsonl": Writer(
            lambda stream, options: pandas_json.write_lines(stream, flats(options), options),
            on_a_line,
        ),
        ".html": table(rows.write_html),
        ".md": table(rows.write_markdown),
    }


def _delimited(first: Any, frames: Iterable[Any], labelled: bool, separator: str) -> Writer:
    def write(parts: Iterable[Any], stream: BinaryIO, options: Options) -> None:
        chosen = {"index": labelled, "sep": separator, "lineterminator": "\n", **options}
        with rows.whole_arrays(), text_over(stream, encoding=encoding_of(options)) as text:
            for part in parts:
                part.to_csv(text, **without(chosen, "encoding"))
                chosen["header"] = False

    return Writer(
        partial(write, frames),
        parameters(first.to_csv, besides=(*_OF_THE_FILE, "errors")),
        header=lambda stream, options: write([first.iloc[:0]], stream, options),
    )


def _parquet_options(to_parquet: Callable[..., object]) -> Names:
    """Return what `to_parquet` takes: its own, and what it passes on to the engine."""

    def names() -> Parameters:
        own = parameters(to_parquet, besides=_OF_THE_FILE, also=("compression",))()
        return {**engine_options("parquet", "write_table"), **own}

    return names


def _feather_options() -> Parameters:
    return {"index": None, **engine_options("feather", "write_feather")}


def engine_options(module: str, function: str) -> Parameters:
    """Return the options of one of pyarrow's writers, where pyarrow is installed."""
    if importlib.util.find_spec("pyarrow") is None:
        return {}
    writer = getattr(importlib.import_module(f"pyarrow.{module}"), function)
    return parameters(writer, besides=("where", "dest", "filesystem"))()


def flat(frame: Any, labelled: bool, options: Options = MappingProxyType({})) -> Any:
    """Return a frame with its index as columns, or without it.

    Raises:
        ValueError: a column has the name of the index.
    """
    keep = bool(options.get("index", labelled))
    columns = list(frame.columns)
    clash = [name for name in frame.index.names if name is not None and name in columns]
    if keep and clash:
        raise ValueError(
            f"the index and a column are both named {clash[0]!r}; rename one, or leave the index "
            "out with --opt index=False"
        )
    return frame.reset_index(drop=not keep)
