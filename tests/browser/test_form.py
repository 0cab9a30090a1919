"""The form in a real JupyterLab, against a running local lake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from adls_magic.lake import LocalLake

from .conftest import Open
from .form_page import FormPage
from .lab import Lab
from .notebook import Notebook

SHOW = ["from adls_magic.form import show; show()"]
NAME = "devstoreaccount1"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLake]:
    """A lake outside of what is searched for leaks: its key lies in its folder."""
    with LocalLake(tmp_path_factory.mktemp("lake"), filesystem="raw") as running:
        running.make_filesystem("curated")
        yield running


def key_of(lake: LocalLake) -> str:
    secret = lake.account.secret
    assert secret
    return secret.reveal()


def shown(notebook: Notebook, cell: int = 0) -> FormPage:
    notebook.run(cell)
    form = FormPage(notebook, cell)
    expect(form.connect).to_be_visible()
    return form


def fill_in(form: FormPage, lake: LocalLake, **texts: str) -> None:
    form.choose("Account key")
    form.root.get_by_text("Other endpoint").click()
    form.fill(Account=NAME, Endpoint=lake.url, **texts)


def test_type_key_click_connect(
    lab: Lab, lake: LocalLake, open_notebook: Open, artifacts: Path
) -> None:
    notebook = open_notebook([*SHOW, "from adls_magic.core.session import current; current().filesystem"])
    form = shown(notebook)
    fill_in(form, lake, Filesystem="raw")
    form.field("Key").press_sequentially(key_of(lake))
    notebook.screenshot(artifacts / "form-key.png", 0)
    form.connect.click()
    form.says("Connected to devstoreaccount1. The filesystem raw is there.")
    form.is_in_use(NAME)
    notebook.screenshot(artifacts / "form-connected.png", 0)
    notebook.theme("JupyterLab Dark")
    notebook.screenshot(artifacts / "form-connected-dark.png", 0)
    notebook.theme("JupyterLab Light")
    notebook.save()
    assert lab.was_sent(key_of(lake))
    assert not lab.leaks(key_of(lake))
