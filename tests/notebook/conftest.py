"""A real InteractiveShell, a real kernel, and a real local lake for the magics."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from kernels import reached_by_files
from nbclient import NotebookClient
from shells import fresh_shell
from traitlets.config import Config

from adls_magic.core.account import session
from adls_magic.lake import LocalLake, stop_all

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, and nothing configured."""
    for name in list(os.environ):
        if name.upper().startswith(("AZURE_", "ADLS_", "STORAGE_")):
            monkeypatch.delenv(name)
    work = tmp_path / "work"
    for folder in (work, tmp_path / "home", tmp_path / "ipython"):
        folder.mkdir()
    monkeypatch.setenv("ADLS_MAGIC_CONFIG", str(tmp_path / "config.ini"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path / "azure"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(work)
    yield work
    session.forget()
    stop_all()


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[LocalLake]:
    """A running lake that the session uses."""
    with LocalLake(tmp_path / "lake") as running:
        session.configure(running.account)
        yield running


@pytest.fixture
def stored(lake: LocalLake) -> Callable[[], dict[str, bytes]]:
    """Returns the files of the lake by path, hidden ones too."""

    def files() -> dict[str, bytes]:
        top = lake.root / "lake"
        return {
            path.relative_to(top).as_posix(): path.read_bytes()
            for path in sorted(top.rglob("*"))
            if path.is_file()
        }

    return files


@dataclass(frozen=True)
class Ran:
    """What a cell has done."""

    out: str
    err: str
    error: BaseException | None

    @property
    def line(self) -> str:
        """The only line of output."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self
        return lines[0]


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """IPython with the extension loaded."""
    config = Config()
    config.InteractiveShell.colors = "nocolor"
    with fresh_shell(config) as made:
        made.run_line_magic("load_ext", "adls_magic")
        yield made


@pytest.fixture
def run(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> Callable[[str], Ran]:
    """Runs a cell in the shell."""

    def run(code: str) -> Ran:
        capsys.readouterr()
        result = shell.run_cell(code)
        out, err = capsys.readouterr()
        return Ran(out, err, result.error_in_exec or result.error_before_exec)

    return run


@pytest.fixture
def execute(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., nbformat.NotebookNode]:
    """Executes cells in a kernel, as nbconvert and papermill do, and returns the notebook."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")

    def execute(*cells: str, allow_errors: bool = True) -> nbformat.NotebookNode:
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=60,
            allow_errors=allow_errors,
            resources={"metadata": {"path": str(place)}},
            config=reached_by_files(),
        )
        client.execute()
        return notebook

    return execute
