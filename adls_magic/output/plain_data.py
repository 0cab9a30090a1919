"""Python's own data as JSON, JSON lines and csv: dicts, lists, dataclasses, numbers, iterators.

JSON is strict: NaN and infinities, which JSON does not have, become null, as pandas and polars
do it; the option `allow_nan=True` writes them as Python does, `allow_nan=False` refuses them.
Dates become ISO 8601, missing ones null, paths and decimals text, sets and arrays lists.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import itertools
import json
import math
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set, Sized
from functools import partial
from typing import Any, BinaryIO, cast

from adls_magic.core.text import count
from adls_magic.output import rows, times
from adls_magic.output.forms import (
    SAMPLE,
    Forms,
    Missing,
    Options,
    Writer,
    only,
    text_over,
)
from adls_magic.output.looking import Looked

_LISTS: tuple[type, ...] = (list, tuple, set, frozenset, range, collections.deque)
_ON_A_LINE = ("skipkeys", "ensure_ascii", "check_circular", "allow_nan", "sort_keys", "separators")
LINES_OPTIONS = only(*_ON_A_LINE)
JSON_OPTIONS = only(*_ON_A_LINE, "indent")

_LONG = 1000  # items of an item of a sample
_UNPAIRED = "backslashreplace"  # of a surrogate, as in names of files, it makes JSON's own escape
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


def forms(value: object) -> Forms | None:
    """Return what Python's own data can be, None when the value is something else."""
    name = type(value).__name__
    if isinstance(value, Mapping):
        what = f"{name}, {count(len(value), 'key')}"
        first = dict(itertools.islice(value.items(), SAMPLE))
        return Forms(what, _json_writers(value, [value]), sample=_sample(first, first.values()))
    if isinstance(value, _LISTS + _VIEWS):
        items = list(cast(Iterable[object], value))
        writers = _json_writers(items, items)
        writers.update(_row_writers(items))
        sample = _sample(items[:SAMPLE], items[:SAMPLE])
        return Forms(f"{name}, {count(len(items), 'item')}", writers, sample=sample)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return Forms(name, _json_writers(value, [value]))
    if isinstance(value, bool | int | float):
        return Forms(name, _json_writers(value, [value]), sample=lambda: value)
    return None


def _sample(value: object, items: Iterable[object]) -> Callable[[], object] | None:
    """Return what gives a value for trial, None when that would take its time."""
    long = any(isinstance(item, Sized) and len(item) > _LONG for item in items)
    return None if long else lambda: value


def forms_of_items(items: Looked) -> Forms:
    """Return what an iterator can be whose first item has been seen."""
    first, everything = items.seen[0], itertools.chain(items.seen, items)
    writers: dict[str, Writer | Missing] = {
        ".json": Writer(partial(_written, write_json_array, everything), JSON_OPTIONS),
        ".jsonl": Writer(partial(_written, write_json_lines, everything), LINES_OPTIONS),
    }
    if _is_row(first):
        columns = _columns_of(first)
        writers |= _csv_writers(columns, (_cells_of(item, columns) for item in everything))
    return Forms("rows of an iterator", writers, source=items, sample=_sample([first], [first]))


def _written(
    write: Callable[[BinaryIO, Any, Options], None], value: Any, stream: BinaryIO, options: Options
) -> None:
    write(stream, value, options)


def write_json(stream: BinaryIO, value: object, options: Options) -> None:
    """Write one value as one JSON text."""
    with text_over(stream, errors=_UNPAIRED) as text:
        for part in _json_parts(value, options):
            text.write(part)
        text.write("\n")


def write_json_array(stream: BinaryIO, items: Iterable[object], options: Options) -> None:
    """Write the items as one JSON array, an item a line."""
    encode = _encoder(options).encode
    with text_over(stream, errors=_UNPAIRED) as text:
        text.write("[")
        for number, item in enumerate(items):
            text.write((",\n" if number else "\n") + encode(item))
        text.write("\n]\n")


def write_json_lines(stream: BinaryIO, items: Iterable[object], options: Options) -> None:
    """Write one JSON text a line."""
    encoder = _encoder(options)
    with text_over(stream, errors=_UNPAIRED) as text:
        for item in items:
            text.write(encoder.encode(item) + "\n")


def _json_writers(value: object, lines: Iterable[object]) -> dict[str, Writer | Missing]:
    return {
        ".json": Writer(partial(_written, write_json, value), JSON_OPTIONS),
        ".jsonl": Writer(partial(_written, write_json_lines, lines), LINES_OPTIONS),
    }


