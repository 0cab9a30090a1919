"""One notebook in a page of JupyterLab: run cells, work the form, save, look."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import Locator, Page, WebSocket, expect

_TIMEOUT = 30.0  # seconds; two busy cores are slow
_PANEL = "window.jupyterapp.shell.currentWidget"


class Notebook:
    """A page with one notebook. Cells are numbered from 0."""

    def __init__(self, page: Page, url: str, path: Path, frames: list[tuple[str, bytes]]) -> None:
        self.page = page
        self.path = path
        self._url = url
        self._frames = frames
        page.on("websocket", self._record)

    def load(self) -> Self:
        """Load the page, also anew while the kernel lives on."""
        self.page.goto(self._url, wait_until="domcontentloaded")
        self._await_kernel()
        return self

    def close(self) -> None:
        """Shut the kernel down and close the page."""
        self.call("await panel.sessionContext.shutdown()")
        self.page.context.close()

    # -- the kernel -------------------------------------------------------------------------

    def run(self, number: int, *, wait: bool = True) -> None:
        """Run one cell; `wait=False` for a cell that is to go on while the page is used."""
        self.call("nb.activeCellIndex = argument; nb.deselectAll()", number)
        run = "app.commands.execute('notebook:run-cell')"
        self.call(f"await {run}" if wait else f"void {run}")

    def await_cell(self, number: int) -> None:
        """Wait until the cell no longer runs.

        The kernel's status is no help: it says idle while a cell runs beside a subshell.
        """
        prompt = self.cell(number).locator(".jp-InputPrompt").first
        expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=_TIMEOUT * 1000)

    def restart(self) -> None:
        """Restart the kernel, without the question."""
        self.call("await panel.sessionContext.restartKernel()")
        self._await_kernel()

    def call(self, body: str, argument: Any = None) -> Any:
        """Run JavaScript that may use `app`, `panel`, `nb` (the panel's content), `argument`."""
        setting = f"const app = window.jupyterapp, panel = {_PANEL}, nb = panel.content;"
        return self.page.evaluate(f"async (argument) => {{ {setting} {body} }}", argument)

    # -- what is shown ----------------------------------------------------------------------

    def cell(self, number: int) -> Locator:
        """Return a cell."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def output(self, number: int) -> Locator:
        """Return the output area of a cell."""
        return self.cell(number).locator(".jp-Cell-outputWrapper")

    def outputs(self, number: int) -> list[dict[str, Any]]:
        """Return a cell's outputs as the file will hold them."""
        source = "return nb.widgets[argument].model.sharedModel.toJSON().outputs"
        outputs: list[dict[str, Any]] = self.call(source, number)
        return outputs

    def screenshot(self, path: Path, number: int | None = None) -> None:
        """Take a picture of the page or of one cell."""
        path.parent.mkdir(parents=True, exist_ok=True)
        target = self.page if number is None else self.cell(number)
        target.screenshot(path=path)

    def theme(self, name: str) -> None:
        """Switch to "JupyterLab Light" or "JupyterLab Dark"."""
        self.call("await app.commands.execute('apputils:change-theme', {theme: argument})", name)
        self.page.wait_for_selector(f'body[data-jp-theme-name="{name}"]', state="attached")
        self.page.wait_for_timeout(300)  # the style sheet comes after the name

    # -- saving -----------------------------------------------------------------------------

    def save_by_toolbar(self) -> str:
        """Click the toolbar's Save icon; return the file."""
        return self._saved(lambda: self.page.locator('[data-jp-item-name="save"] button').click())

    def save_by_keys(self) -> str:
        """Press Ctrl+S wherever the focus is; return the file."""
        return self._saved(lambda: self.page.keyboard.press("Control+s"))

    def save(self) -> str:
        """Save as autosave does; return the file."""
        return self._saved(lambda: self.call("await panel.context.save()"))

    def _saved(self, action: Callable[[], object]) -> str:
        # The context's own signal: "completed" follows the answer of the server.
        self.call(
            "window.saved = new Promise(done => panel.context.saveState.connect("
            "(_, state) => { if (state === 'completed') done(true); }))"
        )
        action()
        self.page.evaluate("window.saved")
        return self.path.read_text("utf-8")

    # -- inside -----------------------------------------------------------------------------

    def _await_kernel(self) -> None:
        self.page.wait_for_function(f"() => window.jupyterapp && {_PANEL}?.content?.widgets")
        deadline = time.monotonic() + _TIMEOUT
        status = "return panel.sessionContext.session?.kernel?.status"
        while self.call(status) != "idle":
            assert time.monotonic() < deadline, "the kernel did not get ready"
            self.page.wait_for_timeout(100)

    def _record(self, socket: WebSocket) -> None:
        def keep(side: str, payload: bytes | str) -> None:
            data = payload.encode() if isinstance(payload, str) else payload
            self._frames.append((side, data))

        socket.on("framesent", lambda payload: keep("sent", payload))
        socket.on("framereceived", lambda payload: keep("received", payload))
