"""The core's lake, client and proxy."""

from __future__ import annotations

from core.conftest import (
    between,
    clean_environment,
    client,
    lake,
    names_in,
    place,
    quick,
)

__all__ = [
    "between",
    "clean_environment",
    "client",
    "lake",
    "names_in",
    "place",
    "quick",
]
