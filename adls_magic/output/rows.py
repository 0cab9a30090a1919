"""Rows as text: csv, html and markdown tables, for whatever has columns and rows.

Streams: a row is written when it comes and then forgotten.
"""

from __future__ import annotations

import csv
import html
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from adls_magic.output.forms import Options, no_options, text_over

Columns = Sequence[object]
Rows = Iterable[Sequence[object]]


def takes_header(options: Options, extension: str) -> bool:
    """Return the option `header`, the only one of a plain csv; True when it is not given."""
    no_options({name: each for name, each in options.items() if name != "header"}, extension)
    return bool(options.get("header", True))


def write_csv(
    stream: BinaryIO, columns: Columns | None, rows: Rows, *, separator: str = ","
) -> None:
    """Write a csv with a header (unless `columns` is None), UTF-8, lines ended by LF."""
    with text_over(stream) as text:
        writer = csv.writer(text, delimiter=separator, lineterminator="\n")
        if columns is not None:
            writer.writerow(columns)
        writer.writerows(rows)


def write_markdown(stream: BinaryIO, columns: Columns, rows: Rows) -> None:
    """Write a table in GitHub's markdown; `|` and line ends inside a cell are escaped."""
    with text_over(stream) as text:
        text.write(_markdown_row(columns))
        text.write(f"|{' --- |' * len(columns)}\n")
        for row in rows:
            text.write(_markdown_row(row))


def write_html(stream: BinaryIO, columns: Columns, rows: Rows) -> None:
    """Write an HTML table with all rows and all text, escaped."""
    with text_over(stream) as text:
        text.write('<table border="1" class="dataframe">\n<thead>\n')
        text.write(_html_row(columns, "th"))
        text.write("</thead>\n<tbody>\n")
        for row in rows:
            text.write(_html_row(row, "td"))
        text.write("</tbody>\n</table>\n")


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
