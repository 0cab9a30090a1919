"""What killed and broken uploads have left at the service: found, told apart, removed.

Two kinds: a **staged** file beside its target, by its name; and the empty **stub** at the
target itself of a one-piece file, by its content type, which is asked for file by file.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.service.response import PathItem
from adls_magic.core.transfer.existing import is_unfinished

UNTOUCHED = 24 * 3600.0  # seconds after which nobody is expected to come back
_LONGEST_NAME = 200  # characters of the target's name that go into the staged one
_STAGED = re.compile(r"\.(.+)\.[0-9a-f]{16}\.partial", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Partial:
    """Something unfinished.

    Attributes:
        item: the file as the service lists it.
        target: path at which the upload was to appear, from the filesystem's root; cut off at
            the end when its name is very long.
    """

    item: PathItem
    target: str

    @property
    def is_stub(self) -> bool:
        """True for the empty file at the target itself."""
        return self.target == self.item.name

    def is_removable(self, now: datetime.datetime) -> bool:
        """True when nobody has touched it for a day."""
        return (now - self.item.modified).total_seconds() >= UNTOUCHED


def staged_name(name: str, fingerprint: str) -> str:
    """Return the name under which a file called `name` is staged (16 hexadecimal digits)."""
    return f".{name[:_LONGEST_NAME]}.{fingerprint}.partial"


def target_of(path: str) -> str | None:
    """Return the path of the target that the file at `path` is staged for; None for others."""
    directory, slash, name = path.rpartition("/")
    found = _STAGED.fullmatch(name)
    return f"{directory}{slash}{found.group(1)}" if found else None


def is_cut(target: str) -> bool:
    """True when the name of the target that a staged file tells may go on."""
    return len(target.rpartition("/")[2]) == _LONGEST_NAME


def find_partials(
    client: Client, directory: RemotePath, *, recursive: bool = False, target: str | None = None
) -> Iterator[Partial]:
    """Yield what is unfinished in a directory, as the service's pages come.

    Args:
        client: the account's client; every empty file costs a request of its own.
        directory: where to look.
        recursive: also in everything below.
        target: only what was to become the file at this path.

    Raises:
        PathNotFoundError: there is no such directory.
    """
    for item in client.list(directory, recursive=recursive):
        appears = target_of(item.name) or item.name
        if item.is_directory or not (target is None or _is_name_of(appears, target)):
            continue
        if appears != item.name or _is_stub(client, _place(directory, item), item):
            yield Partial(item, appears)


def _is_name_of(appears: str, target: str) -> bool:
    return appears == target or (is_cut(appears) and target.startswith(appears))


def _is_stub(client: Client, place: RemotePath, item: PathItem) -> bool:
    if item.size > 0:
        return False
    found = client.find(place)
    return found is not None and is_unfinished(found)


def remove(client: Client, directory: RemotePath, partial: Partial) -> bool:
    """Delete it, unless somebody has touched it since it was listed; True when it is gone.

    https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/delete
    """
    try:
        client.delete(_place(directory, partial.item), if_match=partial.item.etag)
    except errors.PathNotFoundError:
        return True
    except errors.ConflictError:
        return False
    return True


def _place(directory: RemotePath, item: PathItem) -> RemotePath:
    return RemotePath(directory.filesystem, item.name)
