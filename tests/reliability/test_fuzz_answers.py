"""Whatever a server says, what comes out is a value or one of our errors: soon, and no secret.

The real client and whole uploads talk over real sockets to a server that answers with mangled,
cut, contradicting and endless answers, and that repeats what it was sent, credential included.

A long run: ADLS_FUZZ=5000 python -m pytest tests/reliability/test_fuzz_answers.py --timeout=3600
(Hypothesis prints what to add, to run a failed example again.)
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import io
import json
import os
import re
import socket
import traceback
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from core.conftest import (  # noqa: F401 - one is for every test here
    KEY,
    account_at,
    nothing_is_left,
)
from core.servers import SocketServer, read_head
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adls_magic.core import errors
from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.secret import Secret
from adls_magic.core.service import calls, connections
from adls_magic.core.service import client as client_module
from adls_magic.core.service.client import Client
from adls_magic.core.service.retry import RetryPolicy
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import MemoryReader
from adls_magic.core.transfer.upload import UploadJob, UploadOptions, upload_all

EXAMPLES = int(os.environ.get("ADLS_FUZZ", "40"))
SIGNATURE = base64.b64encode(bytes(range(100, 132))).decode()  # of no key
SAS = "sv=2023-11-03&sr=c&sp=racwdlm&se=2199-01-01T00%3A00%3A00Z&sig=" + urllib.parse.quote(
    SIGNATURE, safe=""
)
ECHO = b"{ECHO}"  # replaced by what the server was sent, from the request's line on
ENDLESS = 8 * 2**20  # bytes that an endless answer has at most; nobody may read them all
LONGEST_TOLD = 900  # characters; addresses stand in messages, too
QUICK = RetryPolicy(tries=2, first_wait=0.001, longest_wait=0.001, patience=5)
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True)
class Speech:
    """What the server says to one request: `raw`, then `endless` over and over, then it `ends`."""

    raw: bytes
    ends: str = "close"  # or "keep" the connection open, or "reset" it
    endless: bytes = b""


class Speaker(SocketServer):
    """Answers requests with one speech after the other; the last is repeated."""

    def __init__(self) -> None:
        self.speeches: list[Speech] = [Speech(b"")]
        self.heard: list[bytes] = []  # request lines
        self.was_drained = False  # somebody has read an endless answer to its end
        super().__init__()

    def say(self, *speeches: Speech) -> None:
        self.speeches = list(speeches)
        self.was_drained = False

    def _converse(self, wire: socket.socket, number: int) -> None:
        with contextlib.closing(wire.makefile("rb")) as stream:
            while (head := read_head(stream)) is not None:
                line, headers = head
                self.heard.append(line)
                stream.read(next((int(v) for k, v in headers if k.lower() == b"content-length"), 0))
                with self._lock:
                    speech = self.speeches.pop(0) if len(self.speeches) > 1 else self.speeches[0]
                heard = line + b" " + b" ".join(value for _, value in headers)
                wire.sendall(speech.raw.replace(ECHO, heard))
                if speech.endless:
                    self._go_on(wire, speech.endless)
                if speech.ends == "reset":
                    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                if speech.ends != "keep":
                    wire.shutdown(socket.SHUT_WR)
                    return

    def _go_on(self, wire: socket.socket, part: bytes) -> None:
        block = part * (65536 // len(part) + 1)
        for _ in range(ENDLESS // len(block)):
            wire.sendall(block)
        self.was_drained = True


@pytest.fixture(scope="module")
def speaker() -> Iterator[Speaker]:
    with Speaker() as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BLOCK_TIMEOUT", 0.2)
    monkeypatch.setattr(calls, "RetryPolicy", lambda **given: QUICK)
    for module in (calls, client_module):
        monkeypatch.setattr(module, "MOST_PAGES", 20)


# --------------------------------------------------------------------------------------- answers

STATUSES = [100, 101, 200, 201, 202, 204, 206, 301, 304, 307, 400, 401, 403, 404, 408, 409]
STATUSES += [411, 412, 416, 429, 500, 501, 503, 505, 600, 999]
STATUS_LINES = st.one_of(
    st.sampled_from(STATUSES).map(lambda status: b"HTTP/1.1 %d X" % status),
    st.sampled_from(
        [
            b"HTTP/1.1 200",
            b"HTTP/1.1  200 OK",
            b"HTTP/1.0 200 OK",
            b"HTTP/2 200 OK",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 -1 OK",
            b"HTTP/1.1 abc OK",
            b"HTTP/1.1 200 " + ECHO,
            b"HTTP/1.1 403 " + b"x" * 70000,
            b"ICY 200 OK",
            b"SSH-2.0-OpenSSH_9.6",
            b"\x15\x03\x01\x00\x02\x02\x16",
            b"",
        ]
    ),
    st.binary(max_size=30),
)
NAMES = [b"Date", b"Last-Modified", b"ETag", b"x-ms-error-code", b"x-ms-properties"]
NAMES += [b"x-ms-resource-type", b"x-ms-request-id", b"Retry-After", b"x-ms-continuation"]
NAMES += [b"Content-Type", b"Content-MD5", b"Content-Encoding", b"Location", b"Connection"]
NAMES += [b"x-ms-lease-state", b"Content-Range", b"WWW-Authenticate", b"Set-Cookie", b"", b"a b"]
CODES = [b"PathNotFound", b"PathAlreadyExists", b"AuthenticationFailed", b"ConditionNotMet"]
CODES += [b"ServerBusy", b"FilesystemNotFound", b"Crc64Mismatch", b"LeaseIdMissing", b"Teapot"]
TIMES = [b"Tue, 14 Jul 2026 09:30:00 GMT", b"Mon, 01 Jan 99999999999999999999 00:00:00 GMT", b"0"]
VALUES = st.one_of(
    st.sampled_from([ECHO, *CODES, *TIMES, b'"0x8D"', b"", b"directory", b"file", b"leased"]),
    st.sampled_from([b"close", b"gzip", b"text/html", b"bytes 0-1/2", b"a=YQ==,b=%%", b"0.01"]),
    st.sampled_from([b"\xff\xfe", b"a\x85b\x0bc\x1b[31m", b"v" * 2000, b"nan", b"-1", b"0.2"]),
    st.binary(max_size=20),
    st.datetimes().map(lambda moment: email.utils.format_datetime(moment).encode()),
)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(ECHO.decode()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "code",
                    "message",
                    "paths",
                    "filesystems",
                    "name",
                    "contentLength",
                    "etag",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
ERROR = '{"error":{"code":"%s","message":"%s\\nRequestId:1\\nTime:2"}}'
XML = '<?xml version="1.0"?><Error><Code>AuthenticationFailed</Code><Message>%s</Message></Error>'
ENTRY = '{"name":"t/a","contentLength":"3","lastModified":"%s","etag":"0x1","isDirectory":"%s"}'
BODIES = st.one_of(
    st.sampled_from(
        [
            b"",
            (ERROR % ("AuthenticationFailed", "no: {ECHO}")).encode(),
            (ERROR % ("{ECHO}", "\x1b[31m no")).encode(),
            (XML % "The string to sign was {ECHO}").encode(),
            b"<html><h1>Blocked: " + ECHO + b"</h1></html>",
            f'{{"paths":[{ENTRY % (TIMES[0].decode(), "true")},{ENTRY % ("x", 1)}]}}'.encode(),
            b'{"paths":[]}',
            b"[" * 20000,
            b"abc",
        ]
    ),
    JSONS.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
)
# How a body's end is told: headers and what goes before and after it.
LENGTHS = st.one_of(
    st.integers(-2, 80).map(lambda length: b"%d" % length),
    st.sampled_from([b"1" + b"0" * 12, b"1" + b"0" * 30, b"9" * 5000, b"0x3", b"3, 3", b"", b"+3"]),
)
CHUNKS = st.one_of(
    st.just(b""),
    st.sampled_from([b"FFFFFFFFFFFF", b"-5", b"zz", b"3;x=y", b"", b"0", b"1" * 70000]),
    st.integers(0, 80).map(lambda length: b"%x" % length),
)


@st.composite
def framed(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Header lines that tell the body's length, rightly or not, and the body as it is sent."""
    body = draw(BODIES)
    how = draw(st.sampled_from(["right", "right", "length", "none", "chunked", "chunks", "both"]))
    length = b"Content-Length: %d" % len(body)
    chunked = b"Transfer-Encoding: chunked"
    whole = b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    match how:
        case "right":
            return [length], body
        case "length":
            return [b"Content-Length: " + draw(LENGTHS)], body
        case "none":
            return [], body
        case "chunked":
            return [chunked], whole
        case "chunks":
            return [chunked], draw(CHUNKS) + b"\r\n" + body + b"\r\n0\r\n\r\n"
        case _:
            return [length, chunked, length + b"0"], whole


