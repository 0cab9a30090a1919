"""HTTP/1.1 on one connection: requests are read and answered one after the other.

Bodies are received into one buffer a connection and go from there to disk; files are sent by the
kernel.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Callable

from adls_magic.lake.answers import (
    SERVER,
    Answer,
    FilePart,
    Refusal,
    http_date,
    refusal_answer,
    request_id,
)
from adls_magic.lake.request import (
    BLOCK,
    HEAD_LIMIT,
    Body,
    ConnectionEnded,
    MalformedRequest,
    Request,
    build_request,
)

Service = Callable[[Request, bytearray], Answer]

_LINGER = 10.0  # seconds to read what a refused client goes on sending, before closing
_DRAIN = 1 << 20  # bytes of an unwanted body that are read so that the connection can stay
_LINE_ENDS = re.compile(r"[\r\n]+")
_REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 206: "Partial Content", 304: "Not Modified",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 409: "Conflict", 411: "Length Required", 412: "Precondition Failed",
    413: "Request Entity Too Large", 416: "Requested Range Not Satisfiable",
    500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable",
    507: "Insufficient Storage",
}  # fmt: skip


class Conversation:
    """One connection: requests are read and answered one after the other."""

    def __init__(self, connection: socket.socket, client: str, service: Service) -> None:
        self._connection = connection
        self._client = client
        self._service = service
        self._early = b""
        self._buffer: bytearray | None = None

    def serve_one(self) -> bool:
        """Read and answer one request; return whether the connection stays open."""
        head = self._read_head()
        if head is None:
            return False
        try:
            request = build_request(head, self._body, self._client)
        except MalformedRequest:
            self._send(refusal_answer(Refusal("InvalidRequest"), request="", xml=False), close=True)
            return False
        keep = request.persistent and "transfer-encoding" not in request.headers
        keep = self._answer(request, keep=keep)
        if not keep:
            self._linger()
        return keep

    def _read_head(self) -> bytes | None:
        data = self._early.lstrip(b"\r\n")
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > HEAD_LIMIT:
                return None
            more = self._connection.recv(HEAD_LIMIT)
            if not more:
                return None
            data += more
        self._early = data[end + 4 :]
        return data[:end]

    def _body(self, length: int, headers: dict[str, str]) -> Body:
        early, self._early = self._early[:length], self._early[length:]
        return Body(self._connection, early, length, before=self._continuation(headers))

    def _continuation(self, headers: dict[str, str]) -> Callable[[], None]:
        if headers.get("expect", "").lower() != "100-continue":
            return lambda: None
        return lambda: self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _answer(self, request: Request, *, keep: bool) -> bool:
        id_ = request_id()
        try:
            if self._buffer is None and request.body.length:
                self._buffer = bytearray(BLOCK)
            answer = self._service(request, self._buffer or bytearray())
        except Refusal as refusal:
            answer = refusal_answer(refusal, request=id_, xml=request.xml)
        except MalformedRequest:
            answer = refusal_answer(Refusal("InvalidInput"), request=id_, xml=request.xml)
        try:
            keep = keep and self._drained(request)
            self._send(answer, request=request, id_=id_, close=not keep)
        finally:
            if isinstance(answer.body, FilePart):
                os.close(answer.body.descriptor)
        return keep

    def _drained(self, request: Request) -> bool:
        """Whether the body is read to its end, so that the next request can follow."""
        if not request.body.left:
            return True
        if request.body.left > _DRAIN or "expect" in request.headers:
            return False
        for _ in request.body.blocks(self._buffer or bytearray(BLOCK)):
            pass
        return True

    def _linger(self) -> None:
        """Read on for a moment before closing: a reset would take the answer away again."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            self._connection.settimeout(1.0)
            buffer = self._buffer or bytearray(BLOCK)
            end = time.monotonic() + _LINGER
            while time.monotonic() < end and self._connection.recv_into(buffer):
                pass

    def _send(
        self, answer: Answer, *, request: Request | None = None, id_: str = "", close: bool
    ) -> None:
        body = answer.body
        self._connection.sendall(_head(answer, request, id_ or request_id(), close=close))
        if not _has_body(answer, request):
            return
        if isinstance(body, FilePart):
            self._send_file(body)
        elif answer.chunked:
            self._connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    def _send_file(self, part: FilePart) -> None:
        with open(part.descriptor, "rb", buffering=0, closefd=False) as file:
            if part.length:
                sent = self._connection.sendfile(file, part.offset, part.length)
                if sent != part.length:
                    raise ConnectionEnded


def _head(answer: Answer, request: Request | None, id_: str, *, close: bool) -> bytes:
    """Return the head of an answer, and a short body with it in one packet."""
    headers = {"Server": SERVER, "Date": http_date(time.time()), "x-ms-request-id": id_}
    if request is not None:
        for name in ("x-ms-version", "x-ms-client-request-id"):
            if name in request.headers:
                headers[name] = request.headers[name]
    headers |= answer.headers
    headers |= _length(answer)
    if close:
        headers["Connection"] = "close"
    reason = _REASONS.get(answer.status, "Unknown")
    lines = [f"HTTP/1.1 {answer.status} {reason}"]
    # Metadata may hold line ends, which would be headers of their own here.
    lines += [_LINE_ENDS.sub(" ", f"{name}: {value}") for name, value in headers.items()]
    head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
    if isinstance(answer.body, bytes) and not answer.chunked and _has_body(answer, request):
        return head + answer.body
    return head


def _has_body(answer: Answer, request: Request | None) -> bool:
    return answer.status != 304 and (request is None or request.method != "HEAD")


def _length(answer: Answer) -> dict[str, str]:
    if answer.status == 304:
        return {}
    if answer.chunked:
        return {"Transfer-Encoding": "chunked"}
    if answer.length is not None:
        return {"Content-Length": str(answer.length)}
    body = answer.body
    return {"Content-Length": str(len(body) if isinstance(body, bytes) else body.length)}
