"""Answers of the real service, errors in all their forms, and answers that make no sense."""

# ruff: noqa: SIM117 - what is expected to fail stands by itself
from __future__ import annotations

import datetime
import email.message
import email.utils
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.answer import Answer
from adls_magic.core.service.client import Client
from adls_magic.core.service.cures import CLASSES, CURES
from adls_magic.core.service.response import (
    PathProperties,
    decode_metadata,
    encode_metadata,
    error_code,
    error_of,
    parse_size,
    parse_time,
    paths_of,
    properties_of,
)
from adls_magic.core.service.retry import RetryPolicy
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import MemoryReader

from .conftest import QUICK, account_at
from .servers import GarbageServer, answer, error, script

DATA = Path(__file__).parents[1] / "data" / "responses.json"
RECORDED = json.loads(DATA.read_text(encoding="utf-8"))["responses"]
ONCE = RetryPolicy(tries=1)

# Written from the table of the service's error codes, not from ours.
KINDS: dict[tuple[int, str], type[errors.AdlsError]] = {
    (409, "PathAlreadyExists"): errors.PathExistsError,
    (404, "FilesystemNotFound"): errors.PathNotFoundError,
    (404, "PathNotFound"): errors.PathNotFoundError,
    (404, "SourcePathNotFound"): errors.PathNotFoundError,
    (400, "InvalidHeaderValue"): errors.ServiceError,
    (400, "InvalidFlushPosition"): errors.ConflictError,
    (412, "LeaseNotPresent"): errors.ConflictError,
    (412, "ConditionNotMet"): errors.ConflictError,
    (409, "EndpointUnsupportedAccountFeatures"): errors.ConfigurationError,
    (403, "AuthenticationFailed"): errors.PermissionDeniedError,
    (500, "InternalError"): errors.ServiceError,
}
NO_SUCH_CALL = {"filesystem delete"}


def call_for(recorded: dict[str, Any], client: Client) -> Any:
    """Make the call of ours that the recorded request belongs to."""
    method, target = recorded["request"]["method"], recorded["request"]["target"]
    conditions = recorded["request"].get("headers", {})
    path, _, query = target.partition("?")
    filesystem, _, name = path.strip("/").partition("/")
    remote = RemotePath(filesystem, name)
    fields = dict(item.split("=") for item in query.split("&")) if query else {}
    body = PieceBody(MemoryReader(b"abc"), 0, 3, lambda count: None)
    if "x-ms-rename-source" in conditions:
        return client.rename(
            RemotePath("fs", "oldname"), remote, if_none_match=conditions.get("If-None-Match")
        )
    if fields.get("action") == "append":
        return client.append(remote, int(fields["position"]), body, flush="flush" in fields)
    if fields.get("action") == "flush":
        return client.flush(remote, int(fields["position"]), if_match=conditions.get("If-Match"))
    if method == "HEAD":
        return client.properties(remote)
    if method == "DELETE":
        return client.delete(remote)
    if method == "PUT" and fields["resource"] == "filesystem":
        return client.create_filesystem(filesystem)
    if method == "PUT":
        return client.create(
            remote,
            directory=fields["resource"] == "directory",
            if_none_match=conditions.get("If-None-Match"),
        )
    if fields["resource"] == "account":
        return next(client.list_filesystems())
    return next(client.list(RemotePath(filesystem, "")))


CALLED = [recorded for recorded in RECORDED if recorded["operation"] not in NO_SUCH_CALL]


def test_the_data_is_whole():
    assert len(RECORDED) == 40 and len(CALLED) == 39


@pytest.mark.parametrize("recorded", CALLED, ids=lambda recorded: recorded["operation"])
def test_recorded_answers(recorded: dict[str, Any], serve):
    headers = {k: v for k, v in recorded["headers"].items() if k.lower() != "transfer-encoding"}
    length = None
    if recorded["request"]["method"] != "HEAD":
        headers = {k: v for k, v in headers.items() if k.lower() != "content-length"}
    server = serve(
        lambda got: answer(recorded["status"], headers, recorded["body"].encode(), length=length)
    )
    code = recorded["headers"].get("x-ms-error-code")
    with Client(account_at(server.port), policy=QUICK) as client:
        if recorded["status"] >= 400:
            check_refusal(recorded, client, code)
        else:
            check_success(recorded, call_for(recorded, client))
    assert server.received[0].method == recorded["request"]["method"]