@st.composite
def answers(draw: st.DrawFn) -> Speech:
    """An answer with something wrong in it, mostly."""
    framing, body = draw(framed())
    headers = draw(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=5))
    lines = [draw(STATUS_LINES), *framing, *(name + b": " + value for name, value in headers)]
    raw = b"\r\n".join(lines) + b"\r\n\r\n" + body
    match draw(st.sampled_from(["as it is", "as it is", "cut", "flipped", "doubled", "bare"])):
        case "cut":
            raw = raw[: draw(st.integers(0, len(raw)))]
        case "flipped":
            place = draw(st.integers(0, len(raw) - 1))
            raw = raw[:place] + bytes([raw[place] ^ draw(st.integers(1, 255))]) + raw[place + 1 :]
        case "doubled":
            raw += raw
        case "bare":
            raw = raw.replace(b"\r\n", b"\n")
    return Speech(raw, draw(st.sampled_from(["close"] * 6 + ["keep", "reset"])))


# --------------------------------------------------------------------------------- what is asked

X, Y = RemotePath("fs", "t/x"), RemotePath("fs", "t/y")


def piece() -> PieceBody:
    return PieceBody(MemoryReader(b"abc"), 0, 3, lambda count: None)


ASKED: list[Callable[[Client], object]] = [
    lambda client: client.create(X, if_none_match="*", content_type="a/b"),
    lambda client: client.append(X, 0, piece(), flush=True),
    lambda client: client.flush(X, 3, if_match='"0x8D"', content_md5="YQ=="),
    lambda client: client.find(X),
    lambda client: client.properties(X),
    lambda client: client.delete(X, recursive=True),
    lambda client: client.rename(X, Y, if_match='"0x8D"', source_etag='"0x8D"'),
    lambda client: [item for _, item in zip(range(20), client.list(X), strict=False)],
    lambda client: [item for _, item in zip(range(20), client.list_filesystems(), strict=False)],
    lambda client: client.read(X),
    lambda client: client.read(X, start=1, end=2),
    lambda client: client.filesystem_exists("fs"),
]
UPLOADED: list[Callable[[], object]] = [
    lambda: b"abc",
    lambda: b"abc" * 10,
    lambda: io.BytesIO(b"abc" * 10),
    lambda: b"",
]


