"""The client's calls against the local lake, and what an ambiguous answer means.

"Lost" stands for: the service did what was asked, and its answer never came.
"""

# ruff: noqa: SIM117 - what is expected to fail stands by itself
from __future__ import annotations

import contextlib
import datetime
from dataclasses import replace

import pytest
from azure.storage.filedatalake import DataLakeServiceClient

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.service.response import PathItem
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import MemoryReader
from adls_magic.lake import LocalLake

from .conftest import KEY, QUICK, account_at
from .servers import Between, Fault, Forwarded, answer, error, paths_page, script


def body(data: bytes) -> PieceBody:
    return PieceBody(MemoryReader(data), 0, len(data), lambda count: None)


def write(client: Client, remote: RemotePath, data: bytes) -> str:
    client.create(remote)
    return client.append(remote, 0, body(data), flush=True) if data else ""


@pytest.fixture
def file(place: RemotePath) -> RemotePath:
    return place.child("file.txt")


# ----------------------------------------------------------------------------------- plain calls


def test_create_append_flush_read(client: Client, file: RemotePath):
    etag = client.create(file, content_type="text/csv", metadata={"owner": "Ünal", "n": ""})
    assert etag.startswith('"') and etag.endswith('"')
    assert client.append(file, 5, body(b"world")) is None
    assert client.append(file, 0, body(b"XXXXX")) is None
    assert client.append(file, 0, body(b"hello")) is None  # replaces what was there
    assert client.properties(file).size == 0 and client.properties(file).etag == etag
    flushed = client.flush(file, 10, if_match=etag, content_md5="/F4DjTilcDIIVEHn/nAQsA==")
    found = client.properties(file)
    assert (found.size, found.etag, found.is_directory) == (10, flushed, False)
    assert found.etag != etag
    assert found.content_type == "text/csv" and found.metadata == {"owner": "Ünal", "n": ""}
    assert found.content_md5 == "/F4DjTilcDIIVEHn/nAQsA=="
    age = datetime.datetime.now(datetime.UTC) - found.modified
    assert abs(age.total_seconds()) < 5
    assert client.read(file) == b"helloworld"


def test_append_can_flush(client: Client, file: RemotePath):
    client.create(file, content_type="text/plain")
    client.append(file, 0, body(b"abc"))
    etag = client.append(file, 3, body(b"def"), flush=True, close=True, content_type="text/csv")
    found = client.properties(file)
    assert (found.etag, found.size, found.content_type) == (etag, 6, "text/csv")


def test_flush_keeps_or_drops_what_waits(client: Client, file: RemotePath):
    etag = client.create(file)
    client.append(file, 0, body(b"abc"))
    client.append(file, 3, body(b"def"))
    etag = client.flush(file, 3, retain=True, if_match=etag)
    assert client.read(file) == b"abc"
    client.flush(file, 6, if_match=etag)
    assert client.read(file) == b"abcdef"
    client.append(file, 6, body(b"ghi"))
    client.flush(file, 6)
    with pytest.raises(errors.ConflictError) as caught:
        client.flush(file, 9)
    assert (caught.value.status, caught.value.code) == (400, "InvalidFlushPosition")


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (3, 7, b"3456"),
        (0, 1, b"0"),
        (9, 100, b"9"),
        (5, 5, b""),
        (7, 3, b""),
        (10, None, b""),
        (99, 120, b""),
    ],
)
def test_ranges(client: Client, file: RemotePath, start: int, end: int | None, wanted: bytes):
    write(client, file, b"0123456789")
    assert client.read(file, start=start, end=end) == wanted


def test_reading_one_version_only(client: Client, file: RemotePath):
    etag = write(client, file, b"one")
    assert client.read(file, if_match=etag) == b"one"
    write(client, file, b"two")
    with pytest.raises(errors.ConflictError):
        client.read(file, if_match=etag)


def test_reading_an_empty_file(client: Client, file: RemotePath):
    client.create(file)
    assert client.read(file) == b"" == client.read(file, start=1)


def test_a_server_that_ignores_ranges(serve):
    server = serve(lambda got: answer(200, body=b"0123456789"))
    with Client(account_at(server.port), policy=QUICK) as client:
        assert client.read(RemotePath("fs", "x"), start=3, end=5) == b"34"


