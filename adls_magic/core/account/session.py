"""The account that `%adls_config` or the form has set for this Python process.

Threads: the form's callbacks may come on another thread while a cell runs. An `Account` is a
value, so whoever has called `current` keeps what it got, whatever is configured meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adls_magic.core.account.account import Account

_lock = threading.Lock()
_current: Account | None = None
_watchers: list[Callable[[], None]] = []


def configure(account: Account) -> None:
    """Use `account` from now on where nothing else is said."""
    _set(account)


def current() -> Account | None:
    """Return the configured account, None when there is none."""
    with _lock:
        return _current


def forget() -> None:
    """Drop the configured account and with it the last reference to its credential here."""
    _set(None)


def watch(changed: Callable[[], None]) -> Callable[[], None]:
    """Call `changed` after every change, on the thread that made it; return what ends that.

    It must not raise: whoever configures an account is not concerned.
    """
    with _lock:
        _watchers.append(changed)

    def unwatch() -> None:
        with _lock:
            if changed in _watchers:
                _watchers.remove(changed)

    return unwatch


def _set(account: Account | None) -> None:
    global _current
    with _lock:
        _current = account
        watchers = list(_watchers)
    for changed in watchers:  # without the lock, as they look at the account
        changed()
