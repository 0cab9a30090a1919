"""The unmodified official SDK is a client of the lake."""

from __future__ import annotations

import datetime
import os
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.filedatalake import (
    AccountSasPermissions,
    ContentSettings,
    DataLakeFileClient,
    DataLakeLeaseClient,
    DataLakeServiceClient,
    FileSasPermissions,
    FileSystemClient,
    FileSystemSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_directory_sas,
    generate_file_sas,
    generate_file_system_sas,
)

from adls_magic.lake import LocalLake


@pytest.fixture(scope="module")
def service(lake: LocalLake) -> Iterator[DataLakeServiceClient]:
    assert lake.account.secret is not None
    with DataLakeServiceClient(
        lake.url, credential=lake.account.secret.reveal(), retry_total=0
    ) as client:
        yield client


@pytest.fixture
def fs(service: DataLakeServiceClient, request: pytest.FixtureRequest) -> FileSystemClient:
    name = "t-" + request.node.name.replace("_", "-").replace("[", "-").strip("]")[5:60].strip("-")
    return service.create_file_system(name)


def hours(number: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=number)


def refused(error: pytest.ExceptionInfo[HttpResponseError]) -> tuple[int | None, str]:
    code: Any = getattr(error.value, "error_code", None)
    return error.value.status_code, str(getattr(code, "value", code))


def test_filesystems(service: DataLakeServiceClient) -> None:
    fs = service.create_file_system("some-data", metadata={"Owner": "me", "two": "2"})
    with pytest.raises(ResourceExistsError):
        service.create_file_system("some-data")
    assert fs.exists()
    assert fs.get_file_system_properties().metadata == {"Owner": "me", "two": "2"}
    fs.set_file_system_metadata({"now": "other"})
    assert fs.get_file_system_properties().metadata == {"now": "other"}
    assert "some-data" in [item.name for item in service.list_file_systems()]
    names = [
        item.name
        for item in service.list_file_systems(name_starts_with="some-", results_per_page=1)
    ]
    assert names == ["some-data"]
    fs.delete_file_system()
    assert not fs.exists()
    with pytest.raises(ResourceNotFoundError):
        list(fs.get_paths())
    with pytest.raises(HttpResponseError) as error:
        service.create_file_system("some-data")
    assert refused(error) == (409, "ContainerBeingDeleted")


def test_filesystem_listing_pages(service: DataLakeServiceClient) -> None:
    for number in range(5):
        service.create_file_system(f"paged-{number}")
    pages = service.list_file_systems(name_starts_with="paged-", results_per_page=2).by_page()
    sizes = [[item.name for item in page] for page in pages]
    assert [name for page in sizes for name in page] == [f"paged-{n}" for n in range(5)]
    assert [len(page) for page in sizes] == [2, 2, 1]


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (3 << 20) + 7])
def test_upload_data_in_parallel(fs: FileSystemClient, size: int) -> None:
    data = os.urandom(size)
    file = fs.create_file("data.bin")
    file.upload_data(data, overwrite=True, chunk_size=1 << 18, max_concurrency=8)
    assert file.download_file().readall() == data
    assert file.get_file_properties().size == size


def test_upload_without_overwrite_is_refused(fs: FileSystemClient) -> None:
    file = fs.create_file("data.bin")
    with pytest.raises(HttpResponseError) as error:
        file.upload_data(b"new", overwrite=False)
    assert refused(error)[0] == 412


def test_append_out_of_order_and_twice(fs: FileSystemClient) -> None:
    file = fs.create_file("data.bin")
    file.append_data(b"world", 5)
    file.append_data(b"XXXXX", 0)
    file.append_data(b"hello", 0)
    with pytest.raises(HttpResponseError) as error:
        file.flush_data(9)
    assert refused(error) == (400, "InvalidFlushPosition")
    with pytest.raises(HttpResponseError) as error:
        file.flush_data(11)
    assert refused(error) == (400, "InvalidFlushPosition")
    assert file.get_file_properties().size == 0
    file.flush_data(10)
    assert file.download_file().readall() == b"helloworld"


def test_append_with_checks_and_flush(fs: FileSystemClient) -> None:
    file = fs.create_file("data.txt")
    file.append_data(b"one,", 0, validate_content=True)
    answer = file.append_data(b"two", 4, flush=True)
    assert answer["etag"] == file.get_file_properties().etag
    assert file.download_file().readall() == b"one,two"


