"""Answers taken apart by our own reader are what `http.client` makes of them."""

from __future__ import annotations

import http.client
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE

from adls_magic.core.service.answer import read_answer

HEAD = b"HTTP/1.1 %d Fine\r\n%s\r\n"


def exchanged(data: bytes, cuts: list[int], reader):
    """What `reader` makes of a connection that says `data` in parts, then ends."""
    here, there = socket.socketpair()
    here.settimeout(PATIENCE)

    def say() -> None:
        begun = 0
        for cut in [*sorted(cuts), len(data)]:
            there.sendall(data[begun:cut])
            begun = max(begun, cut)
        there.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=say)
    thread.start()
    try:
        with here, there:
            result = reader(here)
            thread.join()
            return result
    finally:
        thread.join()


def ours(method: str):
    def read(sock: socket.socket):
        try:
            answer, used_up = read_answer(sock, method)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return type(error)
        names = ("ETag", "x-ms-error-code", "Content-Length", "retry-after", "Connection")
        return answer.status, answer.body, used_up, [answer.headers.get(name) for name in names]

    return read


def library(method: str):
    def read(sock: socket.socket):
        response = http.client.HTTPResponse(sock, method=method)
        try:
            response.begin()
            body = response.read()
        except (OSError, http.client.HTTPException, ValueError) as error:
            return type(error)
        finally:
            response.close()
        names = ("ETag", "x-ms-error-code", "Content-Length", "retry-after", "Connection")
        headers = [response.headers.get(name) for name in names]
        return response.status, body, response.will_close, headers

    return read


HEADERS = st.lists(
    st.sampled_from(
        [
            b'ETag: "0x8D"',
            b"etag:x",
            b"x-ms-error-code: PathNotFound",
            b"Retry-After:  3",
            b"Connection: close",
            b"Connection: Keep-Alive, close",
            b"Connection: Keep-Alive",
            b"Server: a: b",
            b"X-Empty:",
            b"X_Odd: 1",
        ]
    ),
    max_size=4,
    unique_by=lambda line: line.partition(b":")[0].lower(),
)


@given(
    st.sampled_from([200, 201, 202, 204, 304, 404, 412, 503]),
    HEADERS,
    st.sampled_from(["PUT", "HEAD", "GET"]),
    st.binary(max_size=40),
    st.sampled_from(["exact", "short", "none", "chunked"]),
    st.lists(st.integers(0, 60), max_size=3),
)
def test_whole_answers_are_read_as_the_library_reads_them(
    status: int, lines: list[bytes], method: str, body: bytes, kind: str, cuts: list[int]
):
    if status in (204, 304) or method == "HEAD":
        body = b""
    if kind == "chunked" and method != "HEAD" and status not in (204, 304):
        lines = [*lines, b"Transfer-Encoding: chunked"]
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    elif kind != "none":
        lines = [*lines, b"Content-Length: %d" % (len(body) + (kind == "short"))]
    data = HEAD % (status, b"".join(line + b"\r\n" for line in lines)) + body
    cuts = [cut for cut in cuts if cut < len(data)]
    assert exchanged(data, cuts, ours(method)) == exchanged(data, cuts, library(method))


@given(st.binary(max_size=80), st.integers(0, 90), st.integers(0, 3), st.sampled_from("AGH"))
def test_mangled_answers_end_as_they_do_in_the_library(
    noise: bytes, position: int, dropped: int, kind: str
):
    good = HEAD % (200, b"ETag: 1\r\nContent-Length: 5\r\nServer: x\r\n") + b"hello"
    data = good[:position] + noise + good[position + dropped :]
    method = {"A": "PATCH", "G": "GET", "H": "HEAD"}[kind]
    mine, theirs = exchanged(data, [], ours(method)), exchanged(data, [], library(method))
    if isinstance(mine, type) or isinstance(theirs, type):
        return  # each in its own words; that it is one of the three kinds is asserted by `ours`
    assert mine[0] == theirs[0]


def test_what_follows_an_answer_uses_its_connection_up():
    data = HEAD % (200, b"Content-Length: 2\r\n") + b"okHTTP/1.1 201"
    assert exchanged(data, [], ours("GET"))[:3] == (200, b"ok", True)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX: 1\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n",
    ],
)
def test_bare_line_ends_hide_no_header(head: bytes):
    data = head + b"4\r\n\r\n\r\n\r\n0\r\n\r\n"
    assert exchanged(data, [], ours("GET"))[:2] == (200, b"\r\n\r\n")


def test_what_a_sink_leaves_unread_uses_the_connection_up():
    class Some:
        def headers(self):
            return {}

        def take(self, response):
            return bytes(response.readinto(memoryview(bytearray(2))))

    data = HEAD % (206, b"Transfer-Encoding: chunked\r\n") + b"2\r\nok\r\n0\r\n\r\n"
    assert exchanged(data, [], lambda sock: read_answer(sock, "GET", Some())[1])


def test_a_continue_is_not_the_answer():
    data = b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD % (201, b"Content-Length: 0\r\nETag: 2\r\n")
    assert exchanged(data, [10, 30], ours("PUT"))[0] == 201


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (b"", http.client.RemoteDisconnected),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", http.client.BadStatusLine),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", http.client.IncompleteRead),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000 + b"\r\n", http.client.HTTPException),
    ],
)
def test_no_answer_is_told(data: bytes, failure: type[Exception]):
    got = exchanged(data, [], ours("GET"))
    assert isinstance(got, type), got
    assert issubclass(got, failure)


def test_bare_line_ends_do_not_hold_it_up():
    assert exchanged(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", [], ours("GET"))[:2] == (
        200,
        b"ok",
    )