def check_refusal(recorded: dict[str, Any], client: Client, code: str) -> None:
    if recorded["request"]["method"] == "HEAD" and recorded["status"] == 404:
        assert client.find(RemotePath("fs", "nofile")) is None
    with pytest.raises(errors.AdlsError) as caught:
        call_for(recorded, client)
    raised = caught.value
    assert type(raised) is KINDS[recorded["status"], code]
    assert (raised.status, raised.code) == (recorded["status"], code)
    if recorded["request"]["method"] != "HEAD":
        assert raised.request_id == "made-up-request-id"
        assert "made-up-request-id" in str(raised)
    assert code in str(raised) or recorded["status"] == 404
    assert str(raised).count("\n") <= 1
    assert len(cure_of(raised)) > 8, "it says what to do"


def cure_of(raised: errors.AdlsError) -> str:
    return re.sub(r"^Could not .*?: |\[[^]]*\]$", "", str(raised)).strip()


def check_success(recorded: dict[str, Any], value: Any) -> None:
    etag = recorded["headers"].get("ETag") or recorded["headers"].get("etag")
    if isinstance(value, str) and value.startswith('"'):
        assert value == etag
    elif isinstance(value, PathProperties):
        assert value.etag == etag and value.modified.year > 2015
        assert value.size == int(recorded["headers"].get("Content-Length", 0))
    elif recorded["request"]["method"] == "GET":
        body = json.loads(recorded["body"])
        first = (body.get("paths") or body.get("filesystems"))[0]
        if isinstance(value, str):
            assert value == first["name"]
        else:
            assert (value.name, value.etag) == (first["name"], f'"{first["etag"]}"')
            assert value.is_directory is (first.get("isDirectory") == "true")
            assert value.size == int(first["contentLength"])
            assert value.modified == email.utils.parsedate_to_datetime(first["lastModified"])
    else:
        assert value is None


def test_the_recorded_pages_follow_each_other(serve):
    pages = [r for r in RECORDED if r["operation"].startswith("list paths")]
    raw = [
        answer(200, {"x-ms-continuation": page["headers"].get("x-ms-continuation", "")},
               page["body"].encode())
        for page in pages
    ]  # fmt: skip
    server = serve(script(*raw))
    with Client(account_at(server.port), policy=QUICK) as client:
        names = [item.name for item in client.list(RemotePath("fs", ""), recursive=True)]
    wanted = [entry["name"] for page in pages for entry in json.loads(page["body"])["paths"]]
    assert names == wanted and len(server.received) == 2
    token = pages[1]["request"]["target"].partition("continuation=")[2]
    assert f"continuation={token}&" in server.received[1].target


# ---------------------------------------------------------------------------------- error bodies

XML = (
    '\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code><Message>'
    "Server failed to authenticate the request.\nRequestId:1\nTime:2</Message></Error>"
)
JSON = (
    '{"error":{"code":"PathNotFound","message":"The specified path does not exist.\\nRequestId:1"}}'
)
HTML = "<html><head><title>403</title></head><body><h1>Blocked by policy</h1></body></html>"

BODIES = [
    ("json", 404, {}, JSON, "PathNotFound", errors.PathNotFoundError),
    ("json with blanks", 404, {}, "\r\n " + JSON, "PathNotFound", errors.PathNotFoundError),
    ("xml", 403, {}, XML, "AuthenticationFailed", errors.PermissionDeniedError),
    ("html", 403, {}, HTML, None, errors.PermissionDeniedError),
    ("empty", 409, {}, "", None, errors.ConflictError),
    ("empty 400", 400, {}, "", None, errors.ServiceError),
    ("header wins", 403, {"x-ms-error-code": "AuthorizationFailure"}, JSON,
     "AuthorizationFailure", errors.PermissionDeniedError),
    ("cut", 404, {}, JSON[:30], None, errors.PathNotFoundError),
    ("not text", 404, {}, "\x00\xff\xfe{", None, errors.PathNotFoundError),
    ("json, but other", 404, {}, '{"error":"no"}', None, errors.PathNotFoundError),
    ("json list", 404, {}, "[1,2]", None, errors.PathNotFoundError),
    ("json null", 404, {}, '{"error":null}', None, errors.PathNotFoundError),
    ("deep", 404, {}, '{"error":' * 20000, None, errors.PathNotFoundError),
    ("unknown code", 418, {"x-ms-error-code": "Teapot"}, "", "Teapot", errors.ServiceError),
    ("redirect", 302, {"Location": "http://other.example/"}, "", None, errors.ServiceError),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "headers", "body", "code", "kind"),
    [row[1:] for row in BODIES],
    ids=[row[0] for row in BODIES],
)
def test_error_bodies(status, headers, body, code, kind, serve):
    server = serve(lambda got: answer(status, headers, body.encode("utf-8", "surrogatepass")))
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.AdlsError) as caught:
            client.create(RemotePath("fs", "x"))
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (status, code)
    assert str(status) in str(caught.value) and "\n" not in str(caught.value)
    assert "create http" in str(caught.value)


