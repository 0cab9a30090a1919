"""A lake in this process: start, find, stop.

Exactly one server serves a folder; other processes find it by the state that it writes there.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import errno
import os
import sqlite3
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from adls_magic.lake import names, volumes
from adls_magic.lake.access import Keyring
from adls_magic.lake.answers import Answer, Refusal
from adls_magic.lake.home import (
    forget_state,
    key_file,
    lock,
    read_state,
    stored_key,
    write_state,
)
from adls_magic.lake.operations import answer_request
from adls_magic.lake.request import Request
from adls_magic.lake.server import Server, refuse_errors
from adls_magic.lake.store import Store

if TYPE_CHECKING:
    from adls_magic.core.account import Account

ACCOUNT = "devstoreaccount1"
_PATIENCE = 10.0  # seconds for another process to come up

_running: dict[Path, LocalLake] = {}
_running_lock = threading.Lock()


class LakeInUseError(RuntimeError):
    """Another process serves this folder."""


class LocalLake:
    """A server for the dfs REST API over a folder, on 127.0.0.1.

    Use it as a context manager, or call `start` and `stop`.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        port: int = 0,
        account: str = ACCOUNT,
        key: str | None = None,
        filesystem: str = "lake",
    ) -> None:
        """Describe a lake; nothing happens before `start`.

        Args:
            root: the folder; made if missing.
            port: 0 for any free one.
            account: the account's name.
            key: the account's key in base64; None: one made at the first start and kept in
                `.adls-lake/key`, readable by its owner only.
            filesystem: made if missing.
        """
        self.root = Path(root).absolute()
        self._port = port
        self._name = account
        self._given_key = key
        self._filesystem = _checked(filesystem)
        self._key = ""
        self._server: Server | None = None
        self._store: Store | None = None
        self._stopping = contextlib.ExitStack()  # what `stop` does, the last begun first

    @property
    def url(self) -> str:
        """The endpoint, in path style; it ends in the account."""
        if self._server is None:
            raise RuntimeError("The lake is not running; call start() first.")
        return f"http://127.0.0.1:{self._server.port}/{self._name}"

    @property
    def key_file(self) -> Path:
        """Where the key of this lake is kept when none was given."""
        return key_file(self.root)

    @property
    def account(self) -> Account:
        """An account ready for `upload`."""
        return _account(self.url, self._name, key=self._key, filesystem=self._filesystem)

    def start(self) -> LocalLake:
        """Begin to serve.

        Raises:
            LakeInUseError: another server has this folder.
            OSError: the port is taken, or the folder cannot be used. Nothing is left behind.
        """
        if self._server is not None:
            return self
        held = lock(self.root)
        if held is None:
            raise LakeInUseError(f"Another server already serves {self.root}.")
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self._stopping.callback(held.close)
            self._serve()
            undo.pop_all()
        return self

    def _serve(self) -> None:
        forget_state(self.root)  # left by one that was killed
        self._key = self._given_key or stored_key(self.root)
        keyring = Keyring(self._name, _decoded(self._key))
        store = self._store = _opened(self.root)
        self._stopping.callback(store.close)

        def service(request: Request, buffer: bytearray) -> Answer:
            return answer_request(store, keyring, request, buffer)

        self._stopping.callback(forget_state, self.root)
        self._server = Server(
            refuse_errors(service), port=self._port, chore=store.uncommitted.sweep
        )
        self._stopping.callback(self._server.stop)
        self.use_filesystem(self._filesystem)
        self._server.start()
        write_state(self.root, url=self.url, account=self._name, key_kept=self._given_key is None)

    def use_filesystem(self, name: str) -> None:
        """Make a filesystem if it is missing, and name it in `account` from now on.

        Raises:
            ValueError: the name breaks the service's rules.
            FileExistsError: a file has that name.
        """
        _checked(name)
        if self._store is not None and volumes.filesystem(self._store, name) is None:
            _refuse_file(self.root / name)
            with contextlib.suppress(Refusal):  # somebody else made it meanwhile
                volumes.create(self._store, name, {})
        self._filesystem = name

    def stop(self) -> None:
        """Stop serving; afterwards no thread and no socket is left."""
        self._server = self._store = None
        self._stopping.close()

    def __enter__(self) -> LocalLake:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"LocalLake({str(self.root)!r})"


