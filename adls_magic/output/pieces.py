"""Frames that come in pieces, from an iterator: one table, each piece written when it comes.

The first piece says which columns there are. The forms that are text take each piece as its own
library writes it, so a column of whole numbers may go on as one of fractions; parquet and feather
also take the types of the first piece, as far as that changes no value.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from adls_magic.core.errors import OutputError
from adls_magic.output import arrow_tables, fitting, pandas_frames
from adls_magic.output.forms import SAMPLE, Forms, Missing, Writer, name_of
from adls_magic.output.looking import Looked


def forms(items: Looked) -> Forms | None:
    """Return what an iterator of frames can be whose first piece has been seen."""
    first: Any = items.seen[0]
    if not (_is_frame(first, "pandas") or _is_frame(first, "polars") or _is_arrow(first)):
        return None
    pieces = itertools.chain(items.seen, items)
    head = _head_of(first)  # so that the whole lives no longer than until the next one comes
    writers: dict[str, Writer | Missing]
    if importlib.util.find_spec("pyarrow") is None:
        formats = (".csv", ".tsv", ".jsonl", ".json", ".html", ".md", ".parquet", ".feather")
        writers = dict.fromkeys(formats, Missing(("pyarrow",)))
    else:
        writers = _arrow_writers(first, pieces)
    if _is_frame(first, "pandas"):
        writers |= pandas_frames.writers_of_pieces(head, _alike(head, pieces))
    sample = None if head is None else lambda: head
    return Forms("DataFrames", writers, source=items, sample=sample)


def _arrow_writers(first: Any, pieces: Iterable[Any]) -> dict[str, Writer | Missing]:
    pyarrow = importlib.import_module("pyarrow")
    try:
        schema = _schema_of(first)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError):
        return {}  # a column has values of several types, or two have one name
    return arrow_tables.writers_of(schema, _batches(schema, pieces))


def _head_of(first: Any) -> Any | None:
    """Return a copy of a piece's first rows, which is written like it; None without pyarrow."""
    if _is_frame(first, "pandas"):
        return first.head(SAMPLE).copy()
    if importlib.util.find_spec("pyarrow") is None:
        return None
    # A slice would keep all rows alive, and not every type can be taken row by row.
    table = _table_of(first.slice(0, SAMPLE))
    copy = io.BytesIO()
    ipc = importlib.import_module("pyarrow.ipc")
    with ipc.new_stream(copy, table.schema) as writer:
        writer.write_table(table)
    return ipc.open_stream(copy.getvalue()).read_all()


def _schema_of(first: Any) -> Any:
    """Return the names and types that a piece has in Arrow, without making a table of it."""
    if _is_frame(first, "pandas"):
        schema = importlib.import_module("pyarrow").Schema
        return schema.from_pandas(_flat(first), preserve_index=False)
    return first.schema if _is_arrow(first) else _table_of(first.clear()).schema


def _is_frame(value: object, package: str) -> bool:
    module = sys.modules.get(package)
    return module is not None and isinstance(value, module.DataFrame)


def _is_arrow(value: object) -> bool:
    module = sys.modules.get("pyarrow")
    return module is not None and isinstance(value, module.Table | module.RecordBatch)


def _alike(first: Any, pieces: Iterable[Any]) -> Iterator[Any]:
    """Give pandas pieces with the columns of the first one, in its order."""
    columns = list(first.columns)
    for number, piece in enumerate(pieces, 1):
        if not _is_frame(piece, "pandas"):
            raise OutputError(
                f"piece {number} is {_kind_of(piece)}, the first one {_kind_of(first)}; make all "
                f"of them the same"
            )
        _compare(number, _names(first), _names(piece))
        yield piece if list(piece.columns) == columns else piece[columns]


def _kind_of(piece: Any) -> str:
    kind = type(piece)
    package = kind.__module__.partition(".")[0]
    return name_of(piece) if package == "builtins" else f"{name_of(piece)} of {package}"


def _names(frame: Any) -> list[object]:
    """Names of what a pandas DataFrame becomes, those of its index among them."""
    index = frame.index.names if pandas_frames.has_labels(frame) else ()
    return [*("index" if name is None else name for name in index), *frame.columns]


def _compare(number: int, wanted: Sequence[object], found: Sequence[object]) -> None:
    """Raise OutputError when a piece has other columns than the first; their order is free."""
    more = [name for name in found if name not in wanted]
    lacking = [name for name in wanted if name not in found]
    if more:
        problem = f"has the column {more[0]!r}, which the first one lacks"
    elif lacking:
        problem = f"lacks the column {lacking[0]!r} of the first one"
    elif len(found) != len(wanted) or (found != wanted and len({*wanted}) < len(wanted)):
        problem = "has columns of the same name in another order or number than the first one"
    else:
        return
    raise OutputError(
        f"piece {number} {problem}; give every piece the same columns, as "
        ".reindex(columns=[...]) of pandas does"
    )


def _batches(schema: Any, pieces: Iterable[Any]) -> Iterator[Any]:
    for number, piece in enumerate(pieces, 1):
        yield from _cast(number, piece, schema).to_batches()


def _table_of(piece: Any) -> Any:
    pyarrow = importlib.import_module("pyarrow")
    if _is_frame(piece, "pandas"):
        return pyarrow.Table.from_pandas(_flat(piece), preserve_index=False)
    if isinstance(piece, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([piece])
    return piece if isinstance(piece, pyarrow.Table) else piece.to_arrow()


def _flat(frame: Any) -> Any:
    flat = pandas_frames.flat(frame, pandas_frames.has_labels(frame))
    return flat.set_axis([str(name) for name in flat.columns], axis=1)  # all that Arrow knows


def _cast(number: int, piece: Any, schema: Any) -> Any:
    """Return the piece as a table of the first one's columns and types.

    Raises:
        OutputError: names the column in which it differs.
    """
    pyarrow = importlib.import_module("pyarrow")
    is_pandas = _is_frame(piece, "pandas")
    one_type = "give it one type in every piece"
    cure = f"{one_type} (astype), or write csv or jsonl" if is_pandas else f"{one_type} (cast)"
    frame = _flat(piece) if is_pandas else _table_of(piece)
    names = [str(name) for name in (frame.columns if is_pandas else frame.schema.names)]
    _compare(number, schema.names, names)
    columns: list[Any] = []
    for field in schema:
        place = names.index(field.name) if names.count(field.name) == 1 else len(columns)
        try:
            column = _column(frame, place, field.type) if is_pandas else frame.column(place)
            columns.append(fitting.fitted(column, field))
        except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as reason:
            raise OutputError(
                f"column {field.name!r} of piece {number} cannot be {field.type}, which it is "
                f"in the first one ({_line(reason)}); {cure}"
            ) from None
    return pyarrow.Table.from_arrays(columns, schema=schema)


def _column(flat: Any, place: int, wanted: Any) -> Any:
    """Return a column of a pandas DataFrame with the Arrow type that it has by itself.

    Whole numbers of which some are missing are fractions in pandas; they may be `wanted` as
    what they are.
    """
    pyarrow = importlib.import_module("pyarrow")
    array = pyarrow.array(flat.iloc[:, place], from_pandas=True)
    types = pyarrow.types
    if array.null_count and types.is_floating(array.type) and types.is_integer(wanted):
        array = array.cast(wanted)
    return array if isinstance(array, pyarrow.ChunkedArray) else pyarrow.chunked_array([array])


def _line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
