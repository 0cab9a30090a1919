"""A lease on one file for as long as something is appended to it.

It lasts half a minute and is renewed by a thread of its own, so that it outlives long uploads and
a producer that thinks, and ends by itself soon after a process that was killed.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
import uuid
from collections.abc import Callable

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.service.request import Stopped
from adls_magic.core.service.retry import RetryPolicy
from adls_magic.core.text import format_age, format_duration

LEASE_SECONDS = 30  # the service takes 15 to 60; what a killed process holds, others wait for
RENEW_EVERY = 10.0  # seconds; two renewals may fail before the lease is lost
PATIENCE = 60.0  # seconds to wait for somebody else's lease; more than a dead one lasts
# Seconds between two questions whether it is free, at most: an append takes some hundredths.
_FIRST_WAIT = 0.05
_LONGEST_WAIT = 1.0
_UNNOTICED = 1.0  # seconds of waiting that need no word
_HELD = ("LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired")


class Lease:
    """The right to be the only one who changes a file: taken, renewed, released.

    Args:
        client: the account's client; its `stop` ends the waiting.
        remote: the file.
        tell: called with what the user should see while the lease is waited for, with "" then.
    """

    def __init__(self, client: Client, remote: RemotePath, tell: Callable[[str], None]) -> None:
        self._client = client
        self._remote = remote
        self._tell = tell
        self.id = str(uuid.uuid4())
        self.may_be_held = False  # ours, or a request for it has no answer yet
        self._renewing: threading.Thread | None = None
        self._renewer: Client | None = None
        self._ended = threading.Event()

    def take(self, deadline: float) -> None:
        """Take the lease, waiting until `deadline` (monotonic seconds) while it is somebody's.

        Raises:
            ConflictError: somebody held it all the time.
            PathNotFoundError: there is no such file.
            Stopped: the user stopped.
        """
        try:
            self._wait(deadline)
        finally:
            self._tell("")
        self._renewing = threading.Thread(target=self._renew, name="adls-lease", daemon=True)
        self._renewing.start()

    def _wait(self, deadline: float) -> None:
        began = time.monotonic()
        longest = _FIRST_WAIT
        while not self._is_taken():
            wait = random.uniform(0, longest)  # noqa: S311 - so that many do not come at once
            if time.monotonic() + wait > deadline:
                raise self._held(time.monotonic() - began)
            if time.monotonic() - began >= _UNNOTICED:
                self._tell("waiting: another writer holds a lease on it")
            if self._client.stop.wait(wait):
                raise Stopped
            longest = min(_LONGEST_WAIT, longest * 1.5)

    def _is_taken(self) -> bool:
        self.may_be_held = True
        try:
            self._client.acquire_lease(self._remote, self.id, seconds=LEASE_SECONDS)
        except (errors.ConflictError, errors.PathNotFoundError) as error:
            self.may_be_held = False
            if error.code not in _HELD:
                raise
            return False
        return True

    def _held(self, waited: float) -> errors.ConflictError:
        """Tell that somebody holds the lease, and what the service lets us know of them."""
        found = self._client.find(self._remote)
        url = self._client.url(self._remote)
        since = f"; it last changed {format_age(found.modified)}" if found else ""
        cure = "run it again when they are done"
        if found is not None and found.lease_duration == "infinite":
            cure += ", or break their lease, which does not end by itself"
        return errors.ConflictError(
            f"Somebody else holds {url}: it was leased whenever it was asked for in "
            f"{format_duration(waited)}{since}. Nothing was appended: {cure}.",
            status=409,
            code="LeaseAlreadyPresent",
        )

    def _renew(self) -> None:
        """Renew until the end, with connections of its own: the others may be cut or busy."""
        while not self._ended.wait(RENEW_EVERY):
            policy = RetryPolicy(patience=LEASE_SECONDS)
            try:
                with Client(self._client.account, stop=self._ended, policy=policy) as client:
                    self._renewer = client
                    client.renew_lease(self._remote, self.id)
            except (errors.ConflictError, errors.PathNotFoundError, Stopped):
                return  # lost: the next write is refused and says so
            except errors.AdlsError:
                continue

    def let_end(self) -> None:
        """Renew no more; the lease is over soon, if it is not released before."""
        self._ended.set()
        if self._renewer is not None:
            self._renewer.abort()
        if self._renewing is not None:
            self._renewing.join()

    def release(self, client: Client | None = None) -> None:
        """Give it back. That this fails is no failure of what was done under it.

        Raises:
            Stopped: the user stopped meanwhile; the lease ends by itself.
        """
        self.let_end()
        if self.may_be_held:
            with contextlib.suppress(errors.AdlsError):
                (client or self._client).release_lease(self._remote, self.id)
            self.may_be_held = False
