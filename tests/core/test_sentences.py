"""What stands in the way is told in one line: what happened, and what to do about it.

The answers are those of the lake, made by the official SDK or by another writer; where an account
is needed that the lake cannot be, they are the recorded ones.
"""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.storage.filedatalake import (
    DataLakeServiceClient,
    FileSystemSasPermissions,
    generate_file_system_sas,
)

from adls_magic.core import errors
from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.secret import Secret
from adls_magic.core.service.client import Client
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import MemoryReader
from adls_magic.core.transfer.upload import UploadJob, UploadOptions, upload_all

from .conftest import KEY, account_at
from .servers import Between, Fault, Forwarded, answer

DATA = Path(__file__).parents[1] / "data" / "responses.json"
CHUNK = 1000
SIZES = [10, 5 * CHUNK]  # of one piece, and of several
Sdk = DataLakeServiceClient


@pytest.fixture
def target(place: RemotePath) -> RemotePath:
    return place.child("target.csv")


@pytest.fixture
def sdk(lake) -> Iterator[Sdk]:
    with DataLakeServiceClient(lake.url, credential=KEY) as service:
        yield service


def put(client: Client, remote: RemotePath, data: bytes) -> None:
    client.create(remote)
    body = PieceBody(MemoryReader(data), 0, len(data), lambda count: None)
    client.append(remote, 0, body, flush=True)


def refused(account: Account, remote: RemotePath, size: int, **options: Any) -> errors.AdlsError:
    """Upload from memory and as a stream; return the error, which is the same one."""
    options = {"chunk_size": CHUNK, "if_exists": "overwrite", **options}
    given = UploadOptions(**options)
    said = []
    for source in (bytes(size), io.BytesIO(bytes(size))):
        with pytest.raises(errors.AdlsError) as caught:
            upload_all(account, [UploadJob(source, remote)], given, progress=False)
        said.append(caught.value)
    assert type(said[0]) is type(said[1])
    text = str(said[0])
    assert "\n" not in text and len(text) < 600 and KEY[:20] not in text
    return said[0]


def before(step: str, act: Callable[[], None]) -> Callable[[Forwarded], None]:
    """Let somebody else act just before the first request of each upload that has `step`."""

    def fault(got: Forwarded) -> None:
        if step in got.target:
            act()

    return fault


# ------------------------------------------------------------------------------------------ lease


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("in_place", [False, True])
def test_a_leased_target(size: int, in_place: bool, lake, client, sdk: Sdk, target, names_in):
    put(client, target, b"theirs")
    lease = sdk.get_file_client("lake", target.path).acquire_lease(60)
    error = refused(lake.account, target, size, in_place=in_place)
    lease.release()
    assert isinstance(error, errors.ConflictError)
    assert "is leased: somebody is writing it. Wait, or end their lease" in str(error)
    assert client.read(target) == b"theirs" and names_in() == ["target.csv"]


def test_a_target_that_is_leased_while_it_is_written(between: Between, client, sdk: Sdk, target):
    """In place only: a rename over a leased file breaks its lease, as the service says."""
    leases: list[Any] = []

    def lease() -> None:
        if not leases:
            leases.append(sdk.get_file_client("lake", target.path).acquire_lease(60))

    between.faults = before("action=append", lease)
    options = UploadOptions(chunk_size=CHUNK, in_place=True, workers=1)
    job = UploadJob(bytes(5 * CHUNK), target)
    with pytest.raises(errors.ConflictError, match="somebody holds a lease on it: wait or end it"):
        upload_all(account_at(between.port), [job], options, progress=False)
    leases[0].release()
    assert client.read(target) == b""


# -------------------------------------------------------------------------------------- directory


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("in_place", [False, True])
def test_a_directory_at_the_target(size: int, in_place: bool, lake, client, target, names_in):
    client.create(target.child("below"), directory=True)
    error = refused(lake.account, target, size, in_place=in_place)
    assert isinstance(error, errors.ConflictError)
    assert "is a directory: end it with / to put the file inside" in str(error)
    assert client.properties(target).is_directory and names_in() == ["target.csv"]


@pytest.mark.parametrize(
    ("size", "step", "in_place"),
    [(10, "resource=file", False), (5 * CHUNK, "mode=legacy", False), (10, "resource=file", True)],
)
def test_a_directory_that_comes_into_being_meanwhile(
    size: int, step: str, in_place: bool, between: Between, client, target, names_in
):
    def make() -> None:
        if client.find(target) is None:
            client.create(target, directory=True)

    between.faults = before(step, make)
    error = refused(account_at(between.port), target, size, in_place=in_place)
    assert isinstance(error, (errors.ConflictError, errors.PathExistsError))
    assert "directory" in str(error)
    assert client.properties(target).is_directory and names_in() == ["target.csv"]


# ------------------------------------------------------------------------------------------- flat


