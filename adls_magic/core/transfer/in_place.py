"""A file that is written at its own name, for accounts and rights that do not allow a rename.

A new file carries the mark of an unfinished one until its flush.
"""

from __future__ import annotations

from adls_magic.core import errors
from adls_magic.core.transfer.direct import DirectTarget
from adls_magic.core.transfer.plan import UploadPlan


class InPlaceTarget(DirectTarget):
    """A target that is emptied and written anew; a reader may see it unfinished."""

    def open(self, plan: UploadPlan | None = None) -> int:
        """Create the file that takes the pieces, or empty the one that is there; return 0."""
        existing = self._existing
        if existing is not None and existing.content_type != self._mark:
            self._etag = self._create(self.remote, if_match=existing.etag)
            return 0
        # Marked, so that after a kill a rerun knows it for its own and not for somebody's file.
        self._unanswered = True
        try:
            self._etag = self._create(
                self.remote,
                if_none_match="*" if existing is None else None,
                if_match=existing.etag if existing else None,
                content_type=self._mark,
            )
        except errors.PathExistsError:
            self._unanswered = False
            self._meet(self._client.find(self.remote))
            raise
        self._unanswered = False
        self._is_ours = True
        return 0
