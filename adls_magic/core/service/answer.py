"""Reads one answer from a connection.

What the service answers is read here by taking its lines apart: `http.client`, which parses
headers as those of a mail, takes longer for that than the rest of a small request together.
Whatever is out of the ordinary is left to `http.client`, from its first byte.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from adls_magic.core.service.whole_response import LARGEST_READ, LARGEST_REPLY, WholeResponse

_LARGEST_HEAD = 64 * 1024  # bytes
_AT_ONCE = 256 * 1024  # bytes of a body read by one call


class Headers(Protocol):
    """Headers of an answer, found without regard to case."""

    def get(self, name: str, /) -> str | None:
        """Return a header's value, None when it is not there."""


class Response(Protocol):
    """An answer whose body has not been read."""

    status: int

    @property
    def headers(self) -> Headers:
        """The answer's headers."""

    def read(self) -> bytes:
        """Read the body to its end."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Read some of the body; 0 at its end."""


class Sink(Protocol):
    """What gathers the body of an answer, over the tries of a request."""

    def headers(self) -> Mapping[str, str]:
        """Return what the next try must ask for."""

    def take(self, response: Response) -> bytes:
        """Read a body; return it when it is not what was to be gathered. It may break off."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the service, read to its end."""

    status: int
    headers: Headers
    body: bytes


class Fields:
    """Headers by their names in lower case."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def get(self, name: str, /) -> str | None:
        """Return a header's value, None when it is not there."""
        return self._values.get(name.lower())


def read_answer(sock: socket.socket, method: str, into: Sink | None = None) -> tuple[Answer, bool]:
    """Return the answer to a request, and whether its connection is used up.

    Args:
        sock: where the request was sent.
        method: of the request.
        into: takes the body, as it comes.

    Raises:
        OSError: the connection broke or nothing came in time.
        http.client.HTTPException: the answer is none, ends too soon, or is larger than any.
    """
    if into is not None:
        return _read_by_library(b"", sock, method, into)
    data = _read_head(sock)
    head, _, rest = data.partition(b"\r\n\r\n")
    values = _plain_fields(head) if len(head) < len(data) else None
    if values is None:
        return _read_by_library(data, sock, method)
    status = int(head[9:12])
    length = 0 if method == "HEAD" or status in (204, 304) else int(values["content-length"])
    if length > _most(method):
        raise http.client.HTTPException("the answer is too large")
    body = rest if len(rest) >= length else _read_body(sock, rest, length)
    # More than the answer is there: what follows could be taken for the next one's.
    used_up = len(body) > length or "close" in values.get("connection", "").lower()
    return Answer(status, Fields(values), body[:length]), used_up


def _most(method: str) -> int:
    return LARGEST_READ if method == "GET" else LARGEST_REPLY


def _read_head(sock: socket.socket) -> bytes:
    """Return what has come once it holds all headers, or tells that it never will."""
    data = sock.recv(_LARGEST_HEAD)
    if not data:
        raise http.client.RemoteDisconnected("Remote end closed connection without response")
    while b"\r\n\r\n" not in data and b"\n\n" not in data and len(data) < _LARGEST_HEAD:
        more = sock.recv(_LARGEST_HEAD)
        if not more:
            break
        data += more
    return data


def _plain_fields(head: bytes) -> dict[str, str] | None:
    """Return the headers of an answer whose end is told by its Content-Length, else None."""
    if head.count(b"\n") != head.count(b"\r\n"):
        return None  # lines, or even the head, end where this does not look
    first, *lines = head.decode("latin-1").split("\r\n")
    # Above 199: those below are followed by the answer proper.
    if not (first.startswith("HTTP/1.1 ") and first[9:12].isdecimal() and first[9] in "2345"):
        return None
    values: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name.replace("-", "").isalnum() or name in values:
            return None
        values[name] = value.strip()
    length = values.get("content-length", "0" if first[9:12] in ("204", "304") else "")
    if "transfer-encoding" in values or not (length.isascii() and length.isdecimal()):
        return None
    return values


def _read_body(sock: socket.socket, begun: bytes, length: int) -> bytes:
    parts = [begun]
    left = length - len(begun)
    while left:
        part = sock.recv(min(left, _AT_ONCE))
        if not part:
            raise http.client.IncompleteRead(b"".join(parts), left)
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


class _Replayed(io.RawIOBase):
    """A connection, begun with what was read from it already."""

    def __init__(self, seen: bytes, sock: socket.socket) -> None:
        self._seen = seen
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._seen:
            return self._sock.recv_into(buffer)
        count = min(len(buffer), len(self._seen))
        buffer[:count] = self._seen[:count]
        self._seen = self._seen[count:]
        return count

    def makefile(self, mode: str) -> io.BufferedReader:
        """Be opened for reading, as `http.client` asks of a socket."""
        return io.BufferedReader(self)


def _read_by_library(
    data: bytes, sock: socket.socket, method: str, into: Sink | None = None
) -> tuple[Answer, bool]:
    source: Any = _Replayed(data, sock)
    response = WholeResponse(source, method=method)
    try:
        response.begin()
        body = response.whole(_most(method)) if into is None else into.take(response)
        answer = Answer(response.status, response.headers, body)
        # What was not read to its end, as a sink may do, would be taken for the next answer.
        used_up = response.will_close or not response.isclosed()
    finally:
        response.close()
    return answer, used_up
