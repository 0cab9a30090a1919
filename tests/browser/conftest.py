"""One JupyterLab and one Chromium for all browser tests; each test opens a notebook of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import adls_magic

from .lab import Lab, chromium
from .notebook import Notebook

_CHECKOUT = Path(__file__).parents[2]
_UNDER_TEST = Path(adls_magic.__file__).parents[1]  # the checkout or where it is installed

Open = Callable[[Sequence[str]], Notebook]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A running JupyterLab; without a Chromium skipped, or failed when one is required."""
    if chromium() is None:
        missing = "no Chromium found in the PATH or by $CHROMIUM"
        if os.environ.get("ADLS_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{missing}, and ADLS_REQUIRE_BROWSER=1", pytrace=False)
        pytest.skip(missing)
    root, sandbox = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("sandbox")
    with Lab(root, sandbox, environment={"PYTHONPATH": str(_UNDER_TEST)}) as running:
        yield running


@pytest.fixture
def open_notebook(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open a notebook with the given cells; it is shut down after the test."""
    opened: list[Notebook] = []

    def open_with(sources: Sequence[str]) -> Notebook:
        name = f"{request.node.name}-{len(opened)}.ipynb"
        opened.append(lab.open(name, sources))
        return opened[-1]

    yield open_with
    for notebook in opened:
        notebook.close()


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Where pictures are kept for people to look at; git-ignored."""
    return _CHECKOUT / "artifacts"
