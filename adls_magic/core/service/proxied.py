"""Sending through a proxy: `requests` carries the traffic, sockets stay in our sight."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from adls_magic.core.errors import AdlsError
from adls_magic.core.secret import redact
from adls_magic.core.service.answer import Answer, Sink
from adls_magic.core.service.connections import BLOCK_TIMEOUT
from adls_magic.core.service.request import Request, Stopped, TransportError
from adls_magic.core.service.route import Route
from adls_magic.core.service.whole_response import WholeResponse


class Proxied:
    """The way to one origin through the proxy that its route names.

    Args:
        route: with a session.
        origin: scheme, host and port.
        opened: told of every socket that is opened.
        stop: set when everything is to end.
    """

    def __init__(
        self,
        route: Route,
        origin: str,
        opened: Callable[[socket.socket], None],
        stop: threading.Event,
    ) -> None:
        assert route.session is not None  # noqa: S101 - the caller asked
        self._route = route
        self._session = route.session
        self._session.mount(origin, ProxyAdapter(opened))
        self._origin = origin
        self._stop = stop

    def send(self, request: Request) -> Answer:
        """Send one request and return its answer.

        Raises:
            TransportError: the proxy, or TLS through it, refused.
            Stopped: `stop` was set.
            OSError: the line broke.
            AdlsError: of the body's source.
        """
        prepared = requests.Request(request.method, self._origin).prepare()
        # Set as it was signed: preparing would quote the URL once more.
        prepared.url = self._origin + request.target
        prepared.headers = requests.structures.CaseInsensitiveDict(request.headers)
        failures: list[AdlsError] = []
        body: Any = None
        if request.body is not None:
            body = self._stoppable(request.body.blocks(), failures)
        prepared.body = body
        try:
            response = self._session.get_adapter(self._origin).send(
                prepared,
                timeout=(BLOCK_TIMEOUT, BLOCK_TIMEOUT),
                verify=self._route.verify,
                proxies=self._route.proxies,
            )
            with response:  # closed if it was not read to its end, as a sink may do
                into = request.into
                content = response.content if into is None else gather(into, response.raw)
            return Answer(response.status_code, response.headers, content)
        except Stopped:
            if failures:
                raise failures[0] from None
            raise
        except (requests.exceptions.ProxyError, requests.exceptions.SSLError) as error:
            raise TransportError(error, connecting=True) from None

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

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


class ProxyAdapter(HTTPAdapter):
    """An adapter that tells of every socket it opens, so that a stop can reach them.

    Args:
        opened: called with each new socket, from the thread that opened it.
        connections: how many are kept; more threads than that would drop connections.
    """

    def __init__(self, opened: Callable[[socket.socket], None], connections: int = 256) -> None:
        super().__init__(pool_maxsize=connections, max_retries=0)
        self._opened = opened
        log = logging.getLogger("urllib3.connectionpool")
        if _redacted not in log.filters:
            log.addFilter(_redacted)  # at DEBUG it tells the URL of every request, SAS and all

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """Return a pool whose connections tell of their sockets."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        if not getattr(pool.ConnectionCls, "is_watched", False):
            pool.ConnectionCls = _watched(pool.ConnectionCls, self._opened)
        return pool


def _redacted(record: logging.LogRecord) -> bool:
    record.msg, record.args = redact(record.getMessage()), ()
    return True


def _watched(base: type[Any], opened: Callable[[socket.socket], None]) -> type[Any]:
    class Watched(base):  # type: ignore[misc]
        is_watched = True
        debuglevel = 0  # http.client's own way of printing every header, if somebody turned it on
        response_class = WholeResponse

        def _new_conn(self) -> socket.socket:
            # Before any word with the proxy, so that a silent one can be stopped.
            sock: socket.socket = super()._new_conn()
            opened(sock)
            return sock

        def connect(self) -> None:
            super().connect()
            # TLS has made another socket of it.
            opened(self.sock)

    return Watched


def gather(into: Sink, response: Any) -> bytes:
    """Let a sink take a body; a line that breaks meanwhile is told of as one without a proxy."""
    try:
        return into.take(response)
    except HTTPError as error:
        cause = error.__cause__
        raise (cause if isinstance(cause, OSError) else http.client.IncompleteRead(b"")) from None
