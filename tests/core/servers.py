"""Small servers on 127.0.0.1 that show a client the raw bytes, and misbehave on demand."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from patience import LONG, PATIENCE

DATE = "Tue, 14 Jul 2026 09:30:00 GMT"


class Drop(Exception):
    """Raised by an answer: close the connection without a byte."""


class Reset(Exception):
    """Raised by an answer: end the connection with a TCP reset."""


class Hang(Exception):
    """Raised by an answer: say nothing until the server is closed."""


@dataclass(frozen=True)
class Received:
    """A request as its bytes came in."""

    line: bytes  # the request line, without its line end
    raw_headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    connection: int  # counted from 1
    number: int  # counted from 1, over all connections

    @property
    def method(self) -> str:
        return self.line.split(b" ")[0].decode()

    @property
    def target(self) -> str:
        return self.line.split(b" ")[1].decode("ascii")

    def header(self, name: str) -> str | None:
        values = [v for k, v in self.raw_headers if k.lower() == name.lower().encode()]
        assert len(values) < 2, f"{name} was sent twice"
        return values[0].decode("latin-1") if values else None


Answering = Callable[[Received], bytes]


def answer(
    status: int = 200,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    *,
    length: int | None = None,
) -> bytes:
    """Return an answer's bytes; `length` overrides the Content-Length that is told."""
    lines = [f"HTTP/1.1 {status} X", "Date: " + DATE, "x-ms-request-id: made-up-request-id"]
    headers = dict(headers or {})
    if not {name.lower() for name in headers} & {"content-length", "transfer-encoding"}:
        headers["Content-Length"] = str(len(body) if length is None else length)
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def error(status: int, code: str, message: str = "It was refused.", **headers: str) -> bytes:
    """Return an error answer as the dfs endpoint writes it."""
    body = f'{{"error":{{"code":"{code}","message":"{message}\\nRequestId:1\\nTime:2"}}}}'
    return answer(
        status,
        {
            "x-ms-error-code": code,
            "Content-Type": "application/json;charset=utf-8",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
        body.encode(),
    )


class SocketServer:
    """Accepts connections on 127.0.0.1 and runs `_converse` for each in a thread."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.settimeout(0.5)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, name="test-accept")
        self._accepting.start()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                wire, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            if self.closing.is_set():
                wire.close()
                return
            with self._lock:
                self.connections += 1
                number = self.connections
                self._open.add(wire)
            thread = threading.Thread(target=self._serve, args=(wire, number), name="test-serve")
            thread.start()
            self._threads.append(thread)

    def _serve(self, wire: socket.socket, number: int) -> None:
        wire.settimeout(LONG)
        try:
            if self._tls is not None:
                plain, wire = wire, self._tls.wrap_socket(wire, server_side=True)
                with self._lock:
                    self._open.discard(plain)
                    self._open.add(wire)
            self._converse(wire, number)
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(wire)
            wire.close()

    def _converse(self, wire: socket.socket, number: int) -> None:
        raise NotImplementedError

    def drain(self) -> None:
        """Take no more connections, and wait until those that there are have ended."""
        self._listener.close()
        self.wait_ended()

    def wait_ended(self) -> None:
        """Wait until those connections that there are have ended, and what came over them."""
        for thread in list(self._threads):
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def close(self) -> None:
        self.closing.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._accepting.join()
        self._listener.close()
        with self._lock:
            still = list(self._open)
        for wire in still:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(wire, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class RawServer(SocketServer):
    """Answers each whole request with the bytes that `answering` returns, and keeps a record."""

    def __init__(self, answering: Answering, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.answering = answering
        super().__init__(tls)

    @property
    def lines(self) -> list[str]:
        return [f"{got.method} {got.target}" for got in self.received]

    def _converse(self, wire: socket.socket, number: int) -> None:
        with contextlib.closing(wire.makefile("rb")) as stream:
            while True:
                got = self._read(stream, number)
                if got is None:
                    return
                try:
                    raw = self.answering(got)
                except Drop:
                    return
                except Reset:
                    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    return
                except Hang:
                    self.closing.wait(LONG)
                    return
                wire.sendall(raw)
                if b"\r\nconnection: close\r\n" in raw.partition(b"\r\n\r\n")[0].lower() + b"\r\n":
                    return

    def _read(self, stream, number: int) -> Received | None:
        head = read_head(stream)
        if head is None:
            return None
        line, headers = head
        length = next((int(v) for k, v in headers if k.lower() == b"content-length"), 0)
        body = stream.read(length)
        if len(body) < length:
            return None
        with self._lock:
            got = Received(line, tuple(headers), body, number, len(self.received) + 1)
            self.received.append(got)
        return got


def read_head(stream) -> tuple[bytes, list[tuple[bytes, bytes]]] | None:
    """Read a request line and its headers, None at the end of the connection."""
    line = stream.readline().rstrip(b"\r\n")
    if not line:
        return None
    headers = []
    while True:
        text = stream.readline()
        if not text:
            return None
        text = text.rstrip(b"\r\n")
        if not text:
            return line, headers
        name, _, value = text.partition(b":")
        headers.append((name, value.strip(b" ")))


def script(*answers: bytes | type[Exception]) -> Answering:
    """Answer one request after another; the last answer is repeated."""
    left = list(answers)
    lock = threading.Lock()

    def answering(got: Received) -> bytes:
        with lock:
            now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, bytes):
            return now
        raise now

    return answering


class SilentServer(SocketServer):
    """Accepts, and neither reads nor writes: a dead line."""

    def _converse(self, wire: socket.socket, number: int) -> None:
        self.closing.wait(LONG)


class GarbageServer(SocketServer):
    """Reads a request's head and answers with fixed bytes, then closes."""

    def __init__(self, raw: bytes = b"") -> None:
        self.raw = raw
        super().__init__()

    def _converse(self, wire: socket.socket, number: int) -> None:
        with contextlib.closing(wire.makefile("rb")) as stream:
            if read_head(stream) is not None:
                wire.sendall(self.raw)
                wire.shutdown(socket.SHUT_WR)
                wire.settimeout(1)
                while wire.recv(65536):
                    pass


@dataclass
class Forwarded:
    """A request that passed through `Between`, and what came back from behind."""

    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    length: int  # bytes of body
    status: int = 0

    def header(self, name: str) -> str | None:
        return next((v.decode() for k, v in self.headers if k.lower() == name.encode()), None)


@dataclass(frozen=True)
class Fault:
    """What `Between` does to one request.

    `before`: break the connection instead of passing the request on. `within`: so, but in the
    middle of its body. `after`: pass it on, and break the connection instead of giving the answer
    back. `half`: so, but in the middle of the answer. `reset`: whatever breaks, breaks with a TCP
    reset. `instead`: give these bytes as the answer; the request is not passed on. `swapped`:
    pass it on, and give these bytes for the answer. `slowly`: seconds over which the body is
    taken in. `late`: seconds to wait before it is passed on. `then`: called when it was done,
    before the answer. `delay`: seconds to wait before the answer. `flipped`: the lowest bit of
    this byte of the body is passed on the other way round.
    """

    before: bool = False
    within: bool = False
    after: bool = False
    half: bool = False
    reset: bool = False
    instead: bytes | None = None
    swapped: bytes | None = None
    slowly: float = 0.0
    late: float = 0.0
    then: Callable[[], object] | None = None
    delay: float = 0.0
    flipped: int | None = None


@dataclass
class Between(SocketServer):
    """A server in front of another: passes requests on byte for byte, except for faults.

    `faults` is asked for each request; it may block, to hold requests back.
    """

    backend: int  # its port
    faults: Callable[[Forwarded], Fault | None] = lambda got: None
    seen: list[Forwarded] = field(default_factory=list)

    def __post_init__(self) -> None:
        SocketServer.__init__(self)

    @property
    def lines(self) -> list[str]:
        return [f"{got.method} {got.target}" for got in self.seen]

    def count(self, pattern: str) -> int:
        return sum(1 for line in self.lines if re.search(pattern, line))

    def _converse(self, wire: socket.socket, number: int) -> None:
        with (
            contextlib.closing(socket.create_connection(("127.0.0.1", self.backend))) as behind,
            contextlib.closing(wire.makefile("rb")) as stream,
        ):
            behind.settimeout(LONG)
            while (head := read_head(stream)) is not None:
                method, target, _ = head[0].decode("ascii").split(" ")
                length = next((int(v) for k, v in head[1] if k.lower() == b"content-length"), 0)
                got = Forwarded(method, target, head[1], length)
                with self._lock:
                    self.seen.append(got)
                fault = self.faults(got) or Fault()
                if not self._pass_on(wire, behind, stream, head[0], got, fault):
                    if fault.reset:
                        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    return

    def _pass_on(self, wire, behind, stream, line: bytes, got: Forwarded, fault: Fault) -> bool:
        """Return False when the connection is to be broken."""
        if fault.within:
            stream.read(got.length // 2)
        if fault.before or fault.within:
            return False
        body = self._taken_in(stream, got.length, fault.slowly)
        if len(body) < got.length:
            return False
        if fault.instead is not None:
            wire.sendall(fault.instead)
            return True
        if self.closing.wait(fault.late):
            return False
        if fault.flipped is not None:
            damaged = bytearray(body)
            damaged[fault.flipped] ^= 1
            body = bytes(damaged)
        head = [line, *(name + b": " + value for name, value in got.headers)]
        behind.sendall(b"\r\n".join(head) + b"\r\n\r\n" + body)
        raw, got.status = _answer_of(behind, got.method)
        if fault.then is not None:
            fault.then()
        if self.closing.wait(fault.delay) or fault.after:
            return False
        raw = fault.swapped or raw
        wire.sendall(raw[: len(raw) // 2] if fault.half else raw)
        return not fault.half

    def _taken_in(self, stream, length: int, slowly: float) -> bytes:
        """Read a body, a tenth at a time when it is to last."""
        if not slowly:
            return stream.read(length)
        parts = []
        for start in range(0, length, step := -(-length // 10) or 1):
            self.closing.wait(slowly / 10)
            parts.append(stream.read(min(step, length - start)))
        return b"".join(parts)


def _answer_of(behind: socket.socket, method: str) -> tuple[bytes, int]:
    response = http.client.HTTPResponse(behind, method=method)
    response.begin()
    body = response.read()
    headers = [
        (name, value)
        for name, value in response.getheaders()
        if name.lower() != "transfer-encoding"
    ]
    if method != "HEAD" and "content-length" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Length", str(len(body))))
    head = [f"HTTP/1.1 {response.status} X", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body, response.status


class ConnectProxy(SocketServer):
    """An HTTP proxy: CONNECT tunnels to `port` whatever host is asked for, and plain forwards."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.lines: list[str] = []
        self.heads: list[list[tuple[bytes, bytes]]] = []
        super().__init__()

    def _converse(self, wire: socket.socket, number: int) -> None:
        stream = wire.makefile("rb", buffering=0)
        with contextlib.closing(stream):
            head = read_head(stream)
            if head is None:
                return
            line, headers = head
            self.lines.append(line.decode("ascii"))
            self.heads.append(headers)
            with socket.create_connection(("127.0.0.1", self._port)) as behind:
                with self._lock:
                    self._open.add(behind)  # so that a close ends it, too
                if line.startswith(b"CONNECT "):
                    wire.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                else:
                    method, url, version = line.split(b" ")
                    path = b"/" + url.split(b"/", 3)[3]
                    lines = [b" ".join((method, path, version))]
                    lines += [name + b": " + value for name, value in headers]
                    behind.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
                self._tunnel(wire, behind)
                with self._lock:
                    self._open.discard(behind)

    def _tunnel(self, wire: socket.socket, behind: socket.socket) -> None:
        def back() -> None:
            with contextlib.suppress(OSError):
                _copy(behind, wire)

        thread = threading.Thread(target=back, name="test-tunnel")
        thread.start()
        with contextlib.suppress(OSError):
            _copy(wire, behind)
        for end in (behind, wire):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        thread.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


def paths_page(names: Iterable[str]) -> bytes:
    """Return the body of a listing with these files, each 3 bytes long."""
    entries = ",".join(
        f'{{"name":"{name}","contentLength":"3","lastModified":"{DATE}","etag":"0x1"}}'
        for name in names
    )
    return f'{{"paths":[{entries}]}}\n'.encode()