def test_create_overwrites_or_refuses(client: Client, file: RemotePath):
    etag = write(client, file, b"abc")
    with pytest.raises(errors.PathExistsError) as caught:
        client.create(file, if_none_match="*")
    assert isinstance(caught.value, FileExistsError)
    assert (caught.value.status, caught.value.code) == (409, "PathAlreadyExists")
    with pytest.raises(errors.ConflictError):
        client.create(file, if_match='"0x1"')
    assert client.read(file) == b"abc"
    client.create(file, if_match=etag)
    assert client.properties(file).size == 0


def test_directories(client: Client, place: RemotePath):
    client.create(place.child("a/b"), directory=True)
    assert client.properties(place.child("a")).is_directory
    client.create(place.child("a/b"), directory=True)  # again is no failure
    with pytest.raises(errors.ConflictError) as caught:
        client.delete(place.child("a"))
    assert caught.value.code == "DirectoryNotEmpty"
    client.delete(place.child("a"), recursive=True)
    assert client.find(place.child("a")) is None and client.find(place.child("a/b")) is None


def test_a_file_is_no_directory(client: Client, file: RemotePath):
    write(client, file, b"abc")
    with pytest.raises(errors.ConflictError, match="file stands where a directory is needed"):
        client.create(file.child("below"))
    assert client.read(file) == b"abc"


def test_what_is_not_there(client: Client, file: RemotePath):
    assert client.find(file) is None
    for call in (client.properties, client.delete, client.read):
        with pytest.raises(errors.PathNotFoundError) as caught:
            call(file)
        assert isinstance(caught.value, FileNotFoundError) and caught.value.status == 404
    with pytest.raises(errors.PathNotFoundError):
        client.append(file, 0, body(b"abc"))
    with pytest.raises(errors.PathNotFoundError):
        client.flush(file, 0)
    with pytest.raises(errors.PathNotFoundError):
        client.rename(file, file.parent.child("other"))
    with pytest.raises(errors.PathNotFoundError):
        list(client.list(file))


def test_a_filesystem_that_is_not_there(client: Client):
    remote = RemotePath("nosuchfs", "x")
    for call in (client.find, client.create, lambda path: list(client.list(path))):
        with pytest.raises(errors.PathNotFoundError, match="--filesystem") as caught:
            call(remote)
        assert caught.value.code == "FilesystemNotFound"
    with pytest.raises(errors.PathNotFoundError):
        client.find(RemotePath("nosuchfs", ""))


def test_the_root(client: Client):
    assert client.properties(RemotePath("lake", "", is_directory=True)).is_directory


def test_delete_one_version_only(client: Client, file: RemotePath):
    etag = write(client, file, b"abc")
    with pytest.raises(errors.ConflictError):
        client.delete(file, if_match='"0x1"')
    client.delete(file, if_match=etag)
    assert client.find(file) is None


def test_rename(client: Client, place: RemotePath):
    old, new = place.child("old é+%.txt"), place.child("new =&.txt")
    etag = write(client, old, b"abc")
    client.rename(old, new, if_none_match="*", source_etag=etag)
    assert client.find(old) is None and client.read(new) == b"abc"
    assert client.properties(new).etag == etag
    write(client, old, b"second")
    with pytest.raises(errors.PathExistsError):
        client.rename(old, new, if_none_match="*")
    with pytest.raises(errors.ConflictError):
        client.rename(old, new, if_match='"0x1"')
    with pytest.raises(errors.ConflictError):
        client.rename(old, new, source_etag='"0x1"')
    assert client.read(new) == b"abc" and client.read(old) == b"second"
    client.rename(old, new, if_match=etag)
    assert client.read(new) == b"second" and client.find(old) is None


def test_filesystems(lake: LocalLake, client: Client):
    assert not client.filesystem_exists("made-here")
    client.create_filesystem("made-here")
    with pytest.raises(errors.PathExistsError):
        client.create_filesystem("made-here")
    assert client.filesystem_exists("made-here")
    assert {"lake", "made-here"} <= set(client.list_filesystems())


def test_a_wrong_key_is_told_with_its_cure(lake: LocalLake):
    wrong = replace(lake.account, secret=type(lake.account.secret)("A" * 86 + "=="))
    with Client(wrong, policy=QUICK) as client:
        with pytest.raises(errors.PermissionDeniedError, match="--prompt") as caught:
            client.create(RemotePath("lake", "x"))
        assert isinstance(caught.value, PermissionError) and caught.value.status == 403
        assert caught.value.request_id and "AAAAAAAA" not in str(caught.value)
        assert client.traffic.requests == 1


