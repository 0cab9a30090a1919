"""One command's client, threads and bar: made together, ended together.

On Stop the connections are cut, so that every thread comes back at once; what half an upload has
left at the service is then removed, as far as that can be done in a moment.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Self

from adls_magic.core import errors
from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.service.request import Stopped
from adls_magic.core.service.retry import RetryPolicy
from adls_magic.core.text import format_size
from adls_magic.core.transfer.appending import AppendingTarget
from adls_magic.core.transfer.concurrency import MOST, Concurrency
from adls_magic.core.transfer.content_type import guess_type
from adls_magic.core.transfer.existing import Wish
from adls_magic.core.transfer.in_place import InPlaceTarget
from adls_magic.core.transfer.job import UploadOptions, UploadResult
from adls_magic.core.transfer.outcome import Outcome
from adls_magic.core.transfer.plan import DEFAULT_CHUNK
from adls_magic.core.transfer.pool import Pool, Transfer
from adls_magic.core.transfer.progress import Counter, open_progress
from adls_magic.core.transfer.staged import StagedTarget
from adls_magic.core.transfer.target import Target

_STOP_PATIENCE = 0.3  # seconds that threads get to come back after Stop
_CLEAN_UP_PATIENCE = 0.55  # seconds for removing, or making safe, what was left at the service


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
        tasks: int | None = None,
    ) -> None:
        options.check()
        self.options = options
        self.client = Client(account)
        self.progress: Counter = open_progress(progress, label)
        self.concurrency = Concurrency(
            fixed=options.workers, most=most, task_size=task_size, tasks=tasks
        )
        self.pool = Pool(self.concurrency, self.progress, self.client.traffic)
        self._transfers: list[Transfer] = []
        self._is_ended = False
        self._stopped_late = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.end(cut=kind is not None)
        if kind is KeyboardInterrupt:
            raise self.stopped() from None

    def end(self, *, cut: bool) -> None:
        """End threads and connections: when all is done, or at once with `cut`.

        Raises:
            UploadStopped: the user stopped while things were ending.
        """
        try:
            self._end(cut=cut)
        except KeyboardInterrupt:
            self._end(cut=True)
            raise self.stopped() from None

    def _end(self, *, cut: bool) -> None:
        """Do what `end` does; every step may be done again after an interrupt."""
        if self._is_ended:
            return
        if cut:
            self._stopped_late |= any(transfer.is_at_its_end for transfer in self._transfers)
            self.client.abort()
        self.pool.close(_STOP_PATIENCE if cut else None)
        self.client.close()
        if cut:
            self._clean_up()
        self.progress.close()
        self._is_ended = True

    def target(self, remote: RemotePath) -> Target:
        """Return a target with this command's options."""
        options = self.options
        wish = Wish(
            if_exists=options.if_exists,
            content_type=options.content_type or guess_type(remote.name),
            metadata=options.metadata,
        )
        if options.if_exists == "append":
            return AppendingTarget(
                self.client, remote, wish, patience=options.patience, tell=self.progress.tell
            )
        way = InPlaceTarget if options.in_place else StagedTarget
        return way(self.client, remote, wish)

    def adopt(self, transfer: Transfer) -> None:
        """Take note of a transfer, so that a stop cleans up after it."""
        self._transfers.append(transfer)

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

        self._transfers += transfers
        self.pool.feed(transfers)
        self.wait(is_over)

    def wait(self, is_over: Callable[[], bool]) -> None:
        """Wait, drawing; turn an interrupt into the line that tells what is left.

        Raises:
            UploadStopped: the user stopped, now or before.
        """
        if self._is_ended:  # no thread is there any more that could bring it about
            raise self.stopped()
        try:
            self.pool.run_until(is_over)
        except KeyboardInterrupt:
            self.end(cut=True)
            raise self.stopped() from None

    def stopped(self) -> errors.UploadStopped:
        """Return what tells the user that Stop has worked, and what a rerun will find."""
        outcomes = [transfer.outcome for transfer in self._transfers]
        arrived = sum(outcome.error is None and outcome.ended > 0 for outcome in outcomes)
        text = "Stopped; the target is unchanged."
        if self._stopped_late:
            text = "Stopped at the very end: the target is old or new, and whole."
        elif arrived and len(outcomes) == 1:
            text = "Stopped, but the file had arrived already."
        elif len(outcomes) > 1:
            text = f"Stopped: {arrived} of {len(outcomes)} files have arrived, each whole."
        return errors.UploadStopped(text + staged_text(outcomes))

    def failure(self) -> BaseException | None:
        """Return the error to raise, None when nothing failed: the first, with their number."""
        outcomes = [transfer.outcome for transfer in self._transfers]
        failed = [outcome.error for outcome in outcomes if outcome.error is not None]
        first = next((error for error in failed if not isinstance(error, Stopped)), None)
        if not failed:
            return None
        if first is None:
            return self.stopped()
        if not isinstance(first, errors.AdlsError):
            return first
        text = f"{first}{staged_text(outcomes)}"
        if len(outcomes) > 1:
            arrived = sum(outcome.error is None and outcome.ended > 0 for outcome in outcomes)
            text += f" ({len(failed)} of {len(outcomes)} files failed, {arrived} arrived.)"
        return type(first)(text, status=first.status, code=first.code, request_id=first.request_id)

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
            resumed_from=outcome.resumed_from,
            skipped=outcome.skipped,
            appended_at=outcome.appended_at,
        )

    def _clean_up(self) -> None:
        """Remove what stopped uploads have left, or make it safe, if that takes but a moment."""
        left = [transfer for transfer in self._transfers if transfer.leaves_something]
        if not left:
            return
        with (
            Client(self.client.account, policy=RetryPolicy(tries=2)) as client,
            contextlib.ExitStack() as ending,
        ):

            def remove() -> None:
                for transfer in left:
                    try:
                        transfer.leave(client)
                    except Stopped:
                        return
                    except Exception:  # noqa: BLE001, S112 - the upload's own is told
                        continue

            thread = threading.Thread(target=remove, name="adls-clean-up", daemon=True)
            thread.start()
            ending.callback(thread.join, 0.1)
            ending.callback(client.abort)
            thread.join(_CLEAN_UP_PATIENCE)


def staged_text(outcomes: Sequence[Outcome]) -> str:
    """Tell how much a rerun need not send again; nothing when there is nothing."""
    staged = sum(outcome.staged for outcome in outcomes)
    return f" {format_size(staged)} are staged: run it again to go on from there." if staged else ""


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
