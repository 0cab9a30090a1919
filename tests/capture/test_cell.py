"""A cell under the magic behaves like a cell, through a real kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from patience import AT_ONCE

from .conftest import Kernel


def test_variables_underscore_and_out(kernel: Kernel) -> None:
    kernel.write("a.json", "x = 5\n[1, 2, 3]")
    assert kernel.value("(x, _)") == (5, [1, 2, 3])
    assert kernel.value("[1, 2, 3] in list(Out.values())") is True


def test_a_failing_cell_shows_its_traceback_once(kernel: Kernel) -> None:
    ran = kernel.write("a.txt", "print('before')\ndef f(): 1 / 0\nf()")
    assert ran.status == "error"
    assert [name for name, _, _ in ran.errors] == ["ZeroDivisionError", "CellError"]
    assert ran.errors[0][2] > 2
    assert ran.errors[1][1:] == (
        "the cell raised ZeroDivisionError, so nothing was written to a.txt", 1,
    )  # fmt: skip
    assert ran.streams["stdout"] == "before\n"  # of a long run one wants to see that
    assert ran.order == ["stream", "error", "error"]
    assert kernel.value("OPENED") == []


def test_a_cell_that_fails_late_leaves_nothing(kernel: Kernel) -> None:
    ran = kernel.write("a.txt", "for i in range(3): print('x' * 999_999)\n1 / 0")
    assert kernel.value("OPENED") == ["a.txt"]
    assert kernel.file("a.txt") is None
    assert ran.streams["stdout"] == ""


@pytest.mark.parametrize(
    ("body", "error"),
    [("def f(:", "SyntaxError"), ("import sys; sys.exit(3)", "SystemExit")],
)
def test_other_ways_to_fail(kernel: Kernel, body: str, error: str) -> None:
    ran = kernel.write("a.txt", body)
    assert ran.status == "error"
    assert ran.errors[0][0].startswith(error)
    assert ran.errors[-1][0] == "CellError"
    assert len(ran.errors) == 2
    assert kernel.file("a.txt") is None


@pytest.mark.parametrize(
    "body",
    [
        "started = True\nimport asyncio\nawait asyncio.sleep(0)",
        "%%time\nstarted = True\nawait thing",
        "started = True\n%time await thing",
        "%%capture\n%%time\nstarted = True\nawait thing",
    ],
)
def test_await_is_explained_before_anything_runs(kernel: Kernel, body: str) -> None:
    ran = kernel.write("a.txt", body)
    assert [name for name, _, _ in ran.errors] == ["CellError"]
    assert "await" in ran.errors[0][1]
    assert kernel.value("'started' in globals()") is False


@pytest.mark.parametrize(
    "body",
    [
        "import time\nprint('x')\nbegun()\nwhile True: time.sleep(0.01)",
        "begun()\nwhile True: print('x')",
        "print('x')\n!touch MARK; exec sleep 60\nprint('went on')",
        "import subprocess\nsubprocess.run('touch MARK; exec yes', shell=True)",
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="shell commands of a unix")
def test_stop(kernel: Kernel, body: str, tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    body = body.replace("MARK", str(mark)).replace("begun()", f"open({str(mark)!r}, 'w').close()")
    ran = kernel.run(f"%%write a.txt\n{body}", stop_once=mark.exists)
    assert ran.seconds < AT_ONCE
    assert [name for name, _, _ in ran.errors] == ["KeyboardInterrupt", "CellError"]
    assert ran.errors[1][1] == "the cell was stopped, so nothing was written to a.txt"
    assert kernel.file("a.txt") is None
    assert "went on" not in ran.streams["stdout"]


@pytest.mark.parametrize(
    "body",
    [
        "print('x' * 3_000_000)\nprint('went on', file=sys.stderr)",
        "import threading\nt = threading.Thread(target=print, args=['x' * 3_000_000])\n"
        "t.start(); t.join()",
        "try: print('x' * 3_000_000)\nexcept Exception: pass",
        "import subprocess\nx = subprocess.run('yes | head -c 3000000', shell=True)",
        "print('small')",
        "'x' * 3_000_000",
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="shell commands of a unix")
def test_a_refusal_of_the_lake_is_told_once(kernel: Kernel, body: str) -> None:
    ran = kernel.write("a.txt", body, "breaks_after=3")
    assert ran.errors == [("PermissionDeniedError", "no right to write here", 1)]
    assert "went on" not in ran.streams["stderr"]
    assert kernel.file("a.txt") is None


def test_stdout_that_the_cell_replaces_is_left_to_it(kernel: Kernel) -> None:
    body = (
        "import contextlib, io\nbuffer = io.StringIO()\n"
        "with contextlib.redirect_stdout(buffer): print('elsewhere')\nprint('here')"
    )
    kernel.write("a.txt", body)
    assert kernel.file("a.txt") == b"here\n"
    kernel.write("b.txt", "%%capture seen\nprint('captured')", "allow_empty=True")
    assert (kernel.file("b.txt"), kernel.value("seen.stdout")) == (b"", "captured\n")


def test_the_stream_is_a_text_stream(kernel: Kernel) -> None:
    kernel.write(
        "a.txt",
        "o = sys.stdout\nfacts = (o.encoding, o.isatty(), o.writable(), o.readable(), o.closed)\n"
        "o.flush(); o.close(); o.writelines(['a', 'b']); print(o.write('cd'), '\\udc80')\n"
        "try: o.write(b'bytes')\nexcept TypeError as e: print(e)",
    )
    assert kernel.value("facts") == ("utf-8", False, True, False, False)
    expected = b"abcd2 \\udc80\nwrite() argument must be str, not bytes\n"
    assert kernel.file("a.txt") == expected
