"""What `adls_magic.upload`, `open` and `ls` do: Python's sources and modes on top of the engine."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any, Self, TypedDict, Unpack, cast, overload

from adls_magic.core.account.resolve import locate
from adls_magic.core.errors import OptionError, PathError
from adls_magic.core.service.client import Client
from adls_magic.core.service.filesystem_hint import filesystem_hint
from adls_magic.core.transfer.placement import make_directories, placed_in_lake, target_of, url_of
from adls_magic.core.transfer.tree import expand
from adls_magic.core.transfer.upload import (
    UploadJob,
    UploadOptions,
    UploadResult,
    open_writer,
    upload_all,
)

if TYPE_CHECKING:
    from adls_magic.core.account import Account
    from adls_magic.core.account.address import RemotePath
    from adls_magic.core.service.response import PathItem
    from adls_magic.core.transfer.upload import Writer

    OneSource = str | os.PathLike[str] | bytes | IO[bytes] | IO[str] | Iterable[bytes | str]

_MODES = ("w", "wt", "wb", "x", "xt", "xb")


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
    source: list[Any] | tuple[Any, ...], dest: str, **keywords: Unpack[UploadKeywords]
) -> list[UploadResult]: ...
@overload
def upload(source: OneSource, dest: str, **keywords: Unpack[UploadKeywords]) -> Any: ...
def upload(
    source: Any,
    dest: str,
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
        dest: lake path; one that ends in "/" is a directory, the source's name is added.
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
    several = isinstance(source, (list, tuple))
    if several or isinstance(source, (str, os.PathLike)):
        names = [os.fspath(one) for one in (source if several else [source])]
        sources = expand(names, recursive=recursive, globs=False)
        where, remote = locate(dest, account=account)
        is_list = several or sources[0].is_directory
        placed = placed_in_lake(where, remote, sources)
        results = upload_all(where, placed.jobs, options, progress=progress)
        make_directories(where, placed.empty_directories)
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


def open(
    path: str,
    mode: str = "w",
    *,
    account: Account | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    workers: int | None = None,
    chunk_size: int | None = None,
    md5: bool = False,
    in_place: bool = False,
    progress: bool | None = False,
) -> IO[Any]:
    """Open a file in the lake for writing; it appears when it is closed, whole, or not at all.

        with open("logs/run.txt", "w") as f:
            print("done", file=f)

    What is written is sent while the block runs. An exception in the block discards it, and so
    does dropping the file without closing it. Line ends are written as they are given.

    Args:
        path: lake path.
        mode: "w" replaces an existing file, "x" refuses; with "b" for bytes.
        account: from `connect`; looked for as the magics do when None.
        encoding: of a text file.
        errors: of a text file, as in the built-in `open`.
        content_type: stored with the file; None guesses from its name.
        metadata: stored with the file.
        workers: appends in flight; None chooses.
        chunk_size: bytes per append; None follows from the size.
        md5: compute and store the Content-MD5.
        in_place: write at the target itself instead of a staged name.
        progress: draw a bar; None does where somebody is looking.

    Raises:
        OptionError: another mode.
        PathExistsError: "x", and the file exists.
    """
    if mode not in _MODES:
        raise OptionError('the mode must be "w" or "x" (refuse what exists), with "b" for bytes')
    options = UploadOptions(
        if_exists="refuse" if "x" in mode else "overwrite",
        workers=workers,
        chunk_size=chunk_size,
        content_type=content_type,
        metadata=dict(metadata or {}),
        md5=md5,
        in_place=in_place,
    )
    if "b" not in mode:
        codecs.getincrementalencoder(encoding)  # a wrong name is said before anything is asked
    where, remote = locate(path, account=account)
    if remote.is_directory:
        raise PathError(f"{url_of(where, remote)} is a directory; what is written needs a name")
    writer = open_writer(where, remote, options, progress=progress)
    if "b" in mode:
        return cast(IO[bytes], writer)
    return cast(IO[str], TextWriter(writer, encoding=encoding, errors=errors))


class TextWriter(io.TextIOBase):
    """A text file over a `Writer`. Line ends are written as they are given.

    Unlike `io.TextIOWrapper`, it discards what was written when its block ends in an exception,
    and when it is dropped without being closed.
    """

    encoding = "utf-8"  # a plain attribute, over the read-only one of io

    def __init__(self, writer: Writer, *, encoding: str, errors: str) -> None:
        self._writer = writer
        self.encoding = encoding
        self._encoder = codecs.getincrementalencoder(encoding)(errors)

    @property
    def result(self) -> UploadResult | None:
        """The UploadResult, after the commit."""
        return self._writer.result

    @property
    def closed(self) -> bool:
        """Whether it was committed or discarded."""
        return self._writer.closed

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, text: str, /) -> int:
        """Write text; return the number of characters."""
        self._writer.write(self._encoder.encode(text))
        return len(text)

    def flush(self) -> None:
        """Do nothing: what is written appears when the file is closed."""

    def close(self) -> None:
        """Let the file appear."""
        if not self.closed:
            rest = self._encoder.encode("", final=True)
            if rest:
                self._writer.write(rest)
            self._writer.close()

    def abort(self) -> None:
        """Discard what was written."""
        self._writer.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __del__(self) -> None:
        # io's own would close, and so commit half a file.
        if hasattr(self, "_writer"):
            self._writer.abort()


def ls(
    path: str = "/", *, account: Account | None = None, recursive: bool = False
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
    where, remote = locate(path, account=account)
    return _entries(where, remote, recursive)


def _entries(account: Account, remote: RemotePath, recursive: bool) -> Iterator[PathItem]:
    with filesystem_hint(account, remote.filesystem), Client(account) as client:
        yield from client.list(remote, recursive=recursive)