@pytest.mark.parametrize("status", [302, 400, 404, 405, 409, 411, 413, 418, 501])
def test_every_refusal_says_what_to_do(status: int, serve):
    """Also one that comes from no storage service, without code or body."""
    server = serve(lambda got: answer(status))
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.AdlsError) as caught:
            client.create(RemotePath("fs", "x"))
    assert len(cure_of(caught.value)) > 8


def test_the_services_own_words_are_told_where_we_have_none(serve):
    server = serve(lambda got: error(400, "OutOfRangeInput", "One input is out of range."))
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.ServiceError, match=r"One input is out of range\. \[400 OutOf"):
            client.create(RemotePath("fs", "x"))


def test_a_cure_is_one_sentence_and_every_class_is_ours():
    for code, (kind, cure) in CURES.items():
        assert cure and not cure.endswith(".") and "\n" not in cure, code
        assert kind is None or issubclass(kind, errors.AdlsError)
    assert all(issubclass(kind, errors.AdlsError) for kind in CLASSES.values())


@pytest.mark.parametrize(
    ("status", "code", "cure"),
    [
        (401, "NoAuthenticationInformation", "set a credential with %adls_config"),
        (401, "InvalidAuthenticationInfo", "sign in again (az login) in the account's tenant"),
        (403, "AuthenticationFailed", "the key or SAS is wrong"),
        (403, "AuthorizationPermissionMismatch", "«Storage Blob Data Contributor»"),
        (403, "AuthorizationFailure", "network rules"),
        (403, "KeyBasedAuthenticationNotPermitted", "%adls_config --auth identity"),
        (403, "AuthorizationSourceIPMismatch", "other IP addresses"),
        (403, "AuthorizationProtocolMismatch", "use an https endpoint"),
        (403, "AuthorizationResourceTypeMismatch", "srt=sco"),
        (403, "AuthorizationServiceMismatch", "make one for blobs"),
        (403, "InsufficientAccountPermissions", "lacks rights"),
        (403, "AccountIsDisabled", "disabled"),
    ],
)
def test_what_refuses_a_sender_is_told_with_its_cure(status: int, code: str, cure: str, serve):
    date = email.utils.formatdate(usegmt=True)
    raw = error(status, code).replace(b"Tue, 14 Jul 2026 09:30:00 GMT", date.encode())
    server = serve(lambda got: raw)
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.PermissionDeniedError) as caught:
            client.create(RemotePath("fs", "x"))
    assert cure in str(caught.value)
    assert str(caught.value).endswith(f"[{status} {code}, request made-up-request-id]")


@pytest.mark.parametrize(("minutes", "word"), [(20, "ahead"), (-20, "behind"), (9, "ahead")])
def test_a_clock_that_is_off_is_named(minutes: int, word: str, serve):
    date = email.utils.formatdate(time.time() - minutes * 60, usegmt=True)
    raw = error(403, "AuthenticationFailed").replace(
        b"Date: Tue, 14 Jul 2026 09:30:00 GMT", f"Date: {date}".encode()
    )
    server = serve(lambda got: raw)
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.PermissionDeniedError, match=f"{abs(minutes)} minutes {word}"):
            client.create(RemotePath("fs", "x"))
    assert len(server.received) == 1


