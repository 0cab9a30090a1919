"""An IPython inside the process of the tests."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


@contextmanager
def fresh_shell(config: Config | None = None) -> Iterator[InteractiveShell]:
    """Give a shell of the test's own, without a history; nothing of it stays."""
    config = config or Config()
    config.HistoryManager.enabled = False
    InteractiveShell.clear_instance()
    hooks = sys.displayhook, sys.excepthook
    shell = InteractiveShell.instance(config=config)
    try:
        yield shell
    finally:
        if "adls_magic" in shell.extension_manager.loaded:
            shell.run_line_magic("unload_ext", "adls_magic")
        shell.restore_sys_module_state()
        InteractiveShell.clear_instance()
        sys.displayhook, sys.excepthook = hooks
        # Each would collect garbage when the process ends: hundreds of them, for minutes.
        atexit.unregister(shell.atexit_operations)
