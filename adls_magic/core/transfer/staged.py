"""A file that is written under a hidden name beside its target and renamed over it at the end.

A reader sees the old file or the new one, and what a stopped upload has staged can be gone on
with by a later run of the same upload.
"""

from __future__ import annotations

from dataclasses import replace

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.transfer.direct import DirectTarget
from adls_magic.core.transfer.existing import judge
from adls_magic.core.transfer.partials import staged_name
from adls_magic.core.transfer.plan import UploadPlan

_TAKE_OVERS = 10  # tries to flush before a run that lives does so once more


class StagedTarget(DirectTarget):
    """A target that is replaced by a rename."""

    def open(self, plan: UploadPlan | None = None) -> int:
        """Create the file that takes the pieces, or go on with one that an earlier run has left.

        Args:
            plan: the grid of a source that is the same in every run; None starts anew always.

        Returns:
            The number of bytes that an earlier run has left there, from which to go on.
        """
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

    def _taken_over(self, error: errors.AdlsError) -> errors.AdlsError:
        """Tell of another run of the same upload, if that is what `error` means."""
        if error.status not in (404, 412) or not self.is_staged:
            return error
        return error.retold(
            f"The upload to {self._client.url(self.remote)} was taken over by another run of it, "
            "so this one has stopped; the target is old or new, and whole.",
            errors.ConflictError,
        )

    def appear(self) -> None:
        """Rename the staged file over the target, unless it is there already."""
        if self.is_staged:
            self._rename()
        super().appear()

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
            raise error.retold(
                f"The credential may write {self._client.url(self.remote)} but not rename, which "
                "making it appear in one step needs: get one with the right to move (m), or add "
                f"--in-place. [{label}]",
                errors.PermissionDeniedError,
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
        return error.retold(
            f"{url} came into being while it was uploaded: run it again to replace it.",
            errors.ConflictError,
        )
