"""What `adls_magic.upload` and `ls` do: Python's sources on top of the engine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any, TypedDict, Unpack, overload

from adls_magic.core.account.resolve import locate
from adls_magic.core.errors import OptionError, PathError
from adls_magic.core.service.client import Client
from adls_magic.core.service.filesystem_hint import filesystem_hint
from adls_magic.core.transfer.placement import placed_in_lake, target_of
from adls_magic.core.transfer.tree import expand
from adls_magic.core.transfer.upload import (
    UploadJob,
    UploadOptions,
    UploadResult,
    upload_all,
    upload_placed,
)
from adls_magic.in_python import LakePath, lake_path, told_in_python

if TYPE_CHECKING:
    from adls_magic.core.account import Account
    from adls_magic.core.account.address import RemotePath
    from adls_magic.core.service.response import PathItem

    OneSource = str | os.PathLike[str] | bytes | IO[bytes] | IO[str] | Iterable[bytes | str]


class UploadKeywords(TypedDict, total=False):
    """The keywords of `upload`, for type checkers."""

    account: Account | None
    overwrite: bool
    skip_existing: bool
    workers: int | None
    chunk_size: int | None
    content_type: str | None
    metadata: Mapping[str, str] | None
    md5: bool
    in_place: bool
    progress: bool | None
    recursive: bool


@overload
def upload(
    source: list[Any] | tuple[Any, ...], dest: LakePath, **keywords: Unpack[UploadKeywords]
) -> list[UploadResult]: ...
@overload
def upload(source: OneSource, dest: LakePath, **keywords: Unpack[UploadKeywords]) -> Any: ...
def upload(
    source: Any,
    dest: LakePath,
    *,
    account: Account | None = None,
    overwrite: bool = False,
    skip_existing: bool = False,
    workers: int | None = None,
    chunk_size: int | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    md5: bool = False,
    in_place: bool = False,
    progress: bool | None = None,
    recursive: bool = False,
) -> UploadResult | list[UploadResult]:
    """Upload a file, bytes, or what a file-like or iterator gives; or files and folders.

    The target is the old file or the whole new one, whatever happens.

        upload("sales.csv", "2026/11/sales.csv")
        upload(b"...", "2026/11/raw.bin", overwrite=True)
        upload(["a.csv", "b.csv"], "2026/11/")
        upload("photos", "archive/", recursive=True)

    Args:
        source: a path (a str is a path too), bytes, a file-like, an iterator of bytes or str,
            or a list of paths for a directory.
        dest: lake path, as str or pathlib's; a str that ends in "/" is a directory, the source's
            name is added.
        account: from `connect`; looked for as the magics do when None.
        overwrite: replace an existing file; otherwise it is refused before anything is sent.
        skip_existing: leave an existing file alone.
        workers: appends in flight; None chooses.
        chunk_size: bytes per append; None follows from the size.
        content_type: stored with the file; None guesses from its name.
        metadata: stored with the file.
        md5: compute and store the Content-MD5.
        in_place: write at the target itself instead of a staged name.
        progress: draw a bar; None does where somebody is looking.
        recursive: take folders along, by the rules of `cp -r`.

    Returns:
        The UploadResult; a list of them for a list or a folder.

    Raises:
        AdlsError: see `adls_magic.core.errors`; the target is unchanged.
    """
    if overwrite and skip_existing:
        raise OptionError("overwrite and skip_existing exclude each other")
    options = UploadOptions(
        if_exists="overwrite" if overwrite else "skip" if skip_existing else "refuse",
        workers=workers,
        chunk_size=chunk_size,
        content_type=content_type,
        metadata=dict(metadata or {}),
        md5=md5,
        in_place=in_place,
    )
    with told_in_python():
        options.check()
        return _upload(source, lake_path(dest), account, options, progress, recursive=recursive)


def _upload(
    source: Any,
    dest: str,
    account: Account | None,
    options: UploadOptions,
    progress: bool | None,
    *,
    recursive: bool,
) -> UploadResult | list[UploadResult]:
    several = isinstance(source, (list, tuple))
    if several or isinstance(source, (str, os.PathLike)):
        names = [os.fspath(one) for one in (source if several else [source])]
        sources = expand(names, recursive=recursive, globs=False)
        where, remote = locate(dest, account=account)
        is_list = several or sources[0].is_directory
        placed = placed_in_lake(where, remote, sources)
        results = upload_placed(where, placed, options, progress=progress)
        return results if is_list else results[0]
    where, remote = locate(dest, account=account)
    target = target_of(remote, _name_of(source)) if remote.is_directory else remote
    return upload_all(where, [UploadJob(source, target)], options, progress=progress)[0]


def _name_of(source: Any) -> str:
    """Return the name that a file-like brings along, for a DEST that is a directory."""
    name = getattr(source, "name", None)
    if not isinstance(name, str) or not PurePath(name).name:
        raise PathError("the source has no name of its own: end DEST in a file name, not in /")
    return PurePath(name).name


def ls(
    path: LakePath = "/", *, account: Account | None = None, recursive: bool = False
) -> Iterator[PathItem]:
    """Yield what is in a directory of the lake, as the service's pages come.

    Args:
        path: lake path of a directory.
        account: from `connect`; looked for as the magics do when None.
        recursive: with everything below.

    Yields:
        PathItem: name (from the filesystem's root), size, is_directory, modified, etag.

    Raises:
        PathNotFoundError: there is no such directory.
    """
    where, remote = locate(lake_path(path), account=account)
    return _entries(where, remote, recursive)


def _entries(account: Account, remote: RemotePath, recursive: bool) -> Iterator[PathItem]:
    with filesystem_hint(account, remote.filesystem), Client(account) as client:
        yield from client.list(remote, recursive=recursive)
