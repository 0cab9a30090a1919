"""Bytes to the service and back: connections, sending of bodies, stopping.

One `Transport` serves all threads of a client; every thread keeps its own connection, so that
nothing is locked while bytes move. Requests go out as one head made here, exactly as it was
signed, followed by the body's blocks: a line lives as long as it moves, since the time-out
counts for each block. Proxies, certificates and the
environment's say in them are resolved once, by `requests`; where a proxy is in the way,
`requests` carries the traffic.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from adls_magic.core.errors import AdlsError, OptionError
from adls_magic.core.service.answer import Answer, Sink, read_answer
from adls_magic.core.service.route import Route

CONNECT_TIMEOUT = 10.0  # seconds for TCP and TLS each
BLOCK_TIMEOUT = 60.0  # seconds in which one block must leave, or one piece of an answer arrive
_LARGEST_BODY_IN_HEAD = 64 * 1024  # bytes; up to here head and body leave in one packet train


class Body(Protocol):
    """What a request sends: known length, and blocks that can be asked for again on a retry."""

    length: int

    def checks(self, is_over: Callable[[], bool]) -> Mapping[str, str]:
        """Return headers by which the service can check it; called before each try."""

    def blocks(self) -> Iterator[bytes | memoryview]:
        """Yield the body from its start; called once for each try."""

    def send_plain(self, sock: socket.socket, is_over: Callable[[], bool]) -> bool:
        """Send all of it without TLS in a way of its own; False when it has none."""


class TransportError(Exception):
    """No usable answer.

    Attributes:
        cause: what went wrong below.
        connecting: there was no connection yet, so the service cannot have acted.
        stale: a kept connection was closed before any answer came, as an idle one may be.
    """

    def __init__(
        self, cause: BaseException, *, connecting: bool = False, stale: bool = False
    ) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.connecting = connecting
        self.stale = stale


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The transport was aborted while the request was under way."""