@pytest.mark.parametrize("size", SIZES)
def test_a_flat_account_that_dfs_refuses(size: int, between: Between, target):
    recorded = next(
        entry
        for entry in json.loads(DATA.read_text(encoding="utf-8"))["responses"]
        if entry["headers"].get("x-ms-error-code") == "EndpointUnsupportedAccountFeatures"
    )
    between.faults = lambda got: Fault(
        instead=answer(recorded["status"], recorded["headers"], recorded["body"].encode())
    )
    error = refused(account_at(between.port), target, size)
    assert isinstance(error, errors.ConfigurationError)
    assert "soft delete, versioning or events on" in str(error)
    assert "turn them off or use an account with a hierarchical namespace" in str(error)
    assert between.count("^PUT|^PATCH") <= 1  # it is not tried again: it would not pass


# ----------------------------------------------------------------------------------------- rights


def with_rights(account: Account, **rights: bool) -> Account:
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    token = generate_file_system_sas(
        account.name, "lake", KEY, FileSystemSasPermissions(**rights), until
    )
    return replace(account, auth="sas", secret=Secret(token))


def test_no_right_to_rename(lake, client, target):
    put(client, target, b"theirs")
    account = with_rights(lake.account, read=True, write=True, create=True, list=True, delete=False)
    error = refused(account, target, 5 * CHUNK)
    assert isinstance(error, errors.PermissionDeniedError) and error.status == 403
    assert "[403 AuthorizationPermissionMismatch, request " in str(error)
    assert "but not rename" in str(error) and "add --in-place" in str(error)
    assert "sig=" not in str(error)
    assert client.read(target) == b"theirs"
    # The advice is a good one.
    options = UploadOptions(chunk_size=CHUNK, if_exists="overwrite", in_place=True)
    upload_all(account, [UploadJob(bytes(5 * CHUNK), target)], options, progress=False)
    assert client.read(target) == bytes(5 * CHUNK)


def test_no_right_to_write(lake, client, target, names_in):
    put(client, target, b"theirs")
    error = refused(with_rights(lake.account, read=True, list=True), target, 5 * CHUNK)
    assert isinstance(error, errors.PermissionDeniedError)
    assert "needs the role «Storage Blob Data Contributor»" in str(error)
    assert client.read(target) == b"theirs" and names_in() == ["target.csv"]


# -------------------------------------------------------------------------------- another's change


@pytest.mark.parametrize(
    ("size", "step", "in_place"),
    [(10, "mode=legacy", False), (5 * CHUNK, "mode=legacy", False), (10, "resource=file", True)],
)
def test_a_target_that_somebody_changes_meanwhile(
    size: int, step: str, in_place: bool, between: Between, client, target, names_in
):
    put(client, target, b"old")
    between.faults = before(step, lambda: put(client, target, b"theirs"))
    error = refused(account_at(between.port), target, size, in_place=in_place)
    assert isinstance(error, errors.ConflictError) and error.status == 412
    assert "changed by somebody else meanwhile: run it again" in str(error)
    assert client.read(target) == b"theirs" and names_in() == ["target.csv"]


@pytest.mark.parametrize("size", SIZES)
def test_a_target_that_somebody_makes_meanwhile(
    size: int, between: Between, client, target, names_in
):
    def make() -> None:
        if client.find(target) is None:
            put(client, target, b"theirs")

    between.faults = before("resource=file" if size == 10 else "mode=legacy", make)
    error = refused(account_at(between.port), target, size, if_exists="refuse")
    assert isinstance(error, errors.PathExistsError) and "add --overwrite" in str(error)
    assert client.read(target) == b"theirs" and names_in() == ["target.csv"]


def test_a_target_that_somebody_makes_while_it_may_be_replaced(
    between: Between, client, target, names_in
):
    """Nobody is told to add an option that was given."""

    def make() -> None:
        if client.find(target) is None:
            put(client, target, b"theirs")

    between.faults = before("mode=legacy", make)
    job = UploadJob(bytes(5 * CHUNK), target)
    options = UploadOptions(chunk_size=CHUNK, if_exists="overwrite")
    with pytest.raises(errors.ConflictError, match=r"came into being .*run it again to replace it"):
        upload_all(account_at(between.port), [job], options, progress=False)
    assert client.read(target) == b"theirs" and names_in() == ["target.csv"]
    upload_all(account_at(between.port), [job], options, progress=False)
    assert client.read(target) == bytes(5 * CHUNK)


def test_a_target_that_somebody_removes_meanwhile(between: Between, client, target, names_in):
    put(client, target, b"old")

    def remove() -> None:
        if client.find(target) is not None:
            client.delete(target)

    between.faults = before("mode=legacy", remove)
    options = UploadOptions(chunk_size=CHUNK, if_exists="overwrite")
    job = UploadJob(bytes(5 * CHUNK), target)
    with pytest.raises(errors.ConflictError, match="run it again"):
        upload_all(account_at(between.port), [job], options, progress=False)
    assert names_in() == []
