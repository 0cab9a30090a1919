"""Arrow columns turned into another type, where that changes none of their values.

pyarrow's own cast also makes truth of numbers, numbers of text and dates of times. So the kinds
of the two types are compared first; whether each value fits is left to the cast.
"""

from __future__ import annotations

import importlib
from typing import Any

_KINDS = (  # of types between which pyarrow's cast changes no value, or fails
    *("is_integer", "is_date", "is_time", "is_duration"),
    *("is_text", "is_binary", "is_decimal"),
)


class MisfitError(ValueError):
    """The types of a column and the one that it should have mean different things."""


def fitted(column: Any, field: Any) -> Any:
    """Return a column with the type of a field, its values unchanged.

    Args:
        column: a `pyarrow.ChunkedArray`.
        field: the `pyarrow.Field` that it should fit.

    Raises:
        MisfitError: it holds values of another kind, or nulls where there may be none.
        pyarrow.ArrowException: a value does not fit the type.
    """
    pyarrow = importlib.import_module("pyarrow")
    if not field.nullable and column.null_count:
        raise MisfitError("there it has nulls")
    if column.type == field.type:
        return column
    if column.null_count == len(column):
        return pyarrow.chunked_array([pyarrow.nulls(len(column), field.type)])
    if not _is_like(column.type, field.type):
        raise MisfitError(f"there it is {column.type}")
    return _converted(column, field.type, pyarrow)


def _converted(column: Any, wanted: Any, pyarrow: Any) -> Any:
    types = pyarrow.types
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not types.is_dictionary(wanted):
        return column.cast(wanted)
    encoded = column.cast(wanted.value_type).combine_chunks().dictionary_encode()
    indices = encoded.indices.cast(wanted.index_type)
    return pyarrow.chunked_array(
        [pyarrow.DictionaryArray.from_arrays(indices, encoded.dictionary, ordered=wanted.ordered)]
    )


def _is_like(found: Any, wanted: Any) -> bool:
    """Return whether a value of one type, if it fits the other, means the same there."""
    types = importlib.import_module("pyarrow.types")
    if found == wanted or types.is_null(found):
        return True
    if types.is_dictionary(found):
        return _is_like(found.value_type, wanted)
    if types.is_dictionary(wanted):
        return _is_like(found, wanted.value_type)
    if types.is_nested(found) and types.is_nested(wanted):
        return _is_built_like(found, wanted, types)
    if types.is_floating(wanted):
        narrower = types.is_floating(found) and found.bit_width <= wanted.bit_width
        return bool(narrower or types.is_integer(found))
    if types.is_timestamp(found) and types.is_timestamp(wanted):
        return bool(found.tz == wanted.tz)
    kind = _kind(found, types)
    if kind == "is_decimal" == _kind(wanted, types):
        return bool(found.scale <= wanted.scale)
    return kind != "" and kind == _kind(wanted, types)


def _kind(type_: Any, types: Any) -> str:
    """Return which of `_KINDS` a type is, "" for none."""
    if any(_is(type_, name, types) for name in ("is_string", "is_large_string", "is_string_view")):
        return "is_text"
    if any(_is(type_, name, types) for name in ("is_large_binary", "is_binary_view")):
        return "is_binary"
    return next((name for name in _KINDS if _is(type_, name, types)), "")


def _is(type_: Any, name: str, types: Any) -> bool:
    test = getattr(types, name, None)  # older versions of pyarrow have no views
    return test is not None and bool(test(type_))


def _is_built_like(found: Any, wanted: Any, types: Any) -> bool:
    """Return whether nested types have the same shape, and parts that are like each other."""
    if any(types.is_struct(each) or types.is_map(each) for each in (found, wanted)):
        if found.id != wanted.id:
            return False
        if types.is_struct(found) and [one.name for one in found] != [one.name for one in wanted]:
            return False
    elif types.is_fixed_size_list(found) or types.is_fixed_size_list(wanted):
        if found.id != wanted.id or found.list_size != wanted.list_size:
            return False
    elif types.is_union(found) or types.is_union(wanted):
        return False
    if found.num_fields != wanted.num_fields:
        return False
    pairs = [(found.field(place), wanted.field(place)) for place in range(found.num_fields)]
    return all(_is_like(one.type, other.type) for one, other in pairs)