class Transport:
    """Connections to one endpoint, shared by threads, ended together by `abort()`."""

    def __init__(self, endpoint: str, stop: threading.Event) -> None:
        parts = urllib.parse.urlsplit(endpoint)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._netloc = parts.netloc
        self._stop = stop
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._route = Route.of(self._origin, self._host)
        if self._route.session is not None:
            from adls_magic.core.service.proxied import ProxyAdapter

            self._route.session.mount(self._origin, ProxyAdapter(self._register))

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body | None,
        into: Sink | None = None,
    ) -> Answer:
        """Send one request and return its answer; `into` takes its body.

        Raises:
            TransportError: no connection, a broken one, a time-out or an unreadable answer.
            Stopped: `abort()` was called.
        """
        if self._route.session is not None:
            exchange: Callable[[], Answer] = lambda: self._through_proxy(  # noqa: E731
                method, target, headers, body, into
            )
        else:
            exchange = lambda: self._direct(method, target, headers, body, into)  # noqa: E731
        try:
            return exchange()
        except AdlsError as error:
            # Of the body's source: not of the line, however much it is an OSError.
            self._drop()
            # Without the frames below, whose variables hold the request as it is sent.
            raise error.with_traceback(None) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._drop()
            if self._stop.is_set():
                raise Stopped from None
            raise TransportError(error) from None
        except BaseException as error:  # noqa: BLE001 - and raised again
            self._drop()
            raise error.with_traceback(None) from None  # as above

    def abort(self) -> None:
        """End every exchange under way, at once; the threads in them raise `Stopped`."""
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            # The plain socket's shutdown: the TLS one would take the session from under a
            # thread that is inside it.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all connections. No request may be under way."""
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            # Closed before it is forgotten, so that an interrupt in between loses none.
            self._forget(sock)
        self._local = threading.local()
        if self._route.session is not None:
            self._route.session.close()

    # ------------------------------------------------------------------ direct

    def _direct(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body | None,
        into: Sink | None,
    ) -> Answer:
        sock = getattr(self._local, "sock", None)
        if sock is not None and _has_unread(sock):
            # Closed by the service meanwhile, or holding what nobody asked for.
            self._drop()
            sock = None
        kept = sock is not None
        if sock is None:
            try:
                sock = self._local.sock = self._connect()
            except OSError as error:
                raise TransportError(error, connecting=True) from None
        try:
            return self._exchange(sock, method, target, headers, body, into)
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            if self._stop.is_set():
                raise Stopped from None
            raise TransportError(error, stale=kept) from None

    def _exchange(
        self,
        sock: socket.socket,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body | None,
        into: Sink | None,
    ) -> Answer:
        cut_short = False
        try:
            self._write(sock, method, target, headers, body)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # The service may have refused before the body's end: its answer says why.
            cut_short = True
        answer, used_up = read_answer(sock, method, into)
        if cut_short and answer.status < 400:
            raise ConnectionError("the request was answered well before it had left")
        if cut_short or used_up:
            self._drop()
        return answer

    def _write(
        self,
        sock: socket.socket,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body | None,
    ) -> None:
        head = _head(method, target, self._netloc, headers)
        if body is None:
            sock.sendall(head)
            return
        if body.length <= _LARGEST_BODY_IN_HEAD:
            data = bytearray(head)
            for block in body.blocks():
                data += block  # before the next is asked for, which may lie in the same memory
            sock.sendall(data)
            return
        sock.sendall(head)
        if not self._secure and body.send_plain(sock, self._stop.is_set):
            return
        for block in body.blocks():
            if self._stop.is_set():
                raise Stopped
            sock.sendall(block)

    def _connect(self) -> socket.socket:
        failure: OSError = OSError("the host has no address")
        for family, kind, proto, _, address in socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM
        ):
            sock = socket.socket(family, kind, proto)
            self._register(sock)
            try:
                sock.settimeout(CONNECT_TIMEOUT)
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock = self._secured(sock)
            except OSError as error:
                self._forget(sock)
                failure = error
                if self._stop.is_set():
                    raise Stopped from None
                continue
            sock.settimeout(BLOCK_TIMEOUT)
            return sock
        raise failure

    def _secured(self, sock: socket.socket) -> socket.socket:
        if not self._secure:
            return sock
        assert self._route.tls is not None  # noqa: S101 - Route.of makes one for https
        secured = self._route.tls.wrap_socket(
            sock, server_hostname=self._host, do_handshake_on_connect=False
        )
        with self._lock:
            self._sockets.discard(sock)
        # Known before the handshake, so that `abort` can end it.
        self._register(secured)
        try:
            secured.do_handshake()
        except BaseException:
            self._forget(secured)
            raise
        return secured

    def _register(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.add(sock)
        if self._stop.is_set():
            self._forget(sock)
            raise Stopped

    def _forget(self, sock: socket.socket) -> None:
        sock.close()
        with self._lock:
            self._sockets.discard(sock)

    def _drop(self) -> None:
        """Close this thread's connection, if it has one."""
        sock = getattr(self._local, "sock", None)
        if sock is not None:
            self._local.sock = None
            self._forget(sock)

    # ----------------------------------------------------------------- proxied

    def _through_proxy(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body | None,
        into: Sink | None,
    ) -> Answer:
        import requests

        from adls_magic.core.service.proxied import gather

        session = self._route.session
        assert session is not None  # noqa: S101 - the caller asked
        request = requests.Request(method, self._origin).prepare()
        # Set as it was signed: preparing would quote the URL once more.
        request.url = self._origin + target
        request.headers = requests.structures.CaseInsensitiveDict(headers)
        failures: list[AdlsError] = []
        blocks: Any = self._stoppable(body.blocks(), failures) if body is not None else None
        request.body = blocks
        try:
            response = session.get_adapter(self._origin).send(
                request,
                timeout=(BLOCK_TIMEOUT, BLOCK_TIMEOUT),
                verify=self._route.verify,
                proxies=self._route.proxies,
            )
            with response:  # closed if it was not read to its end, as a sink may do
                content = response.content if into is None else gather(into, response.raw)
            return Answer(response.status_code, response.headers, content)
        except Stopped:
            if failures:
                raise failures[0] from None
            raise
        except (requests.exceptions.ProxyError, requests.exceptions.SSLError) as error:
            raise TransportError(error, connecting=True) from None

    def _stoppable(
        self, blocks: Iterable[bytes | memoryview], failures: list[AdlsError]
    ) -> Iterator[bytes | memoryview]:
        """Yield the blocks; keep a source's error, which urllib3 would take for the line's."""
        try:
            for block in blocks:
                if self._stop.is_set():
                    raise Stopped
                yield block
        except AdlsError as error:
            failures.append(error)
            raise Stopped from None


def _head(method: str, target: str, host: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    for line in lines:
        if "\r" in line or "\n" in line:
            raise OptionError("A header cannot hold a line break.")
    try:
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    except UnicodeEncodeError:
        raise OptionError("A header can only hold Latin-1 characters.") from None


def _has_unread(sock: socket.socket) -> bool:
    """True when a kept connection has something to read, its end included."""
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
