"""A table that is added to a file: one header, one mark, and only the same columns."""

from __future__ import annotations

import bz2
import codecs
import dataclasses
import gzip
import io
import lzma
import secrets
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from adls_magic import output
from adls_magic.core.ends import TAIL, Ends, continued
from adls_magic.core.errors import OptionError, OutputError
from adls_magic.output import headers

from .streams import written
from .test_tables import TABLES, table


def added(there: bytes, value: Any, extension: str = ".csv", **options: Any) -> bytes:
    """Return what a file holds after a value has been added to it."""
    encoding = output.plan(value, extension, options=options)
    if there:
        encoding = encoding.following(lambda most: Ends(there[:most], there[-TAIL:], len(there)))
    stream = io.BytesIO()
    encoding.write(stream)
    return there + stream.getvalue()


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("extension", [".csv", ".tsv", ".jsonl", ".csv.gz"])
def test_added_to_a_file(kind: str, extension: str) -> None:
    data = added(b"", table(kind), extension)
    data = added(data, table(kind), extension)
    packed = extension.endswith(".gz")
    if not packed:
        data = added(data[:-1], table(kind), extension)
    data = gzip.decompress(data) if packed else data
    once = written(table(kind), extension.removesuffix(".gz"))
    rows = once if extension == ".jsonl" else once[once.index(b"\n") + 1 :]
    assert data == once + rows + (b"" if packed else rows)


@dataclasses.dataclass
class Row:
    a: int
    b: str


def streamed(*rows: Any) -> Iterator[Any]:
    yield from rows


# Each a function, since an iterator can be written once only.
FAMILIES = {
    "pandas": lambda names: pd.DataFrame([[1] * len(names)], columns=names),
    "indexed": lambda names: pd.DataFrame([[1] * len(names)], columns=names).set_index(names[0]),
    "polars": lambda names: pl.DataFrame([[1]] * len(names), names),
    "lazy": lambda names: pl.DataFrame([[1]] * len(names), names).lazy(),
    "arrow": lambda names: pa.table([[1]] * len(names), names),
    "reader": lambda names: pa.table([[1]] * len(names), names).to_reader(),
    "pieces": lambda names: streamed(pd.DataFrame([[1] * len(names)], columns=names)),
    "dicts": lambda names: [dict.fromkeys(names, 1)],
    "streamed dicts": lambda names: streamed(dict.fromkeys(names, 1)),
    "numpy": lambda names: np.array([(1,) * len(names)], [(name, int) for name in names]),
}
QUOTED = ["a", "b, or c", 'say "d"', "two\nlines", "ü"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("extension", [".csv", ".tsv", ".csv.gz"])
def test_the_columns_are_compared(family: str, extension: str) -> None:
    value = FAMILIES[family]
    there = added(b"", value(QUOTED), extension)
    assert len(added(there, value(QUOTED), extension)) > len(there)
    for other, said in (
        ([*QUOTED, "e"], "it has 'e'\\. Nothing was appended"),
        (QUOTED[:-1], "it lacks 'ü'\\. Nothing"),
        (["a", "B", *QUOTED[2:]], "it lacks 'b, or c' and has 'B'\\. Nothing"),
        ([*reversed(QUOTED)], "it has them as 'ü', .* not 'a', .*--opt header=False"),
    ):
        with pytest.raises(OutputError, match=said):
            added(there, value(other), extension)
        assert added(there, value(other), extension, header=False).startswith(there)


@pytest.mark.parametrize("start", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("header", [b'"a","b"', b"a, b", b"a,b"])
def test_the_same_columns_by_another_program(header: bytes, end: bytes, start: bytes) -> None:
    there = start + header + end + b"1,2" + end
    assert added(there, [{"a": 1, "b": 1}]) == there + b"1,1\n"
    with pytest.raises(OutputError, match="lacks 'b' and has 'c'"):
        added(there, [{"a": 1, "c": 1}])


def test_the_many_names_of_a_wide_table_are_cut() -> None:
    there = added(b"", [{f"column {number}": 1 for number in range(900)}])
    with pytest.raises(OutputError) as raised:
        added(there, [{"x" * 900: 1}])
    assert len(str(raised.value)) < 500
    assert "'column 0', 'column 1', 'column 2', 'column 3', 'column 4' and 895 more" in str(
        raised.value
    )


@pytest.mark.parametrize(
    ("options", "there"),
    [
        ({"sep": ";"}, b"a;b\n1;2\n"),
        ({"index": True}, b",a,b\n0,1,2\n"),
        ({"index": True, "index_label": "i"}, b"i,a,b\n0,1,2\n"),
        ({"columns": ["b"]}, b"b\n1\n"),
        ({"header": ["A", "B"]}, b"A,B\n1,2\n"),
        ({"quotechar": "'", "quoting": 1}, b"'a','b'\n'1','2'\n"),
        ({"encoding": "utf-16-le"}, "a,b\n1,2\n".encode("utf-16-le")),
        ({"lineterminator": "\r\n"}, b"a,b\r\n1,2\r\n"),
    ],
)
def test_the_users_options_are_those_of_the_header(options: Any, there: bytes) -> None:
    frame = pd.DataFrame({"a": [1], "b": [2]})
    assert written(frame, ".csv", **options)[: len(there) // 3] == there[: len(there) // 3]
    assert added(there, frame, **options)[len(there) :]
    encoding = options.get("encoding", "utf-8")
    first = there.decode(encoding)
    there = first.replace(*("B", "z") if "B" in first else ("b", "z")).encode(encoding)
    with pytest.raises(OutputError, match="other columns"):
        added(there, frame, **options)


@pytest.mark.parametrize(
    "there",
    [
        b"\n",
        b"\xef\xbb\xbf",
        b'"a',  # the record does not end
        b'"a"x,b\n',
    ],
)
def test_where_it_cannot_be_told_it_goes_on(there: bytes) -> None:
    assert added(there, [{"a": 1}]).startswith(there)


def test_a_csv_in_another_encoding_is_another() -> None:
    with pytest.raises(OutputError, match="other columns"):
        added("ä\n1\n".encode("latin-1"), [{"ä": 1}])


def test_a_header_without_a_line_end() -> None:
    assert added(b"a,b", [{"a": 1, "b": 2}]) == b"a,b\n1,2\n"
    with pytest.raises(OutputError, match="lacks 'b'"):
        added(b"a,b", [{"a": 1}])


def test_rows_without_names_are_not_compared() -> None:
    assert added(b"a,b\n", [[1, 2]]) == b"a,b\n1,2\n"
    assert added(b"a,b\n", np.array([[1, 2]])) == b"a,b\n1,2\n"


def test_several_rows_of_names() -> None:
    frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("b", "y")]))
    there = written(frame, ".csv")
    assert added(there, frame) == there + b"1,2\n"


