"""The header of a csv, and whether it is that of a table whose rows are to be added to it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from adls_magic.core.errors import OutputError
from adls_magic.output.forms import Options

MOST = 64 * 1024  # bytes of a file's beginning, in which its header ends or is not looked at
_SEPARATORS = ("sep", "delimiter", "separator")  # as the libraries call it
_QUOTES = ("quotechar", "quote_char")
_MOST_NAMES = 5
_LONGEST_NAME = 40  # characters


def columns_of(data: bytes, separator: str, options: Options, *, is_whole: bool) -> list[str]:
    """Return the names in the first record of a csv; none where that cannot be told.

    Args:
        data: the csv, or its beginning.
        separator: between cells, where the options say nothing.
        options: the user's, for what writes the csv.
        is_whole: the data are the whole csv, so that its last line needs no end.
    """
    encoding = str(options.get("encoding", "utf-8"))
    text = data.decode(encoding, "replace").removeprefix("\ufeff")
    lines = _Lines(text)
    try:
        reader = csv.reader(
            lines,
            delimiter=_chosen(options, _SEPARATORS, separator),
            quotechar=_chosen(options, _QUOTES, '"'),
            strict=True,
        )
        names = next(reader, [])
    except (csv.Error, TypeError):  # no csv, or options of another kind
        return []
    is_complete = is_whole or lines.latest.endswith(("\n", "\r"))
    return [name.strip() for name in names] if is_complete else []


def compare(there: Sequence[str], ours: Sequence[str], what: str) -> None:
    """Compare the columns of a csv with those of a table; none of either are not compared.

    Args:
        there: names in the csv.
        ours: names in the table.
        what: the table, for the message.

    Raises:
        OutputError: they differ.
    """
    if not there or not ours or there == ours:
        return
    lacking = [name for name in there if name not in ours]
    besides = [name for name in ours if name not in there]
    differences = [
        f"{verb} {_listed(names)}"
        for verb, names in (("lacks", lacking), ("has", besides))
        if names
    ]
    difference = " and ".join(differences) or f"has them as {_listed(ours)}, not {_listed(there)}"
    raise OutputError(
        f"the {what} has other columns than the csv that is there: it {difference}. Nothing was "
        "appended; with --opt header=False its rows are, without a comparison"
    )


def _chosen(options: Options, names: Sequence[str], otherwise: str) -> str:
    found = (str(options[name]) for name in names if name in options)
    return next(found, otherwise)


def _listed(names: Sequence[str]) -> str:
    shown = [
        repr(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…")
        for name in names[:_MOST_NAMES]
    ]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


class _Lines(Iterator[str]):
    """The lines of a text with their ends; the latest is known."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.latest = ""

    def __next__(self) -> str:
        self.latest = next(self._lines)
        return self.latest
