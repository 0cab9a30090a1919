"""Notebook front: the form of `%adls_config`. One form a kernel, however often it is shown."""

from __future__ import annotations

from typing import Any

from adls_magic.core.account.resolve import resolve
from adls_magic.core.errors import AdlsError
from adls_magic.form.dialog import Form

_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_HOW_TO = """\
%adls_config shows a form where a notebook has widgets. Without it:
  %adls_config --account NAME --filesystem NAME --prompt         asks for the key, keeps it nowhere
  %adls_config --account NAME --filesystem NAME --auth identity  az login, managed identity, …
  %adls_config --local                                           a lake in a folder, without Azure
or set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY before the kernel starts."""

_form: Form | None = None


def show(shell: Any = None) -> None:
    """Display the form; where there are no widgets, what is configured and how to do without.

    Args:
        shell: the InteractiveShell; IPython's current one by default.
    """
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    shell = shell or get_ipython()
    if getattr(shell, "kernel", None) is None:
        print(status_text())
        return
    view = {"version_major": 2, "version_minor": 0, "model_id": _form_of(shell).refreshed()}
    # The text is what frontends without widgets show, and what an executed notebook keeps.
    display({"text/plain": status_text(), _WIDGET_VIEW: view}, raw=True)


def status_text() -> str:
    """Return what is configured, and how to configure it without the form."""
    try:
        return f"{resolve(expired_ok=True).describe()}\n\n{_HOW_TO}"
    except AdlsError as error:
        return f"{error}\n\n{_HOW_TO}"


def _form_of(shell: Any) -> Form:
    """Return the kernel's form; a new one when `Widget.close_all()` has closed it."""
    global _form
    if _form is None or _form.closed:
        _form = Form(shell.user_ns)
    return _form


def close() -> None:
    """Take the form from the screen, with the secret that it may hold."""
    global _form
    if _form is not None:
        _form.close()
        _form = None
