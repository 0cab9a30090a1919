"""One command's client, threads and bar: made together, ended together.

On Stop the connections are cut, so that every thread comes back at once; what half an upload has
left at the service is then removed, as far as that can be done in a moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Self

from adls_magic.core import errors
from adls_magic.core.account import Account
from adls_magic.core.address import RemotePath
from adls_magic.core.client import Client
from adls_magic.core.concurrency import MOST, Concurrency
from adls_magic.core.content_type import guess_type
from adls_magic.core.job import UploadOptions, UploadResult
from adls_magic.core.outcome import Outcome
from adls_magic.core.plan import DEFAULT_CHUNK
from adls_magic.core.pool import Pool, Transfer
from adls_magic.core.progress import Counter, open_progress
from adls_magic.core.retry import RetryPolicy
from adls_magic.core.target import Target, Wish
from adls_magic.core.transport import Stopped

_STOP_PATIENCE = 0.4  # seconds that threads get to come back after Stop
_CLEAN_UP_PATIENCE = 0.3  # seconds for removing what was left at the service


class Run:
    """What one command uploads with. Leaving the context leaves no thread and no connection."""

    def __init__(
        self,
        account: Account,
        options: UploadOptions,
        *,
        progress: bool | None,
        label: str,
        most: int = MOST,
        task_size: int = DEFAULT_CHUNK,
    ) -> None:
        options.check()
        self.options = options
        self.client = Client(account)
        self.progress: Counter = open_progress(progress, label)
        self.concurrency = Concurrency(fixed=options.workers, most=most, task_size=task_size)
        self.pool = Pool(self.concurrency, self.progress, self.client.traffic)
        self._targets: list[Target] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self.client.abort()
        self.pool.close(_STOP_PATIENCE if kind is not None else None)
        self.client.close()
        self.progress.close()
        if kind is not None:
            self._clean_up()

    def target(self, remote: RemotePath, identity: str) -> Target:
        """Return the target for a source of this identity."""
        options = self.options
        wish = Wish(
            if_exists=options.if_exists,
            in_place=options.in_place,
            content_type=options.content_type or guess_type(remote.name),
            metadata=options.metadata,
        )
        target = Target(self.client, remote, wish, identity)
        self._targets.append(target)
        return target

    def send(self, transfers: Sequence[Transfer]) -> None:
        """Run transfers to their ends, or to the first failure that concerns them all.

        Raises:
            UploadStopped: the user stopped.
        """
        left = iter(transfers)
        current = next(left, None)

        def is_over() -> bool:
            nonlocal current
            while current is not None and current.is_done:
                if concerns_all(current.outcome.error):
                    return True
                current = next(left, None)
            return current is None

        self.pool.feed(transfers)
        self.wait(is_over)

    def wait(self, is_over: Callable[[], bool]) -> None:
        """Wait, drawing; turn an interrupt into the line that tells what is left.

        Raises:
            UploadStopped: the user stopped.
        """
        try:
            self.pool.run_until(is_over)
        except KeyboardInterrupt:
            self.client.abort()
            raise stopped() from None

    def result(self, remote: RemotePath, outcome: Outcome) -> UploadResult:
        """Return the result of a transfer that went well."""
        return UploadResult(
            url=self.client.url(remote),
            size=outcome.size,
            seconds=max(0.0, outcome.ended - outcome.began),
            etag=outcome.etag,
            md5=outcome.md5,
            requests=self.client.traffic.requests,
            retries=self.client.traffic.retries,
            skipped=outcome.skipped,
        )

    def _clean_up(self) -> None:
        """Remove what stopped or failed uploads have left, if that takes no more than a moment."""
        left = [target for target in self._targets if target.leaves_something]
        if not left:
            return
        with Client(self.client.account, policy=RetryPolicy(tries=1)) as client:

            def remove() -> None:
                for target in left:
                    try:
                        target.abandon(client)
                    except (errors.AdlsError, Stopped):
                        return

            thread = threading.Thread(target=remove, name="adls-clean-up", daemon=True)
            thread.start()
            thread.join(_CLEAN_UP_PATIENCE)
            client.abort()
            thread.join(_STOP_PATIENCE)


def stopped() -> errors.UploadStopped:
    """Return what tells the user that Stop has worked."""
    return errors.UploadStopped("Stopped; the target is unchanged.")


def concerns_all(error: BaseException | None) -> bool:
    """True for failures that other files would meet as well: rights, network, settings."""
    return isinstance(
        error,
        (
            errors.PermissionDeniedError,
            errors.ConnectionFailedError,
            errors.ConfigurationError,
            errors.CredentialError,
            Stopped,
        ),
    )


def first_failure(failed: Sequence[BaseException], of: int) -> BaseException:
    """Return the error to raise for `of` files: the first one, telling how many are concerned."""
    first = next((error for error in failed if not isinstance(error, Stopped)), None)
    if first is None:
        return stopped()
    if of == 1 or not isinstance(first, errors.AdlsError):
        return first
    message = f"{first} ({len(failed)} of {of} files failed, {of - len(failed)} arrived.)"
    return type(first)(message, status=first.status, code=first.code, request_id=first.request_id)
