"""A real kernel for the tests of this folder, and what a cell of it did."""

from __future__ import annotations

import ast
import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_core.utils import ensure_event_loop
from kernels import start_kernel
from patience import LONG, wait_until

ROOT = Path(__file__).resolve().parents[2]
PATH = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])

PRELUDE = """
import contextlib, sys
from IPython.core.magic import register_cell_magic
from adls_magic.capture import write_cell
from adls_magic.core.errors import PermissionDeniedError

FILES, TYPES, OPENED, SAID = {}, {}, [], []

class Stream:
    def __init__(self, size): self.data, self.size = bytearray(), size
    def write(self, data):
        self.data += data
        if len(self.data) > self.size: raise PermissionDeniedError("no right to write here")
        return len(data)

@register_cell_magic
def write(line, cell):
    name, _, rest = line.partition(" ")
    options = eval(f"dict({rest})")
    size = options.pop("breaks_after", sys.maxsize)
    @contextlib.contextmanager
    def opening(content_type):
        OPENED.append(name)
        stream = Stream(size)
        yield stream
        FILES[name], TYPES[name] = bytes(stream.data), content_type
    SAID.append(write_cell(
        get_ipython(), cell, target_name=name, open_target=opening, **options))
"""


@dataclass
class Ran:
    """What one cell did, as a notebook would store it."""

    status: str = ""
    streams: dict[str, str] = field(default_factory=lambda: {"stdout": "", "stderr": ""})
    errors: list[tuple[str, str, int]] = field(default_factory=list)  # name, text, lines shown
    shown: list[dict[str, str]] = field(default_factory=list)
    order: list[str] = field(default_factory=list)  # kinds of what was shown
    seconds: float = 0.0  # from the start, or from the stop
    printed_at: list[float] = field(default_factory=list)  # seconds after the start

    def take(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] in ("stream", "error", "display_data", "execute_result"):
            self.order.append(message["msg_type"])
        if message["msg_type"] == "stream":
            self.streams[content["name"]] += content["text"]
            self.printed_at.append(time.monotonic())
        elif message["msg_type"] == "error":
            shown = (content["ename"], content["evalue"], len(content["traceback"]))
            self.errors.append(shown)
        elif message["msg_type"] in ("display_data", "execute_result"):
            self.shown.append(content["data"])


class Kernel:
    """Runs cells in a kernel with a cell magic `%%write NAME option=value, …`."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": PATH}
        for name in ("MPLBACKEND", "PYTEST_CURRENT_TEST"):  # ipykernel looks at the second
            environment.pop(name, None)
        self.manager, self._client = start_kernel(env=environment)
        assert self.run(PRELUDE).status == "ok"

    def run(self, code: str, *, stop_once: Callable[[], object] | None = None) -> Ran:
        """Run a cell, perhaps interrupt it a moment after something is so; return what it did."""
        ran, is_over = Ran(), threading.Event()

        def stop() -> None:
            wait_until(lambda: is_over.is_set() or (stop_once and stop_once()))
            if not is_over.wait(0.3):
                began.append(time.monotonic())
                self._interrupt()

        stopping = threading.Thread(target=stop) if stop_once else None
        began = [time.monotonic()]
        if stopping:
            stopping.start()
        try:
            reply = self._client.execute_interactive(code, output_hook=ran.take, timeout=LONG)
        finally:
            is_over.set()
            if stopping:
                stopping.join()
        ran.seconds = time.monotonic() - began[-1]
        ran.printed_at = [moment - began[0] for moment in ran.printed_at]
        ran.status = reply["content"]["status"]
        return ran

    def _interrupt(self) -> None:
        # As Stop does it: the signal goes to the processes that the kernel started as well.
        os.killpg(os.getpgid(self.manager.provisioner.pid), signal.SIGINT)

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the kernel, a literal."""
        ran = self.run(f"print(repr({expression}))")
        assert ran.status == "ok", ran.errors
        return ast.literal_eval(ran.streams["stdout"])

    def write(self, name: str, body: str, options: str = "") -> Ran:
        """Run a cell under the magic."""
        return self.run(f"%%write {name} {options}\n{body}")

    def file(self, name: str) -> bytes | None:
        """Return what was written, None when nothing was."""
        found = self.value(f"FILES.get({name!r})")
        assert found is None or isinstance(found, bytes)
        return found

    def close(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        loop = ensure_event_loop()  # the one that jupyter_client keeps for this thread
        if not loop.is_running():  # unless a browser test has its own running there
            loop.close()
            asyncio.set_event_loop(None)


@pytest.fixture(scope="package")
def kernel() -> Iterator[Kernel]:
    started = Kernel()
    yield started
    started.close()


@pytest.fixture(autouse=True)
def _fresh_files(request: pytest.FixtureRequest) -> None:
    if "kernel" in request.fixturenames:
        request.getfixturevalue("kernel").run(
            "for each in (FILES, TYPES, OPENED, SAID): each.clear()"
        )