def shapes_of(secret: str) -> set[str]:
    """Long parts of a secret, in the shapes in which it is sent."""
    forms = {secret, urllib.parse.quote(secret, safe="")}
    return {form[at : at + 20] for form in forms for at in range(0, len(form) - 19, 5)}


SHOWN = shapes_of(KEY) | shapes_of(SIGNATURE)


def account_of(speaker: Speaker, auth: str) -> Account:
    account = account_at(speaker.port)
    return replace(account, auth="sas", secret=Secret(SAS)) if auth == "sas" else account


def check(error: BaseException) -> None:
    """An error must be ours, short, plain and without a secret, its traceback too."""
    told = str(error)
    assert isinstance(error, errors.AdlsError), repr(error)
    assert told and len(told.splitlines()) <= 2 and len(told) <= LONGEST_TOLD, told
    assert "".join(told.splitlines()).isprintable(), ascii(told)
    text = told + "".join(traceback.format_exception(error)) + repr(vars(error))
    assert not [part for part in SHOWN if part in text], text
    # A signature of ours, which the server has heard and may repeat.
    assert not re.search(r"SharedKey devstoreaccount1:[A-Za-z0-9+/]{43}=", text), text


def tried(act: Callable[[], object]) -> None:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - that is what is looked at
        check(error)


