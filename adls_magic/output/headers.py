"""The header of a csv, and whether it is that of a table whose rows are to be added to it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence

from adls_magic.core.ends import marked
from adls_magic.core.errors import OutputError
from adls_magic.core.text import count
from adls_magic.output import compress
from adls_magic.output.forms import Options, encoding_of

MOST = 64 * 1024  # bytes of a file's beginning, in which its header usually ends
LONGEST = 4 * 1024 * 1024  # bytes that are looked at when it does not
_SEPARATORS = ("sep", "delimiter", "separator")  # as the libraries call it
_QUOTES = ("quotechar", "quote_char")
_MOST_NAMES = 5
_UNDONE = "Nothing was appended; with --opt header=False its rows are, without a comparison"
_LONGEST_NAME = 40  # characters


def columns_of(
    data: bytes, separator: str, options: Options, *, is_whole: bool
) -> list[str] | None:
    """Return the names in the first record of a csv, None when the record is cut off.

    There are none where it cannot be told.

    Args:
        data: the csv, or its beginning.
        separator: between cells, where the options say nothing.
        options: the user's, for what writes the csv.
        is_whole: the data are the whole csv, so that its last line needs no end.
    """
    encoding = str(options.get("encoding", "utf-8"))
    text = data.decode(encoding, "replace").removeprefix("\ufeff")
    lines = _Lines(text)
    quote = _chosen(options, _QUOTES, '"')
    try:
        reader = csv.reader(
            lines,
            delimiter=_chosen(options, _SEPARATORS, separator) or separator,
            quotechar=quote,
            quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
            strict=True,
        )
        names = next(reader, [])
    except (csv.Error, TypeError):  # no csv, or options of another kind
        return None if lines.ended and not is_whole else []
    if not is_whole and not lines.latest.endswith(("\n", "\r")):
        return None
    return [name.strip() for name in names]


def is_blank(data: bytes, options: Options) -> bool:
    """Return whether a csv consists of ends of lines only, as that of an empty DataFrame does."""
    text = data.decode(str(options.get("encoding", "utf-8")), "replace")
    return not text.removeprefix("\ufeff").strip("\r\n")


def check_start(head: bytes, options: Options, *, may_be_encoded: bool) -> None:
    """Refuse to add text to a csv that begins as one of another encoding, or as compressed data.

    Args:
        head: the beginning of the csv, of what is in it where that is compressed on purpose.
        options: the user's, for what writes the csv.
        may_be_encoded: there is an option for the encoding.

    Raises:
        OutputError: what is there is of another kind.
    """
    replaced = "without --append, --overwrite replaces it"
    if suffix := compress.found(head):
        raise OutputError(
            f"the csv that is there is compressed as {suffix} is, so nothing was appended; under "
            f"a name that ends in {suffix} it can be, and {replaced}"
        )
    there = marked(head)
    if there and not codecs.lookup(encoding_of(options)).name.startswith(there):
        cure = f"it can be with --opt encoding={there}" if may_be_encoded else replaced
        raise OutputError(
            f"the csv that is there begins with the mark of {there.upper()}, so nothing was "
            f"appended; {cure}"
        )


def compare(there: Sequence[str] | None, ours: Sequence[str], what: str, *, width: int = 0) -> None:
    """Compare the columns of a csv with those of a table; none of either are not compared.

    Args:
        there: names in the csv; None when they do not end where one has looked.
        ours: names in the table.
        what: the table, for the message.
        width: columns of a table without names; 0 when that is not known.

    Raises:
        OutputError: they differ, or cannot be known.
    """
    if there is None:
        raise OutputError(
            f"the columns of the {what} cannot be compared with those of the csv that is there: "
            f"its header is longer than {LONGEST // 1024**2} MiB. {_UNDONE}"
        )
    if there and not ours and width not in (0, len(there)):
        raise OutputError(
            f"the {what} has {count(width, 'column')} and the csv that is there "
            f"{len(there):,}. {_UNDONE}"
        )
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
        f"the {what} has other columns than the csv that is there: it {difference}. {_UNDONE}"
    )


def _chosen(options: Options, names: Sequence[str], otherwise: str) -> str | None:
    found = (options[name] for name in names if name in options)
    chosen = next(found, otherwise)
    return None if chosen is None else str(chosen)


def _listed(names: Sequence[str]) -> str:
    shown = [
        repr(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…")
        for name in names[:_MOST_NAMES]
    ]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


class _Lines(Iterator[str]):
    """The lines of a text with their ends; the latest is known, and whether there are more."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.latest = ""
        self.ended = False

    def __next__(self) -> str:
        line = self._lines.readline()
        if not line:
            self.ended = True
            raise StopIteration
        self.latest = line
        return line