def test_a_right_clock_blames_the_key(serve):
    date = email.utils.formatdate(usegmt=True)
    raw = error(403, "AuthenticationFailed").replace(
        b"Date: Tue, 14 Jul 2026 09:30:00 GMT", f"Date: {date}".encode()
    )
    server = serve(lambda got: raw)
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.PermissionDeniedError, match="key or SAS is wrong"):
            client.create(RemotePath("fs", "x"))


def test_the_answer_to_a_head_has_no_body(serve):
    raw = answer(403, {"x-ms-error-code": "AuthorizationFailure", "Content-Length": "500"})
    server = serve(lambda got: raw)
    with Client(account_at(server.port), policy=QUICK) as client:
        for _ in range(2):  # the connection stays usable
            with pytest.raises(errors.PermissionDeniedError, match="network rules"):
                client.find(RemotePath("fs", "x"))
    assert server.connections == 1


# --------------------------------------------------------------------------------------- parsing


def answer_with(status: int, headers: dict[str, str], body: bytes) -> Answer:
    message = email.message.Message()
    for name, value in headers.items():
        message[name] = value
    return Answer(status, message, body)


NAMES = ["Date", "Content-Length", "Last-Modified", "ETag", "x-ms-error-code", "x-ms-properties"]
NAMES += ["x-ms-resource-type", "x-ms-request-id", "Retry-After", "x-ms-continuation"]
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=40),
    st.integers().map(str),
    st.sampled_from(["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00"]),
    st.sampled_from(["nan", "inf", "-1", "1e999", "9" * 5000, '"0x1"', "a=b,c=ZA==,=,"]),
    st.datetimes().map(lambda moment: email.utils.format_datetime(moment)),
)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "code", "message", "paths", "name", "contentLength", "etag"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
WHATEVER = st.one_of(st.binary(max_size=60), JSONS.map(lambda v: json.dumps(v).encode()))


@settings(max_examples=200, deadline=None)
@given(st.integers(100, 599), st.dictionaries(st.sampled_from(NAMES), VALUES), WHATEVER)
@example(403, {"Date": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, b"")
@example(403, {"Date": "Mon, 01 Jan 0001 00:00:00 -0000"}, b"")
def test_any_answer_gives_values_or_our_errors(status, headers, body):
    given_answer = answer_with(status, headers, body)
    assert isinstance(error_of(given_answer, "try it"), errors.AdlsError)
    error_code(given_answer)
    found = properties_of(given_answer)
    assert found.size >= 0 and found.modified.tzinfo is not None
    try:
        items = paths_of(given_answer)
    except errors.AdlsError:
        return
    assert all(item.size >= 0 for item in items)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.text(max_size=20)))
def test_metadata_comes_back(metadata):
    try:
        text = encode_metadata(metadata)
    except UnicodeEncodeError:  # half a surrogate pair is no text
        return
    assert text.isascii() and decode_metadata(text) == metadata


def test_odd_values():
    assert parse_size("12") == parse_size(12) == 12
    assert parse_size("-1") == parse_size("x") == parse_size(None) == 0
    assert parse_time("nonsense") == datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    assert decode_metadata("a=YQ==,c=%%%,=YQ==, d=") == {"a": "a", "d": ""}
    listing = answer_with(200, {}, b'{"paths":[{"name":"d","isDirectory":true,"contentLength":3}]}')
    item = paths_of(listing)[0]
    assert item.is_directory and item.size == 3 and item.etag == '""'


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=80).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail),
        st.binary(max_size=80).map(lambda tail: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n" + tail),
        st.binary(max_size=80).map(
            lambda tail: b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n" + tail
        ),
        st.sampled_from(
            [
                b"HTTP/1.1 999 \r\n\r\n",
                b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n",
                b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100000 + b"\r\n\r\n",
                b"\x15\x03\x01\x00\x02",
            ]
        ),
    )
)
def test_any_bytes_on_the_wire_give_a_value_or_our_errors(garbage: GarbageServer, raw: bytes):
    garbage.raw = raw
    with Client(account_at(garbage.port), policy=ONCE) as client:
        for call in (client.find, client.read, lambda path: list(client.list(path))):
            try:
                call(RemotePath("fs", "x"))
            except errors.AdlsError as raised:
                assert str(raised).count("\n") <= 1


@pytest.fixture(scope="module")
def garbage():
    with GarbageServer() as server:
        yield server