@fuzz
@given(st.lists(answers(), min_size=1, max_size=4), st.sampled_from(["key", "sas"]))
@example([Speech(b"HTTP/1.1 200 OK\r\nContent-Length: 1" + b"0" * 12 + b"\r\n\r\n")], "key")
@example([Speech(b"HTTP/1.1 200 OK\r\nContent-Length: 1" + b"0" * 30 + b"\r\n\r\n")], "key")
@example([Speech(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")], "key")
@example([Speech(b"HTTP/1.1 403 X\r\nx-ms-error-code: " + ECHO + b"\r\n\r\n")], "sas")
@example([Speech(b"HTTP/1.1 403 X\r\nx-ms-request-id: a\x85b\x1bc\r\n\r\n")], "key")
@example([Speech(b"HTTP/1.1 403 X\r\nx-ms-error-code: " + b"v" * 60000 + b"\r\n\r\n")], "key")
def test_single_calls(speaker: Speaker, speeches: list[Speech], auth: str):
    for ask in ASKED:
        speaker.say(*speeches)
        with Client(account_of(speaker, auth), policy=QUICK) as client:
            tried(lambda ask=ask, client=client: ask(client))


@fuzz
@given(
    st.lists(answers(), min_size=1, max_size=8),
    st.sampled_from(UPLOADED),
    st.booleans(),
    st.booleans(),
)
def test_whole_uploads(speaker, speeches, source, in_place: bool, md5: bool):
    speaker.say(*speeches)
    options = UploadOptions(
        chunk_size=7, workers=2, if_exists="overwrite", in_place=in_place, md5=md5
    )
    jobs = [UploadJob(source(), X)]
    tried(lambda: upload_all(account_of(speaker, "key"), jobs, options, progress=False))


GOOD = b'HTTP/1.1 201 X\r\nETag: "0x8D"\r\n'
FOREVER = {
    "headers": Speech(GOOD, endless=b"a: b\r\n"),
    "one header": Speech(GOOD + b"a: ", endless=b"b"),
    "one line": Speech(b"", endless=b"H"),
    "continue": Speech(b"", endless=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "continue with headers": Speech(b"", endless=b"HTTP/1.1 100 C\r\na: b\r\n\r\n"),
    "body": Speech(GOOD + b"\r\n", endless=b"x"),
    "told body": Speech(GOOD + b"Content-Length: 999999999999\r\n\r\n", endless=b"x"),
    "chunks": Speech(GOOD + b"Transfer-Encoding: chunked\r\n\r\n", endless=b"1\r\nx\r\n"),
    "one chunk": Speech(GOOD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n", endless=b"x"),
    "one chunk size": Speech(GOOD + b"Transfer-Encoding: chunked\r\n\r\n", endless=b"1"),
    "trailers": Speech(GOOD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", endless=b"a: b\r\n"),
}


@pytest.mark.parametrize("kind", FOREVER)
def test_an_answer_without_end(kind: str, speaker: Speaker):
    speaker.say(FOREVER[kind])
    with (
        Client(account_of(speaker, "key"), policy=QUICK) as client,
        pytest.raises(errors.ConnectionFailedError, match="could not be understood") as caught,
    ):
        client.create(X)
    check(caught.value)
    assert not speaker.was_drained


def test_a_listing_without_end(speaker: Speaker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(calls, "MOST_PAGES", 1_000_000)
    page = b'{"paths":[]}'
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nx-ms-continuation: more\r\n\r\n"
    speaker.say(Speech(head % len(page) + page, "keep"))
    before = len(speaker.heard)
    with (
        Client(account_of(speaker, "key"), policy=QUICK) as client,
        pytest.raises(errors.ServiceError, match="its pages have no end"),
    ):
        list(client.list(X))
    assert len(speaker.heard) - before < 100


def test_the_fuzz_would_see_a_secret():
    for told in (
        f"no: {KEY[10:50]}",
        f"no: {SIGNATURE[4:40]}",
        f"SharedKey devstoreaccount1:{'a' * 43}=",
    ):
        error = errors.AdlsError("told")
        error.args = (told,)
        with pytest.raises(AssertionError):
            check(error)
