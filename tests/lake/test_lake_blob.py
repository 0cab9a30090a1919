"""The blob dialect, with the official blob SDK as its client."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobPrefix, BlobServiceClient, ContainerClient
from azure.storage.filedatalake import FileSasPermissions, generate_file_sas

from adls_magic.lake import LocalLake

from .wire import Wire


@pytest.fixture(scope="module")
def container(lake: LocalLake) -> Iterator[ContainerClient]:
    assert lake.account.secret is not None
    key = lake.account.secret.reveal()
    with BlobServiceClient(lake.url, credential=key, retry_total=0) as service:
        yield service.create_container("blobs", metadata={"Some": "thing"})


@pytest.fixture
def names(container: ContainerClient, wire: Wire) -> list[str]:
    names = ["a/one ä&<.csv", "a/two.csv", "b/three.csv", "top.csv"]
    for name in ("a/one%20%C3%A4%26%3C.csv", *names[1:]):
        wire.write(f"/blobs/{name}", name.encode())
    return names


def test_list_blobs(container: ContainerClient, names: list[str]) -> None:
    found = {blob.name: blob for blob in container.list_blobs(results_per_page=2)}
    assert sorted(found) == sorted(["a", "b", *names])
    assert found["top.csv"].size == len("top.csv")
    assert [b.name for b in container.list_blobs(name_starts_with="a/t")] == ["a/two.csv"]
    assert [b.name for b in container.list_blobs(name_starts_with="nothing/")] == []
    with_metadata = {b.name: b.metadata for b in container.list_blobs(include=["metadata"])}
    assert with_metadata["a"] == {"hdi_isfolder": "true"}


def test_walk_blobs(container: ContainerClient, names: list[str]) -> None:
    top = list(container.walk_blobs())
    assert [item.name for item in top] == ["a/", "b/", "top.csv"]
    assert isinstance(top[0], BlobPrefix)
    assert [item.name for item in top[0]] == ["a/one ä&<.csv", "a/two.csv"]


def test_properties(container: ContainerClient, names: list[str]) -> None:
    blob = container.get_blob_client("a")
    assert blob.get_blob_properties().metadata == {"hdi_isfolder": "true"}
    blob = container.get_blob_client(names[0])
    assert blob.download_blob().readall() == b"a/one%20%C3%A4%26%3C.csv"
    assert blob.get_blob_properties().blob_type == "BlockBlob"
    assert container.get_container_properties().metadata == {"Some": "thing"}
    assert container.get_account_information()["is_hns_enabled"] is True
    blob.delete_blob()
    assert not blob.exists()


def test_errors_are_xml(container: ContainerClient, wire: Wire) -> None:
    with pytest.raises(ResourceNotFoundError) as error:
        container.get_blob_client("nothing").download_blob()
    assert error.value.error_code == "BlobNotFound"
    reply = wire.get("/nowhere/nothing", Accept="application/xml")
    assert (reply.status, reply.code) == (404, "ContainerNotFound")
    assert ET.fromstring(reply.body).findtext("Code") == "ContainerNotFound"


def test_writing_blobs_is_not_served(container: ContainerClient) -> None:
    with pytest.raises(HttpResponseError) as error:
        container.upload_blob("new", b"data")
    assert error.value.status_code == 501
    assert "new" not in [blob.name for blob in container.list_blobs()]


def test_token_prescribes_answer_headers(lake: LocalLake, wire: Wire) -> None:
    wire.write("/lake/data", b"x")
    assert lake.account.secret is not None
    token = generate_file_sas(
        lake.account.name,
        "lake",
        "",
        "data",
        lake.account.secret.reveal(),
        FileSasPermissions(read=True),
        datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1),
        content_type="text/csv",
        content_disposition="attachment",
    )
    reply = wire.get(f"/lake/data?{token}", Authorization="")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/csv")
    assert reply.headers["content-disposition"] == "attachment"
