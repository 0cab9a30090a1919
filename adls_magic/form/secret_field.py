"""Notebook front: the form's side in the browser, built around a secret field that is no trait.

Whatever is a trait of a widget is saved with the notebook, `widgets.Password` included. Here the
secret's text exists in the browser's input only, until Connect sends it once and empties the
input. It travels as a binary buffer beside the message: the comm package and the kernel write
the text of messages, but not their buffers, to their logs at DEBUG.

Imports anywidget and with it ipywidgets: import this module inside the function that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from adls_magic.core.secret import Secret

_STATIC = Path(__file__).parent / "static"

Receive = Callable[[Mapping[str, Any], Secret | None], None]


class FormWidget(anywidget.AnyWidget):
    """Shows `fields` by `methods`, and `state`; reports what the user does to a function.

    Attributes:
        methods: the ways to connect, in order.
        fields: the fields, by name.
        values: what is in the fields, but for the secret; invalid text never gets here.
        state: what happens: busy, status, what is connected.
    """

    _esm = _STATIC / "form.js"
    _css = _STATIC / "form.css"
    methods: traitlets.List[Any] = traitlets.List().tag(sync=True)
    fields = traitlets.Dict().tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, receive: Receive, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(lambda _, content, buffers: receive(content, _secret(buffers)))


def _secret(buffers: Sequence[memoryview | bytes] | None) -> Secret | None:
    """Return the text of the secret field, without the newline that a pasted key often ends in."""
    text = bytes(buffers[0]).decode("utf-8", "replace").strip() if buffers else ""
    return Secret(text) if text else None