def test_the_sdk_reads_what_we_write(lake: LocalLake, client: Client, file: RemotePath):
    client.create(file, content_type="text/csv", metadata={"k": "v"})
    client.append(file, 0, body(b"some bytes"), flush=True, content_type="text/csv")
    with DataLakeServiceClient(lake.url, credential=KEY) as service:
        theirs = service.get_file_client("lake", file.path)
        assert theirs.download_file().readall() == b"some bytes"
        seen = theirs.get_file_properties()
        assert seen.metadata == {"k": "v"} and seen.content_settings.content_type == "text/csv"
        assert seen.etag == client.properties(file).etag


# --------------------------------------------------------------------------------------- listing


def test_list(client: Client, place: RemotePath):
    write(client, place.child("b"), b"12345")
    write(client, place.child("a/c d+é"), b"123")
    flat = list(client.list(place))
    assert [(item.name, item.size, item.is_directory) for item in flat] == [
        (f"{place.path}/a", 0, True),
        (f"{place.path}/b", 5, False),
    ]
    deep = list(client.list(place, recursive=True))
    assert [item.name for item in deep] == [
        f"{place.path}/{name}" for name in ("a", "a/c d+é", "b")
    ]
    assert deep[1].etag == client.properties(place.child("a/c d+é")).etag
    assert deep[1].modified == client.properties(place.child("a/c d+é")).modified
    names = [item.name for item in client.list(RemotePath("lake", ""))]
    assert place.path in names and not any("/" in name for name in names)


def test_list_page_by_page(client: Client, place: RemotePath):
    for number in range(7):
        write(client, place.child(f"{number} +é"), b"")
    wanted = [f"{place.path}/{number} +é" for number in range(7)]
    for size in (1, 2, 3, 7, 8):
        assert [item.name for item in client.list(place, page_size=size)] == wanted


def test_an_empty_directory_has_no_entries(client: Client, place: RemotePath):
    client.create(place, directory=True)
    assert list(client.list(place)) == []


def test_an_empty_page_is_not_the_end(serve):
    token = "VBatt+T4hez/euJgBGE4YSXRhYwEwMURBAAAvZGlyWAAAA=="
    more = {"x-ms-continuation": token}
    server = serve(
        script(
            answer(200, more, paths_page(["a"])),
            answer(200, more, paths_page([])),
            answer(200, more, paths_page([])),
            answer(200, {}, paths_page(["b"])),
        )
    )
    with Client(account_at(server.port), policy=QUICK) as client:
        items = list(client.list(RemotePath("fs", "d")))
    assert [item.name for item in items] == ["a", "b"] and isinstance(items[0], PathItem)
    assert len(server.received) == 4


def test_a_listing_is_fetched_as_it_is_used(serve):
    server = serve(lambda got: answer(200, {"x-ms-continuation": "t"}, paths_page(["a", "b"])))
    with Client(account_at(server.port), policy=QUICK) as client:
        listing = client.list(RemotePath("fs", "d"))
        assert server.received == []
        next(listing), next(listing)
        assert len(server.received) == 1
        next(listing)
        assert len(server.received) == 2


def test_a_listing_that_is_none(serve):
    server = serve(lambda got: answer(200, body=b"<html>Welcome</html>"))
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.ServiceError, match="dfs endpoint"):
            list(client.list(RemotePath("fs", "")))


def test_a_large_directory_is_deleted_in_several_steps(serve):
    server = serve(
        script(
            answer(200, {"x-ms-continuation": "a+b/c="}),
            error(500, "OperationTimedOut"),
            answer(200, {"x-ms-continuation": "d"}),
            answer(200),
        )
    )
    with Client(account_at(server.port), policy=QUICK) as client:
        client.delete(RemotePath("fs", "d"), recursive=True)
    queries = [got.target.partition("?")[2] for got in server.received]
    assert queries == [
        "recursive=true",
        "continuation=a%2Bb%2Fc%3D&recursive=true",
        "continuation=a%2Bb%2Fc%3D&recursive=true",
        "continuation=d&recursive=true",
    ]


@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_endpoint_that_agrees_with_everything_is_no_success(status: int, serve):
    """A login page of the network, or a server that is no storage account."""
    server = serve(lambda got: answer(status, {}, b"" if status == 204 else b"<html>"))
    remote = RemotePath("fs", "x")
    with Client(account_at(server.port), policy=QUICK) as client:
        for call in (client.create, lambda path: client.rename(path, path)):
            with pytest.raises(errors.AdlsError):
                call(remote)
        if status != 202:
            with pytest.raises(errors.AdlsError):
                client.append(remote, 0, body(b"abc"))
        if status != 200:
            with pytest.raises(errors.AdlsError):
                client.flush(remote, 3)


# --------------------------------------------------------------------- the first try had won