def test_an_option_that_is_wrong_is_told_of_as_ever() -> None:
    frame = pd.DataFrame({"a": [1]})
    with pytest.raises(OutputError, match="writing DataFrame, 1 row, csv failed"):
        added(b"a\n", frame, sep="ab")
    with pytest.raises(OptionError, match="there is no encoding 'nonsense'"):
        added(b"a\n", frame, encoding="nonsense")


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_the_header_of_a_compressed_csv(compress: Any) -> None:
    suffix = {gzip.compress: ".gz", bz2.compress: ".bz2", lzma.compress: ".xz"}[compress]
    there = compress(b"a,b\n1,2\n" * 1000)
    assert added(there, [{"a": 1, "b": 2}], f".csv{suffix}").startswith(there)
    with pytest.raises(OutputError, match="lacks 'b'"):
        added(there, [{"a": 1}], f".csv{suffix}")
    broken = there[:9]
    assert added(broken, [{"a": 1}], f".csv{suffix}").startswith(broken)


NO_HEADER = {"csv": {"header": False}}


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
@pytest.mark.parametrize("extension", ["csv", "jsonl"])
def test_nothing_compressed_follows_plain_text(extension: str, suffix: str) -> None:
    for there in (b"a,b\n1,2\n", b"x"):
        with pytest.raises(OutputError, match=rf"^the file .* not compressed as \.{suffix} is.*$"):
            added(there, [{"a": 1}], f".{extension}.{suffix}", **NO_HEADER.get(extension, {}))


@pytest.mark.parametrize("extension", [".csv", ".csv.gz", ".tsv.bz2"])
def test_a_long_header_is_read_to_its_end(extension: str) -> None:
    names = [f"a column with a long name, {secrets.token_hex(16)}" for number in range(6_000)]
    there = added(b"", [dict.fromkeys(names, 1)], extension)
    assert len(there) > headers.MOST
    with pytest.raises(OutputError, match=r"it lacks 'a column .* and 5,995 more and has 'b'"):
        added(there, pd.DataFrame({"b": [1]}), extension)
    same = pd.DataFrame([[1] * len(names)], columns=names)
    assert added(there, same, extension).startswith(there)


