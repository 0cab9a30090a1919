"""A lake for each test module, and clients of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest

from adls_magic.lake import LocalLake

from .wire import Wire, wire_of


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLake]:
    before = set(threading.enumerate())
    with LocalLake(tmp_path_factory.mktemp("lake")) as running:
        yield running
    left = [t for t in set(threading.enumerate()) - before if t.name.startswith("adls-lake")]
    assert not left


@pytest.fixture
def wire(lake: LocalLake) -> Iterator[Wire]:
    client = wire_of(lake)
    yield client
    client.close()


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """A directory of its own for each test, as a path below the filesystem."""
    return "/lake/" + re.sub(r"\W+", "-", request.node.name)
