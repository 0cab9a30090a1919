"""Front: `ls`, a directory of the lake as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from adls_magic.arguments import ListArguments
from adls_magic.commands import Defaults, locate
from adls_magic.core.errors import printable
from adls_magic.core.text import count, format_size, table

if TYPE_CHECKING:
    from adls_magic.core.account.address import RemotePath
    from adls_magic.core.service.client import Client
    from adls_magic.core.service.response import PathItem

_NOTE = "unfinished upload"


def list_text(arguments: ListArguments, defaults: Defaults) -> str:
    """Return the table of a directory's entries, or of one file; or of what is unfinished there.

    Raises:
        PathNotFoundError: there is nothing at PATH.
    """
    if arguments.partials:
        from adls_magic.commands.partials import partials_text

        return partials_text(arguments, defaults)
    from adls_magic.core.service.client import Client
    from adls_magic.core.service.filesystem_hint import filesystem_hint

    account, remote = locate(arguments.path or "/", profile=arguments.profile, defaults=defaults)
    with filesystem_hint(account, remote.filesystem), Client(account) as client:
        items, base = _entries(client, remote, arguments.recursive)
        is_directory = base == remote.path
        place = client.url(replace(remote, is_directory=is_directory))
    if not items:
        return f"{place} is empty"
    heading: tuple[str, ...] = ("name", "size", "modified")
    rows = [_row(item, base, long=arguments.long) for item in items]
    if arguments.long:
        heading = ("name", "size", "modified (UTC)", "etag")
        heading, rows = _noted(heading, rows, items)
    return f"{table([heading, *rows], right=(1,))}\n{_total(items, place)}"


def _noted(
    heading: tuple[str, ...], rows: list[tuple[str, ...]], items: Sequence[PathItem]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Add a column that marks staged files, when there are any."""
    from adls_magic.core.transfer.partials import target_of

    notes = [_NOTE if target_of(item.name) and not item.is_directory else "" for item in items]
    if not any(notes):
        return heading, rows
    return (*heading, "note"), [(*row, note) for row, note in zip(rows, notes, strict=True)]


def _entries(client: Client, remote: RemotePath, recursive: bool) -> tuple[list[PathItem], str]:
    """Return the entries and the directory that their names are shown below."""
    from adls_magic.core.errors import PathNotFoundError
    from adls_magic.core.service.response import PathItem

    found = client.find(remote) if remote.path else None
    if remote.path and found is None:
        raise PathNotFoundError(f"{client.url(remote)} does not exist", status=404)
    if found is not None and not found.is_directory:
        item = PathItem(remote.path, found.size, False, found.modified, found.etag)
        return [item], remote.parent.path
    return list(client.list(remote, recursive=recursive)), remote.path


def _row(item: PathItem, base: str, *, long: bool) -> tuple[str, ...]:
    name = item.name[len(base) :].lstrip("/") if base else item.name
    name = f"{printable(name, keep='')}{'/' if item.is_directory else ''}"
    if long:
        size = "-" if item.is_directory else str(item.size)
        return name, size, f"{item.modified:%Y-%m-%d %H:%M:%S}", item.etag
    size = "" if item.is_directory else format_size(item.size)
    return name, size, f"{item.modified.astimezone():%Y-%m-%d %H:%M}"


def _total(items: Sequence[PathItem], place: str) -> str:
    files = [item for item in items if not item.is_directory]
    directories = len(items) - len(files)
    parts = [f"{count(len(files), 'file')} ({format_size(sum(f.size for f in files))})"]
    if directories:
        parts.append(f"{directories:,} {'directory' if directories == 1 else 'directories'}")
    return f"{' and '.join(parts)} in {place}"