class FoundLake:
    """A lake that another process serves.

    Attributes:
        root: the folder.
        url: the endpoint.
    """

    def __init__(self, root: Path, url: str, account: str, *, filesystem: str) -> None:
        self.root = root
        self.url = url
        self._name = account
        self._filesystem = filesystem

    @property
    def account(self) -> Account:
        """An account ready for `upload`."""
        key = stored_key(self.root)
        return _account(self.url, self._name, key=key, filesystem=self._filesystem)


def find_or_start(
    root: str | os.PathLike[str], *, filesystem: str = "lake"
) -> LocalLake | FoundLake:
    """Return the lake over a folder: this process's, another's, or a new one in this process.

    Args:
        root: the folder; made if missing.
        filesystem: made if missing, when this process serves the lake.

    Raises:
        LakeInUseError: another process has the folder and does not answer.
        OSError: the folder cannot be used.
    """
    place = Path(root).absolute()
    with _running_lock:
        lake = _running.get(place)
        if lake is None:
            try:
                lake = LocalLake(place, filesystem=filesystem).start()
            except LakeInUseError:
                return _find(place, _checked(filesystem))
            _running[place] = lake
    lake.use_filesystem(filesystem)
    return lake


def stop_all() -> None:
    """Stop all lakes that `find_or_start` started in this process."""
    with _running_lock:
        lakes = list(_running.values())
        _running.clear()
    for lake in lakes:
        lake.stop()


def _find(root: Path, filesystem: str) -> FoundLake:
    """Return the lake of the process that holds the lock, which may only be starting."""
    end = time.monotonic() + _PATIENCE
    while (state := read_state(root)) is None:
        if time.monotonic() > end:
            raise LakeInUseError(
                f"Another process holds {root} but does not serve it; end that process."
            )
        time.sleep(0.05)
    if not state.key_kept:
        raise LakeInUseError(
            f"Another process serves {root} with a key of its own, at {state.url}; "
            "connect with that key."
        )
    _refuse_file(root / filesystem)
    (root / filesystem).mkdir(exist_ok=True)  # a folder is a filesystem
    return FoundLake(root, state.url, state.account, filesystem=filesystem)


def _checked(filesystem: str) -> str:
    try:
        return names.check_filesystem(filesystem)
    except Refusal:
        raise ValueError(
            f"{filesystem!r} cannot be a filesystem: 3 to 63 characters, a-z, 0-9 and single "
            "hyphens, beginning and ending with a letter or digit."
        ) from None


def _refuse_file(place: Path) -> None:
    if place.exists() and not place.is_dir():
        why = "this file has the name of the filesystem; move it, or use another filesystem"
        raise FileExistsError(errno.EEXIST, why, str(place))


def _opened(root: Path) -> Store:
    try:
        return Store(root)
    except sqlite3.Error as error:
        file = root / names.HOME / names.DATABASE
        why = f"this database cannot be used ({error}); move it away, and only properties are lost"
        raise OSError(errno.EIO, why, str(file)) from None


def _decoded(key: str) -> bytes:
    try:
        return base64.b64decode(key, validate=True)
    except ValueError:
        raise ValueError("The key of a lake must be base64.") from None


def _account(url: str, name: str, *, key: str, filesystem: str) -> Account:
    from adls_magic.core.account import Account
    from adls_magic.core.secret import Secret

    return Account(
        name,
        url,
        auth="key",
        secret=Secret(key),
        filesystem=filesystem,
        origins=dict.fromkeys(("account", "endpoint", "filesystem", "credential"), "local lake"),
    )


atexit.register(stop_all)
