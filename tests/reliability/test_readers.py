"""Readers, while a file is replaced again and again: one whole version, always.

`ADLS_OVERWRITES=2000 pytest tests/reliability/test_readers.py` is the long run.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError
from azure.storage.filedatalake import DataLakeServiceClient
from core.conftest import (  # noqa: F401 - one is for every test here
    KEY,
    account_at,
    nothing_is_left,
)
from core.servers import Between, Fault, error
from core.uploads import CHUNK, data_of, put, send

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.lake import LocalLake

OVERWRITES = int(os.environ.get("ADLS_OVERWRITES", "120"))
SIZES = [10, CHUNK, CHUNK + 1, 7 * CHUNK + 3]
READ = Callable[[], bytes | None]

pytestmark = pytest.mark.timeout(60 + OVERWRITES)


def version(number: int) -> bytes:
    """The bytes of a version: no part of it is part of another."""
    size = SIZES[number % len(SIZES)]
    parts = (hashlib.sha256(f"{number} {n}".encode()).digest() for n in range(-(-size // 32)))
    return b"".join(parts)[:size]


@pytest.fixture
def target(place: RemotePath) -> RemotePath:
    return place.child("target.bin")


@pytest.fixture
def in_one(lake: LocalLake, target: RemotePath) -> Iterator[READ]:
    """Read the file by a single request."""
    with Client(lake.account) as client:
        yield lambda: client.read(target)


@pytest.fixture
def in_ranges(lake: LocalLake, target: RemotePath) -> Iterator[READ]:
    """Ask for the length, then for ranges of that very version; None when it was replaced."""
    with DataLakeServiceClient(lake.url, credential=KEY) as service:
        file = service.get_file_client("lake", target.path)

        def read() -> bytes | None:
            found = file.get_file_properties()
            given = {"etag": found.etag, "match_condition": MatchConditions.IfNotModified}
            parts = []
            try:
                for start in range(0, found.size, 700):
                    length = min(700, found.size - start)
                    parts.append(file.download_file(start, length, **given).readall())
            except ResourceModifiedError:
                return None
            return b"".join(parts)

        yield read


class Reading:
    """Polls the file in a thread of its own and keeps what it saw that was no whole version."""

    def __init__(self, read: READ, versions: dict[bytes, int]) -> None:
        self._read = read
        self._versions = versions
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._poll)
        self.seen: list[int] = []
        self.wrong: list[object] = []

    def _poll(self) -> None:
        while not self._over.wait(0.006) and not self.wrong:
            try:
                content = self._read()
            except Exception as caught:  # noqa: BLE001 - shown by the test
                self.wrong.append(caught)
                return
            if content is None:
                continue
            number = self._versions.get(content)
            if number is None:
                self.wrong.append(content)
            else:
                self.seen.append(number)

    def __enter__(self) -> Reading:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()


def test_readers_see_whole_versions_only(lake, client, target, names_in, in_one, in_ranges):
    versions = {version(number): number for number in range(OVERWRITES + 1)}
    assert len(versions) == OVERWRITES + 1
    put(client, target, version(0))
    with Reading(in_one, versions) as one, Reading(in_ranges, versions) as ranges:
        for number in range(1, OVERWRITES + 1):
            send(lake.account, version(number), target, if_exists="overwrite")
            if one.wrong or ranges.wrong:
                break
    for reading in (one, ranges):
        assert reading.wrong == []
        assert reading.seen == sorted(reading.seen), "an older version came back"
    assert len(set(one.seen)) > OVERWRITES // 10, "the reader was too slow to show anything"
    assert client.read(target) == version(OVERWRITES) and names_in() == ["target.bin"]


@pytest.mark.parametrize("step", ["resource=file", "append", "action=flush", "mode=legacy"])
@pytest.mark.parametrize("size", [700, 9 * CHUNK])
@pytest.mark.parametrize("status", [403, 503])
def test_a_first_upload_that_fails_leaves_no_stub(
    status: int, size: int, step: str, between: Between, place, names_in, quick
):
    """Whatever step is refused, at once or for as long as it is tried."""
    refused = error(status, {403: "AuthorizationPermissionMismatch", 503: "ServerBusy"}[status])
    between.faults = lambda got: Fault(instead=refused) if step in got.target else None
    if size < CHUNK and step in ("action=flush", "mode=legacy"):
        send(account_at(between.port), data_of(size), place.child("x"))  # it has no such step
        assert names_in() == ["x"]
        return
    with pytest.raises(errors.AdlsError) as caught:
        send(account_at(between.port), data_of(size), place.child("x"))
    assert caught.value.status == status
    assert names_in() == []