def lose(between: Between, pattern: str) -> list[Forwarded]:
    """Let the service do the first request that fits, and drop its answer."""
    lost: list[Forwarded] = []

    def fault(got: Forwarded) -> Fault | None:
        if not lost and pattern in f"{got.method} {got.target}":
            lost.append(got)
            return Fault(after=True)
        return None

    between.faults = fault
    return lost


@pytest.fixture
def shaky(between: Between):
    with Client(account_at(between.port), policy=QUICK) as opened:
        yield opened


def test_append_lost(shaky: Client, between: Between, file: RemotePath):
    shaky.create(file)
    lost = lose(between, "position=0")
    shaky.append(file, 0, body(b"abc"))
    shaky.append(file, 3, body(b"def"))
    shaky.flush(file, 6)
    assert lost and shaky.read(file) == b"abcdef"


def test_append_with_flush_lost(shaky: Client, between: Between, file: RemotePath):
    shaky.create(file)
    lost = lose(between, "flush=true")
    etag = shaky.append(file, 0, body(b"abc"), flush=True, content_type="text/csv")
    found = shaky.properties(file)
    assert lost and (found.size, found.etag, found.content_type) == (3, etag, "text/csv")
    assert shaky.read(file) == b"abc"


def test_flush_without_condition_lost(shaky: Client, between: Between, file: RemotePath):
    shaky.create(file)
    shaky.append(file, 0, body(b"abc"))
    lost = lose(between, "action=flush")
    etag = shaky.flush(file, 3)
    assert lost and shaky.properties(file).etag == etag and shaky.read(file) == b"abc"


def test_flush_with_if_match_lost(shaky: Client, between: Between, file: RemotePath):
    created = shaky.create(file)
    shaky.append(file, 0, body(b"abc"))
    lost = lose(between, "action=flush")
    etag = shaky.flush(file, 3, if_match=created)
    assert lost and etag == shaky.properties(file).etag != created
    assert between.count("^HEAD") == 2  # ours, and the client's own question


def test_flush_with_if_match_lost_to_another(shaky: Client, between: Between, file: RemotePath):
    """The answer is lost and another writer wins: this is no success."""
    created = shaky.create(file)
    shaky.append(file, 0, body(b"abc"))
    other: list[int] = []

    def fault(got: Forwarded) -> Fault | None:
        if "action=flush" in got.target and not other:
            other.append(1)
            return Fault(before=True)
        if "action=flush" in got.target and len(other) == 1:
            other.append(2)
            write(shaky, file, b"other's")
        return None

    between.faults = fault
    with pytest.raises(errors.ConflictError):
        shaky.flush(file, 3, if_match=created)
    assert shaky.read(file) == b"other's"


def test_a_first_412_is_believed(client: Client, file: RemotePath):
    """Even when the length fits by chance: no try of ours was lost."""
    write(client, file, b"abc")
    with pytest.raises(errors.ConflictError):
        client.flush(file, 3, if_match='"0x1"')


def test_create_lost(shaky: Client, between: Between, file: RemotePath):
    lost = lose(between, "resource=file")
    etag = shaky.create(file, if_none_match="*", content_type="application/x-own; of=1234")
    assert lost and shaky.properties(file).etag == etag


def test_create_without_condition_lost(shaky: Client, between: Between, file: RemotePath):
    """Sent again, before anything was appended; the etag is the second one's."""
    write(shaky, file, b"old")
    lost = lose(between, "resource=file")
    etag = shaky.create(file)
    assert lost and between.count("resource=file") == 3
    shaky.append(file, 0, body(b"abc"))
    shaky.flush(file, 3, if_match=etag)
    assert shaky.read(file) == b"abc"


def test_create_done_though_answered_500(shaky: Client, between: Between, file: RemotePath):
    def fault(got: Forwarded) -> Fault | None:
        first = got.method == "PUT" and between.count("^PUT") == 1
        return Fault(swapped=error(500, "OperationTimedOut")) if first else None

    between.faults = fault
    assert shaky.create(file, if_none_match="*") == shaky.properties(file).etag
    assert between.count("^PUT") == 2


def test_create_refused_is_not_ours(shaky: Client, between: Between, file: RemotePath):
    """A try that broke before it reached the service, and a file of somebody else."""
    write(shaky, file, b"abc")
    broken: list[int] = []

    def fault(got: Forwarded) -> Fault | None:
        if got.method == "PUT" and not broken:
            broken.append(1)
            return Fault(before=True)
        return None

    between.faults = fault
    with pytest.raises(errors.PathExistsError):
        shaky.create(file, if_none_match="*")
    assert shaky.read(file) == b"abc"


