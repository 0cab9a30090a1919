"""Try the installed wheel outside of the checkout: in IPython and in the terminal.

Run it by the Python of a clean virtual environment that has the wheel and nothing else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell

import adls_magic


def in_ipython() -> None:
    """Load the extension and upload a file into a local lake."""
    Path("greeting.txt").write_text("hello\n", encoding="utf-8")
    shell = InteractiveShell.instance()
    for cell in (
        "%load_ext adls_magic",
        "%adls_config --local",
        "%adls_upload greeting.txt notes/",
        "%%adls_write notes/answer.txt\nprint(6 * 7)",
        "%adls_ls -r",
    ):
        shell.run_cell(cell).raise_error()
    written = Path("adls-lake", "lake", "notes")
    assert (written / "greeting.txt").read_text(encoding="utf-8") == "hello\n"
    assert (written / "answer.txt").read_text(encoding="utf-8") == "42\n"


def in_terminal() -> None:
    """Ask the console script for help, and how it refuses a missing account."""
    script = str(Path(sys.executable).with_name("adls-magic"))
    for command in ([], ["upload"], ["write"], ["ls"], ["lake"], ["config"]):
        subprocess.run([script, *command, "--help"], check=True)
    assert subprocess.run([script, "upload", "--no-such-option"], check=False).returncode == 2


def files_of(package: Path) -> set[Path]:
    """Return what a package consists of, as paths from its folder."""
    files = (path for path in package.rglob("*") if path.is_file())
    return {path.relative_to(package) for path in files if path.suffix != ".pyc"}


def main() -> None:
    """Try everything; an exception is a failure."""
    home = Path(adls_magic.__file__)
    assert home.is_relative_to(sys.prefix), f"{home} is not the installed package"
    checkout = Path(__file__).resolve().parents[1] / "adls_magic"
    assert files_of(home.parent) == files_of(checkout)
    in_ipython()
    in_terminal()


if __name__ == "__main__":
    main()
