"""The notebooks: executed from top to bottom, and stored with the outputs that they really have."""

from __future__ import annotations

import getpass
import re
import runpy
import socket
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nbclient", reason="nbclient is not installed (extra notebook)")
import nbformat

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
RUN = runpy.run_path(str(NOTEBOOKS / "run.py"))
# What differs from run to run: ports, sizes of compressed files, times, rates.
VARYING = re.compile(r"\d[\d,.:-]*( [KMG]?i?B)?|\(\d[^)]*/s\)")


def text_of(outputs: list[Any]) -> list[str]:
    """Return the outputs as text, without what varies; of rich ones only what kinds there are."""
    texts = []
    for output in outputs:
        if output.output_type == "stream":
            texts.append(output.text)
        elif output.output_type == "error":
            texts.append(output.evalue)
        else:
            texts.append(" ".join(sorted(output.data)))
    # One print may arrive as several streams, and rates are left out of very short uploads.
    joined = re.sub(r" +", " ", VARYING.sub("#", "".join(texts)).replace(" (#)", ""))
    return joined.splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs_and_shows_what_is_stored(name: str, tmp_path: Path) -> None:
    executed = nbformat.read(RUN["execute"](NOTEBOOKS / name, tmp_path / "run"), as_version=4)
    stored = nbformat.read(NOTEBOOKS / name, as_version=4)
    for now, then in zip(executed.cells, stored.cells, strict=True):
        if now.cell_type == "code":
            assert then.execution_count is not None, "stored without outputs: run.py --store"
            assert text_of(then.outputs) == text_of(now.outputs)


@pytest.mark.parametrize("name", NAMES)
def test_stored_notebook_tells_nothing_of_the_machine(name: str) -> None:
    text = (NOTEBOOKS / name).read_text(encoding="utf-8")
    words = {str(Path.home()), str(NOTEBOOKS.parent), socket.gethostname(), "/tmp", "ipykernel_"}
    assert not [word for word in words if len(word) > 3 and word in text]
    assert f"/{getpass.getuser()}/" not in text
    assert set(nbformat.reads(text, as_version=4).metadata) == {"kernelspec", "language_info"}


def test_a_failing_notebook_ends_with_status_1_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [
        "%load_ext adls_magic",
        "%adls_upload nothing.csv sensors/",
        "print('not reached')",
    ]
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook = tmp_path / "failing.ipynb"
    nbformat.write(content, notebook)
    monkeypatch.setattr("sys.argv", ["run.py", str(notebook), "--to", str(tmp_path / "to")])
    assert RUN["main"]() == 1
    kept = tmp_path / "to" / "failing" / "failing.ipynb"
    assert str(kept) in capsys.readouterr().err
    executed = nbformat.read(kept, as_version=4)
    assert executed.cells[1].outputs[0].output_type == "error"
    assert not executed.cells[2].outputs
