"""Rows as text: csv, html and markdown tables, for whatever has columns and rows.

Streams: a row is written when it comes and then forgotten.
"""

from __future__ import annotations

import contextlib
import csv
import html
import importlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Any, BinaryIO

from adls_magic.core.errors import OptionError
from adls_magic.output.forms import Options, encoding_of, only, text_over, without

Columns = Sequence[object]
Rows = Iterable[Sequence[object]]


# What a csv of rows can be told: the names of Python's csv module, and two of ours.
CSV_OPTIONS = only(
    *("delimiter", "quotechar", "quoting", "doublequote", "escapechar", "lineterminator"),
    *("header", "encoding"),
)


def whole_arrays() -> AbstractContextManager[object]:
    """Let numpy's arrays become text with all of their items and digits while it is entered."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return nullcontext()
    options: AbstractContextManager[object] = numpy.printoptions(
        threshold=sys.maxsize, floatmode="unique"
    )
    return options


def write_csv(
    stream: BinaryIO,
    columns: Columns | None,
    rows: Rows,
    *,
    separator: str = ",",
    options: Options = MappingProxyType({}),
) -> None:
    """Write a csv with a header (unless `columns` is None), lines ended by LF.

    Args:
        stream: takes the bytes.
        columns: names of the columns, None when there are none.
        rows: the cells of each row.
        separator: between cells.
        options: some of `CSV_OPTIONS`.

    Raises:
        OptionError: the option `header` is a list that does not fit the columns.
    """
    chosen: dict[str, Any] = {"delimiter": separator, "lineterminator": "\n"}
    chosen |= without(options, "header", "encoding")
    with whole_arrays(), text_over(stream, encoding=encoding_of(options)) as text:
        writer = csv.writer(text, **chosen)
        if (names := header_of(columns, options.get("header", True))) is not None:
            writer.writerow(names)
        writer.writerows(rows)


def header_of(columns: Columns | None, header: object) -> Columns | None:
    """Return the names that the header of a csv consists of, None for no header.

    Args:
        columns: names of the columns, None when there are none.
        header: whether there is to be one, or a list of other names for the columns.

    Raises:
        OptionError: these are more or fewer names than there are columns.
    """
    if not isinstance(header, list | tuple):
        return columns if header else None
    if columns is not None and len(header) != len(columns):
        raise OptionError(f"header has {len(header)} names for {len(columns)} columns")
    return header


def write_markdown(stream: BinaryIO, columns: Columns, rows: Rows) -> None:
    """Write a table in GitHub's markdown; `|` and line ends inside a cell are escaped."""
    with whole_arrays(), text_over(stream) as text:
        text.write(_markdown_row(columns))
        text.write(f"|{' --- |' * len(columns)}\n")
        for row in rows:
            text.write(_markdown_row(row))


def write_html(stream: BinaryIO, columns: Columns, rows: Rows) -> None:
    """Write an HTML table with all rows and all text, escaped."""
    with whole_arrays(), text_over(stream) as text:
        text.write('<table border="1" class="dataframe">\n<thead>\n')
        text.write(_html_row(columns, "th"))
        text.write("</thead>\n<tbody>\n")
        for row in rows:
            text.write(_html_row(row, "td"))
        text.write("</tbody>\n</table>\n")


def write_excel(stream: BinaryIO, columns: Columns, rows: Rows) -> None:
    """Write a workbook with one sheet, by openpyxl."""
    book = importlib.import_module("openpyxl").Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    with contextlib.ExitStack() as failing:
        failing.callback(sheet.close)  # or it complains when it is dropped, in some later cell
        sheet.append(list(columns))
        for row in rows:
            # As pandas does with what a cell of a sheet cannot hold.
            sheet.append([str(cell) if isinstance(cell, list | dict) else cell for cell in row])
        failing.pop_all()
    book.save(stream)


def _markdown_row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(_markdown_cell(str(cell)) for cell in cells)} |\n"


def _markdown_cell(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("|", "\\|")
    return escaped.replace("\r\n", "<br>").replace("\n", "<br>").replace("\r", "<br>")


def _html_row(cells: Sequence[object], tag: str) -> str:
    inner = "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells)
    return f"<tr>{inner}</tr>\n"


def join_arrays(stream: BinaryIO, parts: Iterator[bytes]) -> None:
    """Write JSON arrays, one after the other, as the one array of all their items."""
    stream.write(b"[")
    first = True
    for part in parts:
        items = part.strip()[1:-1]
        if items.strip():
            stream.write(items if first else b"," + items)
            first = False
    stream.write(b"]\n")
