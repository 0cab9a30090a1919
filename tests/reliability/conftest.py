"""The core's lake, client and proxy."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

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