def test_an_empty_file_of_another_kind_is_not_ours(
    shaky: Client, between: Between, file: RemotePath
):
    def fault(got: Forwarded) -> Fault | None:
        if got.method == "PUT" and between.count("^PUT") == 2:
            return Fault(before=True)
        return None

    shaky.create(file, content_type="text/other")
    between.faults = fault
    with pytest.raises(errors.PathExistsError):
        shaky.create(file, if_none_match="*", content_type="text/ours")


def test_create_over_a_version_lost(shaky: Client, between: Between, file: RemotePath):
    old = write(shaky, file, b"old")
    lost = lose(between, "resource=file")
    etag = shaky.create(file, if_match=old, content_type="text/plain")
    assert lost and shaky.properties(file).etag == etag != old


def test_rename_lost(shaky: Client, between: Between, place: RemotePath):
    old, new = place.child("old"), place.child("new")
    etag = write(shaky, old, b"abc")
    lost = lose(between, "mode=legacy")
    shaky.rename(old, new, if_none_match="*", source_etag=etag)
    assert lost and shaky.read(new) == b"abc" and shaky.find(old) is None


def test_rename_over_a_version_lost(shaky: Client, between: Between, place: RemotePath):
    old, new = place.child("old"), place.child("new")
    before = write(shaky, new, b"before")
    etag = write(shaky, old, b"abc")
    lost = lose(between, "mode=legacy")
    shaky.rename(old, new, if_match=before, source_etag=etag)
    assert lost and shaky.read(new) == b"abc" and shaky.find(old) is None


def test_rename_that_never_won(shaky: Client, between: Between, place: RemotePath):
    """The first try broke off, and meanwhile the source has gone: an error it is."""
    old, new = place.child("old"), place.child("new")
    etag = write(shaky, old, b"abc")
    broken: list[int] = []

    def fault(got: Forwarded) -> Fault | None:
        if "mode=legacy" in got.target and not broken:
            broken.append(1)
            shaky.delete(old)
            return Fault(before=True)
        return None

    between.faults = fault
    with pytest.raises(errors.PathNotFoundError):
        shaky.rename(old, new, source_etag=etag)


@pytest.mark.parametrize("times", [1, 2])
def test_rename_into_a_directory_that_is_said_not_to_be_there(
    times: int, shaky: Client, between: Between, place: RemotePath
):
    """It may be what the service remembers: asked once more, and then believed."""
    old, new = place.child("old"), place.child("new")
    etag = write(shaky, old, b"abc")
    told = error(404, "RenameDestinationParentPathNotFound")

    def fault(got: Forwarded) -> Fault | None:
        is_told = "mode=legacy" in got.target and between.count("mode=legacy") <= times
        return Fault(instead=told) if is_told else None

    between.faults = fault
    if times == 1:
        shaky.rename(old, new, source_etag=etag)
        assert shaky.read(new) == b"abc"
    else:
        with pytest.raises(errors.PathNotFoundError, match="directory has gone"):
            shaky.rename(old, new, source_etag=etag)
        assert shaky.read(old) == b"abc"
    assert between.count("mode=legacy") == 2


def test_delete_lost(shaky: Client, between: Between, file: RemotePath):
    write(shaky, file, b"abc")
    lost = lose(between, "DELETE")
    shaky.delete(file)
    assert lost and shaky.find(file) is None


def test_delete_of_what_never_was(client: Client, file: RemotePath):
    with pytest.raises(errors.PathNotFoundError):
        client.delete(file)


def test_directory_lost(shaky: Client, between: Between, place: RemotePath):
    lost = lose(between, "resource=directory")
    shaky.create(place.child("d"), directory=True)
    assert lost and shaky.properties(place.child("d")).is_directory


def test_reads_lost(shaky: Client, between: Between, file: RemotePath):
    write(shaky, file, b"abc")
    for pattern in ("GET", "HEAD", "resource=filesystem"):
        lost = lose(between, pattern)
        assert shaky.properties(file).size == 3 and shaky.read(file) == b"abc"
        assert len(list(shaky.list(file.parent))) == 1
        assert lost


def test_filesystem_lost(shaky: Client, between: Between):
    """Another may have made it; that it is there is what matters to the caller."""
    lost = lose(between, "resource=filesystem")
    with contextlib.suppress(errors.PathExistsError):
        shaky.create_filesystem("lost-one")
    assert lost and shaky.filesystem_exists("lost-one")