def test_download_by_range(fs: FileSystemClient) -> None:
    data = os.urandom(300_000)
    file = fs.create_file("data.bin")
    file.upload_data(data, overwrite=True)
    assert file.download_file(offset=1000, length=5).readall() == data[1000:1005]
    assert file.download_file(offset=299_990).readall() == data[299_990:]
    assert file.download_file(offset=0, length=9, validate_content=True).readall() == data[:9]
    with pytest.raises(HttpResponseError) as error:
        file.download_file(offset=300_000, length=1).readall()
    assert refused(error) == (416, "InvalidRange")


def test_properties_and_metadata(fs: FileSystemClient) -> None:
    settings = ContentSettings(
        content_type="text/csv",
        content_encoding="gzip",
        content_language="de",
        content_disposition="inline",
        cache_control="no-cache",
    )
    file = fs.create_file("a/data.csv", content_settings=settings, metadata={"Key": "wert ä"})
    file.append_data(b"x", 0)
    file.flush_data(1, close=True)
    found = file.get_file_properties()
    assert found.content_settings.content_type == "text/csv"
    assert found.content_settings.content_encoding == "gzip"
    assert found.content_settings.content_language == "de"
    assert found.content_settings.content_disposition == "inline"
    assert found.content_settings.cache_control == "no-cache"
    assert (found.size, found.owner, found.permissions) == (1, "$superuser", "rw-r-----")
    file.set_metadata({"One": "1", "two": "zwei"})
    before = file.get_file_properties()
    assert before.metadata == {"One": "1", "two": "zwei"}
    assert before.etag != found.etag
    file.set_http_headers(ContentSettings(content_type="text/plain"))
    after = file.get_file_properties()
    assert after.content_settings.content_type == "text/plain"
    assert after.content_settings.content_encoding is None
    assert after.metadata == {"One": "1", "two": "zwei"}


def test_flush_sets_content_md5(fs: FileSystemClient) -> None:
    file = fs.create_file("data.txt")
    file.append_data(b"x", 0)
    md5 = bytearray(range(16))
    file.flush_data(1, content_settings=ContentSettings(content_type="a/b", content_md5=md5))
    assert file.get_file_properties().content_settings.content_md5 == md5
    file.append_data(b"y", 1)
    file.flush_data(2)
    found = file.get_file_properties().content_settings
    assert (found.content_md5, found.content_type) == (None, "a/b")


def test_access_control(fs: FileSystemClient) -> None:
    file = fs.create_file("data.txt", permissions="0777", umask="0022")
    assert file.get_access_control()["permissions"] == "rwxr-xr-x"
    file.set_access_control(permissions="rw-rw-r--", owner="me")
    found = file.get_access_control()
    assert (found["permissions"], found["owner"]) == ("rw-rw-r--", "me")
    assert found["acl"] == "user::rw-,group::rw-,other::r--"


def test_directories(fs: FileSystemClient) -> None:
    directory = fs.create_directory("one/two", metadata={"a": "b"})
    assert directory.exists()
    found = directory.get_directory_properties()
    assert found.metadata == {"a": "b", "hdi_isfolder": "true"} or found.metadata == {"a": "b"}
    directory.create_file("data.txt")
    directory.create_sub_directory("three")
    with pytest.raises(ResourceExistsError):
        fs.get_directory_client("one").create_directory(match_condition=MatchConditions.IfMissing)
    moved = directory.rename_directory(f"{fs.file_system_name}/one/zwei")
    assert [path.name for path in fs.get_paths()] == [
        "one",
        "one/zwei",
        "one/zwei/data.txt",
        "one/zwei/three",
    ]
    assert moved.get_directory_properties().metadata.get("a") == "b"
    fs.get_directory_client("one").delete_directory()
    assert list(fs.get_paths()) == []


def test_listing_in_pages(fs: FileSystemClient) -> None:
    names = [f"d{n % 3}/datei {n:02} ü+=&.txt" for n in range(23)]
    for name in names:
        fs.create_file(name)
    expected = sorted([*names, "d0", "d1", "d2"], key=lambda name: name.split("/"))
    pages = [[path.name for path in page] for page in fs.get_paths(max_results=4).by_page()]
    assert [name for page in pages for name in page] == expected
    assert max(len(page) for page in pages) == 4
    below = [path.name for path in fs.get_paths(path="d1", max_results=2)]
    assert below == [name for name in expected if name.startswith("d1/")]
    top = list(fs.get_paths(recursive=False))
    assert [(path.name, path.is_directory) for path in top] == [
        ("d0", True),
        ("d1", True),
        ("d2", True),
    ]
    with pytest.raises(ResourceNotFoundError):
        list(fs.get_paths(path="nowhere"))


