"""numpy arrays, and what turns into one by itself: npy, npz, csv, tsv, txt, json.

numpy is taken from the modules that are loaded, never imported. Numbers are written as Python
writes them, which is the shortest text that reads back as the same number.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from adls_magic.core.errors import OutputError
from adls_magic.output import plain_data, rows, times
from adls_magic.output.forms import Forms, Missing, Options, Writer, only

_CORNER = 3  # items of a sample in each direction
_SLICE = 10_000  # rows turned into Python objects at a time


def forms(value: Any, numpy: Any) -> Forms | None:
    """Return what an array or a dict of arrays can be, None when the value is neither."""
    if _is_dict_of_arrays(value, numpy):
        writers = _json(value)
        if not any(array.dtype.hasobject for array in value.values()):
            writers[".npz"] = _npz(numpy, value)
        what = f"dict of {len(value)} arrays"
        return Forms(
            what, writers, sample=lambda: {name: _corner(each) for name, each in value.items()}
        )
    if not isinstance(value, numpy.ndarray):
        if not (hasattr(value, "__array__") and hasattr(value, "dtype") and hasattr(value, "ndim")):
            return None
        if value.ndim == 0 and getattr(value.dtype, "kind", "") not in ("m", "M"):
            return plain_data.forms(value.item()) if hasattr(value, "item") else None
    try:
        array = numpy.asanyarray(value)
    except Exception:  # noqa: BLE001 - such as a tensor on another device: no array after all
        return None
    shape = " × ".join(str(length) for length in array.shape)
    what = f"{type(value).__name__}, {shape or 'one number'}"
    return Forms(what, _writers(array, numpy), sample=lambda: _corner(array))


def _corner(array: Any) -> Any:
    return array[(slice(0, _CORNER),) * array.ndim] if array.ndim else array


def _is_dict_of_arrays(value: Any, numpy: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(name, str) for name in value)
        and all(isinstance(each, numpy.ndarray) for each in value.values())
    )


def _writers(array: Any, numpy: Any) -> dict[str, Writer | Missing]:
    writers: dict[str, Writer | Missing] = dict(_json(array))
    if not array.dtype.hasobject:
        # An array of objects could only be pickled, and a .npy with a pickle inside is refused
        # by everybody who loads it.
        writers[".npy"] = Writer(
            lambda stream, options: numpy.save(stream, _unmasked(array, numpy), allow_pickle=False)
        )
        writers[".npz"] = _npz(numpy, {"arr_0": array})
    if array.ndim in (1, 2):
        writers[".csv"] = _delimited(array, ",")
        writers[".tsv"] = _delimited(array, "\t")
        writers[".txt"] = _delimited(array, " ")
    return writers


def _npz(numpy: Any, arrays: dict[str, Any]) -> Writer:
    # numpy.savez takes the names as arguments beside its own, such as `file`.
    def write(stream: BinaryIO, options: Options) -> None:
        plain = {name: _unmasked(array, numpy) for name, array in arrays.items()}
        method = zipfile.ZIP_STORED if options.get("compress") is False else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(stream, "w", method) as packed:
            for name, array in plain.items():
                with packed.open(f"{name}.npy", "w", force_zip64=True) as member:
                    numpy.lib.format.write_array(member, array, allow_pickle=False)

    return Writer(write, only("compress"))


def _unmasked(array: Any, numpy: Any) -> Any:
    """Return the array; refuse one with masked items, of which these formats know nothing."""
    if numpy.ma.is_masked(array):
        raise OutputError(
            "a masked array would lose its mask; write array.filled(...) instead, or as npz "
            '{"data": array.data, "mask": array.mask}'
        )
    return numpy.asanyarray(array)


def _json(value: Any) -> dict[str, Writer | Missing]:
    is_one = isinstance(value, dict) or value.ndim == 0

    def lines(stream: BinaryIO, options: Options) -> None:
        items = [value] if is_one else (item for item in value)
        plain_data.write_json_lines(stream, items, options)

    def whole(stream: BinaryIO, options: Options) -> None:
        if is_one:
            plain_data.write_json(stream, value, options)
        else:
            plain_data.write_json_array(stream, (item for item in value), options)

    return {
        ".json": Writer(whole, plain_data.JSON_OPTIONS),
        ".jsonl": Writer(lines, plain_data.LINES_OPTIONS),
    }


def _delimited(array: Any, separator: str) -> Writer:
    names = list(array.dtype.names) if array.dtype.names else None

    def write(stream: BinaryIO, options: Options) -> None:
        rows.write_csv(stream, names, _cells(array), separator=separator, options=options)

    def header(stream: BinaryIO, options: Options) -> None:
        rows.write_csv(stream, names, (), separator=separator, options=options)

    width = 0 if names else array.shape[1] if array.ndim > 1 else 1
    return Writer(write, rows.CSV_OPTIONS, header, width)


def _cells(array: Any) -> Iterator[tuple[object, ...] | list[object]]:
    for start in range(0, len(array), _SLICE):
        for row in times.listed(array[start : start + _SLICE]):
            yield row if isinstance(row, list | tuple) else (row,)
