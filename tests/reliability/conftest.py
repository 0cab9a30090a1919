"""The core's lake, client and proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from core.conftest import (
    between,
    clean_environment,
    client,
    lake,
    names_in,
    place,
    quick,
)

from adls_magic.lake import LocalLake

from .resuming import Setting, setting, shorten_checkpoints

__all__ = [
    "between",
    "clean_environment",
    "client",
    "lake",
    "names_in",
    "place",
    "quick",
]


@pytest.fixture(scope="module")
def own_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLake]:
    with LocalLake(tmp_path_factory.mktemp("lake")) as running:
        yield running


@pytest.fixture
def here(own_lake: LocalLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    """A directory of a lake, a source, and checkpoints that come early."""
    shorten_checkpoints(monkeypatch)
    with setting(own_lake, tmp_path) as made:
        yield made
