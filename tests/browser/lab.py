"""A private JupyterLab and a headless Chromium that drives it.

with Lab(root, sandbox, environment={}) as lab:
    notebook = lab.open("form.ipynb", ["%load_ext adls_magic\n%adls_config"])
    notebook.run(0)
    notebook.save()
    assert not lab.leaks("the secret")

Everything listens on 127.0.0.1. All state of Jupyter and IPython lives in the sandbox, so the
user's own settings neither help nor suffer. Saving of widget state, which is off by default,
is switched on: that is the worse case for secrets.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from leaks import find, find_below
from playwright.sync_api import Browser, Page, Playwright, WebSocket, expect, sync_playwright

from .notebook import Notebook

KERNEL = "under-test"
_START_TIMEOUT = 60.0  # seconds; JupyterLab needs 5 to 10 on an idle machine
_PATIENCE = 60.0  # seconds for what is to be seen; playwright's own are 5
_CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    # JupyterLab otherwise keeps cells that are out of sight out of the page.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    # Off; a test that turns it on does not want to wait for two minutes.
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False, "autosaveInterval": 1},
}


def chromium() -> str | None:
    """Return the path of a Chromium on this machine: `$CHROMIUM` or one in the PATH."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


class Lab:
    """One JupyterLab server with one kernel, one browser, and a record of their messages."""

    def __init__(self, root: Path, sandbox: Path, *, environment: Mapping[str, str]) -> None:
        """Prepare a server over `root`; `environment` is added to the kernel's."""
        self.root = root
        self.sandbox = sandbox
        self.frames: list[tuple[str, bytes]] = []  # ("sent" | "received", payload)
        self._environment = dict(environment)
        self._token = secrets.token_hex(16)
        self._port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._page: Page | None = None

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.close)
            self._start_server()
            self._open_page()
            undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End browser and server; both were started here."""
        if self._browser:
            self._browser.close()
        if self._playwright:
            self._playwright.stop()
        if self._server and self._server.poll() is None:
            self._server.terminate()
            try:
                self._server.wait(10)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait(60)

    def open(self, name: str, sources: Sequence[str]) -> Notebook:
        """Write a notebook with these code cells and open it."""
        assert self._page
        path = self.root / name
        path.write_text(json.dumps(_notebook(sources)), encoding="utf-8")
        return Notebook(self._page, path).open()

    def leaks(self, secret: str) -> dict[str, list[str]]:
        """Return where `secret` is: files, checkpoints, history, logs, frames to the browser."""
        found = find_below(self.root, secret) | find_below(self.sandbox, secret)
        received = [find(secret, payload) for side, payload in self.frames if side == "received"]
        return found | {f"frame {n}": names for n, names in enumerate(received) if names}

    def was_sent(self, secret: str) -> bool:
        """Whether the browser sent `secret`: shows that a search for leaks can find it."""
        return any(side == "sent" and find(secret, payload) for side, payload in self.frames)

    def log(self) -> str:
        """Return what server and kernels wrote to their log."""
        return (self.sandbox / "server.log").read_text("utf-8", "replace")

    def _start_server(self) -> None:
        self._write_settings()
        with (self.sandbox / "server.log").open("wb") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *self._options()],
                env=self._server_environment(),
                cwd=self.root,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._await_server()

    def _open_page(self) -> None:
        """One page for all notebooks: loading JupyterLab takes longer than most tests."""
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=chromium(), args=_CHROMIUM_ARGUMENTS
        )
        self._page = self._browser.new_page(viewport={"width": 1200, "height": 1000})
        self._page.set_default_timeout(_PATIENCE * 1000)
        expect.set_options(timeout=_PATIENCE * 1000)
        self._page.on("websocket", self._record)
        self._page.goto(f"http://127.0.0.1:{self._port}/lab?token={self._token}")
        self._page.wait_for_function("() => window.jupyterapp?.shell")
        self._page.evaluate(
            "async () => { await window.jupyterapp.restored;"
            " window.jupyterapp.shell.collapseLeft(); }"
        )

    def _record(self, socket: WebSocket) -> None:
        def keep(side: str, payload: bytes | str) -> None:
            data = payload.encode() if isinstance(payload, str) else payload
            self.frames.append((side, data))

        socket.on("framesent", lambda payload: keep("sent", payload))
        socket.on("framereceived", lambda payload: keep("received", payload))

    def _options(self) -> list[str]:
        values = {
            "ServerApp.token": self._token,
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self._port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": self.root,
            "ServerApp.open_browser": False,
            "ServerApp.terminals_enabled": False,
            "LabApp.expose_app_in_browser": True,
            "LabApp.extension_manager": "readonly",
            "LabApp.news_url": "",
        }
        return ["--allow-root", *(f"--{name}={value}" for name, value in values.items())]

    def _server_environment(self) -> dict[str, str]:
        ours = ("JUPYTER", "IPYTHON", "AZURE_", "ADLS_")
        inherited = {k: v for k, v in os.environ.items() if not k.upper().startswith(ours)}
        places = {
            "HOME": "home",
            "XDG_CONFIG_HOME": "xdg",
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "IPYTHONDIR": "ipython",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }
        for folder in places.values():
            (self.sandbox / folder).mkdir(parents=True, exist_ok=True)
        return inherited | {name: str(self.sandbox / folder) for name, folder in places.items()}

    def _write_settings(self) -> None:
        kernel = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": KERNEL,
            "language": "python",
            "env": self._environment,
        }
        _write_json(self.sandbox / "data" / "kernels" / KERNEL / "kernel.json", kernel)
        for name, values in _SETTINGS.items():
            _write_json(self.sandbox / "settings" / f"{name}.jupyterlab-settings", values)

    def _await_server(self) -> None:
        assert self._server
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        url = f"http://127.0.0.1:{self._port}/api/status?token={self._token}"
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline and self._server.poll() is None:
            with suppress(OSError), closing(opener.open(url, timeout=2)):
                return
            time.sleep(0.2)
        raise RuntimeError(f"JupyterLab did not start:\n{self.log()[-3000:]}")


def _notebook(sources: Sequence[str]) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(sources)
    ]
    kernelspec = {"name": KERNEL, "display_name": KERNEL, "language": "python"}
    return {
        "cells": cells,
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernelspec},
    }


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
