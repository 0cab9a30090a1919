"""A secret typed into the form, in the worst case: JupyterLab saves the state of widgets."""

from __future__ import annotations

import base64
import secrets
import socket
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .conftest import Open
from .form_page import FormPage
from .lab import Lab
from .notebook import Notebook
from .test_form import SHOW, shown

LOGGING = "import logging; logging.basicConfig(level=logging.DEBUG)"
ENDPOINT = "http://127.0.0.1:9/contoso"  # nobody answers there


@pytest.fixture
def secret() -> str:
    """A key that no earlier test has left a trace of."""
    return base64.b64encode(secrets.token_bytes(64)).decode()


@pytest.fixture
def notebook(open_notebook: Open) -> Notebook:
    return open_notebook([LOGGING, SHOW])


@pytest.fixture
def form(notebook: Notebook) -> FormPage:
    notebook.run(0)
    form = shown(notebook, 1)
    form.choose("Account key")
    form.root.get_by_text("Other endpoint").click()
    form.fill(Account="contoso", Endpoint=ENDPOINT)
    return form


def assert_nowhere(lab: Lab, secret: str) -> None:
    """Neither the secret nor the part of it that was typed before a save."""
    assert not lab.leaks(secret)
    assert not lab.leaks(secret[:30])


def test_saved_while_half_typed(lab: Lab, notebook: Notebook, form: FormPage, secret: str) -> None:
    type_on(form, secret[:40])
    assert "contoso" in notebook.save_by_toolbar()  # what is no secret is saved
    type_on(form, secret[40:60])
    notebook.save_by_keys()
    type_on(form, secret[60:])
    notebook.save_by_waiting()
    assert form.field("Key").input_value() == secret
    assert_nowhere(lab, secret)


def test_the_search_finds_what_a_password_widget_leaks(
    lab: Lab, open_notebook: Open, secret: str
) -> None:
    notebook = open_notebook(["import ipywidgets; ipywidgets.Password()"])
    notebook.run(0)
    notebook.output(0).locator("input").press_sequentially(secret)
    assert secret in notebook.save_by_toolbar()
    assert str(notebook.path) in lab.leaks(secret)


def test_pasted_submitted_refused_reloaded_restarted(
    lab: Lab, notebook: Notebook, form: FormPage, secret: str
) -> None:
    paste(notebook, form, secret)
    form.field("Key").press("Enter")
    form.says("the connection was refused")
    assert lab.was_sent(secret)
    assert any(b"handle_msg" in payload for _, payload in lab.frames)  # logging is on
    notebook.save_by_toolbar()
    paste(notebook, form, secret)
    form.connect.click()
    notebook.save_by_toolbar()
    notebook.reload()
    again = FormPage(notebook, 1)
    expect(again.field("Account")).to_have_value("contoso")
    expect(again.field("Key")).to_have_value("")
    again.field("Key").fill(secret)
    notebook.restart()
    notebook.save()
    assert_nowhere(lab, secret)


def test_the_output_is_cleared_with_the_secret_in_it(
    lab: Lab, notebook: Notebook, form: FormPage, secret: str
) -> None:
    form.field("Key").fill(secret)
    notebook.call(
        "nb.activeCellIndex = 1; await app.commands.execute('notebook:clear-all-cell-outputs')"
    )
    expect(form.root).to_have_count(0)
    notebook.save()
    assert_nowhere(lab, secret)


def test_the_form_is_closed_with_the_secret_in_it(
    lab: Lab, open_notebook: Open, secret: str
) -> None:
    """By its extension's end, and so for both views of the one form."""
    notebook = open_notebook([SHOW, "%adls_config", "%unload_ext adls_magic", SHOW])
    forms = [shown(notebook, 0), shown(notebook, 1)]
    for form in forms:
        form.choose("Account key")
        form.field("Key").press_sequentially(secret[:40])
    notebook.run(2)
    notebook.save_by_toolbar()
    again = shown(notebook, 3)
    again.choose("Account key")
    expect(again.field("Key")).to_have_value("")
    notebook.save_by_waiting()
    assert not lab.was_sent(secret[:40])
    assert_nowhere(lab, secret)


def test_saved_while_the_service_is_asked(
    lab: Lab, notebook: Notebook, form: FormPage, secret: str, artifacts: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        form.fill(Endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}/contoso", Key=secret)
        form.connect.click()
        form.says("Asking the service")
        expect(form.root).to_have_attribute("aria-busy", "true")
        expect(form.button("Connecting")).to_be_disabled()
        expect(form.field("Key")).to_have_value("")
        notebook.screenshot(artifacts / "form-busy.png", 1)
        notebook.save_by_toolbar()
        form.button("Stop").click()
        form.says("Stopped. Nothing was changed.")
        expect(form.root).to_have_attribute("aria-busy", "false")
    notebook.save()
    assert lab.was_sent(secret)
    assert_nowhere(lab, secret)


def test_in_the_wrong_field_it_stays_in_the_browser(
    lab: Lab, notebook: Notebook, form: FormPage, secret: str
) -> None:
    wrong = {
        "Account": secret,
        "Filesystem": f"AccountName=contoso;AccountKey={secret}",
        "Endpoint": f"https://contoso.dfs.core.windows.net/?sig={secret}",
    }
    form.fill(**wrong)
    form.field("Key").focus()
    for label in wrong:
        expect(form.field(label)).to_have_attribute("aria-invalid", "true")
    expect(form.root.get_by_text("This looks like a secret")).to_have_count(3)
    notebook.save_by_toolbar()
    form.connect.click()
    expect(form.field("Account")).to_be_focused()
    assert not lab.was_sent(secret)
    assert_nowhere(lab, secret)


def type_on(form: FormPage, text: str) -> None:
    form.field("Key").press("End")
    form.field("Key").press_sequentially(text)


def paste(notebook: Notebook, form: FormPage, secret: str) -> None:
    """Paste as a person does, with the newline that comes along."""
    form.field("Key").focus()
    notebook.page.keyboard.insert_text(f"{secret}\n")