def _json_parts(value: object, options: Options) -> Iterator[str]:
    """The JSON of a value in pieces, as `json.dumps` would write it.

    Each item of the outermost list or dict is encoded at once, which the fast encoder does; in
    pieces the standard library only has a slow one.
    """
    encoder = _encoder(options)
    if not value or options.keys() - {"allow_nan", "ensure_ascii", "separators"}:
        yield from encoder.iterencode(value if "allow_nan" in options else _finite(value))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield (encoder.item_separator if number else "[") + encoder.encode(item)
        yield "]"
    elif isinstance(value, dict):
        for number, (name, item) in enumerate(value.items()):
            inner = encoder.encode({name: item})[1:-1]
            yield (encoder.item_separator if number else "{") + inner
        yield "}"
    else:
        yield encoder.encode(value)


def _encoder(options: Options) -> json.JSONEncoder:
    chosen: dict[str, Any] = {"ensure_ascii": False, "allow_nan": False, **options}
    make = json.JSONEncoder if chosen["allow_nan"] else _Strict
    if make is _Strict and "allow_nan" not in options:
        make = _Nulls
    return make(default=simpler, **chosen)


class _Strict(json.JSONEncoder):
    """Refuses what JSON has no number for."""

    def encode(self, o: object) -> str:
        try:
            return super().encode(o)
        except ValueError as error:
            if not str(error).startswith(_NO_NUMBER):
                raise
            return self.encode_unusual(o)

    def encode_unusual(self, value: object) -> str:
        raise ValueError(
            "NaN and infinities are no numbers of JSON; without --opt allow_nan=False they are "
            "written as null"
        )


class _Nulls(_Strict):
    """Writes null for what JSON has no number for."""

    def encode_unusual(self, value: object) -> str:
        return json.JSONEncoder.encode(self, _finite(value))


_NO_NUMBER = "Out of range float values"  # how the json module's refusal begins


def _finite(value: Any) -> object:
    """Return a copy with None for NaN and infinities."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return _finite(simpler(value))


def simpler(value: Any) -> object:
    """Turn what JSON does not know into what it knows, without losing anything.

    Raises:
        TypeError: it has no form in JSON.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if type(value).__name__ in ("NaTType", "NAType"):
        return None  # of pandas; NaT counts as a datetime
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, os.PathLike | decimal.Decimal | uuid.UUID | datetime.timedelta):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (Set, range, collections.deque, *_VIEWS)):
        return list(cast(Iterable[object], value))
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        return times.listed(value)
    if callable(method := getattr(value, "tolist", None)):
        return method()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _row_writers(items: list[object]) -> dict[str, Writer | Missing]:
    """Writers for a list whose items are rows: all dicts or dataclasses, or all sequences."""
    if not items or not all(_is_row(item) for item in items):
        return {}
    named = [_columns_of(item) for item in items]
    if all(each is not None for each in named):
        columns: Columns = list(dict.fromkeys(column for each in named for column in each or ()))
    elif any(each is not None for each in named):
        return {}
    else:
        columns = None
    widths = {len(item) for item in items if isinstance(item, list | tuple)}
    width = widths.pop() if len(widths) == 1 and columns is None else 0
    return _csv_writers(columns, (_cells_of(item, columns) for item in items), width)


Columns = list[object] | None


def _is_row(item: object) -> bool:
    if dataclasses.is_dataclass(item):
        return not isinstance(item, type)
    return isinstance(item, Mapping | list | tuple)


def _columns_of(item: Any) -> Columns:
    """Names of the row's cells, None for a row that is a plain sequence."""
    if isinstance(item, Mapping):
        return list(item)
    if dataclasses.is_dataclass(item):
        return [each.name for each in dataclasses.fields(item)]
    return list(item._fields) if hasattr(item, "_fields") else None


def _cells_of(item: Any, columns: Columns) -> Sequence[object]:
    if columns is None:
        if not isinstance(item, list | tuple):
            raise TypeError(f"a row is a {type(item).__name__}, the first one was a sequence")
        return item
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        item = {each.name: getattr(item, each.name) for each in dataclasses.fields(item)}
    elif hasattr(item, "_asdict"):
        item = item._asdict()
    if not isinstance(item, Mapping):
        raise TypeError(f"a row is a {type(item).__name__}, the first one had named cells")
    if unknown := [name for name in item if name not in columns]:
        raise ValueError(
            f"a row has the column {unknown[0]!r}, which the first one lacks; give the first row "
            f"every column, or write a list of the rows, which may differ"
        )
    return [item.get(name, "") for name in columns]


def _csv_writers(
    columns: Columns, lines: Iterator[Sequence[object]], width: int = 0
) -> dict[str, Writer | Missing]:
    def delimited(separator: str) -> Writer:
        def write(stream: BinaryIO, options: Options) -> None:
            rows.write_csv(stream, columns, lines, separator=separator, options=options)

        def header(stream: BinaryIO, options: Options) -> None:
            rows.write_csv(stream, columns, (), separator=separator, options=options)

        return Writer(write, rows.CSV_OPTIONS, header, width)

    return {".csv": delimited(","), ".tsv": delimited("	")}
