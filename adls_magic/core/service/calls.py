"""Calls to one endpoint: addresses, pages, refusals. The base of the client."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Self

from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath, display_url, quote_path
from adls_magic.core.errors import ServiceError
from adls_magic.core.service.answer import Answer, Sink
from adls_magic.core.service.credential import authorization
from adls_magic.core.service.exchange import Exchange, Traffic
from adls_magic.core.service.request import Body, Request
from adls_magic.core.service.response import continuation_of, error_of, quote_value
from adls_magic.core.service.retry import RetryPolicy
from adls_magic.core.service.transport import Transport

_MOST_REPEATS = 50  # of one page with the same token: no server makes progress like that
MOST_PAGES = 1_000_000  # ends a listing whose server hands out tokens for ever


class Calls:
    """Sends requests of one account and raises the refusals.

    Use as a context manager, or call `close()`. Threads may share it.

    Args:
        account: whose endpoint and credential are used.
        stop: set by another thread to end waits and, with `abort()`, exchanges.
        policy: how long a call is kept trying.
    """

    def __init__(
        self,
        account: Account,
        *,
        stop: threading.Event | None = None,
        policy: RetryPolicy | None = None,
    ) -> None:
        self.account = account
        self.stop = stop or threading.Event()
        self._base = _path_of(account.endpoint)
        self._transport = Transport(account.endpoint, self.stop)
        self.authorization = authorization(account)
        self._exchange = Exchange(
            self._transport,
            self.authorization,
            policy=policy or RetryPolicy(),
            stop=self.stop,
            where=account.endpoint,
        )

    @property
    def traffic(self) -> Traffic:
        """Counters of what was sent so far."""
        return self._exchange.traffic

    def url(self, remote: RemotePath) -> str:
        """Return the address of `remote` as messages and results show it."""
        return display_url(self.account.endpoint, remote)

    def abort(self) -> None:
        """End every call under way, in whatever thread."""
        self.stop.set()
        self._transport.abort()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def pages(self, remote: RemotePath | None, query: str, doing: str) -> Iterator[Answer]:
        """Yield the pages of a listing; only a missing token tells the end.

        Raises:
            ServiceError: the same page comes again and again.
        """
        token: str | None = None
        last, repeats = b"", 0
        for _ in range(MOST_PAGES):
            page = f"continuation={quote_value(token)}&{query}" if token else query
            answer, _ = self.call("GET", remote, page)
            self.check(answer, (200,), doing, None)
            yield answer
            following = continuation_of(answer)
            if following is None:
                return
            repeats = repeats + 1 if (following, answer.body) == (token, last) else 0
            if repeats >= _MOST_REPEATS:
                raise ServiceError(f"Could not {doing}: its pages have no end. Try it again later.")
            token, last = following, answer.body

    def call(
        self,
        method: str,
        remote: RemotePath | None,
        query: str,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        into: Sink | None = None,
    ) -> tuple[Answer, int]:
        """Send one request about `remote` (None: the account); return answer and lost tries.

        `into` gathers the body of what is read, instead of the answer.
        """
        target = f"{self._base}/"
        if remote is not None:
            target += quote_path(remote.filesystem)
            if remote.path:
                target += f"/{quote_path(remote.path)}"
        if query:
            target += f"?{query}"
        return self._exchange.call(Request(method, target, headers or {}, body, into))

    def check(
        self, answer: Answer, expected: tuple[int, ...], doing: str, remote: RemotePath | None
    ) -> None:
        """Raise the error that fits, unless the status is an expected one.

        `doing` tells of what was tried, `remote` (None: nothing) on what.
        """
        if answer.status not in expected:
            where = f" {self.url(remote)}" if remote is not None else ""
            raise error_of(answer, doing + where)


def _path_of(endpoint: str) -> str:
    """Return the path part of an endpoint: empty, or "/" and the account in path style."""
    rest = endpoint.partition("://")[2]
    path = rest.partition("/")[2].strip("/")
    return f"/{path}" if path else ""


def given(headers: Mapping[str, str | None]) -> dict[str, str]:
    """Return the headers that have a value."""
    return {name: value for name, value in headers.items() if value is not None}


def flag(value: bool) -> str:
    """Return a truth as queries spell it."""
    return "true" if value else "false"
