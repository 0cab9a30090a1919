"""The account that `%adls_config` or the form has set for this Python process.

Threads: the form's callbacks may come on another thread while a cell runs. An `Account` is a
value, so whoever has called `current` keeps what it got, whatever is configured meanwhile.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adls_magic.core.account.account import Account

_lock = threading.Lock()
_current: Account | None = None


def configure(account: Account) -> None:
    """Use `account` from now on where nothing else is said."""
    global _current
    with _lock:
        _current = account


def current() -> Account | None:
    """Return the configured account, None when there is none."""
    with _lock:
        return _current


def forget() -> None:
    """Drop the configured account and with it the last reference to its credential here."""
    global _current
    with _lock:
        _current = None
