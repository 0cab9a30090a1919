"""The public names are exactly those of the design, and cost nothing until they are used."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import adls_magic

ROOT = Path(__file__).parents[1]
NAMES = ["AdlsError", "connect", "ls", "open", "upload"]


def test_all_is_exactly_the_interface() -> None:
    assert adls_magic.__all__ == NAMES
    assert set(NAMES) <= set(dir(adls_magic))


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_and_documented(name: str) -> None:
    assert inspect.getdoc(getattr(adls_magic, name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        adls_magic.nothing  # noqa: B018


def test_star_import_brings_these_names_and_no_others() -> None:
    namespace: dict[str, object] = {}
    exec("from adls_magic import *", namespace)
    assert sorted(set(namespace) - {"__builtins__"}) == NAMES


def loaded(code: str) -> set[str]:
    """Run code in a new interpreter and return the top-level modules that it has loaded."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"IPython", "requests", "urllib3", "tqdm", "ipywidgets", "anywidget", "traitlets"}
    assert not loaded("import adls_magic") & heavy


def test_the_python_interface_needs_neither_ipython_nor_widgets() -> None:
    code = (
        "import adls_magic\nadls_magic.upload, adls_magic.open, adls_magic.ls, adls_magic.connect"
    )
    assert not loaded(code) & {"IPython", "ipywidgets", "traitlets", "tqdm", "pandas"}


def test_errors_are_also_the_built_in_ones() -> None:
    from adls_magic.core import errors

    assert issubclass(errors.PathExistsError, (adls_magic.AdlsError, FileExistsError))
    with pytest.raises(FileNotFoundError):
        adls_magic.upload("nothing-of-that-name.csv", "x.csv")
