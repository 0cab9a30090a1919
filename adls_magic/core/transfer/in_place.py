"""A file that is written at its own name, for accounts and rights that do not allow a rename."""

from __future__ import annotations

from adls_magic.core.transfer.direct import DirectTarget
from adls_magic.core.transfer.plan import UploadPlan


class InPlaceTarget(DirectTarget):
    """A target that is emptied and written anew; a reader may see it unfinished."""

    def open(self, plan: UploadPlan | None = None) -> int:
        """Create the file that takes the pieces, or empty the one that is there; return 0."""
        existing = self._existing
        if existing is None:
            self._etag = self._create(self.remote, if_none_match="*")
            self._is_ours = True
        else:
            self._etag = self._create(self.remote, if_match=existing.etag)
        return 0