def test_a_header_that_is_too_long_is_not_compared() -> None:
    there = b"a," * (headers.LONGEST // 2) + b"b\n"
    for value in ([{"a": 1}], [[1]]):
        with pytest.raises(OutputError, match=r"cannot be compared .* longer than 4 MiB\. Nothing"):
            added(there, value)
    assert added(there, [{"a": 1}], header=False) == there + b"1\n"


@pytest.mark.parametrize("rows", [np.zeros((2, 3), int), [[0, 0, 0], (0, 0, 0)]])
def test_the_columns_of_rows_without_names_are_counted(rows: Any) -> None:
    with pytest.raises(OutputError, match=r"has 3 columns and the csv that is there 2\. Nothing"):
        added(b"a,b\n1,2\n", rows)
    assert added(b"a,b,c\n", rows) == b"a,b,c\n0,0,0\n0,0,0\n"
    assert added(b"a,b\n", rows, header=False) == b"a,b\n0,0,0\n0,0,0\n"
    with pytest.raises(OutputError, match="has 1 column and"):
        added(b"a,b\n", np.zeros(2))


def test_the_header_of_a_csv_in_zstd() -> None:
    there = written([{"a": 1, "b": 2}], ".csv.zst")
    assert added(there, [{"a": 1, "b": 2}], ".csv.zst").startswith(there)
    with pytest.raises(OutputError, match="lacks 'b'"):
        added(there, [{"a": 1}], ".csv.zst")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("family", ["pandas", "dicts", "numpy"])
def test_a_mark_stands_at_the_start_only(family: str, suffix: str, encoding: str) -> None:
    data, value = b"", FAMILIES[family]
    width = len("1".encode(continued(encoding, b"")))
    for number in range(4):
        # The last time the file does not end with a line's end.
        there = data[:-width] if number == 3 and not suffix else data
        data = added(there, value(["ä", "b"]), f".csv{suffix}", encoding=encoding)
    text = (gzip.decompress(data) if suffix else data).decode(encoding)
    assert text == "ä,b\n" + "1,1\n" * 4


def test_a_mark_of_polars() -> None:
    frame = pl.DataFrame({"a": [1]})
    there = added(b"", frame, include_bom=True)
    assert added(there, frame, include_bom=True) == codecs.BOM_UTF8 + b"a\n1\n1\n"


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("name", ["utf-16", "utf-32"])
def test_what_was_begun_with_turned_bytes_goes_on_so(name: str, order: str) -> None:
    head = "\ufeffx\n".encode(f"{name}-{order}")
    assert continued(name, head) == f"{name}-{order}"
    there = "\ufeffa\n1\n".encode(f"{name}-{order}")
    assert added(there, [{"a": 2}], encoding=name).decode(name) == "a\n1\n2\n"


@pytest.mark.parametrize("name", ["utf-16", "utf-32", "UTF_16"])
@pytest.mark.parametrize("family", ["pandas", "dicts", "numpy", "pieces"])
def test_a_file_begins_with_the_mark_of_its_encoding(family: str, name: str) -> None:
    data = written(FAMILIES[family](["ä", "b"]), ".csv", encoding=name)
    assert data == "ä,b\n1,1\n".encode(name)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("there", [b"\n", b"\r\n\n", codecs.BOM_UTF8 + b"\n", codecs.BOM_UTF8])
def test_blank_lines_are_no_header(family: str, there: bytes) -> None:
    value = FAMILIES[family]
    assert added(there, value(["a", "b"])) == there + b"a,b\n1,1\n"


def test_what_an_empty_frame_leaves_is_no_header() -> None:
    frame = pd.DataFrame({"a": [1]})
    for options in ({}, {"encoding": "utf-16"}):
        there = added(b"", pd.DataFrame(), **options)
        more = added(added(there, frame, **options), frame, **options)
        assert more.decode(options.get("encoding", "utf-8")) == "\na\n1\n1\n"
    assert added(b"\n", frame, header=False) == b"\n1\n"
    packed = added(gzip.compress(b"\n"), frame, ".csv.gz")
    assert gzip.decompress(packed) == b"\na\n1\n"


@pytest.mark.parametrize("options", [{}, {"header": False}])
@pytest.mark.parametrize("name", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["le", "be"])
def test_a_mark_says_which_encoding_is_there(name: str, order: str, options: Any) -> None:
    there = "\ufeffa\n1\n".encode(f"{name}-{order}")
    said = rf"^the csv that is there begins with the mark of {name.upper()}, so nothing .*;"
    with pytest.raises(OutputError, match=rf"{said} it can be with --opt encoding={name}$"):
        added(there, [{"a": 1}], **options)
    with pytest.raises(OutputError, match=rf"{said} without --append, --overwrite replaces it$"):
        added(there, pa.table({"a": [1]}), **options)
    assert added(there, [{"a": 1}], encoding=name, **options).startswith(there)


@pytest.mark.parametrize("options", [{}, {"header": False}])
@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_nothing_plain_follows_what_is_compressed(suffix: str, options: Any) -> None:
    there = written([{"a": 1}], f".csv{suffix}")
    with pytest.raises(OutputError, match=rf"is compressed as \{suffix} is, so nothing was app"):
        added(there, [{"a": 1}], **options)
    assert added(b"BZh\n", [{"BZh": 1}]) == b"BZh\n1\n"
