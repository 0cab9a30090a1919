"""pandas DataFrames as JSON: the shape is what `to_json` makes of them, the values are exact.

pandas writes at most 15 digits after the point and cuts times to the milliseconds. So numbers go
through it as text between marks that are taken off afterwards, and times as text in ISO 8601.
Where the user's options say how numbers or times look, pandas does as they say.
"""

from __future__ import annotations

import datetime
import decimal
import io
import math
import secrets
import sys
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from adls_magic.output import plain_data, rows
from adls_magic.output.forms import Options, text_over, without
from adls_magic.output.times import listed

_SLICE = 50_000  # rows turned into JSON at a time


def write_whole(stream: BinaryIO, frame: Any, options: Options) -> None:
    """Write a DataFrame as one JSON text, in the shape of the option `orient`."""
    with text_over(stream) as text:
        if options.get("orient") == "table":
            text.write(_table(frame, options))
        else:
            text.write(_text(frame, options))


def write_array(stream: BinaryIO, flats: Iterable[Any], options: Options) -> None:
    """Write the rows of DataFrames, whose index is of no matter, as one array of objects."""
    chosen = _of_records(options)
    rows.join_arrays(stream, (part for flat in flats for part in _parts(flat, chosen)))


def write_lines(stream: BinaryIO, flats: Iterable[Any], options: Options) -> None:
    """Write the rows of DataFrames, whose index is of no matter, as an object a line."""
    chosen = {**_of_records(options), "lines": True}
    for flat in flats:
        for part in _parts(flat, chosen):
            stream.write(part if part.endswith(b"\n") else part + b"\n")


def _of_records(options: Options) -> dict[str, Any]:
    return {"orient": "records", **without(options, "index")}


def _parts(flat: Any, options: Options) -> Iterator[bytes]:
    for start in range(0, len(flat), _SLICE):
        yield _text(flat.iloc[start : start + _SLICE], options).encode()


def _text(frame: Any, options: Options) -> str:
    mark = f"={secrets.token_hex(8)}="  # nothing that is in the data
    text = io.StringIO()
    chosen = {"date_format": "iso", "double_precision": 15, "force_ascii": False, **options}
    exact = _exact_labels(_exact_values(frame, mark, options), mark, options)
    exact.to_json(text, **chosen)
    return text.getvalue().replace(f'"{mark}', "").replace(f'{mark}"', "")


def _table(frame: Any, options: Options) -> str:
    """The shape that begins with a description of the columns."""
    others = without(options, "orient")
    empty = frame.iloc[:0].to_json(**{"orient": "table", **without(others, "indent", "date_unit")})
    flat = frame if options.get("index") is False else frame.reset_index()
    records = _text(flat, _of_records(others))
    return f"{empty.removesuffix('[]}')}{records}}}"


def _exact_labels(frame: Any, mark: str, options: Options) -> Any:
    """Return the frame with what `to_json` would round in its index and columns as text."""
    times = not _sets_times(options)
    numbers = "double_precision" not in options and options.get("orient") == "split"
    for axis in (0, 1):
        labels = frame.axes[axis]
        if labels.nlevels == 1 and labels.dtype.kind == "M" and times:
            frame = frame.set_axis(_times(labels.to_series()), axis=axis)
        elif labels.nlevels == 1 and labels.dtype.kind == "f" and numbers:
            frame = frame.set_axis(_numbers(labels, mark), axis=axis)
        elif labels.dtype == object:
            cells = labels.tolist()
            exact = [_label(one, mark, numbers, times) for one in cells]
            if exact != cells:
                frame = frame.set_axis(sys.modules["pandas"].Index(exact, dtype=object), axis=axis)
    return frame


def _label(label: Any, mark: str, numbers: bool, times: bool) -> Any:
    """Return what stands for a label, which is a tuple where there are several levels."""
    if isinstance(label, tuple):
        return tuple(_label(one, mark, numbers, times) for one in label)
    return _cell(label, mark, numbers, times)


