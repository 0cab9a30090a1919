"""`%adls_upload` in a real JupyterLab: a bar while it runs, a line that stays."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from .conftest import Open
from .lab import Lab

MIB = 2**20
# The large file has no blocks on the disk; it only has to take longer than the bar's delay.
PREPARE = f"""
%load_ext adls_magic
import os, pathlib
pathlib.Path("small.bin").write_bytes(os.urandom(64 * {MIB}))
with open("large.bin", "wb") as file:
    file.truncate(384 * {MIB})
%adls_config --local uploaded --filesystem raw
"""


def test_bar_and_final_line(lab: Lab, open_notebook: Open, artifacts: Path) -> None:
    notebook = open_notebook(
        [PREPARE, "%adls_upload small.bin data/", "%adls_upload large.bin data/"]
    )
    notebook.run(0)
    notebook.run(1)
    text = "".join(output.get("text", "") for output in notebook.outputs(1))
    assert re.fullmatch(r"Wrote 64\.0 MiB to http://\S+/raw/data/small\.bin in .*\n", text)
    committed = notebook.path.parent / "uploaded" / "raw" / "data" / "small.bin"
    assert committed.stat().st_size == 64 * MIB

    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("Wrote 384 MiB to")
    notebook.screenshot(artifacts / "upload.png", 2)
    shown = {
        match[1] for _, frame in lab.frames for match in re.finditer(rb"large\.bin: +(\d+)%", frame)
    }
    assert b"100" in shown
    assert len(shown) > 1, "the bar did not move"
