"""The dfs operations with the statuses, headers, bodies and quirks of the recorded service."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from adls_magic.lake import LocalLake
from adls_magic.lake.checksum import crc64, crc64_by_table, crc64_header
from adls_magic.lake.codes import ERRORS

from .wire import Reply, Wire

RECORDED = json.loads((Path(__file__).parents[1] / "data" / "responses.json").read_text("utf-8"))[
    "responses"
]
LEASE = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"


def refusal(reply: Reply) -> tuple[int, str | None]:
    if reply.body:
        assert reply.json["error"]["code"] == reply.code
    return reply.status, reply.code


# What was recorded


def recorded_errors() -> list[Any]:
    return [r for r in RECORDED if r["body"].startswith('{"error"')]


@pytest.mark.parametrize("response", recorded_errors(), ids=lambda r: r["operation"])
def test_error_texts_are_the_recorded_ones(response: dict[str, Any]) -> None:
    error = json.loads(response["body"])["error"]
    status, text = ERRORS[error["code"]]
    assert (status, text) == (response["status"], error["message"].split("\n")[0])


def prepare(wire: Wire, operation: str) -> dict[str, str]:
    """Bring about what the recorded request found; return values for its placeholders."""
    values = {}
    if operation.startswith(("append", "flush", "properties", "delete file", "create file, path")):
        values["<ETag of the create>"] = values["<old ETag>"] = wire.create("/fsys/file").etag
    if "3 committed" in operation:
        wire.append("/fsys/file", 0, b"123")
        wire.flush("/fsys/file", 3)
    if operation == "properties, all":
        wire.create("/fsys/file", x_ms_properties="AddedVia=QXp1cmU=")
    if operation == "flush":
        wire.append("/fsys/file", 0, b"123")
    if operation == "flush and close, no conditions":
        wire.append("/fsys/file", 0, b"123456789")
    if "1024 bytes appended" in operation:
        wire.append("/fsys/file", 0, b"x" * 1024)
    if "waiting at 1024" in operation:
        wire.append("/fsys/file", 1024, b"x" * 1024)
    if "stale" in operation:
        wire.append("/fsys/file", 0, b"123456", "&flush=true")
    if "lease released" in operation:
        acquire = {"x_ms_proposed_lease_id": LEASE, "x_ms_lease_duration": "-1"}
        wire.send("POST", "/fsys/file", b"", x_ms_lease_action="acquire", **acquire)
    if operation.startswith("rename"):
        wire.write("/fsys/oldname", b"old")
        wire.write("/fsys/some/path/file1.txt", b"1")
        wire.write("/fsys/some/path/file2.txt", b"2")
    if operation == "list one level of a directory":
        wire.mkdir("/fsys/some/other_path")
        wire.write("/fsys/some/path/file1.txt", b"1")
    if operation.startswith("list paths"):
        for number in range(8):
            wire.create(f"/fsys/dir10/file{number}")
    return values


SKIPPED = {
    "flush, server fault",
    "any, bad SharedKey signature (dfs)",  # test_lake_signature
    "properties, flat account with soft delete or events",
    "rename, service version 2019-02-02",
    "list filesystems, last page",  # with a token of the service
    "list paths, last page",
}


@pytest.mark.parametrize(
    "response",
    [r for r in RECORDED if r["operation"] not in SKIPPED],
    ids=lambda r: r["operation"],
)
def test_answers_like_the_recorded_service(
    tmp_path: Path, response: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    from .wire import wire_of

    filesystem = "other" if response["operation"] == "filesystem create" else "fsys"
    with LocalLake(tmp_path, filesystem=filesystem) as lake:
        wire = wire_of(lake)
        values = prepare(wire, response["operation"])
        reply = replay(wire, response, values)
        assert reply.status == response["status"], reply
        compare(reply, response)
        wire.close()


def replay(wire: Wire, response: dict[str, Any], values: dict[str, str]) -> Reply:
    # "fs" of the recordings is too short for a real name.
    request = json.loads(re.sub(r"(/|%2F)fs\b", r"\1fsys", json.dumps(response["request"])))
    headers = dict(request.get("headers", {}))
    for name, value in headers.items():
        for placeholder, real in values.items():
            headers[name] = headers[name].replace(f'"{placeholder}"', real)
        del value
    body = None
    if "action=append" in request["target"] and headers.get("Content-Length") != "0":
        body = b"some data"
        if "Content-MD5" in headers:
            headers["Content-MD5"] = base64.b64encode(hashlib.md5(body).digest()).decode()
    return wire.send(request["method"], request["target"], body, **headers)


def compare(reply: Reply, response: dict[str, Any]) -> None:
    """The headers that the recording has, with values where they do not depend on the moment."""
    expected = {name.lower(): value for name, value in response["headers"].items()}
    free = {"etag", "last-modified", "x-ms-version", "x-ms-continuation", "content-md5"}
    free |= {"x-ms-content-crc64"}  # of the properties: not kept by the lake
    if response["body"]:
        free |= {"content-length", "content-type"}
    for name, value in expected.items():
        if name == "x-ms-content-crc64":
            continue
        assert name in reply.headers, name
        if name not in free:
            assert reply.headers[name] == value, name
    for name in ("etag", "last-modified", "x-ms-continuation"):
        if name not in expected and response["status"] < 300:
            assert name not in reply.headers, name
    if "etag" in expected:
        assert re.fullmatch(r'"0x[0-9A-F]{15}"', reply.headers["etag"])
    assert reply.headers["server"].startswith("Windows-Azure-HDFS/1.0")
    assert {"date", "x-ms-request-id"} <= reply.headers.keys()
    if response["body"].startswith('{"paths"'):
        known = json.loads(response["body"])["paths"][0].keys() - {"isDirectory"}
        for path in reply.json["paths"]:
            assert known <= path.keys() and {type(value) for value in path.values()} == {str}
            assert path.get("isDirectory", "true") == "true"


# Create


def test_create_replaces_everything(wire: Wire, place: str) -> None:
    given = {"x_ms_content_type": "a/b", "x_ms_properties": "k=djE="}
    first = wire.create(place, **given)
    wire.append(place, 0, b"old", "&flush=true")
    wire.append(place, 3, b"waiting")
    second = wire.create(place)
    assert second.etag != first.etag
    head = wire.head(place)
    assert (head.headers["content-length"], head.headers["content-type"]) == (
        "0",
        "application/octet-stream",
    )
    assert "x-ms-properties" not in head.headers
    assert refusal(wire.flush(place, 10)) == (400, "InvalidFlushPosition")
    assert wire.flush(place, 0).status == 200


def test_create_breaks_the_lease(wire: Wire, place: str) -> None:
    acquire = {"x_ms_proposed_lease_id": LEASE, "x_ms_lease_duration": "60"}
    assert wire.create(place, **acquire).status == 201
    assert refusal(wire.append(place, 0, b"x")) == (412, "LeaseIdMissing")
    assert wire.create(place).status == 201
    assert wire.head(place).headers["x-ms-lease-state"] == "available"
    assert wire.append(place, 0, b"x").status == 202


def test_create_if_absent(wire: Wire, place: str) -> None:
    assert wire.create(place, If_None_Match="*").status == 201
    reply = wire.create(place, If_None_Match="*")
    assert refusal(reply) == (409, "PathAlreadyExists")
    assert reply.headers["x-ms-existing-resource-type"] == "file"
    wire.mkdir(place + "-dir")
    reply = wire.create(place + "-dir", If_None_Match="*")
    assert refusal(reply) == (409, "PathAlreadyExists")
    assert reply.headers["x-ms-existing-resource-type"] == "directory"


def test_create_if_match(wire: Wire, place: str) -> None:
    etag = wire.create(place).etag
    assert wire.create(place, If_Match=etag).status == 201
    assert refusal(wire.create(place, If_Match=etag)) == (412, "ConditionNotMet")
    assert refusal(wire.create(place + "2", If_Match=etag)) == (412, "ConditionNotMet")
    assert wire.head(place + "2").status == 404


def test_create_makes_parents(wire: Wire, place: str) -> None:
    assert wire.create(f"{place}/a/b/c").status == 201
    assert wire.head(f"{place}/a/b").headers["x-ms-resource-type"] == "directory"


def test_a_file_has_nothing_below_it(wire: Wire, place: str) -> None:
    wire.write(place, b"data")
    assert refusal(wire.create(f"{place}/below")) == (409, "PathConflict")
    assert refusal(wire.mkdir(f"{place}/below/it")) == (409, "PathConflict")
    assert refusal(wire.mkdir(place)) == (409, "PathConflict")
    assert wire.get(place).body == b"data"


def test_a_directory_is_no_file(wire: Wire, place: str) -> None:
    wire.create(f"{place}/file")
    assert refusal(wire.create(place)) == (409, "PathConflict")
    assert wire.append(place, 0, b"x").status == 409
    assert wire.flush(place, 0).status == 409
    assert wire.mkdir(place).status == 201
    assert wire.head(f"{place}/file").status == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x_ms_content_md5": "A" * 22 + "=="}, "UnsupportedHeader"),
        ({"x_ms_properties": "a=%%"}, "InvalidHeaderValue"),
        ({"x_ms_properties": "=YQ=="}, "InvalidPropertyName"),
        ({"x_ms_properties": "a-b=YQ=="}, "InvalidMetadata"),
        ({"x_ms_properties": "a=" + "YWFh" * 3000}, "InvalidMetadata"),
        ({"x_ms_permissions": "what"}, "InvalidHeaderValue"),
        ({"x_ms_umask": "9"}, "InvalidHeaderValue"),
    ],
)
def test_bad_create_headers(wire: Wire, place: str, headers: dict[str, str], code: str) -> None:
    assert refusal(wire.create(place, **headers)) == (400, code)
    assert wire.head(place).status == 404


def test_create_with_a_body(wire: Wire, place: str) -> None:
    reply = wire.send("PUT", f"{place}?resource=file", b"body")
    assert refusal(reply) == (400, "ContentLengthMustBeZero")


# Append and flush


def test_nothing_shows_before_the_flush(wire: Wire, place: str) -> None:
    etag = wire.create(place).etag
    reply = wire.append(place, 0, b"data")
    assert not {"etag", "last-modified"} & reply.headers.keys()
    head = wire.head(place)
    assert (head.headers["content-length"], head.etag) == ("0", etag)
    assert wire.get(place).body == b""
    flushed = wire.flush(place, 4)
    assert flushed.etag != etag
    assert wire.get(place).body == b"data"
    assert wire.head(place).etag == flushed.etag


def test_three_times_at_one_position(wire: Wire, place: str) -> None:
    wire.create(place)
    for text in (b"first......", b"second.....", b"third......"):
        assert wire.append(place, 0, text).status == 202
    assert wire.flush(place, 11).status == 200
    assert wire.get(place).body == b"third......"


def test_replacing_by_another_length(wire: Wire, place: str) -> None:
    wire.create(place)
    wire.append(place, 0, b"0123456789")
    wire.append(place, 0, b"abc")
    assert refusal(wire.flush(place, 10)) == (400, "InvalidFlushPosition")
    assert wire.flush(place, 3).status == 200
    assert wire.get(place).body == b"abc"


@pytest.mark.parametrize(
    ("pieces", "position"),
    [
        ([(0, b"abc"), (4, b"efg")], 7),  # a gap
        ([(1, b"abc")], 4),
        ([(0, b"abc"), (2, b"cde")], 5),  # an overlap
        ([(0, b"abc")], 2),  # inside a piece
        ([(0, b"abc")], 4),
    ],
)
def test_lengths_that_do_not_add_up(
    wire: Wire, place: str, pieces: list[tuple[int, bytes]], position: int
) -> None:
    wire.create(place)
    for start, data in pieces:
        wire.append(place, start, data)
    assert refusal(wire.flush(place, position)) == (400, "InvalidFlushPosition")
    assert wire.head(place).headers["content-length"] == "0"


def test_flush_below_the_length(wire: Wire, place: str) -> None:
    wire.write(place, b"abc")
    assert refusal(wire.flush(place, 2)) == (400, "InvalidFlushPosition")
    assert wire.flush(place, 3).status == 200
    assert wire.get(place).body == b"abc"


def test_a_straggler_inside_committed_bytes(wire: Wire, place: str) -> None:
    wire.write(place, b"abcdef")
    assert wire.append(place, 0, b"XXX").status == 202
    wire.append(place, 6, b"ghi")
    assert refusal(wire.flush(place, 9)) == (400, "InvalidFlushPosition")
    # A flush at the length found throws away what waits; then all goes on.
    assert wire.flush(place, 6).status == 200
    wire.append(place, 6, b"ghi")
    assert wire.flush(place, 9).status == 200
    assert wire.get(place).body == b"abcdefghi"


def test_retain_uncommitted_data(wire: Wire, place: str) -> None:
    wire.create(place)
    wire.append(place, 6, b"ghi")
    wire.append(place, 0, b"abc")
    wire.append(place, 3, b"def")
    assert wire.flush(place, 3, "&retainUncommittedData=true").status == 200
    assert wire.get(place).body == b"abc"
    assert wire.flush(place, 6, "&retainUncommittedData=true").status == 200
    assert wire.get(place).body == b"abcdef"
    wire.append(place, 9, b"jkl")
    assert wire.flush(place, 9, "&retainUncommittedData=false").status == 200
    assert wire.get(place).body == b"abcdefghi"
    assert refusal(wire.flush(place, 12)) == (400, "InvalidFlushPosition")


def test_append_and_flush_in_one(wire: Wire, place: str) -> None:
    wire.create(place, x_ms_content_type="first/type", x_ms_properties="k=djE=")
    reply = wire.append(place, 0, b"{}", "&flush=true&close=true", Content_Type="application/json")
    assert reply.status == 202
    head = wire.head(place)
    assert (head.etag, head.headers["content-type"]) == (reply.etag, "application/json")
    assert head.headers["x-ms-properties"] == "k=djE="
    refused = wire.append(place, 9, b"x", "&flush=true")
    assert refusal(refused) == (400, "InvalidFlushPosition")
    refused = wire.append(place, 2, b"x", "&flush=true", x_ms_content_type="a/b")
    assert refusal(refused) == (400, "UnsupportedHeader")


def test_content_type_of_a_plain_append_is_ignored(wire: Wire, place: str) -> None:
    wire.create(place, x_ms_content_type="text/csv")
    wire.append(place, 0, b"a,b", Content_Type="application/octet-stream")
    wire.flush(place, 3)
    assert wire.head(place).headers["content-type"] == "text/csv"


@pytest.mark.parametrize(
    "headers",
    [{"If_Match": '"0x1"'}, {"If_None_Match": "*"}, {"If_Modified_Since": "now"}],
)
def test_no_conditions_on_append(wire: Wire, place: str, headers: dict[str, str]) -> None:
    wire.create(place)
    assert refusal(wire.append(place, 0, b"x", **headers)) == (400, "UnsupportedHeader")


def test_digests(wire: Wire, place: str) -> None:
    wire.create(place)
    md5 = base64.b64encode(hashlib.md5(b"data").digest()).decode()
    reply = wire.append(place, 0, b"data", Content_MD5=md5)
    assert (reply.status, reply.headers["content-md5"]) == (202, md5)
    assert refusal(wire.append(place, 4, b"dato", Content_MD5=md5)) == (400, "Md5Mismatch")
    crc = crc64_header(crc64(b"data"))
    reply = wire.append(place, 4, b"data", x_ms_content_crc64=crc)
    assert (reply.status, reply.headers["x-ms-content-crc64"]) == (202, crc)
    assert refusal(wire.append(place, 8, b"dato", x_ms_content_crc64=crc)) == (400, "Crc64Mismatch")
    assert refusal(wire.append(place, 8, b"x", x_ms_content_crc64="AA==")) == (
        400,
        "InvalidHeaderValue",
    )
    # What was refused does not wait.
    assert refusal(wire.flush(place, 12)) == (400, "InvalidFlushPosition")
    assert wire.flush(place, 8).status == 200


def test_crc64_by_both_ways() -> None:
    assert crc64_by_table(b"123456789") == crc64(b"123456789") == 0xAE8B14860A799888
    assert crc64_by_table(b"6789", crc64_by_table(b"12345")) == 0xAE8B14860A799888
    assert crc64(b"6789", crc64(b"12345")) == 0xAE8B14860A799888
    assert crc64_header(crc64(b"123456789")) == "iJh5CoYUi64="
    assert crc64_header(crc64(b"")) == "AAAAAAAAAAA="


def test_flush_properties(wire: Wire, place: str) -> None:
    wire.create(place)
    md5 = base64.b64encode(bytes(range(16))).decode()  # stored, not verified
    wire.append(place, 0, b"x")
    given = {"x_ms_content_md5": md5, "x_ms_content_type": "a/b", "x_ms_cache_control": "no-store"}
    wire.flush(place, 1, **given)
    head = wire.head(place).headers
    assert (head["content-md5"], head["content-type"], head["cache-control"]) == (
        md5,
        "a/b",
        "no-store",
    )
    wire.append(place, 1, b"y", "&flush=true")
    assert "content-md5" not in wire.head(place).headers
    assert wire.head(place).headers["cache-control"] == "no-store"


def test_flush_conditions(wire: Wire, place: str) -> None:
    etag = wire.create(place).etag
    wire.append(place, 0, b"x")
    assert wire.flush(place, 1, If_Match=etag).status == 200
    assert refusal(wire.flush(place, 1, If_Match=etag)) == (412, "ConditionNotMet")
    assert refusal(wire.flush(place, 1, If_None_Match="*")) == (412, "ConditionNotMet")
    past, future = "Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
    assert refusal(wire.flush(place, 1, If_Unmodified_Since=past)) == (412, "ConditionNotMet")
    assert wire.flush(place, 1, If_Unmodified_Since=future).status == 200


@pytest.mark.parametrize(
    ("target", "body", "status", "code"),
    [
        ("?action=append", b"x", 400, "MissingRequiredQueryParameter"),
        ("?action=append&position=-1", b"x", 400, "InvalidQueryParameterValue"),
        ("?action=append&position=1e3", b"x", 400, "InvalidQueryParameterValue"),
        (f"?action=append&position={10**18}", b"x", 400, "OutOfRangeQueryParameterValue"),
        (f"?action=append&position={'9' * 5000}", b"x", 400, "OutOfRangeQueryParameterValue"),
        ("?action=append&position=0&flush=yes", b"x", 400, "InvalidQueryParameterValue"),
        ("?action=append&position=0", b"", 400, "InvalidHeaderValue"),
        ("?action=flush", b"", 400, "MissingRequiredQueryParameter"),
        ("?action=flush&position=0", b"x", 400, "ContentLengthMustBeZero"),
        ("?action=polish", b"", 400, "InvalidQueryParameterValue"),
        ("-missing?action=append&position=0", b"x", 404, "PathNotFound"),
        ("-missing?action=flush&position=0", b"", 404, "PathNotFound"),
    ],
)
def test_bad_patches(
    wire: Wire, place: str, target: str, body: bytes, status: int, code: str
) -> None:
    wire.create(place)
    assert refusal(wire.send("PATCH", place + target, body)) == (status, code)


def test_method_override(wire: Wire, place: str) -> None:
    wire.create(place)
    target = f"{place}?action=append&position=0&flush=true"
    assert wire.send("PUT", target, b"x", X_HTTP_Method_Override="PATCH").status == 202
    assert wire.get(place).body == b"x"


def test_far_away_appends(wire: Wire, place: str) -> None:
    wire.create(place)
    for position in (5 << 30, 1 << 45):
        assert wire.append(place, position, b"far").status == 202
    assert refusal(wire.flush(place, (5 << 30) + 3)) == (400, "InvalidFlushPosition")


# Leases on appends


def test_lease_actions(wire: Wire, place: str) -> None:
    wire.create(place)
    acquire = {"x_ms_lease_action": "acquire", "x_ms_lease_duration": "15"}
    reply = wire.append(place, 0, b"a", x_ms_proposed_lease_id=LEASE, **acquire)
    assert reply.status == 202
    refused = wire.append(place, 1, b"b", x_ms_proposed_lease_id=OTHER, **acquire)
    assert refusal(refused) == (409, "LeaseAlreadyPresent")
    assert refusal(wire.append(place, 1, b"b")) == (412, "LeaseIdMissing")
    assert refusal(wire.append(place, 1, b"b", x_ms_lease_id=OTHER)) == (412, "LeaseIdMismatch")
    assert refusal(wire.flush(place, 1)) == (412, "LeaseIdMissing")
    renew = {"x_ms_lease_action": "auto-renew", "x_ms_lease_id": LEASE}
    reply = wire.append(place, 1, b"b", **renew)
    assert (reply.status, reply.headers["x-ms-lease-renewed"]) == (202, "true")
    release = {"x_ms_lease_action": "release", "x_ms_lease_id": LEASE}
    assert wire.append(place, 2, b"c", **release).status == 400  # only with flush=true
    assert wire.append(place, 2, b"c", "&flush=true", **release).status == 202
    assert wire.get(place).body == b"abc"
    assert wire.append(place, 3, b"d").status == 202
    reply = wire.append(place, 3, b"d", x_ms_lease_id=LEASE)
    assert refusal(reply) == (412, "LeaseNotPresent")
    both = {"x_ms_lease_action": "acquire-release", "x_ms_lease_duration": "-1"}
    reply = wire.flush(place, 4, x_ms_proposed_lease_id=OTHER, **both)
    assert reply.status == 200
    assert wire.head(place).headers["x-ms-lease-state"] == "available"


def test_lease_operations(wire: Wire, place: str) -> None:
    wire.create(place)

    def lease(action: str, **headers: str) -> Reply:
        return wire.send("POST", place, b"", x_ms_lease_action=action, **headers)

    reply = lease("acquire", x_ms_lease_duration="15", x_ms_proposed_lease_id=LEASE)
    assert (reply.status, reply.headers["x-ms-lease-id"]) == (201, LEASE)
    head = wire.head(place).headers
    assert (head["x-ms-lease-state"], head["x-ms-lease-duration"]) == ("leased", "fixed")
    assert refusal(lease("acquire", x_ms_lease_duration="15")) == (409, "LeaseAlreadyPresent")
    reply = lease("renew", x_ms_lease_id=OTHER)
    assert refusal(reply) == (409, "LeaseIdMismatchWithLeaseOperation")
    assert lease("renew", x_ms_lease_id=LEASE).status == 200
    reply = lease("break", x_ms_lease_break_period="0")
    assert (reply.status, reply.headers["x-ms-lease-time"]) == (202, "0")
    assert wire.head(place).headers["x-ms-lease-state"] == "broken"
    assert wire.append(place, 0, b"x").status == 202
    assert refusal(lease("acquire", x_ms_lease_duration="5")) == (400, "InvalidHeaderValue")
    assert refusal(lease("acquire", x_ms_lease_duration="61")) == (400, "InvalidHeaderValue")
    assert refusal(lease("dance", x_ms_lease_id=LEASE)) == (400, "InvalidHeaderValue")


def test_leases_end_by_time() -> None:
    from adls_magic.lake.leases import Leases

    now = 0.0
    leases = Leases(clock=lambda: now)
    key = ("lake", "file")
    leases.acquire(key, LEASE, 15)
    now = 16.0
    assert leases.state(key)["x-ms-lease-state"] == "expired"
    leases.check(key, None)
    leases.acquire(key, OTHER, -1)
    now = 1e9
    assert leases.state(key)["x-ms-lease-state"] == "leased"


# Rename


def test_rename_keeps_version(wire: Wire, place: str) -> None:
    wire.write(f"{place}/old", b"data")
    before = wire.head(f"{place}/old").headers
    reply = wire.rename(f"{place}/old", f"{place}/new")
    assert reply.status == 201
    after = wire.head(f"{place}/new").headers
    assert after["etag"] == before["etag"] == reply.etag
    assert after["last-modified"] == before["last-modified"]
    assert wire.head(f"{place}/old").status == 404


def test_rename_source_forms(wire: Wire, place: str) -> None:
    forms = ["{}/ä b%25.txt", "{}%2F%C3%A4%20b%25.txt", "{}/%C3%A4%20b%25.txt"]
    for number, form in enumerate(forms):
        wire.write(f"{place}/%C3%A4%20b%25.txt", b"x")
        source = form.format(place)
        if source.isascii():
            assert wire.rename(source, f"{place}/{number}").status == 201
        else:
            reply = wire.rename(source.encode().decode("latin-1"), f"{place}/{number}")
            assert refusal(reply) == (400, "InvalidSourceUri")
    reply = wire.rename(place.replace("/", "%2F") + "/1", f"{place}/slashes")
    assert reply.status == 201


@pytest.mark.parametrize(
    ("source", "target", "headers", "status", "code"),
    [
        ("gone", "new", {}, 404, "SourcePathNotFound"),
        ("file", "no/such/new", {}, 404, "RenameDestinationParentPathNotFound"),
        ("file", "dir", {}, 409, "InvalidSourceOrDestinationResourceType"),
        ("dir", "file", {}, 409, "InvalidSourceOrDestinationResourceType"),
        ("dir", "dir/inner", {}, 409, "InvalidDestinationPath"),
        ("empty", "dir", {}, 409, "DirectoryNotEmpty"),
        ("file", "other", {"If_None_Match": "*"}, 409, "PathAlreadyExists"),
        ("file", "other", {"If_Match": '"0x1"'}, 412, "ConditionNotMet"),
        ("file", "new", {"If_Match": '"0x1"'}, 412, "ConditionNotMet"),
        ("file", "new", {"x_ms_source_if_match": '"0x1"'}, 412, "SourceConditionNotMet"),
        ("file", "new", {"x_ms_source_if_none_match": "*"}, 412, "SourceConditionNotMet"),
    ],
)
def test_refused_renames(
    wire: Wire,
    place: str,
    source: str,
    target: str,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    wire.write(f"{place}/file", b"file")
    wire.write(f"{place}/other", b"other")
    wire.write(f"{place}/dir/inside", b"inside")
    wire.mkdir(f"{place}/empty")
    reply = wire.rename(f"{place}/{source}", f"{place}/{target}", **headers)
    assert refusal(reply) == (status, code)
    for name, content in {"file": b"file", "other": b"other", "dir/inside": b"inside"}.items():
        assert wire.get(f"{place}/{name}").body == content
    assert wire.head(f"{place}/new").status == 404


def test_rename_takes_waiting_data_along(wire: Wire, place: str) -> None:
    wire.write(f"{place}/old", b"abc")
    wire.write(f"{place}/new", b"gone")
    wire.append(f"{place}/new", 4, b"gone too")
    wire.append(f"{place}/old", 3, b"def")
    wire.rename(f"{place}/old", f"{place}/new")
    assert wire.flush(f"{place}/new", 6).status == 200
    assert wire.get(f"{place}/new").body == b"abcdef"


def test_rename_of_a_directory(wire: Wire, place: str) -> None:
    wire.write(f"{place}/old/a/b", b"1")
    wire.create(f"{place}/old-not", x_ms_properties="k=djE=")
    wire.create(f"{place}/old/c", x_ms_properties="k=djE=")
    etag = wire.head(f"{place}/old/a/b").etag
    assert wire.rename(f"{place}/old", f"{place}/new").status == 201
    assert wire.head(f"{place}/new/a/b").etag == etag
    assert wire.head(f"{place}/new/c").headers["x-ms-properties"] == "k=djE="
    assert wire.head(f"{place}/old-not").headers["x-ms-properties"] == "k=djE="
    assert wire.head(f"{place}/old").status == 404


def test_rename_with_new_properties(wire: Wire, place: str) -> None:
    wire.create(f"{place}/old", x_ms_properties="k=djE=")
    wire.rename(f"{place}/old", f"{place}/new", x_ms_properties="k2=djI=")
    assert wire.head(f"{place}/new").headers["x-ms-properties"] == "k2=djI="


def test_rename_between_filesystems(wire: Wire, place: str) -> None:
    wire.send("PUT", "/second?resource=filesystem")
    wire.write(place, b"data")
    assert wire.rename(place, "/second/data").status == 201
    assert wire.get("/second/data").body == b"data"
    assert refusal(wire.rename("/nowhere/x", place))[0] == 404


def test_rename_and_leases(wire: Wire, place: str) -> None:
    acquire = {"x_ms_proposed_lease_id": LEASE, "x_ms_lease_duration": "60"}
    wire.create(f"{place}/old", **acquire)
    wire.create(f"{place}/new", **acquire)
    reply = wire.rename(f"{place}/old", f"{place}/new")
    assert refusal(reply) == (412, "LeaseIdMissing")
    reply = wire.rename(f"{place}/old", f"{place}/new", x_ms_source_lease_id=LEASE)
    assert reply.status == 201


# Read, describe, delete


def test_read_ranges(wire: Wire, place: str) -> None:
    wire.write(place, b"0123456789")
    reply = wire.get(place)
    assert (reply.status, reply.body, reply.headers["accept-ranges"]) == (
        200,
        b"0123456789",
        "bytes",
    )
    for name in ("Range", "x_ms_range"):
        reply = wire.get(place, **{name: "bytes=2-4"})
        assert (reply.status, reply.body) == (206, b"234")
        assert reply.headers["content-range"] == "bytes 2-4/10"
    assert wire.get(place, Range="bytes=7-").body == b"789"
    assert wire.get(place, Range="bytes=-3").body == b"789"
    assert wire.get(place, Range="bytes=8-99").body == b"89"
    assert wire.get(place, Range=f"bytes=8-{'9' * 5000}").body == b"89"
    assert wire.get(place, Range=f"bytes={'0' * 5000}8-").body == b"89"
    assert wire.get(place, Range=f"bytes=-{'9' * 5000}").body == b"0123456789"
    assert refusal(wire.get(place, Range=f"bytes={'9' * 5000}-"))[:1] == (416,)
    reply = wire.get(place, Range="bytes=0-3", x_ms_range_get_content_md5="true")
    md5 = base64.b64encode(hashlib.md5(b"0123").digest()).decode()
    assert reply.headers["content-md5"] == md5
    assert refusal(wire.get(place, Range="bytes=10-"))[:1] == (416,)
    wire.create(place)
    assert refusal(wire.get(place, Range="bytes=0-0")) == (416, "InvalidRange")
    assert wire.get(place).body == b""


def test_read_conditions(wire: Wire, place: str) -> None:
    etag = wire.write(place, b"data").etag
    assert wire.get(place, If_Match=etag).body == b"data"
    assert refusal(wire.get(place, If_Match='"0x1"')) == (412, "ConditionNotMet")
    reply = wire.get(place, If_None_Match=etag)
    assert (reply.status, reply.body) == (304, b"")
    assert wire.head(place, If_None_Match=etag).status == 304


def test_reading_what_is_not_there(wire: Wire, place: str) -> None:
    assert refusal(wire.get(place)) == (404, "PathNotFound")
    assert refusal(wire.get("/nowhere/x")) == (404, "FilesystemNotFound")
    reply = wire.head(place)
    assert (reply.status, reply.code, reply.body) == (404, "PathNotFound", b"")


def test_get_status(wire: Wire, place: str) -> None:
    wire.create(place, x_ms_properties="k=djE=")
    head = wire.head(f"{place}?action=getStatus").headers
    assert head["x-ms-resource-type"] == "file"
    assert not {"content-type", "x-ms-properties", "accept-ranges"} & head.keys()
    assert wire.head("/lake/?action=getAccessControl").headers["x-ms-acl"]


def test_set_properties(wire: Wire, place: str) -> None:
    etag = wire.write(place, b"data").etag
    target = f"{place}?action=setProperties"
    reply = wire.send("PATCH", target, b"", x_ms_properties="k=djE=", x_ms_content_type="a/b")
    assert reply.status == 200 and reply.etag != etag
    head = wire.head(place).headers
    assert (head["x-ms-properties"], head["content-type"]) == ("k=djE=", "a/b")
    assert wire.get(place).body == b"data"


def test_delete_directory(wire: Wire, place: str) -> None:
    wire.write(f"{place}/a/b", b"x")
    assert refusal(wire.send("DELETE", place)) == (409, "DirectoryNotEmpty")
    assert refusal(wire.send("DELETE", f"{place}?recursive=false")) == (409, "DirectoryNotEmpty")
    assert wire.send("DELETE", f"{place}?recursive=true").status == 200
    assert refusal(wire.send("DELETE", place)) == (404, "PathNotFound")
    wire.mkdir(place)
    assert wire.send("DELETE", place).status == 200


def test_delete_forgets_properties(wire: Wire, place: str) -> None:
    wire.create(f"{place}/a", x_ms_properties="k=djE=")
    wire.append(f"{place}/a", 0, b"waiting")
    wire.send("DELETE", f"{place}?recursive=true")
    wire.create(f"{place}/a")
    assert "x-ms-properties" not in wire.head(f"{place}/a").headers
    assert refusal(wire.flush(f"{place}/a", 7)) == (400, "InvalidFlushPosition")


# Listings and names


def test_listing_needs_recursive(wire: Wire) -> None:
    reply = wire.get("/lake?resource=filesystem")
    assert refusal(reply) == (400, "MissingRequiredQueryParameter")
    reply = wire.get("/lake?resource=filesystem&recursive=perhaps")
    assert refusal(reply) == (400, "InvalidQueryParameterValue")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("&directory=nowhere", 404, "PathNotFound"),
        ("&directory=%2Flake", 400, "InvalidQueryParameterValue"),
        ("&maxResults=0", 400, "OutOfRangeQueryParameterValue"),
        ("&maxResults=x", 400, "InvalidQueryParameterValue"),
        ("&continuation=nonsense", 400, "InvalidQueryParameterValue"),
    ],
)
def test_bad_listings(wire: Wire, query: str, status: int, code: str) -> None:
    reply = wire.get(f"/lake?resource=filesystem&recursive=true{query}")
    assert refusal(reply) == (status, code)
    reply = wire.get("/nowhere?resource=filesystem&recursive=true")
    assert refusal(reply) == (404, "FilesystemNotFound")


def test_listing_tokens(wire: Wire, place: str) -> None:
    from urllib.parse import quote

    names = ["a", "a-b", "a/b", "a/b-c", "a/b/c", "b", "b/ü"]
    for name in ("a-b", "a/b-c", "a/b/c", "b/%C3%BC"):
        wire.create(f"{place}/{name}")
    base = f"/lake?resource=filesystem&recursive=true&directory={place[6:]}&maxResults=1"
    seen, token = [], ""
    for _ in range(len(names) + 1):
        reply = wire.get(base + (f"&continuation={quote(token, safe='')}" if token else ""))
        seen += [item["name"].removeprefix(place[6:] + "/") for item in reply.json["paths"]]
        assert reply.body.endswith(b"}\n")
        assert reply.headers["transfer-encoding"] == "chunked"
        if "x-ms-continuation" not in reply.headers:
            break
        token = reply.headers["x-ms-continuation"]
        assert {"+", "/", "="} <= set(token)
        # A token whose + became a blank is refused and does not start anew.
        spoiled = quote(token.replace("+", " "), safe="")
        refused = wire.get(f"{base}&continuation={spoiled}")
        assert refusal(refused) == (400, "InvalidQueryParameterValue")
    assert seen == ["a", "a/b", "a/b/c", "a/b-c", "a-b", "b", "b/ü"]
    assert sorted(seen) == sorted(names)


def test_listing_from_a_name_on(wire: Wire, place: str) -> None:
    for name in ("a/1", "a/2", "b/1", "c"):
        wire.create(f"{place}/{name}")
    base = f"/lake?resource=filesystem&recursive=true&directory={place[6:]}"
    for begin, expected in [("a%2F2", ["a/2", "b", "b/1", "c"]), ("b", ["b", "b/1", "c"])]:
        found = wire.get(f"{base}&beginFrom={begin}").json["paths"]
        assert [item["name"].removeprefix(place[6:] + "/") for item in found] == expected


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/lake/..", "InvalidUri"),
        ("/lake/a/../b", "InvalidUri"),
        ("/lake/.", "InvalidUri"),
        ("/lake/a%2F..%2Fb", "InvalidUri"),
        ("/lake/a./b", "InvalidUri"),
        ("/lake/a.", "InvalidUri"),
        ("/lake/a//b", "InvalidUri"),
        ("/lake/%FF", "InvalidUri"),
        ("/lake/a%00b", "InvalidResourceName"),
        ("/lake/a%0Ab", "InvalidResourceName"),
        ("/lake/%C2%81", "InvalidResourceName"),
        ("/lake/%EE%80%80", "InvalidResourceName"),
        ("/lake/" + "a" * 1025, "InvalidResourceName"),
        ("/lake/" + "a/" * 62 + "a", "InvalidUri"),
        ("/La/x", "InvalidResourceName"),
        ("/.adls-lake/key", "InvalidResourceName"),
        ("/%2e%2e/x", "InvalidResourceName"),
        ("/a--b/x", "InvalidResourceName"),
        ("/ab/x", "InvalidResourceName"),
        ("/" + "a" * 64 + "/x", "InvalidResourceName"),
    ],
)
def test_names_that_break_the_rules(wire: Wire, path: str, code: str) -> None:
    assert refusal(wire.create(path)) == (400, code)


def test_long_names(wire: Wire, lake: LocalLake, place: str) -> None:
    segment = "%C3%BC" * 200  # 400 bytes, more than a name on disk may have
    long = f"{place}/{segment}/{'x' * 300}"
    assert wire.write(long, b"long").status == 200
    assert wire.get(long).body == b"long"
    listed = wire.get(f"/lake?resource=filesystem&recursive=true&directory={place[6:]}").json
    assert [item["name"] for item in listed["paths"]] == [
        f"{place[6:]}/{'ü' * 200}",
        f"{place[6:]}/{'ü' * 200}/{'x' * 300}",
    ]
    assert wire.rename(f"{place}/{segment}", f"{place}/{segment}b").status == 201
    assert wire.get(f"{place}/{segment}b/{'x' * 300}").body == b"long"


def test_dotted_names(wire: Wire, place: str) -> None:
    for name in (".hidden", "..a", "...b", ".file.partial"):
        assert wire.create(f"{place}/{name}").status == 201
    assert wire.get("/other/lake/x").status == 404


# Filesystems


def test_filesystem_operations(wire: Wire) -> None:
    reply = wire.send("PUT", "/made?resource=filesystem", x_ms_properties="k=djE=")
    assert (reply.status, reply.headers["x-ms-namespace-enabled"]) == (201, "true")
    reply = wire.send("PUT", "/made?resource=filesystem")
    assert refusal(reply) == (409, "FilesystemAlreadyExists")
    head = wire.head("/made?resource=filesystem").headers
    assert (head["x-ms-namespace-enabled"], head["x-ms-properties"]) == ("true", "k=djE=")
    assert wire.head("/unmade?resource=filesystem").code == "FilesystemNotFound"
    wire.write("/made/a/b", b"x")
    assert wire.send("DELETE", "/made?resource=filesystem").status == 202
    reply = wire.send("PUT", "/made?resource=filesystem")
    assert refusal(reply) == (409, "FilesystemBeingDeleted")
    assert refusal(wire.get("/made/a/b")) == (404, "FilesystemNotFound")


def test_filesystem_listing(wire: Wire) -> None:
    from urllib.parse import quote

    for number in range(3):
        wire.send("PUT", f"/listed-{number}?resource=filesystem")
    base = "/?resource=account&prefix=listed-&maxResults=2"
    first = wire.get(base)
    token = first.headers["x-ms-continuation"]
    second = wire.get(f"{base}&continuation={quote(token, safe='')}")
    names = [f["name"] for page in (first, second) for f in page.json["filesystems"]]
    assert names == ["listed-0", "listed-1", "listed-2"]
    assert second.headers["x-ms-continuation"] == ""
    assert re.fullmatch("0x[0-9A-F]+", first.json["filesystems"][0]["etag"])


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "/lake?resource=filesystem", 405),
        ("BREW", "/lake/x", 405),
        ("PUT", "/lake/x", 400),
        ("PUT", "/lake/x?resource=symlink", 400),
        ("GET", "/", 400),
        ("PUT", "/lake/x?comp=block&blockid=AAAA", 501),
    ],
)
def test_no_such_operation(wire: Wire, method: str, target: str, status: int) -> None:
    assert wire.send(method, target, b"").status == status


@pytest.mark.parametrize(
    "header", ["x_ms_structured_body", "x_ms_encryption_key", "x_ms_expiry_time"]
)
def test_what_would_be_stored_wrongly_is_refused(wire: Wire, place: str, header: str) -> None:
    assert wire.create(place, **{header: "1"}).status == 501


def test_metadata_cannot_add_headers(wire: Wire, place: str) -> None:
    value = base64.b64encode(b"x\r\nx-ms-evil: 1").decode()
    wire.create(place, x_ms_properties=f"k={value}")
    head = wire.head(place, Accept="application/xml")
    assert head.headers["x-ms-meta-k"] == "x x-ms-evil: 1"
    assert "x-ms-evil" not in head.headers


def test_client_request_id_comes_back(wire: Wire) -> None:
    reply = wire.get("/lake/nothing", x_ms_client_request_id="mine")
    assert reply.headers["x-ms-client-request-id"] == "mine"
    assert reply.headers["x-ms-request-id"] in reply.json["error"]["message"]
    assert re.search(r"\nTime:20\d\d-\d\d-\d\dT[\d:.]+Z", reply.json["error"]["message"])


def test_body_limit_of_old_versions(wire: Wire, place: str) -> None:
    wire.create(place)
    reply = wire.send(
        "PATCH",
        f"{place}?action=append&position=0",
        None,
        x_ms_version="2019-07-07",
        Content_Length=str((100 << 20) + 1),
    )
    assert refusal(reply) == (413, "RequestBodyTooLarge")


def test_etags_are_never_used_twice(wire: Wire, place: str) -> None:
    seen = {wire.create(place).etag for _ in range(50)}
    seen |= {wire.flush(place, 0).etag for _ in range(50)}
    assert len(seen) == 100
