"""The stream that stands for `sys.stdout`, without a kernel around it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import pytest

from adls_magic.capture.stream import CellStdout
from adls_magic.capture.target import Target
from adls_magic.core.errors import CellError

MIB = 1024 * 1024


class Interrupted(io.BytesIO):
    """A file in whose first write a Stop arrives."""

    def write(self, data: object, /) -> int:
        raise KeyboardInterrupt


@contextlib.contextmanager
def capturing(file: io.BytesIO, *, tee: bool) -> Iterator[tuple[CellStdout, io.StringIO]]:
    """Capture into a file, with a notebook that remembers what it shows."""
    notebook = io.StringIO()
    target = Target(lambda kind: contextlib.nullcontext(file), None, "")
    with contextlib.redirect_stdout(notebook):
        stdout = CellStdout(target, shown=None if tee else 0)
        stdout.start()
        try:
            yield stdout, notebook
        finally:
            stdout.finish()
    if stdout.failure is None:
        target.commit()


def test_tee_shows_each_print_at_once() -> None:
    with capturing(file := io.BytesIO(), tee=True) as (_, notebook):
        for number in range(3):
            print(number)
            assert notebook.getvalue().endswith(f"{number}\n")
    assert file.getvalue() == b"0\n1\n2\n"


def test_what_is_not_teed_is_not_shown() -> None:
    with capturing(file := io.BytesIO(), tee=False) as (stdout, notebook):
        print("a")
        stdout.buffer.write(b"b\n")
        print("é" * MIB)
    assert notebook.getvalue() == ""
    assert file.getvalue() == b"a\nb\n" + "é".encode() * MIB + b"\n"


def test_text_that_a_stop_may_have_torn_is_not_written() -> None:
    """The cell may catch the Stop and print on; nobody knows what of the text was taken."""
    with capturing(Interrupted(), tee=False) as (stdout, _):
        with pytest.raises(KeyboardInterrupt):
            print("x" * 2 * MIB)
        assert isinstance(stdout.failure, CellError)
        with pytest.raises(CellError):
            print("on")


def test_what_programs_ask_of_a_standard_stream() -> None:
    with capturing(file := io.BytesIO(), tee=False) as (stdout, _):
        stdout.reconfigure(encoding="UTF_8", errors="strict", newline="\n", line_buffering=True)
        stdout.reconfigure(write_through=True)
        found = (stdout.name, stdout.mode, stdout.encoding, stdout.newlines)
        assert found == ("<stdout>", "w", "utf-8", None)
        assert (stdout.line_buffering, stdout.write_through) == (False, False)
        for wrong in ({"encoding": "latin-1"}, {"newline": "\r\n"}):
            with pytest.raises(io.UnsupportedOperation, match="what a cell prints is written"):
                stdout.reconfigure(**wrong)
        print("\udc80")
    assert file.getvalue() == b"\\udc80\n"
