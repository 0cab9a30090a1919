"""Runs a cell and writes what it puts out.

What is written, by the kind of file that the name asks for (`--format` counts as the name):

- text (.txt .log .md .py .rst and no extension): the last value if it fits; otherwise what is
  printed, followed by the last value as the notebook shows it;
- binary (.parquet .xlsx .png .svg .pdf …): the last value if it fits; otherwise what was
  displayed last, if that fits; otherwise an error;
- everything else (.csv .json .html …): the last value, which is an error if it does not fit; what
  is printed if there is no value.

A value fits as a value when the extension has a form for it (see `adls_magic.output`): bytes, str
and streams in every text file, a DataFrame in .csv. A cell that ends in `;` has no value. With
nothing printed and no value, the last displayed object is written, if it fits.

`--from result` is the first column or an error. `--from stdout` is the printed text, whatever
the value, and `--from stdout+stderr` that and what goes to standard error, in their order. Text
that is not written stays in the notebook.

Printed text is sent while the cell runs, with one mebibyte held back; the bytes are those that
were printed, in UTF-8. When the last statement may turn out to be the value that is written,
text beyond that mebibyte is sent on the chance that it will not be, and discarded if it is.
Nothing is ever visible in the lake before the cell has ended well.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from adls_magic import output
from adls_magic.capture.cell import refuse_await
from adls_magic.capture.target import OpenTarget
from adls_magic.capture.writing import Writing
from adls_magic.core.errors import OptionError

__all__ = ["OpenTarget", "Source", "write_cell"]

Source = Literal["auto", "result", "stdout", "stdout+stderr", "source"]


def write_cell(
    shell: Any,
    cell: str,
    *,
    target_name: str,
    source: Source = "auto",
    format: str | None = None,  # noqa: A002 - the option's name
    tee: bool = False,
    allow_empty: bool = False,
    append: bool = False,
    options: Mapping[str, object] = MappingProxyType({}),
    open_target: OpenTarget,
) -> str:
    """Run a cell and write what it puts out.

    Args:
        shell: the InteractiveShell.
        cell: the body of the cell.
        target_name: path or name of the target; its extension decides the form.
        source: which of the cell's outputs, see the module.
        format: an extension that counts instead of the name's.
        tee: also show in the notebook what is written.
        allow_empty: write an empty file when the cell puts nothing out.
        append: the target adds to a file: a csv's header is left out where there is one already.
        options: for what writes the value.
        open_target: called with the content type (None if unknown) when the first bytes are to
            be sent, or never. Gives a context manager around a binary stream, which makes the
            file visible on a clean exit only. It may be called from, and the stream written to
            by, a thread of the capture, but never by two at once.

    Returns:
        What was written in a few words, such as `DataFrame, 3 rows, csv`.

    Raises:
        CellError: the cell failed or was stopped (its traceback has been shown), put nothing
            out, or awaits at its top level.
        OutputError: the value does not fit the form.
        OptionError: there is no value for `options`, or its form does not know one of them.
        AdlsError: whatever the target raises.
    """
    extension = output.extension_of(target_name) if format is None else format
    output.check_compression(extension)
    if options and source not in ("auto", "result"):
        raise OptionError(f"--opt is for values; there is none with --from {source}")
    writing = Writing(
        shell=shell,
        cell=cell,
        name=target_name,
        extension=extension,
        tee=tee,
        options=options,
        open_target=open_target,
        appends=append,
    )
    lacks = "put nothing out (no printed text, no value)"
    if source == "source":
        description = writing.write_source()
    else:
        refuse_await(shell, cell)
        if source in ("stdout", "stdout+stderr"):
            description = writing.write_printed(stderr=source != "stdout")
        elif source == "result":
            lacks = "ended in no value (printed text does not count with --from result)"
            description = writing.write_value(or_displayed=False)
        elif not output.takes_printed_text(extension):
            lacks = f"ended in no value and displayed none that fits {extension} (no text does)"
            description = writing.write_value(or_displayed=True)
        else:
            description = writing.write_either()
    return description or writing.write_nothing(lacks, allow_empty=allow_empty)
