"""The dfs endpoint, one method a REST call.

A client is shared by threads. It holds no state of files; what an ambiguous answer means (the
first try of a repeated call may have won) is settled here, by asking.
API: https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath, quote_path
from adls_magic.core.service.answer import Answer
from adls_magic.core.service.calls import MOST_PAGES, flag, given
from adls_magic.core.service.leasing import LeaseCalls
from adls_magic.core.service.reading import ReadCalls
from adls_magic.core.service.request import Body
from adls_magic.core.service.response import (
    PathItem,
    PathProperties,
    continuation_of,
    encode_metadata,
    error_code,
    filesystems_of,
    parse_time,
    paths_of,
    properties_of,
    quote_value,
)


class Client(ReadCalls, LeaseCalls):
    """The dfs endpoint of one account; constructed and closed as `Calls`.

    Every call raises what `errors.py` lists: the refusals of the service with status, code,
    request id and cure; `ConnectionFailedError` when no answer comes.
    """

    # -------------------------------------------------------------------- paths

    def create(
        self,
        remote: RemotePath,
        *,
        directory: bool = False,
        if_none_match: str | None = None,
        if_match: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Create an empty file, or a directory, with its parents; return its etag.

        An existing file is emptied at once and its waiting appends are dropped, unless
        `if_none_match="*"` (then PathExistsError) or `if_match` (then ConflictError when it has
        changed) forbids it.
        https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/create
        """
        headers = given(
            {
                "If-None-Match": if_none_match,
                "If-Match": if_match,
                "x-ms-content-type": content_type,
                "x-ms-properties": encode_metadata(metadata) if metadata else None,
            }
        )
        query = f"resource={'directory' if directory else 'file'}"
        began = time.monotonic()
        answer, lost = self.call("PUT", remote, query, headers)
        if lost and answer.status in (409, 412) and (if_none_match == "*" or if_match):
            since = time.monotonic() - began
            found = self.find(remote)
            if found is not None and _is_own_create(found, answer, since, content_type):
                return found.etag
        self.check(answer, (201,), "create", remote)
        return str(answer.headers.get("ETag") or "")

    def append(
        self,
        remote: RemotePath,
        position: int,
        body: Body,
        *,
        flush: bool = False,
        close: bool = False,
        content_type: str | None = None,
        lease_id: str | None = None,
    ) -> str | None:
        """Send `body` (at least one byte) to wait at `position`, counted in bytes.

        Harmless to repeat: the same position replaces itself. With `flush` everything up to the
        body's end becomes the file, `content_type` its type, and the new etag is returned; `close`
        then tells the service's events that the file is finished.
        https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/update
        """
        query = f"action=append&position={position}"
        if flush:
            query += f"&close={flag(close)}&flush=true"
        headers = given(
            {
                "Content-Type": content_type or "application/octet-stream",
                "x-ms-lease-id": lease_id,
            }
        )
        answer, _ = self.call("PATCH", remote, query, headers, body)
        self.check(answer, (202,), "append to", remote)
        return answer.headers.get("ETag")

    def flush(
        self,
        remote: RemotePath,
        position: int,
        *,
        close: bool = False,
        retain: bool = False,
        if_match: str | None = None,
        content_type: str | None = None,
        content_md5: str | None = None,
        lease_id: str | None = None,
    ) -> str:
        """Make the waiting bytes up to `position` (the whole length) the file; return its etag.

        What waits beyond is dropped, or kept with `retain`. `content_md5` (base64) is stored;
        the service does not compare it.
        https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/update

        Raises:
            ConflictError: lengths do not add up, or the file's etag is not `if_match`.
        """
        query = (
            f"action=flush&close={flag(close)}&position={position}"
            f"&retainUncommittedData={flag(retain)}"
        )
        headers = given(
            {
                "If-Match": if_match,
                "x-ms-content-type": content_type,
                "x-ms-content-md5": content_md5,
                "x-ms-lease-id": lease_id,
            }
        )
        answer, lost = self.call("PATCH", remote, query, headers)
        if lost and answer.status == 412 and if_match:
            if lease_id is not None:
                # Only while it is still ours, what is there now can be nobody else's.
                self._renew_after_loss(remote, lease_id)
            found = self.find(remote)
            if found is not None and found.size == position and found.etag != if_match:
                return found.etag
        self.check(answer, (200,), "flush", remote)
        return str(answer.headers.get("ETag") or "")

    def _renew_after_loss(self, remote: RemotePath, lease_id: str) -> None:
        try:
            self.renew_lease(remote, lease_id)
        except errors.ConflictError as error:
            raise error.retold(
                f"{error} The answer to the flush before that was lost, so whether the bytes are "
                f"in {self.url(remote)} could not be learnt: look at its end before you append "
                "them again.",
                errors.ConflictError,
            ) from None

    def find(self, remote: RemotePath) -> PathProperties | None:
        """Return what is at `remote`, None when there is nothing.

        Raises:
            PathNotFoundError: the filesystem itself does not exist.
        """
        if not remote.path:
            return self._root(remote)
        answer, _ = self.call("HEAD", remote, "")
        if answer.status == 404 and error_code(answer) != "FilesystemNotFound":
            return None
        self.check(answer, (200,), "look at", remote)
        return properties_of(answer)

    def _root(self, remote: RemotePath) -> PathProperties:
        """The root is no path of its own: it is there when its filesystem is."""
        answer, _ = self.call("HEAD", remote, "resource=filesystem")
        self.check(answer, (200,), "look at", remote)
        found = properties_of(answer)
        return PathProperties(0, True, found.modified, found.etag)

    def properties(self, remote: RemotePath) -> PathProperties:
        """Return what is at `remote`.

        Raises:
            PathNotFoundError: there is nothing.
        """
        found = self.find(remote)
        if found is None:
            raise errors.PathNotFoundError(
                f"There is nothing at {self.url(remote)}. %adls_ls shows what is there.",
                status=404,
                code="PathNotFound",
            )
        return found

    def list(
        self, remote: RemotePath, *, recursive: bool = False, page_size: int = 5000
    ) -> Iterator[PathItem]:
        """Yield the entries below a directory, page by page (`page_size` at most, up to 5,000).

        https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/list
        """
        query = f"maxResults={page_size}&recursive={flag(recursive)}&resource=filesystem"
        if remote.path:
            query = f"directory={quote_value(remote.path)}&{query}"
        root = RemotePath(remote.filesystem, "")
        for answer in self.pages(root, query, f"list {self.url(remote)}"):
            yield from paths_of(answer)

    def delete(
        self,
        remote: RemotePath,
        *,
        recursive: bool = False,
        if_match: str | None = None,
        lease_id: str | None = None,
    ) -> None:
        """Delete a file, or with `recursive` a directory and all below it.

        https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/delete
        """
        query = f"recursive={flag(recursive)}"
        headers = given({"If-Match": if_match, "x-ms-lease-id": lease_id})
        token: str | None = None
        for _ in range(MOST_PAGES):
            more = f"continuation={quote_value(token)}&" if token else ""
            answer, lost = self.call("DELETE", remote, more + query, headers)
            if lost and answer.status == 404:
                return
            self.check(answer, (200, 202), "delete", remote)
            token = continuation_of(answer)
            if token is None:
                return

    def rename(
        self,
        source: RemotePath,
        target: RemotePath,
        *,
        if_none_match: str | None = None,
        if_match: str | None = None,
        source_etag: str | None = None,
    ) -> None:
        """Move a file over `target` in one step.

        Args:
            source: the file to move.
            target: its new place; a file there is replaced, unless a condition forbids it.
            if_none_match: "*" refuses when the target exists (PathExistsError).
            if_match: the target's etag; refuses when it has changed (ConflictError).
            source_etag: the source's etag, which the target keeps: tells after a lost answer
                whether the first try had won, and refuses when the source has changed.

        https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/create
        """
        path = quote_path(source.path)
        named = self.authorization.rename_source(f"/{quote_path(source.filesystem)}/{path}")
        headers = given(
            {
                "x-ms-rename-source": named,
                "If-None-Match": if_none_match,
                "If-Match": if_match,
                "x-ms-source-if-match": source_etag,
            }
        )
        answer, lost = self.call("PUT", target, "mode=legacy", headers)
        if error_code(answer) == "RenameDestinationParentPathNotFound" and self.find(source):
            # The service may remember a state of the directory that has passed: asked once more.
            answer, again = self.call("PUT", target, "mode=legacy", headers)
            lost += again
        if lost and source_etag and answer.status in (404, 409, 412):
            found = self.find(target)
            if found is not None and found.etag == source_etag:
                return
        self.check(answer, (201,), f"rename {source.path} to", target)

    # -------------------------------------------------------------- filesystems

    def create_filesystem(self, name: str) -> None:
        """Create a filesystem.

        Raises:
            PathExistsError: it exists.
        """
        remote = RemotePath(name, "")
        answer, _ = self.call("PUT", remote, "resource=filesystem")
        self.check(answer, (201,), f"create the filesystem {name}", None)

    def filesystem_exists(self, name: str) -> bool:
        """Ask whether a filesystem exists."""
        answer, _ = self.call("HEAD", RemotePath(name, ""), "resource=filesystem")
        if answer.status == 404:
            return False
        self.check(answer, (200,), f"look at the filesystem {name}", None)
        return True

    def list_filesystems(self) -> Iterator[str]:
        """Yield the names of the account's filesystems."""
        doing = f"list the filesystems of {self.account.name}"
        for answer in self.pages(None, "resource=account", doing):
            yield from filesystems_of(answer)


def _is_own_create(
    found: PathProperties, conflict: Answer, since: float, content_type: str | None
) -> bool:
    """After a repeated create met a conflict: had our own first try, `since` seconds ago, won?

    Ours is empty, of the type we gave it (unique to the upload where that matters), and not
    older, by the service's own clock, than our first try.
    """
    began = parse_time(conflict.headers.get("Date")).timestamp() - since
    is_recent = found.modified.timestamp() >= began - 2  # HTTP dates are cut to whole seconds
    same_type = content_type is None or found.content_type == content_type
    return found.size == 0 and not found.is_directory and is_recent and same_type
