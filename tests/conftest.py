"""For all tests, however pytest was started."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from adls_magic.core.account import Account
from adls_magic.lake import LocalLake


@pytest.fixture(autouse=True)
def ctrl_c_arrives() -> Iterator[None]:
    """Many tests send SIGINT, which a shell has its background jobs ignore.

    And an event loop that another test has left may have taken it over.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[LocalLake]:
    """A lake of the test's own."""
    with LocalLake(tmp_path / "lake") as running:
        yield running


@pytest.fixture
def account(lake: LocalLake) -> Account:
    """The account of that lake."""
    return lake.account
