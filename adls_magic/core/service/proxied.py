"""Sending through a proxy: `requests` carries the traffic, sockets stay in our sight."""

from __future__ import annotations

import http.client
import logging
import socket
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from adls_magic.core.secret import redact
from adls_magic.core.service.answer import Sink
from adls_magic.core.service.whole_response import WholeResponse


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
