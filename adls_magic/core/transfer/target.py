"""What every way to bring a file to its target has in common.

A target takes the bytes of one file, whole or in pieces, and lets them appear in one step or not
at all. The ways, each in a module of its own: `direct` for a new file of one piece, `staged` and
`in_place` for everything else, `appending` for what is added to a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.service.request import Body
from adls_magic.core.service.response import PathProperties
from adls_magic.core.transfer.existing import MARK, Wish, is_stale, judge
from adls_magic.core.transfer.plan import UploadPlan

Digest = Callable[[], str | None]  # base64 MD5 of the source, None when it is not wanted


class Target:
    """One target of one upload; used by one thread at a time, but for `append`.

    Args:
        client: the account's client.
        remote: where the file is to appear.
        wish: what the user wants of it.
    """

    def __init__(self, client: Client, remote: RemotePath, wish: Wish) -> None:
        self._client = client
        self.remote = remote
        self._wish = wish
        self._fingerprint = ""
        self._mark = ""  # content type of what is unfinished at the target and of this upload
        self._existing: PathProperties | None = None
        self._has_looked = False
        self._written = remote  # where the bytes go
        self._etag = ""
        self._is_ours = False  # something is there that a failure must remove
        self.start: int | None = None  # length of the file that bytes are added to
        self._unanswered = False  # a create that must not find anything has no answer yet
        self._is_inherited = False  # an earlier run was at this very file, or at its name
        self._is_wrong = False  # what was flushed is not what was sent, though all was answered

    def identify(self, source: str) -> None:
        """Tell what is to be written: a text that differs when the bytes may differ.

        What a run leaves behind carries a fingerprint of it, and of all that is stored with the
        file, so that only the very same upload goes on with it. May be called once more with a
        surer text: that one counts for the staged name.
        """
        wish, remote = self._wish, self.remote
        # Not the endpoint: the same file may be reached by another one next time.
        parts = [f"{remote.filesystem}/{remote.path}", source, wish.content_type]
        parts += [f"{name}={value}" for name, value in sorted(wish.metadata.items())]
        text = "|".join(parts).encode("utf-8", "surrogatepass")
        self._fingerprint = hashlib.sha256(text).hexdigest()[:16]
        self._mark = self._mark or f"{MARK}; of={self._fingerprint}"

    def look(self) -> None:
        """Ask the service what is at the target, and act on it.

        Raises:
            PathExistsError: a file is there and was not to be replaced; nothing has changed.
            ConflictError: a directory is there, or somebody holds a lease.
            SkippedError: a file is there and is to be left alone.
        """
        self._consider(self._client.find(self.remote))
        self._has_looked = True

    def _consider(self, found: PathProperties | None) -> None:
        """Act on what is at the target; raises what `look` does."""
        if found is not None and is_stale(found):
            self._client.delete(self.remote, if_match=found.etag)
            found = None
        self._existing = found
        if found is not None and found.content_type != self._mark:
            judge(found, self._wish, self._client.url(self.remote))

    def put_whole(self, body: Body | None, content_md5: Digest) -> str:
        """Write a file of one piece (None: empty) and let it appear; return its etag.

        Raises:
            PathExistsError, ConflictError, SkippedError: as `look`.
        """
        raise NotImplementedError

    def open(self, plan: UploadPlan | None = None) -> int:
        """Get ready for pieces.

        Args:
            plan: the grid of a source that is the same in every run; None starts anew always.

        Returns:
            The number of bytes that an earlier run has left there, from which to go on.
        """
        raise NotImplementedError

    def append(self, position: int, body: Body) -> None:
        """Send one piece; safe to call from several threads at once, in any order."""
        try:
            self._client.append(self._written, position, body)
        except errors.PathNotFoundError as error:
            raise self._taken_over(error) from None

    def checkpoint(self, position: int) -> None:
        """Flush up to `position` and keep what waits beyond: a later run can go on from there."""
        try:
            self._etag = self._client.flush(
                self._written, position, retain=True, if_match=self._etag
            )
        except (errors.ConflictError, errors.PathNotFoundError) as error:
            raise self._taken_over(error) from None

    def rewind(self) -> int:
        """Throw away all that waits there; return the bytes that were flushed before.

        A flush is refused for good when something waits below the length that was flushed: a
        try that was given up and landed late. Only a flush that retains nothing gets rid of it.

        Raises:
            ConflictError: another run took over, or another writer changed the file.
        """
        found = self._client.find(self._written)
        if found is None or found.etag != self._etag:
            url = self._client.url(self._written)
            raise self._taken_over(
                errors.ConflictError(
                    f"Another writer changed {url} meanwhile: run it again.", status=412
                )
            )
        self._etag = self._client.flush(self._written, found.size, if_match=found.etag)
        return found.size

    def flush(self, size: int, content_md5: str | None) -> str:
        """Flush all `size` bytes for good and return the etag, which a rename keeps.

        Raises:
            ConflictError: lengths do not add up, or another run took over.
        """
        try:
            self._etag = self._flush(size, content_md5)
        except (errors.ConflictError, errors.PathNotFoundError) as error:
            raise self._taken_over(error) from None
        return self._etag

    def _flush(self, size: int, content_md5: str | None) -> str:
        """Flush for good. Events of a finished file are only for a file at its own name."""
        return self._client.flush(
            self._written,
            size,
            close=not self.is_staged,
            if_match=self._etag or None,
            content_type=self._wish.content_type,
            content_md5=content_md5,
        )

    def _taken_over(self, error: errors.AdlsError) -> errors.AdlsError:
        """Return what to raise for a refusal between the opening and the last flush."""
        return error

    def verify(self, size: int, content_md5: str | None) -> None:
        """Ask for length and MD5 of what was flushed; it may be at the target already.

        Args:
            size: bytes.
            content_md5: base64, as it was given to the flush; None when it was not.

        Raises:
            IntegrityError: they are others, though the flush was answered well.
        """
        found = self._client.find(self._written) or self._client.find(self.remote)
        if found is None or found.etag != self._etag:
            return
        url = self._client.url(self.remote)
        if found.size != size:
            self._is_wrong = True
            raise errors.IntegrityError(
                f"The service flushed {size} bytes for {url} and now tells of {found.size}. "
                "Upload it again."
            )
        if content_md5 is not None and found.content_md5 != content_md5:
            self._is_wrong = True
            raise errors.IntegrityError(
                f"The MD5 of {url} is {content_md5}, and the service now tells of "
                f"{'another' if found.content_md5 else 'none'}. Upload it again."
            )

    def appear(self) -> None:
        """Let the flushed file appear at the target.

        Raises:
            ConflictError: somebody else changed or made the target meanwhile.
            PathExistsError: the target came into being meanwhile.
            PermissionDeniedError: the credential may not rename.
        """
        self._is_ours = False

    def _create(
        self,
        remote: RemotePath,
        *,
        if_none_match: str | None = None,
        if_match: str | None = None,
        content_type: str | None = None,
    ) -> str:
        wish = self._wish
        return self._client.create(
            remote,
            if_none_match=if_none_match,
            if_match=if_match,
            content_type=content_type or wish.content_type,
            metadata=wish.metadata,
        )

    @property
    def replaces(self) -> bool:
        """True when a file was there when `look` was called."""
        return self._existing is not None

    @property
    def is_staged(self) -> bool:
        """True when the bytes go to a staged file, and not to the target itself."""
        return self._written is not self.remote

    @property
    def leaves_something(self) -> bool:
        """True while something is at the service that a failed upload must remove."""
        return self._is_ours or self._unanswered or (self._is_wrong and not self.replaces)

    def abandon(self, client: Client | None = None) -> None:
        """Remove what a failed upload has left; `client` replaces one that is stopped."""
        client = client or self._client
        if self._unanswered:
            self._find_unanswered(client)
        if not self.leaves_something or not self._etag:
            return
        # Only what is still as we left it: a lost answer may hide that it was finished, and
        # another run may have taken over. What has appeared has kept its etag.
        client.delete(self._written if self._is_ours else self.remote, if_match=self._etag)
        self._is_ours = self._is_wrong = False

    def _find_unanswered(self, client: Client) -> None:
        """Look whether a create that was cut off has left its empty file."""
        found = client.find(self._written)
        self._unanswered = False
        if found is not None and found.size == 0 and not found.is_directory:
            # The staged name is ours alone; at the target, only our mark is.
            self._is_ours = self.is_staged or found.content_type == self._mark
            self._etag = found.etag

    def leave(self, position: int, client: Client | None = None, *, asked: int) -> int:
        """Leave the staged file for a later run; return how many bytes it holds for good.

        Args:
            position: bytes that have arrived without a gap; all of them are flushed.
            client: replaces one that is stopped.
            asked: bytes that the last checkpoint was to flush; its answer may have been cut off.
        """
        client = client or self._client
        try:
            self._etag = client.flush(self._written, position, if_match=self._etag or None)
        except errors.ConflictError:
            found = client.find(self._written)
            if found is None or found.size != asked:
                raise
            position, self._etag = asked, found.etag
        self._is_ours = False
        return position
