"""The server: one thread accepts, one thread serves each connection.

Binds 127.0.0.1 only and logs nothing.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sqlite3
import threading
import time
from collections.abc import Callable

from adls_magic.lake.answers import Answer, Refusal
from adls_magic.lake.conversation import Conversation, Service
from adls_magic.lake.request import ConnectionEnded, MalformedRequest, Request

_IDLE = 300.0  # seconds without a byte, after which a connection is closed
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TOO_LONG = frozenset({errno.ENAMETOOLONG, errno.EINVAL})
_ENDED = (ConnectionEnded, ConnectionError, TimeoutError)


class Server:
    """Serves one lake over HTTP on 127.0.0.1."""

    def __init__(self, service: Service, *, port: int, chore: Callable[[], None]) -> None:
        """Bind the port.

        Args:
            service: answers a request or raises `Refusal`.
            port: 0 for any free one.
            chore: called about once a minute.

        Raises:
            OSError: the port is taken.
        """
        self._service = service
        self._chore = chore
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self._listener.settimeout(1.0)
        self.port: int = self._listener.getsockname()[1]
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._thread = threading.Thread(target=self._accept, name="adls-lake", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End all connections and threads; requests that are being answered are cut off."""
        self._stopping.set()
        if self._thread.is_alive():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()  # wakes it
            self._thread.join()
        self._listener.close()
        with self._lock:
            connections = dict(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections.values():
            thread.join()

    def _accept(self) -> None:
        due = time.monotonic() + 60
        while not self._stopping.is_set():
            if time.monotonic() > due:
                self._chore()
                due = time.monotonic() + 60
            try:
                connection, address = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                time.sleep(0.05)  # out of descriptors, most likely; it passes
                continue
            self._serve(connection, str(address[0]))

    def _serve(self, connection: socket.socket, client: str) -> None:
        name = "adls-lake-connection"
        thread = threading.Thread(
            target=self._run, args=(connection, client), name=name, daemon=True
        )
        with self._lock:
            self._open[connection] = thread
        try:
            thread.start()
        except RuntimeError:  # no more threads; the client will try again
            self._forget(connection)

    def _run(self, connection: socket.socket, client: str) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_IDLE)
            conversation = Conversation(connection, client, self._service)
            while not self._stopping.is_set() and conversation.serve_one():
                pass
        except (*_ENDED, OSError):
            pass
        finally:
            self._forget(connection)

    def _forget(self, connection: socket.socket) -> None:
        connection.close()
        with self._lock:
            self._open.pop(connection, None)


def refuse_errors(service: Service) -> Service:
    """Return a service that turns faults of disk and database into refusals."""

    def guarded(request: Request, buffer: bytearray) -> Answer:
        try:
            return service(request, buffer)
        except (Refusal, MalformedRequest, *_ENDED):
            raise
        except OSError as error:
            raise Refusal(_code(error)) from None
        except sqlite3.Error as error:
            full = "full" in str(error)
            raise Refusal("InsufficientStorage" if full else "InternalError") from None
        except Exception:  # noqa: BLE001 - a fault of ours must not end the connection silently
            raise Refusal("InternalError") from None

    return guarded


def _code(error: OSError) -> str:
    if error.errno in _FULL:
        return "InsufficientStorage"
    return "InvalidUri" if error.errno in _TOO_LONG else "InternalError"
