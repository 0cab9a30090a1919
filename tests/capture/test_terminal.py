"""The same in IPython in a terminal, where sys.stdout is descriptor 1 itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import PATH, PRELUDE

SCRIPT = r"""
write = get_ipython().run_cell_magic
def show(name): sys.stderr.write(f"{name}={FILES.get(name)}\n")
write("write", "a.txt", "print('py')\n!echo command\ndisplay(5)\nprint('end')"); show("a.txt")
write("write", "b.txt tee=True", "print('teed')\n!echo command\n6 * 7"); show("b.txt")
write("write", "c.txt source='stdout'", "print('only')\n99"); show("c.txt")
write("write", "d.txt", "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')"); show("d.txt")
write("write", "e.txt", "'value'"); show("e.txt")
try: write("write", "f.txt", "print('before')\n1 / 0")
except Exception as error: sys.stderr.write(f"{error}\n")
show("f.txt")
write("write", "g.txt", "print('before')\nprint('got', input('who? '))"); show("g.txt")
print("normal")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="shell commands of a unix")
def test_terminal(tmp_path: Path) -> None:
    script = tmp_path / "script.ipy"
    script.write_text(PRELUDE + SCRIPT)
    environment = {**os.environ, "PYTHONPATH": PATH, "IPYTHONDIR": str(tmp_path)}
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", str(script)]
    done = subprocess.run(command, env=environment, input="bob\n", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        r"a.txt=b'py\ncommand\nend\n'",
        r"b.txt=b'teed\ncommand\n42\n'",
        r"c.txt=b'only\n'",
        r"d.txt=b'awaited\n'",
        r"e.txt=b'value'",
        "the cell raised ZeroDivisionError, so nothing was written to f.txt",
        "f.txt=None",
        r"g.txt=b'before\ngot bob\n'",
    ]
    shown = done.stdout
    for text in (
        "5\n",
        "teed\ncommand\n",
        "42\n",
        "99\n",
        "who? ",
        "ZeroDivisionError: division by zero",
    ):
        assert shown.count(text) >= 1, text
    assert "awaited" not in shown
    assert shown.count("Traceback") == 1
    assert shown.endswith("normal\n")
