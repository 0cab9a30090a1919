"""The connections to one host: one a thread, so that nothing is locked while bytes move."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

from adls_magic.core.service.request import Stopped

CONNECT_TIMEOUT = 10.0  # seconds for TCP and TLS each
BLOCK_TIMEOUT = 60.0  # seconds in which one block must leave, or one piece of an answer arrive


class Connections:
    """Sockets to one host and port, ended together by `abort()`.

    Args:
        tls: how they are secured; None leaves them plain.
        stop: set before `abort()`; no connection is made from then on.
    """

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, stop: threading.Event
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._stop = stop
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    def kept(self) -> socket.socket | None:
        """Return this thread's connection if it has one that is still of use."""
        sock: socket.socket | None = getattr(self._local, "sock", None)
        if sock is not None and _has_unread(sock):
            # Closed by the service meanwhile, or holding what nobody asked for.
            self.drop()
            return None
        return sock

    def open(self) -> socket.socket:
        """Make a connection for this thread, which has none.

        Raises:
            OSError: none of the host's addresses could be reached, or TLS failed.
            Stopped: `abort()` was called.
        """
        failure: OSError = OSError("the host has no address")
        for family, kind, proto, _, address in socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM
        ):
            try:
                sock = self._connect(socket.socket(family, kind, proto), address)
            except OSError as error:
                failure = error
                if self._stop.is_set():
                    raise Stopped from None
            else:
                self._local.sock = sock
                return sock
        raise failure

    def drop(self) -> None:
        """Close this thread's connection, if it has one."""
        sock = getattr(self._local, "sock", None)
        if sock is not None:
            self._local.sock = None
            self._forget(sock)

    def watch(self, sock: socket.socket) -> None:
        """Let `abort()` end a socket as well, which somebody else has opened.

        Raises:
            Stopped: it has been called already; the socket is closed.
        """
        with self._lock:
            self._sockets.add(sock)
        if self._stop.is_set():
            self._forget(sock)
            raise Stopped

    def abort(self) -> None:
        """End every exchange under way, at once."""
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

    def _connect(self, sock: socket.socket, address: Any) -> socket.socket:
        with self._watched_unless_it_fails(sock):
            sock.settimeout(CONNECT_TIMEOUT)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected = self._secured(sock) if self._tls is not None else sock
        connected.settimeout(BLOCK_TIMEOUT)
        return connected

    def _secured(self, sock: socket.socket) -> socket.socket:
        assert self._tls is not None  # noqa: S101 - the caller asked
        secured = self._tls.wrap_socket(
            sock, server_hostname=self._host, do_handshake_on_connect=False
        )
        with self._lock:
            self._sockets.discard(sock)
        # Known before the handshake, so that `abort` can end it.
        with self._watched_unless_it_fails(secured):
            secured.do_handshake()
        return secured

    @contextlib.contextmanager
    def _watched_unless_it_fails(self, sock: socket.socket) -> Iterator[None]:
        with contextlib.ExitStack() as undo:
            undo.callback(self._forget, sock)
            self.watch(sock)
            yield
            undo.pop_all()

    def _forget(self, sock: socket.socket) -> None:
        sock.close()
        with self._lock:
            self._sockets.discard(sock)


def _has_unread(sock: socket.socket) -> bool:
    """True when a kept connection has something to read, its end included."""
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
