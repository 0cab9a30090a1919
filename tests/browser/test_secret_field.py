from __future__ import annotations

from .conftest import Open
from .lab import Lab

SECRET = "k3Y+/not&a real=one;äö=="
CELL = """
from adls_magic.form_methods import FIXED, fields_trait, method_trait
from adls_magic.secret_field import FormWidget
received = []
def receive(message, secret):
    received.append((message, secret))
    form.state = {**form.state, "status": {"kind": "ok", "text": "Got it.", "field": ""}}
form = FormWidget(
    receive,
    fields=fields_trait(),
    methods=[method_trait(method) for method in FIXED],
    values={"method": "key"},
    state={"busy": False, "open": True, "card": None, "kept": {}, "suggestions": {},
           "status": {"kind": "info", "text": "", "field": ""}},
)
form
"""


def test_nothing_of_a_typed_secret_is_saved(lab: Lab, open_notebook: Open, artifacts) -> None:
    notebook = open_notebook([CELL])
    notebook.run(0)
    field = notebook.output(0).get_by_label("Key", exact=True)
    notebook.output(0).get_by_label("Account", exact=True).fill("contoso")
    field.press_sequentially(SECRET)
    notebook.screenshot(artifacts / "form-key.png", 0)
    notebook.theme("JupyterLab Dark")
    notebook.screenshot(artifacts / "form-key-dark.png", 0)
    notebook.theme("JupyterLab Light")
    assert "contoso" in notebook.save_by_toolbar()
    field.press("Enter")
    notebook.output(0).get_by_text("Got it.").wait_for()
    notebook.save_by_keys()
    assert lab.was_sent(SECRET)
    assert not lab.leaks(SECRET)