def test_rename_keeps_version_and_properties(fs: FileSystemClient) -> None:
    file = fs.create_file("alt ü%.txt", metadata={"a": "b"})
    file.append_data(b"data", 0)
    before = file.flush_data(4)
    moved = file.rename_file(f"{fs.file_system_name}/neu + ?.txt")
    found = moved.get_file_properties()
    assert (found.etag, found.metadata) == (before["etag"], {"a": "b"})
    assert moved.download_file().readall() == b"data"
    assert not file.exists()
    with pytest.raises(ResourceNotFoundError):
        file.rename_file(f"{fs.file_system_name}/other")


def test_rename_with_and_without_overwriting(fs: FileSystemClient) -> None:
    one, two = fs.create_file("one"), fs.create_file("two")
    one.append_data(b"1", 0, flush=True)
    with pytest.raises(ResourceExistsError) as error:
        one.rename_file(f"{fs.file_system_name}/two", match_condition=MatchConditions.IfMissing)
    assert refused(error) == (409, "PathAlreadyExists")
    with pytest.raises(HttpResponseError) as error:
        one.rename_file(
            f"{fs.file_system_name}/two",
            source_match_condition=MatchConditions.IfNotModified,
            source_etag='"0x8D0000000000000"',
        )
    assert refused(error) == (412, "SourceConditionNotMet")
    one.rename_file(f"{fs.file_system_name}/two")
    assert two.download_file().readall() == b"1"
    assert [path.name for path in fs.get_paths()] == ["two"]


def test_delete(fs: FileSystemClient) -> None:
    file = fs.create_file("data")
    file.delete_file()
    assert not file.exists()
    with pytest.raises(ResourceNotFoundError):
        file.delete_file()


def test_conditions(fs: FileSystemClient) -> None:
    file = fs.create_file("data")
    first = file.get_file_properties().etag
    file.append_data(b"x", 0)
    file.flush_data(1, etag=first, match_condition=MatchConditions.IfNotModified)
    file.append_data(b"y", 1)
    with pytest.raises(ResourceModifiedError) as error:
        file.flush_data(2, etag=first, match_condition=MatchConditions.IfNotModified)
    assert refused(error) == (412, "ConditionNotMet")
    with pytest.raises(ResourceExistsError):
        file.create_file(match_condition=MatchConditions.IfMissing)
    with pytest.raises(ResourceModifiedError):
        file.create_file(etag=first, match_condition=MatchConditions.IfNotModified)
    assert file.download_file().readall() == b"x"
    with pytest.raises(ResourceModifiedError):
        file.download_file(etag=first, match_condition=MatchConditions.IfNotModified)
    with pytest.raises(ResourceModifiedError):
        file.delete_file(etag=first, match_condition=MatchConditions.IfNotModified)


def test_leases(fs: FileSystemClient) -> None:
    file = fs.create_file("data")
    lease = file.acquire_lease(lease_duration=15)
    assert file.get_file_properties().lease.state == "leased"
    with pytest.raises(HttpResponseError) as error:
        file.append_data(b"x", 0)
    assert refused(error) == (412, "LeaseIdMissing")
    with pytest.raises(HttpResponseError) as error:
        file.acquire_lease()
    assert refused(error) == (409, "LeaseAlreadyPresent")
    file.append_data(b"x", 0, lease=lease)
    file.flush_data(1, lease=lease)
    lease.renew()
    lease.change("11111111-2222-3333-4444-555555555555")
    file.set_metadata({"a": "b"}, lease=lease)
    with pytest.raises(HttpResponseError) as error:
        file.delete_file()
    assert refused(error) == (412, "LeaseIdMissing")
    lease.release()
    assert file.get_file_properties().lease.state == "available"
    other = DataLakeLeaseClient(file)
    other.acquire(-1)
    assert other.break_lease(lease_break_period=0) == 0
    file.append_data(b"y", 1, flush=True)


