"""The files of a lake's own folder that say who serves it: lock, state and key."""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from adls_magic.lake import names

_KEY_BYTES = 64


@dataclass(frozen=True, slots=True)
class State:
    """What the serving process says about itself.

    Attributes:
        url: the endpoint.
        account: the account's name.
        key_kept: whether the key is the one in the key file.
    """

    url: str
    account: str
    key_kept: bool


def _state_file(root: Path) -> Path:
    return root / names.HOME / "state.json"


def key_file(root: Path) -> Path:
    """Return where a lake's own key is kept."""
    return root / names.HOME / "key"


def write_state(root: Path, *, url: str, account: str, key_kept: bool) -> None:
    """Say that this process serves the folder."""
    state = {"url": url, "account": account, "key kept": key_kept, "pid": os.getpid()}
    fresh = _state_file(root).with_suffix(".new")
    fresh.write_text(json.dumps(state), encoding="utf-8")
    fresh.replace(_state_file(root))


def read_state(root: Path) -> State | None:
    """Return what the serving process has written about itself, once it answers."""
    try:
        found = json.loads(_state_file(root).read_text(encoding="utf-8"))
        state = State(found["url"], found["account"], found["key kept"])
        port = int(state.url.rpartition(":")[2].partition("/")[0])
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except (OSError, ValueError, KeyError):
        return None
    return state


def forget_state(root: Path) -> None:
    """Take the state away, at a stop or after a crash."""
    _state_file(root).unlink(missing_ok=True)


def stored_key(root: Path) -> str:
    """Return a lake's own key in base64, made at the first use; readable by its owner only."""
    file = key_file(root)
    with contextlib.suppress(FileNotFoundError):
        return file.read_text(encoding="ascii").strip()
    key = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
    fresh = file.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(key + "\n")
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
    return key


def lock(root: Path) -> IO[str] | None:
    """Lock a folder for as long as the result stays open; None when another server has it."""
    home = root / names.HOME
    if root.exists() and not root.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "this is a file and no folder", str(root))
    home.mkdir(parents=True, exist_ok=True)
    handle = (home / "lock").open("a+", encoding="utf-8")
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return None
        raise
    return handle
