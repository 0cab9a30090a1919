"""Kernels that start though other tests make thousands of connections meanwhile.

The ports of a kernel are chosen before it starts, and it ends at once when one of them has been
taken since. So these are reached by sockets in the file system.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from nbformat import NotebookNode
from traitlets.config import Config

_numbers = itertools.count()


@functools.cache
def _folder() -> str:
    # Not one of pytest's: a socket's path has some hundred characters at the most.
    folder = tempfile.mkdtemp(prefix="kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def reached_by_files() -> Config:
    """The configuration of one kernel's manager."""
    if os.name != "posix":
        return Config()
    return Config(KernelManager={"transport": "ipc", "ip": f"{_folder()}/{next(_numbers)}"})


def start_kernel(**given: Any) -> tuple[KernelManager, BlockingKernelClient]:
    """Start a kernel and wait until it answers; `given` is for its process."""
    manager = KernelManager(kernel_name="python3", config=reached_by_files())
    manager.start_kernel(**given)
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    return manager, client


def papermill(cells: list[NotebookNode], folder: Path, *options: str) -> CompletedProcess[str]:
    """Execute cells by papermill's command, from in.ipynb to out.ipynb in a folder.

    In a process of its own: importing papermill warns, and it makes event loops.
    """
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    nbformat.write(notebook, folder / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "--no-progress-bar"]
    for _ in range(3):  # its kernels have ports
        done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True)
        if "Kernel died before replying" not in done.stderr:
            break
    return done
