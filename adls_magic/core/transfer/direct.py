"""A new file of one piece: created and filled by two requests.

Between the two, the empty file carries a content type that marks it as unfinished; the flush
replaces it. What exists already, or is longer, goes the way of the class that builds on this one.
"""

from __future__ import annotations

from adls_magic.core import errors
from adls_magic.core.service.request import Body
from adls_magic.core.service.response import PathProperties
from adls_magic.core.transfer.target import Digest, Target


class DirectTarget(Target):
    """A target that takes the short way for a new file of one piece."""

    def put_whole(self, body: Body | None, content_md5: Digest) -> str:
        """Write a file of one piece (None: empty) and let it appear; return its etag.

        Raises:
            PathExistsError, ConflictError, SkippedError: as `look`.
        """
        content_type = self._wish.content_type if body is None else self._mark
        if not self._create_new(content_type):
            # A stale stub that was removed leaves the name free.
            self._is_inherited = True
            if self._existing is not None or not self._create_new(content_type):
                return self._replace_whole(body, content_md5)
        self._is_ours = True
        try:
            self._etag = self._fill(body, content_md5)
        except errors.PathNotFoundError as error:
            raise error.retold(
                f"{self._client.url(self.remote)} was removed by somebody else while it was "
                "written: run it again.",
                errors.ConflictError,
            ) from None
        self._is_ours = False
        return self._etag

    def _create_new(self, content_type: str) -> bool:
        """Create the target, or take what this very upload left before its append was cut off.

        False when something else is there, or has been removed as it was stale.

        Raises:
            PathExistsError, ConflictError, SkippedError: as `look`.
        """
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
                self._meet(stub)
                return False
            self._etag = stub.etag
            self._is_inherited = True
        return True

    def _meet(self, found: PathProperties | None) -> None:
        """Act on what is at the target in the way of a new file.

        Raises:
            PathExistsError, ConflictError, SkippedError: as `look`; ConflictError also when it is
                another version than `look` has found.
        """
        before = self._existing
        self._consider(found)
        now = self._existing
        if self._has_looked and now and (before is None or before.etag != now.etag):
            raise errors.ConflictError(
                f"{self._client.url(self.remote)} was {'changed' if before else 'made'} by "
                "somebody else meanwhile and is as they left it: run it again to replace it.",
                status=412,
            )

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

    def _replace_whole(self, body: Body | None, content_md5: Digest) -> str:
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
