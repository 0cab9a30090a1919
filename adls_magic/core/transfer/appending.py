"""Bytes that are added to the end of a file, made if it is missing.

An append cannot carry a condition, and all writers of a file share one area of waiting bytes. So
everything here happens under a lease, and begins by throwing away what a dead writer has left
waiting. Nothing is visible before the last flush; what a stopped run leaves waiting is thrown
away by the next.
https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/update
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.service.request import Body
from adls_magic.core.service.response import PathProperties
from adls_magic.core.transfer.existing import MARK, Wish, is_unfinished, judge_kind
from adls_magic.core.transfer.lease import Lease
from adls_magic.core.transfer.plan import UploadPlan
from adls_magic.core.transfer.target import Digest, Target

_MARK = f"{MARK}; append"  # the content type of a file that was made for an append
# Statuses of a refusal behind which the flush may have been done.
_UNCLEAR = (408, 500, 502, 504)


class AppendingTarget(Target):
    """A target whose bytes are kept and added to.

    Args:
        client: the account's client.
        remote: the file.
        wish: content type and metadata for the file if it is missing; the rest has no meaning.
        patience: seconds to wait for somebody else's lease.
        tell: takes what the user should see while that is waited for.
    """

    def __init__(
        self,
        client: Client,
        remote: RemotePath,
        wish: Wish,
        *,
        patience: float,
        tell: Callable[[str], None],
    ) -> None:
        super().__init__(client, remote, wish)
        self._patience = patience
        self._lease = Lease(client, remote, tell)
        self._has_made = False  # a file, or the request for it has no answer yet
        self._has_sent = False
        self._old_md5: str | None = None  # of the file as it was; every flush must tell it again

    def look(self) -> None:
        """Refuse what cannot be appended to; a lease is none of the reasons, it ends.

        Raises:
            ConflictError: a directory is there, or a file that an upload has just begun.
        """
        self._existing = self._client.find(self.remote)
        if self._existing is not None:
            self._judge(self._existing)

    def _judge(self, found: PathProperties) -> None:
        if not _is_made_for_append(found):
            judge_kind(found, self._client.url(self.remote))

    def open(self, plan: UploadPlan | None = None) -> int:
        """Take the lease and make sure that the file ends where it seems to; return 0.

        Raises:
            ConflictError: somebody else held the lease for too long, or as `look`.
        """
        self._take_lease()
        found = self._client.properties(self.remote)
        self._judge(found)
        self._is_ours = is_unfinished(found)
        self.start = found.size
        self._old_md5 = found.content_md5
        # Without retaining: what waits beyond the end is nobody's any more.
        self._etag = self._flush_old(self._client, if_match=found.etag)
        return 0

    def _flush_old(self, client: Client, *, if_match: str | None) -> str:
        """Throw away what waits beyond the old end; the file stays as it was."""
        return client.flush(
            self.remote,
            self.start or 0,
            if_match=if_match,
            content_md5=self._old_md5,
            lease_id=self._lease.id,
        )

    def _take_lease(self) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            if self._existing is None:
                self._make()
            try:
                self._lease.take(deadline)
            except errors.PathNotFoundError as error:
                # Removed meanwhile, as by one whose first append has failed.
                if error.code == "FilesystemNotFound" or time.monotonic() > deadline:
                    raise
                self._existing = None
            else:
                return

    def _make(self) -> None:
        """Make the missing file; a mark tells it from one that somebody wants to be empty."""
        self._has_made = True
        try:
            self._client.create(
                self.remote,
                if_none_match="*",
                content_type=self._append_mark,
                metadata=self._wish.metadata,
            )
        except errors.PathExistsError:
            self._has_made = False
            self.look()

    @property
    def _append_mark(self) -> str:
        return f"{_MARK}={self._fingerprint}"

    def put_whole(self, body: Body | None, content_md5: Digest) -> str:
        """Append a single piece (None: nothing, but the file is made); return the file's etag."""
        self.open()
        if body is not None:
            self.append(0, body)
        etag = self.flush(body.length if body is not None else 0, None)
        self.appear()
        return etag

    def append(self, position: int, body: Body) -> None:
        """Send one piece, `position` counted from the old end."""
        self._has_sent = True
        self._client.append(
            self.remote, (self.start or 0) + position, body, lease_id=self._lease.id
        )

    def rewind(self) -> int:
        """Throw away all that waits, to send everything again; return 0."""
        self._etag = self._flush_old(self._client, if_match=self._etag)
        return 0

    def _flush(self, size: int, content_md5: str | None) -> str:
        try:
            return self._client.flush(
                self.remote,
                (self.start or 0) + size,
                close=True,
                if_match=self._etag,
                lease_id=self._lease.id,
                content_type=self._wish.content_type if self._is_ours else None,
                content_md5=None if size else self._old_md5,
            )
        except errors.AdlsError as error:
            is_unclear = isinstance(error, errors.ConnectionFailedError) or error.status in _UNCLEAR
            if not is_unclear:
                raise
            raise error.retold(
                f"{error} Whether the bytes are in {self._client.url(self.remote)} could not be "
                "learnt: look at its end before you append them again.",
            ) from None

    def verify(self, size: int, content_md5: str | None) -> None:
        """Nothing to ask: under a lease the flush itself compares the lengths."""

    def appear(self) -> None:
        """Let the next writer have the file."""
        self._is_ours = False
        self._lease.release()

    @property
    def replaces(self) -> bool:
        """True: what comes after the flush is done one by one."""
        return True

    @property
    def leaves_something(self) -> bool:
        """True while we hold, or may hold, the lease, or have made what nobody has leased yet."""
        return self._lease.may_be_held or self._is_stub_ours

    @property
    def _is_stub_ours(self) -> bool:
        return self._has_made and self.start is None

    def abandon(self, client: Client | None = None) -> None:
        """Leave the file as it was, or remove it if it was missing, and give back the lease."""
        client = client or self._client
        self._lease.let_end()
        if self._lease.may_be_held:
            lease_id, etag = self._lease.id, self._etag or None
            with contextlib.suppress(errors.AdlsError):
                if self._is_ours:
                    client.delete(self.remote, if_match=etag, lease_id=lease_id)
                elif self._has_sent and self.start is not None:
                    self._flush_old(client, if_match=etag)
            self._lease.release(client)
        if self._is_stub_ours:
            self._remove_stub(client)

    def _remove_stub(self, client: Client) -> None:
        """Remove the file that we have made, unless somebody has begun to append to it."""
        found = client.find(self.remote)
        if found is not None and found.size == 0 and found.content_type == self._append_mark:
            with contextlib.suppress(errors.ConflictError, errors.PathNotFoundError):
                client.delete(self.remote, if_match=found.etag)
        self._has_made = False


def _is_made_for_append(found: PathProperties) -> bool:
    return is_unfinished(found) and (found.content_type or "").startswith(_MARK)
