"""For all tests, however pytest was started."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adls_magic.core.account import Account
from adls_magic.lake import LocalLake


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_not_ignored() -> Iterator[None]:
    """A shell starts its background jobs with SIGINT ignored, and many tests send it."""
    with _ctrl_c():
        yield


@pytest.fixture(autouse=True)
def ctrl_c_arrives() -> Iterator[None]:
    """An event loop that another test has left may have taken it over."""
    with _ctrl_c():
        yield


@contextmanager
def _ctrl_c() -> Iterator[None]:
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
