"""Execute notebooks from top to bottom against the local lake, each in a folder of its own.

python notebooks/run.py                     # all of them, in artifacts/notebooks/
python notebooks/run.py quickstart.ipynb    # one
python notebooks/run.py --store             # also keep the outputs in the notebooks themselves

The first cell that fails ends it with status 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FOLDER = Path("artifacts", "notebooks")


def execute(notebook: Path, folder: Path, config: Any = None) -> Path:
    """Execute a copy of `notebook` with `folder` as its working directory; return the copy.

    What the last run left in `folder` is removed first. No Azure account that this machine
    knows is used: the variables that name one do not reach the notebook. `config` is for the
    kernel's manager.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed; the copy shows it.
    """
    import nbclient
    import nbformat

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    content = nbformat.read(notebook, as_version=4)
    client = nbclient.NotebookClient(
        content,
        timeout=300,  # seconds for a cell
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        config=config,
    )
    copy = folder / notebook.name
    try:
        client.execute(env=_environment(folder))
    finally:
        _neutralise(content)
        nbformat.write(content, copy)
    return copy


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
    nowhere = str(folder / "no-such-file")
    paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "ADLS_MAGIC_CONFIG": nowhere,
        "AZURE_CONFIG_DIR": nowhere,
    }


def _neutralise(content: Any) -> None:
    """Leave out of the metadata what belongs to the machine that executed the notebook."""
    content.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    }


def export(notebook: Path) -> Path:
    """Write `notebook` as a web page beside it; return the page."""
    import nbconvert

    page, _ = nbconvert.HTMLExporter().from_filename(str(notebook))
    target = notebook.with_suffix(".html")
    target.write_text(page, encoding="utf-8")
    return target


def run(name: str, to: Path, *, store: bool) -> None:
    """Execute one notebook and say where things are."""
    folder = to / Path(name).stem
    copy = execute(HERE / name, folder.resolve())
    if store:
        shutil.copyfile(copy, HERE / name)
    page = folder / export(copy).name
    python = os.path.relpath(sys.executable)
    print(f"""\
{name} ran from top to bottom. Open its page in a browser:
    {page}
or work with it:
    {python} -m jupyter lab {folder / name}
The lake's files are plain files in
    {folder / "adls-lake" / "lake"}""")


def main() -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", metavar="NOTEBOOK", nargs="*", help="by default all of them")
    parser.add_argument("--to", metavar="DIR", type=Path, default=FOLDER, help=f"default: {FOLDER}")
    parser.add_argument("--store", action="store_true", help="keep the outputs in the notebooks")
    options = parser.parse_args()
    from nbclient.exceptions import CellExecutionError

    for name in options.names or sorted(path.name for path in HERE.glob("*.ipynb")):
        try:
            run(name, options.to, store=options.store)
        except CellExecutionError as error:
            copy = options.to / Path(name).stem / Path(name).name
            print(f"{name} failed; see {copy}\n{error.ename}: {error.evalue}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
