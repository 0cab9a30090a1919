"""The server on the wire: keep-alive, pipelining, Expect, chunks, broken requests."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from .wire import Wire


@pytest.fixture
def raw(wire: Wire) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", wire.port), timeout=10) as connection:
        yield connection


def request(wire: Wire, method: str, target: str, **extra: str) -> bytes:
    given = {name.replace("_", "-"): value for name, value in extra.items()}
    whole = f"/{wire.account}{target}"
    headers = wire.headers(method, whole, b"", given)
    lines = [f"{method} {whole} HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_head(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = connection.recv(1)
        if not more:
            break
        data += more
    return data


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while more := connection.recv(65536):
        data += more
    return data


def test_pipelined_requests(wire: Wire, raw: socket.socket, place: str) -> None:
    append = request(wire, "PATCH", f"{place}?action=append&position=0", Content_Length="4")
    raw.sendall(
        request(wire, "PUT", f"{place}?resource=file")
        + append
        + b"data"
        + request(wire, "PATCH", f"{place}?action=flush&position=4")
        + request(wire, "HEAD", place)
    )
    assert [read_head(raw).split()[1] for _ in range(4)] == [b"201", b"202", b"200", b"200"]


def test_expect_continue(wire: Wire, raw: socket.socket, place: str) -> None:
    wire.create(place)
    target = f"{place}?action=append&position=0"
    raw.sendall(request(wire, "PATCH", target, Content_Length="4", Expect="100-continue"))
    assert read_head(raw) == b"HTTP/1.1 100 Continue\r\n\r\n"
    raw.sendall(b"data")
    assert read_head(raw).startswith(b"HTTP/1.1 202 ")


def test_expect_continue_refused_at_once(wire: Wire, raw: socket.socket, place: str) -> None:
    target = f"{place}?action=append&position=0"
    raw.sendall(request(wire, "PATCH", target, Content_Length="4", Expect="100-continue"))
    answer = read_all(raw)
    assert answer.startswith(b"HTTP/1.1 404 ") and b"Connection: close" in answer


def test_chunked_bodies_are_refused(wire: Wire, raw: socket.socket, place: str) -> None:
    wire.create(place)
    target = f"/{wire.account}{place}?action=append&position=0"
    headers = wire.headers("PATCH", target, None, {"Transfer-Encoding": "chunked"})
    del headers["Content-Length"]
    headers["Authorization"] = wire.sign(
        "PATCH", target, {k: v for k, v in headers.items() if k != "Authorization"}
    )
    lines = [f"PATCH {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    raw.sendall(("\r\n".join(lines) + "\r\n\r\n4\r\ndata\r\n0\r\n\r\n").encode())
    answer = read_all(raw)
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert b"MissingContentLengthHeader" in answer


def test_missing_length(wire: Wire, raw: socket.socket, place: str) -> None:
    wire.create(place)
    target = f"/{wire.account}{place}?action=flush&position=0"
    headers = wire.headers("PATCH", target, None, {})
    del headers["Content-Length"]
    del headers["Authorization"]
    headers["Authorization"] = wire.sign("PATCH", target, headers)
    lines = [f"PATCH {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    raw.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert read_head(raw).startswith(b"HTTP/1.1 411 ")


def test_refused_body_keeps_the_connection(wire: Wire, place: str) -> None:
    connection = wire.connect()
    reply = wire.append(place, 0, b"x" * 100_000, connection=connection)
    assert reply.status == 404
    assert wire.create(place, connection=connection).status == 201


def test_refused_big_body_gets_its_answer(wire: Wire, place: str) -> None:
    reply = wire.append(place, 0, bytes(8 << 20))
    assert (reply.status, reply.code) == (404, "PathNotFound")


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: " + b"1" * 5000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
    ],
)
def test_what_is_not_http(raw: socket.socket, data: bytes) -> None:
    raw.sendall(data)
    assert read_all(raw).startswith(b"HTTP/1.1 400 ")


def test_endless_head(raw: socket.socket) -> None:
    raw.sendall(b"GET / HTTP/1.1\r\n")
    with pytest.raises(OSError):
        for _ in range(100_000):
            raw.sendall(b"x: " + b"y" * 1000 + b"\r\n")


def test_http_1_0_closes(wire: Wire, raw: socket.socket, place: str) -> None:
    raw.sendall(request(wire, "HEAD", place).replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert b"Connection: close" in read_all(raw)


def test_absolute_target(wire: Wire, raw: socket.socket, place: str) -> None:
    plain = request(wire, "PUT", f"{place}?resource=file")
    raw.sendall(plain.replace(b"PUT /", b"PUT http://127.0.0.1:1/", 1))
    assert read_head(raw).startswith(b"HTTP/1.1 201 ")


def test_two_hundred_connections(wire: Wire, place: str) -> None:
    wire.create(place)
    connections = [wire.connect() for _ in range(200)]
    for connection in connections:
        assert wire.head(place, connection=connection).status == 200
    for connection in reversed(connections):
        assert wire.head(place, connection=connection).status == 200
