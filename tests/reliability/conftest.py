"""The core's lake, client and proxy, with its check that no thread and no socket is left."""

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
