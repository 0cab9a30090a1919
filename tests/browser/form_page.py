"""The form as a person sees it: one displayed form in the output of a cell."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from .notebook import Notebook


class FormPage:
    """The form in the output of one cell."""

    def __init__(self, notebook: Notebook, cell: int) -> None:
        self.root = notebook.output(cell).locator(".adls-form")
        self.connect = self.root.get_by_role("button", name="Connect")
        self.status = self.root.get_by_role("status")
        self.head = self.root.locator(".adls-card")

    def choose(self, method: str) -> None:
        """Choose a way to connect by its label."""
        self.root.get_by_role("radio", name=re.compile(f"^{re.escape(method)}")).check()

    def field(self, label: str) -> Locator:
        """Return the text field with this label."""
        return self.root.get_by_label(label, exact=True)

    def button(self, name: str) -> Locator:
        """Return a button by its text."""
        return self.root.get_by_role("button", name=name)

    def fill(self, **texts: str) -> None:
        """Fill fields in, each by its label."""
        for label, text in texts.items():
            self.field(label).fill(text)

    def says(self, text: str | re.Pattern[str]) -> None:
        """Wait until the status line holds `text`."""
        expect(self.status).to_contain_text(text)

    def is_in_use(self, account: str) -> None:
        """Wait until the head names the account that is in use."""
        expect(self.head).to_contain_text(f"In use: {account}")
