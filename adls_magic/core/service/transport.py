"""Requests to the service and their answers: sending of bodies, stopping.

One `Transport` serves all threads of a client. Requests go out as one head made here, exactly as
it was signed, followed by the body's blocks: a line lives as long as it moves, since the time-out
counts for each block. Proxies, certificates and the environment's say in them are resolved once,
by `requests`; where a proxy is in the way, `requests` carries the traffic.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from adls_magic.core.errors import AdlsError, OptionError
from adls_magic.core.service.answer import Answer, read_answer
from adls_magic.core.service.connections import Connections
from adls_magic.core.service.request import Request, Stopped, TransportError
from adls_magic.core.service.route import Route

if TYPE_CHECKING:
    from adls_magic.core.service.proxied import Proxied

_LARGEST_BODY_IN_HEAD = 64 * 1024  # bytes; up to here head and body leave in one packet train


class Transport:
    """The way to one endpoint, shared by threads, whose exchanges `abort()` ends together."""

    def __init__(self, endpoint: str, stop: threading.Event) -> None:
        parts = urllib.parse.urlsplit(endpoint)
        self._is_secure = parts.scheme == "https"
        self._netloc = parts.netloc
        self._stop = stop
        host, port = parts.hostname or "", parts.port or (443 if self._is_secure else 80)
        origin = f"{parts.scheme}://{parts.netloc}"
        self._route = Route.of(origin)
        self._connections = Connections(host, port, self._route.tls, stop)
        self._proxied: Proxied | None = None
        if self._route.session is not None:
            from adls_magic.core.service.proxied import Proxied

            self._proxied = Proxied(self._route, origin, self._connections.watch, stop)

    def send(self, request: Request) -> Answer:
        """Send one request and return its answer; `into` takes its body.

        Raises:
            TransportError: no connection, a broken one, a time-out or an unreadable answer.
            Stopped: `abort()` was called.
        """
        try:
            return self._direct(request) if self._proxied is None else self._proxied.send(request)
        except AdlsError as error:
            # Of the body's source: not of the line, however much it is an OSError.
            self._connections.drop()
            # Without the frames below, whose variables hold the request as it is sent.
            raise error.with_traceback(None) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connections.drop()
            if self._stop.is_set():
                raise Stopped from None
            raise TransportError(error) from None
        except BaseException as error:  # noqa: BLE001 - and raised again
            self._connections.drop()
            raise error.with_traceback(None) from None  # as above

    def abort(self) -> None:
        """End every exchange under way, at once; the threads in them raise `Stopped`."""
        self._connections.abort()

    def close(self) -> None:
        """Close all connections. No request may be under way."""
        self._connections.close()
        if self._proxied is not None:
            self._proxied.close()

    def _direct(self, request: Request) -> Answer:
        sock = self._connections.kept()
        is_kept = sock is not None
        if sock is None:
            try:
                sock = self._connections.open()
            except OSError as error:
                raise TransportError(error, connecting=True) from None
        try:
            return self._exchange(sock, request)
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            if self._stop.is_set():
                raise Stopped from None
            raise TransportError(error, stale=is_kept) from None

    def _exchange(self, sock: socket.socket, request: Request) -> Answer:
        is_cut_short = False
        try:
            self._write(sock, request)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # The service may have refused before the body's end: its answer says why.
            is_cut_short = True
        answer, is_used_up = read_answer(sock, request.method, request.into)
        if is_cut_short and answer.status < 400:
            raise ConnectionError("the request was answered well before it had left")
        if is_cut_short or is_used_up:
            self._connections.drop()
        return answer

    def _write(self, sock: socket.socket, request: Request) -> None:
        head = _head(request.method, request.target, self._netloc, request.headers)
        body = request.body
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
        if not self._is_secure and body.send_plain(sock, self._stop.is_set):
            return
        for block in body.blocks():
            if self._stop.is_set():
                raise Stopped
            sock.sendall(block)


def _head(method: str, target: str, host: str, headers: Mapping[str, str]) -> bytes:
    lines = [_line("request line", f"{method} {target} HTTP/1.1")]
    lines += [_line(name, f"{name}: {value}") for name, value in {"Host": host, **headers}.items()]
    return b"".join(lines) + b"\r\n"


def _line(what: str, text: str) -> bytes:
    """Return a line of the head; when it cannot be sent `what` names it, as it may be secret."""
    try:
        line = text.encode("latin-1")
    except UnicodeEncodeError:
        raise OptionError(f"What is sent as {what} is not Latin-1; write it in ASCII.") from None
    if b"\r" in line or b"\n" in line:
        raise OptionError(f"What is sent as {what} has a line break in it; take it out.")
    return line + b"\r\n"
