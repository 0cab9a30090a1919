"""A request as it came over the wire: raw target, headers, and the body still to be read.

Parsing only. The raw target is kept, because signatures are checked against it and nothing else.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

HEAD_LIMIT = 64 * 1024  # bytes of request line and headers
_DIGITS = 20
BEYOND = 10 ** (_DIGITS - 1)  # more than any length, position or time can be
BLOCK = 256 * 1024  # bytes; what one recv on loopback fills, small enough to stay in the cache


class MalformedRequest(Exception):  # noqa: N818 - an answer, not a fault
    """The bytes on the wire are not HTTP; the connection ends with a 400."""


class ConnectionEnded(Exception):  # noqa: N818 - the usual end of a connection
    """The client closed its side, or was too slow, before the request was whole."""


class Body:
    """The unread rest of a request's body.

    Attributes:
        length: Content-Length in bytes.
        left: bytes not yet read from the connection.
    """

    def __init__(
        self, wire: socket.socket, early: bytes, length: int, *, before: Callable[[], None]
    ) -> None:
        self.length = length
        self.left = length
        self._wire = wire
        self._early = early[:length]
        self._before: Callable[[], None] | None = before

    def blocks(self, buffer: bytearray) -> Iterator[memoryview]:
        """Yield the body in blocks that live in `buffer` until the next one is asked for.

        Raises:
            ConnectionEnded: the body stopped short of its length.
        """
        view = memoryview(buffer)
        while self.left:
            got = self._receive(view)
            self.left -= got
            yield view[:got]

    def _receive(self, view: memoryview) -> int:
        if self._early:
            got = min(len(self._early), len(view))
            view[:got] = self._early[:got]
            self._early = self._early[got:]
            return got
        if self._before is not None:
            self._before()
            self._before = None
        got = self._wire.recv_into(view[: min(self.left, len(view))])
        if not got:
            raise ConnectionEnded
        return got


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: as on the wire; the signature carries it.
        target: the request line's target, untouched.
        raw_path: its part before `?`, still percent-encoded.
        query: decoded parameters; names in lower case; of a repeated one the last value.
        raw_query: pairs of name and value as sent, in order.
        headers: names in lower case, values trimmed.
        spelling: the names of metadata headers as they were sent, by their lower case.
        body: the unread body.
        client: the client's IP address.
        persistent: whether the client wants to keep the connection.
    """

    method: str
    target: str
    raw_path: str
    query: Mapping[str, str]
    raw_query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    spelling: Mapping[str, str]
    body: Body
    client: str
    persistent: bool = True

    @property
    def verb(self) -> str:
        """The method to act on: PUT may stand for PATCH."""
        override = self.headers.get("x-http-method-override", "").upper()
        return "PATCH" if self.method == "PUT" and override == "PATCH" else self.method

    @property
    def xml(self) -> bool:
        """Whether the client speaks the blob dialect: its parameters, or XML asked for."""
        if "comp" in self.query or "restype" in self.query or "x-ms-blob-type" in self.headers:
            return True
        return "resource" not in self.query and "xml" in self.headers.get("accept", "")


def parse_head(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    """Return method, target, version and headers of a request's head.

    Raises:
        MalformedRequest: the head is not HTTP/1.x.
    """
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[0].isalpha() or not words[2].startswith("HTTP/1."):
        raise MalformedRequest
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise MalformedRequest
        key = name.lower()
        value = value.strip(" \t")
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    return words[0], words[1], words[2], headers


def metadata_spelling(head: bytes) -> dict[str, str]:
    """Return the names of a head's metadata headers as sent, by their lower case."""
    names = [line.partition(b":")[0].decode("latin-1") for line in head.split(b"\r\n")[1:]]
    return {name.lower(): name for name in names if name.lower().startswith("x-ms-meta-")}


def decimal(text: str) -> int | None:
    """Return the number that digits stand for, at most `BEYOND`; None for any other text."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    # Thousands of digits would be refused by int().
    return int(digits or "0") if len(digits) < _DIGITS else BEYOND


def content_length(headers: Mapping[str, str]) -> int:
    """Return the body's length in bytes, 0 without the header.

    Raises:
        MalformedRequest: not a decimal number, or two that differ.
    """
    values = set(headers.get("content-length", "0").replace(" ", "").split(","))
    length = decimal(values.pop())
    if values or length is None or length >= BEYOND:
        raise MalformedRequest
    return length


def split_target(target: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the raw path (at least `/`) and the raw query pairs of a request target."""
    if "://" in target.partition("?")[0]:
        target = "/" + target.partition("://")[2].partition("/")[2]  # absolute form, from proxies
    path, _, query = target.partition("?")
    pairs = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    return path or "/", tuple((name, value) for name, value in pairs)


def build_request(head: bytes, body: Callable[[int, dict[str, str]], Body], client: str) -> Request:
    """Return the request of a head (request line and headers, without the empty line).

    Args:
        head: as received.
        body: makes the body from its length and the headers.
        client: the client's IP address.

    Raises:
        MalformedRequest: the head is not HTTP/1.x.
    """
    method, target, version, headers = parse_head(head)
    raw_path, raw_query = split_target(target)
    return Request(
        method=method,
        target=target,
        raw_path=raw_path,
        query={unquote(name).lower(): unquote(value) for name, value in raw_query},
        raw_query=raw_query,
        headers=headers,
        spelling=metadata_spelling(head),
        body=body(content_length(headers), headers),
        client=client,
        persistent=version == "HTTP/1.1" and headers.get("connection", "").lower() != "close",
    )
