"""Put data from a notebook into Azure Data Lake Storage Gen2.

In IPython and Jupyter: `%load_ext adls_magic`, then `%adls_config`, `%adls_upload`,
`%%adls_write` and `%adls_ls`. In Python:

    import adls_magic as adls

    account = adls.connect("contoso", filesystem="raw")
    adls.upload("sales.csv", "2026/11/sales.csv", account=account)

Nothing heavy is imported here: what is asked for by name is imported then.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from adls_magic.core.account.connect import connect
    from adls_magic.core.errors import AdlsError
    from adls_magic.interface import ls, upload
    from adls_magic.opening import open  # noqa: A004 - as in __all__

__all__ = ["AdlsError", "connect", "ls", "open", "upload"]

_HOMES = {
    "AdlsError": "adls_magic.core.errors",
    "connect": "adls_magic.core.account.connect",
    "ls": "adls_magic.interface",
    "open": "adls_magic.opening",
    "upload": "adls_magic.interface",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Register the magics; what `%load_ext adls_magic` calls."""
    from adls_magic.magics import load

    load(ipython)


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """Take everything away again; what `%unload_ext adls_magic` calls."""
    from adls_magic.magics import unload

    unload(ipython)
