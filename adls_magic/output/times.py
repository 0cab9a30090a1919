"""numpy's values as Python's, times among them as text.

What numpy itself makes of times depends on their unit: a date, a datetime or, for nanoseconds, a
plain number that says nothing. Here every unit becomes text with all of its digits, and a missing
time None. numpy is taken from the modules that are loaded, never imported.
"""

from __future__ import annotations

import datetime
import sys
from typing import Any

_PYTHONS = ("W", "D", "h", "m", "s", "ms", "us")  # units of a duration that Python has as well


def listed(value: Any) -> Any:
    """Return an array as nested lists, a scalar as itself; structured values are tuples."""
    kind = value.dtype
    if kind.names and _has_times(kind):
        if value.ndim:
            return [listed(one) for one in value]
        return tuple(listed(value[name]) for name in kind.names)
    if kind.kind not in "mM":
        return value.tolist()
    numpy = sys.modules["numpy"]
    array = numpy.asanyarray(value)
    plain = numpy.ma.getdata(array)
    if kind.kind == "M":
        texts = numpy.asarray(numpy.datetime_as_string(plain), dtype=object)
    else:
        texts = _durations(plain, numpy)
    texts[numpy.isnat(plain) | numpy.ma.getmaskarray(array)] = None
    return texts.tolist()


def _has_times(kind: Any) -> bool:
    if kind.subdtype is not None:
        return _has_times(kind.subdtype[0])
    if kind.names:
        return any(_has_times(kind[name]) for name in kind.names)
    return kind.kind in "mM"


def _durations(array: Any, numpy: Any) -> Any:
    """Durations as Python writes them, `1 day, 0:00:01`, with nine digits for nanoseconds."""
    unit, step = numpy.datetime_data(array.dtype)
    if unit in _PYTHONS:
        texts = [_text(one) for one in array.astype("m8[us]").astype("int64").flat]
    elif unit == "ns":
        texts = [_long_text(one * step) for one in array.astype("int64").flat]
    else:
        texts = [str(one) for one in array.flat]
    return numpy.array(texts, dtype=object).reshape(array.shape)


def _text(microseconds: int) -> str:
    try:
        return str(datetime.timedelta(microseconds=int(microseconds)))
    except OverflowError:  # also NaT, which is not written
        return f"{microseconds} microseconds"


def _long_text(nanoseconds: int) -> str:
    microseconds, rest = divmod(int(nanoseconds), 1000)
    text = _text(microseconds)
    if not rest:
        return text
    return f"{text}{'' if '.' in text else '.000000'}{rest:03d}"
