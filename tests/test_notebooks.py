"""The notebooks: executed from top to bottom, and stored with the outputs that they really have."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import nbformat
import pytest
from kernels import reached_by_files
from shown_text import text_of

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
MACHINE = re.compile(r"(?<![\w.:/])/(?:home|root|Users|tmp|var|usr|opt)/|[A-Z]:\\\\|site-packages")
RUN = runpy.run_path(str(NOTEBOOKS / "run.py"))


@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs_and_shows_what_is_stored(name: str, tmp_path: Path) -> None:
    copy = RUN["execute"](NOTEBOOKS / name, tmp_path / "run", reached_by_files())
    executed = nbformat.read(copy, as_version=4)
    stored = nbformat.read(NOTEBOOKS / name, as_version=4)
    for now, then in zip(executed.cells, stored.cells, strict=True):
        if now.cell_type == "code":
            assert then.execution_count is not None, "stored without outputs: run.py --store"
            assert text_of(then.outputs) == text_of(now.outputs)


@pytest.mark.parametrize("name", NAMES)
def test_stored_notebook_tells_nothing_of_the_machine(name: str) -> None:
    text = (NOTEBOOKS / name).read_text(encoding="utf-8")
    assert not MACHINE.findall(text)
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
