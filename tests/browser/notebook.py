"""One notebook in a page of JupyterLab: run cells, work the form, save, look."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import Locator, Page, expect

_TIMEOUT = 60.0  # seconds; two busy cores are slow
_SAVE_ICON = '.jp-NotebookPanel:not(.lm-mod-hidden) [data-jp-item-name="save"] button'
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_PANEL = "window.jupyterapp.shell.currentWidget"


class Notebook:
    """A notebook open in JupyterLab's page. Cells are numbered from 0."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.path = path

    def open(self) -> Self:
        """Open the file in the page, which shows JupyterLab."""
        opening = "window.jupyterapp.commands.execute('docmanager:open', {path})"
        self.page.evaluate(f"async path => {{ await {opening} }}", self.path.name)
        self._await_kernel()
        return self

    def reload(self) -> None:
        """Load the page anew, as a person does; the kernel lives on."""
        self.page.reload(wait_until="domcontentloaded")
        self._await_kernel()

    def close(self) -> None:
        """Shut the kernel down and close the notebook, saved or not."""
        self.call("await panel.sessionContext.shutdown(); panel.dispose()")

    # -- the kernel -------------------------------------------------------------------------

    def run(self, number: int) -> None:
        """Run one cell, which must not fail."""
        self.call("nb.activeCellIndex = argument; nb.deselectAll()", number)
        self.call("await app.commands.execute('notebook:run-cell')")
        failures = [output for output in self.outputs(number) if output["output_type"] == "error"]
        assert not failures, _COLOUR.sub("", "\n".join(failures[0]["traceback"]))

    def begin(self, number: int) -> None:
        """Run a cell that is to go on while the page is used."""
        self.call("nb.activeCellIndex = argument; nb.deselectAll()", number)
        self.call("void app.commands.execute('notebook:run-cell')")

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
        visible = ".jp-NotebookPanel:not(.lm-mod-hidden)"
        return self.page.locator(f"{visible} .jp-Notebook .jp-Cell").nth(number)

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
        return self._saved(lambda: self.page.locator(_SAVE_ICON).click())

    def save_by_keys(self) -> str:
        """Press Ctrl+S wherever the focus is; return the file."""
        return self._saved(lambda: self.page.keyboard.press("Control+s"))

    def save(self) -> str:
        """Save without touching the page; return the file."""
        return self._saved(lambda: self.call("await panel.context.save()"))

    def toggle_autosave(self) -> None:
        """Turn JupyterLab's own saving on or off, as the menu does."""
        self.call("await app.commands.execute('docmanager:toggle-autosave')")

    def save_by_waiting(self) -> str:
        """Change something and wait for JupyterLab's own saving; return the file."""
        self.toggle_autosave()
        change = "panel.model.setMetadata('waiting', Date.now())"
        try:
            return self._saved(lambda: self.call(change))
        finally:
            self.toggle_autosave()

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
        ready = f"{_PANEL}?.content?.widgets && {_PANEL}.context.isReady"
        this_one = f"{_PANEL}.context.path === {self.path.name!r}"
        self.page.wait_for_function(f"() => window.jupyterapp && {ready} && {this_one}")
        deadline = time.monotonic() + _TIMEOUT
        status = "return panel.sessionContext.session?.kernel?.status"
        while self.call(status) != "idle":
            assert time.monotonic() < deadline, "the kernel did not get ready"
            self.page.wait_for_timeout(100)
