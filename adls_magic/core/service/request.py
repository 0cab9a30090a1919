"""What is sent to the service, and how the sending can fail below HTTP."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from adls_magic.core.service.answer import Sink


class Body(Protocol):
    """What a request sends: known length, and blocks that can be asked for again on a retry."""

    length: int

    def checks(self, is_over: Callable[[], bool]) -> Mapping[str, str]:
        """Return headers by which the service can check it; called before each try."""

    def blocks(self) -> Iterator[bytes | memoryview]:
        """Yield the body from its start; called once for each try."""

    def send_plain(self, sock: socket.socket, is_over: Callable[[], bool]) -> bool:
        """Send all of it without TLS in a way of its own; False when it has none."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, before or after it is dated and signed."""

    method: str
    target: str  # path and query, percent-encoded, as in the request line
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    into: Sink | None = None  # gathers what comes back, over all tries


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
