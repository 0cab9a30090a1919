"""The core's lake, client and proxy, with its check that no thread and no socket is left."""

from __future__ import annotations

from core.conftest import (
    between,
    clean_environment,
    client,
    lake,
    names_in,
    nothing_is_left,
    place,
    quick,
)

__all__ = [
    "between",
    "clean_environment",
    "client",
    "lake",
    "names_in",
    "nothing_is_left",
    "place",
    "quick",
]
