"""Local sources and a DEST → upload jobs: `cp -r` with the lake on the right-hand side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath, check_path, display_url
from adls_magic.core.errors import OptionError, PathError, PathExistsError
from adls_magic.core.service.client import Client
from adls_magic.core.service.filesystem_hint import filesystem_hint
from adls_magic.core.service.response import PathProperties
from adls_magic.core.transfer.job import UploadJob
from adls_magic.core.transfer.tree import LocalSource, needs_directory, place


@dataclass(frozen=True, slots=True)
class Placement:
    """What goes where.

    Attributes:
        jobs: one a file, in the order of the sources.
        empty_directories: folders without files, to be made.
    """

    jobs: tuple[UploadJob, ...]
    empty_directories: tuple[RemotePath, ...]


def placed_in_lake(account: Account, dest: RemotePath, sources: Sequence[LocalSource]) -> Placement:
    """Return the targets of all files. Asks the service what DEST is where that decides.

    Raises:
        OptionError: several sources and no directory, or two that become one file.
        PathError: DEST is a file where a folder goes, or the lake cannot hold a name.
    """
    placed = place(sources, into=_goes_into(account, dest, sources))
    return Placement(
        tuple(UploadJob(path, _target_for(path, dest, name)) for path, name in placed.files),
        tuple(target_of(dest, name) for name in placed.empty_directories),
    )


def _target_for(path: Path, dest: RemotePath, name: str) -> RemotePath:
    try:
        return target_of(dest, name)
    except PathError as error:
        raise PathError(f"{path} cannot keep its name in the lake. {error}") from None


def target_of(dest: RemotePath, name: str) -> RemotePath:
    """Return the place called `name` below DEST, "" for DEST itself.

    Raises:
        PathError: the lake cannot hold such a name.
    """
    target = dest.child(name) if name else dest
    check_path(target.path)
    return target


def url_of(account: Account, remote: RemotePath) -> str:
    """Return a place as messages and results name it."""
    return display_url(account.endpoint, remote)


def find(account: Account, remote: RemotePath) -> PathProperties | None:
    """Return what is at a place in the lake, None when nothing is.

    Raises:
        PathNotFoundError: the filesystem does not exist; names those that do.
    """
    with filesystem_hint(account, remote.filesystem), Client(account) as client:
        return client.find(remote)


def check_directory(account: Account, dest: RemotePath) -> None:
    """Refuse a DEST for several sources that neither ends in "/" nor is a directory.

    Raises:
        OptionError: says what it is, and the cure.
    """
    if dest.is_directory:
        return
    found = find(account, dest)
    if found is None or not found.is_directory:
        raise OptionError(
            f"Several sources, or a glob, need a directory, but {url_of(account, dest)} "
            f"{'is a file' if found else 'does not exist'}. End it with / to have one made."
        )


def make_directories(account: Account, directories: Sequence[RemotePath]) -> None:
    """Make the folders that hold no file; the others come with their files.

    Raises:
        PathError: a file has that name.
    """
    if not directories:
        return
    with filesystem_hint(account, directories[0].filesystem), Client(account) as client:
        for directory in directories:
            try:
                client.create(directory, directory=True, if_none_match="*")
            except PathExistsError:
                found = client.find(directory)
                if found is not None and not found.is_directory:
                    url = client.url(directory)
                    raise PathError(f"{url} is a file; a folder cannot take its place.") from None


def _goes_into(account: Account, dest: RemotePath, sources: Sequence[LocalSource]) -> bool:
    """Whether DEST is a directory for the sources, rather than the name of a copy.

    For a single file the engine asks the service itself, while it creates it.
    """
    if dest.is_directory:
        return True
    if needs_directory(sources):
        check_directory(account, dest)
        return True
    if not sources[0].is_directory:
        return False
    found = find(account, dest)
    if found is not None and not found.is_directory:
        raise PathError(f"{url_of(account, dest)} is a file; a folder cannot take its place.")
    return found is not None
