"""Front: `ls --partials`, what unfinished uploads have left, and its removal."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from adls_magic.arguments import ListArguments
from adls_magic.commands import Defaults, locate
from adls_magic.core.errors import printable
from adls_magic.core.text import count, format_age, format_size, table

if TYPE_CHECKING:
    from adls_magic.core.account.address import RemotePath
    from adls_magic.core.service.client import Client
    from adls_magic.core.transfer.partials import Partial

_NOUN = "unfinished upload"


def partials_text(arguments: ListArguments, defaults: Defaults) -> str:
    """Return the table of what is unfinished in a directory, or of what was to become PATH.

    With `--remove`, what nobody has touched for a day is deleted, and the text tells of that.

    Raises:
        PathNotFoundError: there is nothing at PATH, and nothing was to appear there.
        PermissionDeniedError: the credential may not delete; what was deleted before is gone.
    """
    from adls_magic.core.service.client import Client
    from adls_magic.core.service.filesystem_hint import filesystem_hint

    account, remote = locate(arguments.path or "/", profile=arguments.profile, defaults=defaults)
    with filesystem_hint(account, remote.filesystem), Client(account) as client:
        directory, found = _found(client, remote, recursive=arguments.recursive)
        place = client.url(replace(remote, is_directory=directory.path == remote.path))
        if arguments.remove:
            return _remove(client, directory, found, place, long=arguments.long)
    if not found:
        return f"No {_NOUN} in {place}"
    old = sum(partial.is_removable(_now()) for partial in found)
    untouched = f", {old:,} of them untouched for a day" if old else ""
    return f"{_table(found, directory, long=arguments.long)}\n{_sum(found)} in {place}{untouched}"


def _found(
    client: Client, remote: RemotePath, *, recursive: bool
) -> tuple[RemotePath, list[Partial]]:
    """Return a directory and what is unfinished there: PATH, or what holds a target at PATH."""
    from adls_magic.core.errors import PathNotFoundError
    from adls_magic.core.transfer.partials import find_partials

    there = client.find(remote)
    if there is not None and there.is_directory:
        return remote, list(find_partials(client, remote, recursive=recursive))
    found = list(find_partials(client, remote.parent, target=remote.path))
    if there is None and not found:
        raise PathNotFoundError(f"{client.url(remote)} does not exist", status=404)
    return remote.parent, found


def _remove(
    client: Client, directory: RemotePath, found: Sequence[Partial], place: str, *, long: bool
) -> str:
    from adls_magic.core.transfer.partials import remove

    now = _now()
    old = [partial for partial in found if partial.is_removable(now)]
    gone = [partial for partial in old if remove(client, directory, partial)]
    kept = len(found) - len(gone)
    was = "was" if kept == 1 else "were"
    young = f"kept {kept:,} that {was} touched less than a day ago" if kept else ""
    if not gone:
        return f"Removed nothing from {place}" + (f"; {young}" if young else "")
    line = f"Removed {_sum(gone)} from {place}" + (f"; {young}" if young else "")
    return f"{_table(gone, directory, long=long)}\n{line}"


def _table(partials: Sequence[Partial], directory: RemotePath, *, long: bool) -> str:
    heading: tuple[str, ...] = ("target", "size", "touched", "staged as")
    if long:
        heading = ("target", "size", "touched (UTC)", "etag", "staged as")
    return table([heading, *(_row(one, directory, long=long) for one in partials)], right=(1,))


def _row(partial: Partial, directory: RemotePath, *, long: bool) -> tuple[str, ...]:
    from adls_magic.core.transfer.partials import is_cut

    item = partial.item
    target = printable(partial.target[len(directory.path) :].lstrip("/"), keep="")
    if is_cut(partial.target) and not partial.is_stub:
        target += "…"
    name = printable(item.name.rpartition("/")[2], keep="")
    if partial.is_stub:
        name = "(empty, in its place)"
    if long:
        return target, str(item.size), f"{item.modified:%Y-%m-%d %H:%M:%S}", item.etag, name
    return target, format_size(item.size), format_age(item.modified), name


def _sum(partials: Sequence[Partial]) -> str:
    size = format_size(sum(partial.item.size for partial in partials))
    return f"{count(len(partials), _NOUN)} ({size})"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
