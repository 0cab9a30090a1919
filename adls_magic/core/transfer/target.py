"""How a file appears at its target: in one step, or not at all.

- **direct**: a file of one piece that does not exist yet: create with `If-None-Match: *`, then an
  append that flushes. Between the two, the empty file carries a content type that marks it as
  unfinished; the flush replaces it.
- **staged**: everything else goes to a hidden sibling and is renamed over the target at the end.
- **in place**: at the target itself, for accounts and rights that do not allow a rename. A new
  file carries the mark as well until its flush.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.service.response import PathProperties
from adls_magic.core.service.transport import Body
from adls_magic.core.transfer.existing import MARK, Wish, is_stale, judge
from adls_magic.core.transfer.partials import staged_name
from adls_magic.core.transfer.plan import UploadPlan

Digest = Callable[[], str | None]  # base64 MD5 of the source, None when it is not wanted

_TAKE_OVERS = 10  # tries to flush before a run that lives does so once more


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
        self._written = remote  # where the bytes go
        self._etag = ""
        self._is_ours = False  # something is there that a failure must remove
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
        found = self._client.find(self.remote)
        if found is not None and is_stale(found):
            self._client.delete(self.remote, if_match=found.etag)
            found = None
        self._existing = found
        if found is not None and found.content_type != self._mark:
            judge(found, self._wish, self._client.url(self.remote))

    # ------------------------------------------------------------------- direct

    def put_whole(self, body: Body | None, content_md5: Digest) -> str | None:
        """Write a file of one piece (None: empty) that is not there yet; return its etag.

        Returns None when something is there after all and `look` found nothing against
        replacing it: then it must go the staged way.

        Raises:
            PathExistsError, ConflictError, SkippedError: as `look`.
        """
        content_type = self._wish.content_type if body is None else self._mark
        if not self._create_new(content_type):
            self.look()
            # A stale stub that `look` removed leaves the name free.
            self._is_inherited = True
            if self._existing is not None or not self._create_new(content_type):
                return None
        self._is_ours = True
        try:
            self._etag = self._fill(body, content_md5)
        except errors.PathNotFoundError as error:
            raise errors.ConflictError(
                f"{self._client.url(self.remote)} was removed by somebody else while it was "
                "written: run it again.",
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from None
        self._is_ours = False
        return self._etag

    def _create_new(self, content_type: str) -> bool:
        """Create the target, or take what this very upload left before its append was cut off."""
        self._unanswered = content_type == self._mark
        try:
            self._etag = self._client.create(
                self.remote,
                if_none_match="*",
                content_type=content_type,
                metadata=self._wish.metadata,
            )
            self._unanswered = False
        except (errors.PathExistsError, errors.ConflictError) as error:
            self._unanswered = False
            stub = self._client.find(self.remote)
            if stub is None and isinstance(error, errors.ConflictError):
                raise
            if stub is None or stub.size > 0 or stub.content_type != self._mark:
                return False
            self._etag = stub.etag
            self._is_inherited = True
        return True

    def _fill(self, body: Body | None, digest: Digest) -> str:
        """Put the only piece into the file just created and flush it; return its etag."""
        content_md5 = digest()
        if body is None and content_md5 is None:
            return self._etag
        # A straggler of a run that was here before could flush as well, and an append cannot be
        # conditional: then the flush must be.
        if body is not None and content_md5 is None and not self._is_inherited:
            content_type = self._wish.content_type
            flushed = self._client.append(
                self._written,
                0,
                body,
                flush=True,
                close=not self.is_staged,
                content_type=content_type,
            )
            return flushed or self._client.properties(self._written).etag
        if body is not None:
            self._client.append(self._written, 0, body)
        size = body.length if body is not None else 0
        self._etag = self._flush(size, content_md5)
        self.verify(size, content_md5)
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

    # -------------------------------------------------------- staged or in place

    def open(self, plan: UploadPlan | None = None) -> int:
        """Create the file that takes the pieces, or go on with one that an earlier run has left.

        Args:
            plan: the grid of a source that is the same in every run; None starts anew always.

        Returns:
            The number of bytes that an earlier run has left there, from which to go on.
        """
        if self._wish.in_place:
            self._open_in_place()
            return 0
        self._written = self._staged()
        start = 0
        self._unanswered = True
        try:
            # On condition also where nothing can be gone on with: a try that was given up and
            # lands late must not empty the file again.
            self._etag = self._create(self._written, if_none_match="*")
        except errors.PathExistsError:
            self._unanswered = False
            start = self._take_over(plan)
        self._unanswered = False
        # Only from here on: a failure before must not remove what an earlier run has left.
        self._is_ours = True
        return start

    def _open_in_place(self) -> None:
        existing = self._existing
        if existing is not None and existing.content_type != self._mark:
            self._etag = self._create(self.remote, if_match=existing.etag)
            return
        # Marked, so that after a kill a rerun knows it for its own and not for somebody's file.
        self._unanswered = True
        self._etag = self._create(
            self.remote,
            if_none_match="*" if existing is None else None,
            if_match=existing.etag if existing else None,
            content_type=self._mark,
        )
        self._unanswered = False
        self._is_ours = True

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

    def _take_over(self, plan: UploadPlan | None) -> int:
        """Go on with a staged file of the same source; return how far it is.

        The flush without retaining throws away what the earlier run still has waiting, and the
        new etag makes that run stop at its next flush, should it be alive.
        """
        for chance in reversed(range(_TAKE_OVERS)):
            found = self._client.find(self._written)
            if found is None:  # that run has just come to its end
                self.look()
            elif plan is not None and plan.index_at(found.size) is not None:
                try:
                    self._etag = self._client.flush(self._written, found.size, if_match=found.etag)
                except (errors.ConflictError, errors.PathNotFoundError):
                    if chance:  # that run lives, and has flushed meanwhile
                        continue
                    raise
                return found.size
            break
        self._etag = self._create(self._written)
        return 0

    def _staged(self) -> RemotePath:
        name = staged_name(self.remote.name, self._fingerprint)
        return replace(self.remote.parent.child(name), is_directory=False)

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

    def _taken_over(self, error: errors.AdlsError) -> errors.AdlsError:
        """Tell of another run of the same upload, if that is what `error` means."""
        if error.status not in (404, 412) or not self.is_staged:
            return error
        return errors.ConflictError(
            f"The upload to {self._client.url(self.remote)} was taken over by another run of it, "
            "so this one has stopped; the target is old or new, and whole.",
            status=error.status,
            code=error.code,
            request_id=error.request_id,
        )

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
        if self.is_staged:
            self._rename()
        self._is_ours = False

    def replace_whole(self, body: Body | None, content_md5: Digest) -> str:
        """Replace an existing file by one of a single piece (None: empty); return its etag."""
        self.open()
        try:
            self._etag = self._fill(body, content_md5)
        except (errors.ConflictError, errors.PathNotFoundError) as error:
            raise self._taken_over(error) from None
        try:
            self.appear()
        except errors.ConflictError as error:
            # A try of the append that was given up may have landed late: it has flushed the same
            # bytes once more.
            found = self._client.find(self._written)
            size = body.length if body is not None else 0
            if error.code != "SourceConditionNotMet" or found is None or found.size != size:
                raise
            self._etag = found.etag
            self.appear()
        return self._etag

    def _rename(self) -> None:
        existing = self._existing
        try:
            self._client.rename(
                self._written,
                self.remote,
                if_none_match="*" if existing is None else None,
                if_match=existing.etag if existing else None,
                source_etag=self._etag,
            )
        except errors.PathExistsError as error:
            raise self._came_meanwhile(error) from None
        except (errors.ConflictError, errors.PathNotFoundError) as error:
            if error.code in ("SourceConditionNotMet", "SourcePathNotFound"):
                raise self._taken_over(error) from None
            raise
        except errors.PermissionDeniedError as error:
            if error.status != 403 or error.code == "AuthenticationFailed":
                raise  # the credential itself has become invalid
            label = " ".join(part for part in ("403", error.code) if part)
            label += f", request {error.request_id}" if error.request_id else ""
            raise errors.PermissionDeniedError(
                f"The credential may write {self._client.url(self.remote)} but not rename, which "
                "making it appear in one step needs: get one with the right to move (m), or add "
                f"--in-place. [{label}]",
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from None

    def _came_meanwhile(self, error: errors.PathExistsError) -> errors.AdlsError:
        """Tell what has come to the target since `look` found nothing there.

        Raises:
            ConflictError, PathExistsError: as `judge`.
        """
        url = self._client.url(self.remote)
        found = self._client.find(self.remote)
        if found is None or self._wish.if_exists == "skip":
            return error
        judge(found, self._wish, url)
        return errors.ConflictError(
            f"{url} came into being while it was uploaded: run it again to replace it.",
            status=error.status,
            code=error.code,
            request_id=error.request_id,
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