def test_lease_with_appends(fs: FileSystemClient) -> None:
    file = fs.create_file("log")
    id_ = "11111111-2222-3333-4444-555555555555"
    file.append_data(b"a", 0, lease_action="acquire", lease_duration=15, lease=id_)
    with pytest.raises(HttpResponseError) as error:
        file.append_data(
            b"z",
            0,
            lease_action="acquire",
            lease_duration=15,
            lease="99999999-2222-3333-4444-555555555555",
        )
    assert refused(error) == (409, "LeaseAlreadyPresent")
    answer = file.append_data(b"b", 1, lease_action="auto-renew", lease=id_)
    assert answer["lease_renewed"] is True
    file.flush_data(2, lease_action="release", lease=id_)
    file.append_data(
        b"c", 2, lease_action="acquire-release", lease_duration=15, lease=id_, flush=True
    )
    assert file.download_file().readall() == b"abc"
    assert file.get_file_properties().lease.state == "available"


def test_filesystem_lease(fs: FileSystemClient) -> None:
    lease = fs.acquire_lease(15)
    with pytest.raises(HttpResponseError) as error:
        fs.delete_file_system()
    assert refused(error)[0] == 412
    fs.delete_file_system(lease=lease)


class TestTokens:
    """SAS made by the SDK's own generators."""

    @pytest.fixture
    def file(self, service: DataLakeServiceClient) -> DataLakeFileClient:
        fs = service.get_file_system_client("lake")
        file = fs.create_file("tokens/d ü/data +.txt")
        file.append_data(b"data", 0, flush=True)
        return file

    def key(self, lake: LocalLake) -> str:
        assert lake.account.secret is not None
        return lake.account.secret.reveal()

    def with_token(self, lake: LocalLake, token: str) -> DataLakeServiceClient:
        return DataLakeServiceClient(lake.url, credential=token, retry_total=0)

    def account_token(self, lake: LocalLake, **changes: Any) -> str:
        given: dict[str, Any] = {
            "resource_types": ResourceTypes(service=True, file_system=True, object=True),
            "permission": AccountSasPermissions(
                read=True, write=True, delete=True, list=True, create=True
            ),
            "expiry": hours(1),
            **changes,
        }
        return generate_account_sas(lake.account.name, self.key(lake), **given)

    def file_token(self, lake: LocalLake, file: DataLakeFileClient, **changes: Any) -> str:
        given: dict[str, Any] = {
            "permission": FileSasPermissions(read=True, write=True),
            "expiry": hours(1),
            **changes,
        }
        directory, _, name = str(file.path_name).rpartition("/")
        return generate_file_sas(
            lake.account.name, file.file_system_name, directory, name, self.key(lake), **given
        )

    def test_account(self, lake: LocalLake) -> None:
        with self.with_token(lake, self.account_token(lake)) as service:
            fs = service.create_file_system("sas-made")
            file = fs.create_file("data")
            file.upload_data(b"abc", overwrite=True)
            assert file.download_file().readall() == b"abc"
            assert [path.name for path in fs.get_paths()] == ["data"]
            assert "sas-made" in [item.name for item in service.list_file_systems()]
            file.delete_file()

    def test_filesystem(self, lake: LocalLake, file: DataLakeFileClient) -> None:
        token = generate_file_system_sas(
            lake.account.name,
            "lake",
            self.key(lake),
            FileSystemSasPermissions(read=True, list=True, create=True, write=True, move=True),
            hours(1),
            start=hours(-1),
            protocol="https,http",
            ip="127.0.0.1-127.0.0.9",
        )
        with self.with_token(lake, token) as service:
            fs = service.get_file_system_client("lake")
            assert file.path_name in [path.name for path in fs.get_paths()]
            made = fs.create_file("tokens/new")
            made.append_data(b"x", 0, flush=True)
            made = made.rename_file("lake/tokens/newer")
            assert made.download_file().readall() == b"x"
            with pytest.raises(HttpResponseError) as error:
                made.delete_file()
            assert refused(error) == (403, "AuthorizationPermissionMismatch")
            with pytest.raises(ClientAuthenticationError):
                service.get_file_system_client("some-other").get_file_client("x").exists()
            with pytest.raises(HttpResponseError) as error:
                fs.delete_file_system()
            assert refused(error) == (403, "AuthorizationResourceTypeMismatch")

    def test_file(self, lake: LocalLake, file: DataLakeFileClient) -> None:
        with self.with_token(lake, self.file_token(lake, file)) as service:
            fs = service.get_file_system_client("lake")
            same = fs.get_file_client(str(file.path_name))
            same.upload_data(b"new", overwrite=True)
            assert same.download_file().readall() == b"new"
            with pytest.raises(HttpResponseError) as error:
                fs.get_file_client("tokens/other").create_file()
            assert refused(error) == (403, "AuthenticationFailed")
            with pytest.raises(HttpResponseError) as error:
                list(fs.get_paths())
            assert refused(error)[0] == 403

    def test_directory(self, lake: LocalLake, file: DataLakeFileClient) -> None:
        token = generate_directory_sas(
            lake.account.name,
            "lake",
            "tokens/d ü",
            self.key(lake),
            FileSystemSasPermissions(read=True, list=True),
            hours(1),
        )
        with self.with_token(lake, token) as service:
            fs = service.get_file_system_client("lake")
            assert fs.get_file_client(str(file.path_name)).download_file().readall() == b"data"
            assert [path.name for path in fs.get_paths(path="tokens/d ü")] == [file.path_name]
            with pytest.raises(HttpResponseError) as error:
                list(fs.get_paths())
            assert refused(error) == (403, "AuthenticationFailed")

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"expiry": hours(-1)}, "AuthenticationFailed"),
            ({"start": hours(1), "expiry": hours(2)}, "AuthenticationFailed"),
            ({"protocol": "https"}, "AuthorizationProtocolMismatch"),
            ({"ip": "10.0.0.1"}, "AuthorizationSourceIPMismatch"),
            ({"permission": AccountSasPermissions(write=True)}, "AuthorizationPermissionMismatch"),
            ({"resource_types": ResourceTypes(service=True)}, "AuthorizationResourceTypeMismatch"),
        ],
    )
    def test_refusals(
        self, lake: LocalLake, file: DataLakeFileClient, changes: dict[str, Any], code: str
    ) -> None:
        with self.with_token(lake, self.account_token(lake, **changes)) as service:
            same = service.get_file_client("lake", str(file.path_name))
            with pytest.raises(HttpResponseError) as error:
                same.download_file().readall()
            assert refused(error) == (403, code)

    @pytest.mark.parametrize("name", ["sig", "sp", "se", "srt", "ss", "sv"])
    def test_tampered(self, lake: LocalLake, file: DataLakeFileClient, name: str) -> None:
        changes = {
            "sig": "AAAA",
            "sp": "rwdlacup",
            "se": hours(9).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "srt": "cos",
            "ss": "bfqt",
            "sv": "2021-12-02",
        }
        fields = dict(urllib.parse.parse_qsl(self.account_token(lake)))
        assert fields[name] != changes[name]
        fields[name] = changes[name]
        with self.with_token(lake, urllib.parse.urlencode(fields)) as service:
            same = service.get_file_client("lake", str(file.path_name))
            with pytest.raises(HttpResponseError) as error:
                same.download_file().readall()
            assert refused(error) == (403, "AuthenticationFailed")

    def test_read_only(self, lake: LocalLake, file: DataLakeFileClient) -> None:
        token = self.file_token(lake, file, permission=FileSasPermissions(read=True))
        with self.with_token(lake, token) as service:
            same = service.get_file_client("lake", str(file.path_name))
            assert same.download_file().readall() == b"data"
            writes = [
                lambda: same.create_file(),
                lambda: same.append_data(b"x", 4),
                lambda: same.flush_data(4),
                lambda: same.delete_file(),
                lambda: same.set_metadata({"a": "b"}),
                lambda: same.rename_file("lake/tokens/stolen"),
            ]
            for write in writes:
                with pytest.raises(HttpResponseError) as error:
                    write()
                assert error.value.status_code == 403
            assert same.download_file().readall() == b"data"

    def test_create_without_write(self, lake: LocalLake, file: DataLakeFileClient) -> None:
        token = self.account_token(lake, permission=AccountSasPermissions(create=True))
        with self.with_token(lake, token) as service:
            service.get_file_client("lake", "tokens/fresh").create_file()
            with pytest.raises(HttpResponseError) as error:
                service.get_file_client("lake", str(file.path_name)).create_file()
            assert refused(error) == (403, "AuthorizationPermissionMismatch")


def test_wrong_key(lake: LocalLake) -> None:
    wrong = "d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkhISEh"
    with DataLakeServiceClient(lake.url, credential=wrong, retry_total=0) as service:
        with pytest.raises(ClientAuthenticationError) as error:
            service.get_file_client("lake", "x").create_file()
        assert refused(error) == (403, "AuthenticationFailed")
        with pytest.raises(ClientAuthenticationError):
            service.get_file_client("lake", "x").download_file()
        with pytest.raises(ClientAuthenticationError):
            list(service.list_file_systems())
