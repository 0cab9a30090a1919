"""The form in a real JupyterLab, against a running local lake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from adls_magic.core.service.client import Client
from adls_magic.lake import LocalLake

from .conftest import Open
from .form_page import FormPage
from .lab import Lab
from .notebook import Notebook

SHOW = "%load_ext adls_magic\n%adls_config"
AGAIN = "%adls_config"
NAME = "devstoreaccount1"
CONNECTED = f"Connected to {NAME}. The filesystem raw is there."


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLake]:
    """A lake outside of what is searched for leaks: its key lies in its folder."""
    with LocalLake(tmp_path_factory.mktemp("lake"), filesystem="raw") as running:
        with Client(running.account) as client:
            client.create_filesystem("curated")
        yield running


def key_of(lake: LocalLake) -> str:
    secret = lake.account.secret
    assert secret
    return secret.reveal()


def shown(notebook: Notebook, cell: int = 0) -> FormPage:
    notebook.run(cell)
    form = FormPage(notebook, cell)
    expect(form.root).to_be_visible()
    return form


def fill_in(form: FormPage, lake: LocalLake, **texts: str) -> None:
    form.choose("Account key")
    form.root.get_by_text("Other endpoint").click()
    form.fill(Account=NAME, Endpoint=lake.url, **texts)


def test_type_the_key_and_click_connect(
    lab: Lab, lake: LocalLake, open_notebook: Open, artifacts: Path
) -> None:
    notebook = open_notebook([SHOW, "adls_magic.core.account.session.current()"])
    form = shown(notebook)
    fill_in(form, lake, Filesystem="raw")
    form.field("Key").press_sequentially(key_of(lake))
    notebook.screenshot(artifacts / "form-key.png", 0)
    form.connect.click()
    form.says(CONNECTED)
    form.is_in_use(NAME)
    notebook.screenshot(artifacts / "form-connected.png", 0)
    notebook.save()
    assert lab.was_sent(key_of(lake))
    assert not lab.leaks(key_of(lake))


def test_a_wrong_key_is_told_and_the_field_is_ready_for_the_next(
    lake: LocalLake, open_notebook: Open, artifacts: Path
) -> None:
    notebook = open_notebook([SHOW])
    form = shown(notebook)
    fill_in(form, lake, Filesystem="raw", Key="B" * 86 + "==")
    form.connect.click()
    form.says("the key or SAS is wrong")
    expect(form.field("Key")).to_be_focused()
    expect(form.field("Key")).to_have_value("")
    notebook.screenshot(artifacts / "form-wrong-key.png", 0)


def test_by_keyboard_alone_in_the_dark(
    lake: LocalLake, open_notebook: Open, artifacts: Path
) -> None:
    notebook = open_notebook([SHOW])
    form = shown(notebook)
    notebook.theme("JupyterLab Dark")
    press = notebook.page.keyboard.press
    form.choose("Local lake")
    form.root.locator("input[type=radio]:checked").focus()
    press("ArrowDown")
    press("ArrowDown")  # to "Account key"
    for text in (NAME, key_of(lake), ""):
        press("Tab")
        notebook.page.keyboard.insert_text(text)
    press("Tab")
    press("Enter")  # opens "Other endpoint"
    press("Tab")
    notebook.page.keyboard.insert_text(lake.url)
    press("Enter")
    form.says("Now choose a filesystem: curated, raw.")
    expect(form.field("Filesystem")).to_be_focused()
    offered = form.root.locator("datalist[id*=filesystem] option")
    assert [option.get_attribute("value") for option in offered.all()] == ["curated", "raw"]
    notebook.screenshot(artifacts / "form-choose-dark.png", 0)
    notebook.page.keyboard.insert_text("raw")
    press("Enter")
    form.says(CONNECTED)
    expect(form.button("Change")).to_be_focused()
    notebook.screenshot(artifacts / "form-connected-dark.png", 0)


def test_names_are_checked_while_they_are_typed(open_notebook: Open, artifacts: Path) -> None:
    notebook = open_notebook([SHOW])
    form = shown(notebook)
    form.choose("Account key")
    account = form.field("Account")
    account.press_sequentially("co")
    expect(account).to_have_attribute("aria-invalid", "false")
    account.press_sequentially("NT")
    expect(account).to_have_attribute("aria-invalid", "true")
    account.fill("co")
    account.blur()
    expect(account).to_have_attribute("aria-invalid", "true")
    form.connect.click()
    expect(account).to_be_focused()
    notebook.screenshot(artifacts / "form-wrong-name.png", 0)


def test_shown_twice_both_show_the_same(lake: LocalLake, open_notebook: Open) -> None:
    notebook = open_notebook([SHOW, AGAIN])
    first, second = shown(notebook, 0), shown(notebook, 1)
    fill_in(first, lake, Filesystem="raw", Key=key_of(lake))
    first.field("Key").blur()
    expect(second.field("Account")).to_have_value(NAME)
    expect(second.field("Key")).to_have_value("")
    second.field("Key").fill("half-typed")
    first.connect.click()
    second.says(CONNECTED)
    second.is_in_use(NAME)
    second.button("Change").click()
    expect(first.field("Filesystem")).to_have_value("raw")
    expect(second.field("Key")).to_have_value("")
    first.button("Forget").click()
    second.says("Forgotten")
    expect(second.head).to_contain_text("No account is set up")


def test_it_follows_what_a_later_cell_configures(open_notebook: Open) -> None:
    notebook = open_notebook(
        [SHOW, "%adls_config --local mine --filesystem raw", "%adls_config --forget"]
    )
    form = shown(notebook)
    expect(form.head).to_contain_text("No account is set up")
    notebook.run(1)
    form.is_in_use(NAME)
    expect(form.head).to_contain_text("local lake")
    notebook.run(2)
    expect(form.head).to_contain_text("No account is set up")


def test_while_another_cell_runs(lake: LocalLake, open_notebook: Open) -> None:
    notebook = open_notebook([SHOW, "import time; time.sleep(5)"])
    form = shown(notebook)
    fill_in(form, lake, Filesystem="raw", Key=key_of(lake))
    notebook.begin(1)
    form.connect.click()
    # Whether it is taken up beside the cell or after it is ipykernel's choice.
    form.says(re.compile("No answer from the kernel yet|Connected"))
    form.says(CONNECTED)
    notebook.await_cell(1)


def test_after_a_restart(lake: LocalLake, open_notebook: Open) -> None:
    notebook = open_notebook([SHOW, SHOW])
    form = shown(notebook)
    fill_in(form, lake, Filesystem="raw", Key=key_of(lake))
    notebook.restart()
    form.says("The kernel was restarted. Run %adls_config again.")
    expect(form.field("Key")).to_have_value("")
    expect(form.connect).to_be_disabled()
    again = shown(notebook, 1)
    expect(again.head).to_contain_text("No account is set up")
    fill_in(again, lake, Filesystem="raw", Key=key_of(lake))
    again.connect.click()
    again.says(CONNECTED)


def test_errors_are_text_and_not_html(open_notebook: Open) -> None:
    notebook = open_notebook([SHOW])
    form = shown(notebook)
    form.choose("Local lake")
    form.fill(Folder="/dev/null/<img src=x>")
    form.connect.click()
    form.says("/dev/null/<img src=x>")
    assert form.root.locator("img").count() == 0