def _sets_times(options: Options) -> bool:
    return bool(options.keys() & {"date_format", "date_unit"})


def _exact_values(frame: Any, mark: str, options: Options) -> Any:
    """Return the frame with what `to_json` would round as text, numbers between marks."""
    numbers, times = "double_precision" not in options, not _sets_times(options)
    changed: dict[int, Any] = {}
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        kind = column.dtype.kind
        if kind == "f" and numbers:
            changed[place] = _numbers(column, mark)
        elif kind == "M" and times:
            changed[place] = _times(column)
        elif kind == "O" and type(column.dtype).__name__ != "StringDtype":
            cells = column.tolist()
            exact = [_cell(cell, mark, numbers, times) for cell in cells]
            if any(one is not other for one, other in zip(cells, exact, strict=True)):
                changed[place] = exact
    if not changed:
        return frame
    pandas = sys.modules["pandas"]
    columns = [
        pandas.Series(changed[place], index=frame.index, dtype=object)
        if place in changed
        else frame.iloc[:, place]
        for place in range(frame.shape[1])
    ]
    return pandas.concat(columns, axis=1).set_axis(frame.columns, axis=1)


def _numbers(column: Any, mark: str) -> list[str | None]:
    values = column.to_numpy(dtype="float64", na_value=math.nan).tolist()
    return [_number(one, mark) for one in values]


def _number(number: float, mark: str) -> str | None:
    return f"{mark}{number!r}{mark}" if math.isfinite(number) else None


def _times(column: Any) -> list[str | None]:
    """Times in UTC with all digits of the column's unit; where it has a zone, with a Z.

    Dates are written as pandas does it.
    """
    if column.dtype.name.startswith(("date32", "date64")):  # Arrow's, which have no zone to ask for
        days = column.to_numpy(dtype=object, na_value=None).tolist()
        return [None if day is None else f"{day.isoformat()}T00:00:00.000" for day in days]
    zone = column.dt.tz
    local = column if zone is None else column.dt.tz_convert("UTC").dt.tz_localize(None)
    values = local.to_numpy(dtype=f"datetime64[{column.dt.unit}]")
    numpy = sys.modules["numpy"]
    end = "" if zone is None else "Z"
    missing = numpy.isnat(values).tolist()
    texts = numpy.datetime_as_string(values).tolist()
    return [None if gone else text + end for text, gone in zip(texts, missing, strict=True)]


def _cell(cell: Any, mark: str, numbers: bool, times: bool) -> Any:
    """Return what stands for a value in a column of objects, which may be a list or a dict."""
    if cell is None or isinstance(cell, str | int):
        return cell
    if isinstance(cell, float):
        return _number(float(cell), mark) if numbers else cell
    if isinstance(cell, datetime.datetime) and cell == cell and times:
        naive = cell.replace(tzinfo=None) if cell.tzinfo is None else _in_utc(cell)
        return naive.isoformat() + ("" if cell.tzinfo is None else "Z")
    if isinstance(cell, dict):
        return {name: _cell(one, mark, numbers, times) for name, one in cell.items()}
    if isinstance(cell, list | tuple):
        return [_cell(one, mark, numbers, times) for one in cell]
    if type(cell).__module__ == "numpy":
        return _of_numpy(cell, mark, numbers, times)
    if isinstance(cell, _PANDAS_KNOWS) or type(cell).__module__.startswith("pandas."):
        return cell
    try:
        return _cell(plain_data.simpler(cell), mark, numbers, times)
    except TypeError:
        return cell


# What pandas itself writes as one value, in a form of its own.
_PANDAS_KNOWS = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal)


def _of_numpy(value: Any, mark: str, numbers: bool, times: bool) -> Any:
    if value.dtype.kind in "fO":
        return _cell(value.tolist(), mark, numbers, times)
    return listed(value) if times and value.dtype.kind in "mM" else value


def _in_utc(moment: datetime.datetime) -> datetime.datetime:
    return moment.astimezone(datetime.UTC).replace(tzinfo=None)
