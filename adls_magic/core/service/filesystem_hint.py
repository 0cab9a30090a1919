"""Names the filesystems that exist when the one asked for does not."""

from __future__ import annotations

import contextlib
import difflib
import itertools
from collections.abc import Iterator

from adls_magic.core.account import Account
from adls_magic.core.errors import AdlsError, PathNotFoundError
from adls_magic.core.service.client import Client
from adls_magic.core.service.retry import RetryPolicy

_MOST_NAMED = 5


@contextlib.contextmanager
def filesystem_hint(account: Account, wanted: str) -> Iterator[None]:
    """Add to «filesystem not found» which ones there are, if the credential may list them.

    Args:
        account: whose filesystems.
        wanted: the name that was asked for; the ones most like it are named first.
    """
    try:
        yield
    except PathNotFoundError as error:
        if error.code != "FilesystemNotFound":
            raise
        raise error.retold(
            f"{error}{_there_are(account, wanted)}",
            PathNotFoundError,
        ) from None


def _there_are(account: Account, wanted: str) -> str:
    try:
        with Client(account, policy=RetryPolicy(tries=1)) as client:
            names = list(itertools.islice(client.list_filesystems(), 1000))
    except AdlsError:
        return ""
    if not names:
        return f" {account.name} has no filesystem yet."
    close = difflib.get_close_matches(wanted, names, _MOST_NAMED, 0.6)
    shown = close + [name for name in names if name not in close]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f" There are: {', '.join(shown[:_MOST_NAMED])}{more}."
