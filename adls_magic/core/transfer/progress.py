"""The bar: a tqdm drawn by the caller's thread, in terminals and in notebooks.

In a kernel the bar is text in one output that is replaced as it grows. So it looks the same in
JupyterLab and in a notebook executed without a browser, where a widget's bar would stay at 0 %
for ever in the saved file. IPython is used only where it is loaded already.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

_DELAY = 0.3  # seconds; what ends sooner needs no bar
_COLUMNS = 88  # characters, in a notebook


class Counter:
    """Counts bytes and shows nothing. Any thread counts and tells; the caller's does the rest."""

    def __init__(self) -> None:
        self.sent = 0  # bytes
        self._notice = ""
        self._lock = threading.Lock()

    def count(self, sent: int) -> None:
        """Add bytes that were sent; negative ones were taken back."""
        with self._lock:
            self.sent += sent

    def tell(self, notice: str) -> None:
        """Say what is waited for, to be shown for as long as it is."""
        self._notice = notice

    def expect(self, total: int | None) -> None:
        """Say how many bytes there will be, None when nobody knows."""

    def draw(self) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class Bar(Counter):
    """A tqdm over bytes. Where it can be shown no more, the upload goes on without it."""

    def __init__(self, label: str, screen: TextIO) -> None:
        super().__init__()
        self._label = label
        self._screen = screen
        self._total: int | None = None
        self._bar: tqdm[Any] | None = None
        self._shown_notice = ""
        self._is_lost = False

    def expect(self, total: int | None) -> None:
        """Begin the bar, or correct its total."""
        self._total = total
        if self._bar is None:
            self._begin()
        else:
            self._bar.total = total
            self._bar.leave = True

    def draw(self) -> None:
        """Bring the bar up to date; tqdm decides whether it is time to redraw."""
        notice = self._notice
        if self._bar is None and notice:
            self._begin()
            if self._bar is not None:
                # Nobody has asked for a bar: this one shows the notice, and leaves no trace.
                self._bar.leave = False
        if self._bar is None:
            return
        if notice != self._shown_notice:
            self._shown_notice = notice
            self._bar.set_postfix_str(notice, refresh=False)
            self._bar.miniters = 0  # it is redrawn though nothing moves
        with self._lost_when_it_fails():
            self._bar.update(self.sent - self._bar.n)

    def close(self) -> None:
        """Draw the last state, if there was time for a bar at all."""
        if self._bar is not None:
            self.draw()
        if self._bar is not None:
            with self._lost_when_it_fails():
                self._bar.close()
            self._bar = None

    def _begin(self) -> None:
        if not self._is_lost:
            with self._lost_when_it_fails():
                self._bar = _make_bar(self._label, self._screen, self._total)

    @contextlib.contextmanager
    def _lost_when_it_fails(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):  # its stream was closed, or its reader is gone
            self._is_lost = True
            bar, self._bar = self._bar, None
            if bar is not None:
                with contextlib.suppress(OSError, ValueError):
                    bar.close()  # gives its place among other bars back, whatever is shown


def _make_bar(label: str, screen: TextIO, total: int | None) -> tqdm[Any]:
    from tqdm import tqdm

    class BytesBar(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0  # no thread of tqdm's own

    in_notebook = isinstance(screen, _Output)
    return BytesBar(
        desc=label,
        total=total,
        file=screen,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        mininterval=0.1,
        delay=_DELAY,
        ncols=_COLUMNS if in_notebook else None,
        dynamic_ncols=not in_notebook,
        # Alone in its output, whatever bars the user has around it.
        position=0 if in_notebook else None,
        leave=True,
    )


class _Output:
    """A notebook output that shows the last line written to it."""

    encoding = "utf-8"

    def __init__(self, display: Any) -> None:
        self._display = display
        self._handle: Any = None
        self._text = ""

    def write(self, text: str) -> int:
        line = text.replace("\r", "").rstrip("\n")
        if line and not line.strip() and self._text:  # blanks go over what a terminal shows
            self._text = ""
            self._handle.update({}, raw=True)
        if line.strip() and line != self._text:
            self._text = line
            bundle = {"text/plain": line.rstrip()}
            if self._handle is None:
                self._handle = self._display(bundle, raw=True, display_id=True)
            else:
                self._handle.update(bundle, raw=True)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


def open_progress(wanted: bool | None, label: str) -> Counter:
    """Return a bar where somebody is looking (`wanted` None), always (True) or never (False)."""
    if wanted is False or (wanted is None and os.environ.get("TQDM_DISABLE", "0") not in ("", "0")):
        return Counter()
    display = _kernel_display()
    if display is not None:
        return Bar(label, _Output(display))  # type: ignore[arg-type]
    if sys.stderr is not None and (wanted or sys.stderr.isatty()):
        return Bar(label, sys.stderr)
    return Counter()


def _kernel_display() -> Any:
    """Return IPython's `display` when this code runs in a kernel, else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from importlib import import_module

    return import_module("IPython.display").display
