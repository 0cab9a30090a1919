"""A lake in this process: start, find, stop.

Exactly one server serves a folder: it holds a lock on `.adls-lake/lock` and writes its address to
`.adls-lake/state.json`, where other processes find it.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import os
import secrets
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from adls_magic.lake import names, volumes
from adls_magic.lake.access import Keyring
from adls_magic.lake.answers import Answer, Refusal
from adls_magic.lake.operations import answer_request
from adls_magic.lake.request import Request
from adls_magic.lake.server import Server, refuse_errors
from adls_magic.lake.store import Store

if TYPE_CHECKING:
    from adls_magic.core.account import Account

ACCOUNT = "devstoreaccount1"
_KEY_BYTES = 64
_STATE = "state.json"
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
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """The endpoint, in path style; it ends in the account."""
        if self._server is None:
            raise RuntimeError("The lake is not running; call start() first.")
        return f"http://127.0.0.1:{self._server.port}/{self._name}"

    @property
    def key_file(self) -> Path:
        """Where the key of this lake is kept when none was given."""
        return self.root / names.HOME / "key"

    @property
    def account(self) -> Account:
        """An account ready for `upload`."""
        return _account(self.url, self._name, key=self._key, filesystem=self._filesystem)

    def start(self) -> LocalLake:
        """Begin to serve.

        Raises:
            LakeInUseError: another server has this folder.
            OSError: the port is taken, or the folder cannot be used.
        """
        if self._server is not None:
            return self
        home = self.root / names.HOME
        home.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(home / "lock")
        if self._lock is None:
            raise LakeInUseError(f"Another server already serves {self.root}.")
        try:
            (home / _STATE).unlink(missing_ok=True)  # left by one that was killed
            self._serve()
        except BaseException:
            self.stop()
            raise
        return self

    def _serve(self) -> None:
        self._key = self._given_key or _stored_key(self.key_file)
        keyring = Keyring(self._name, _decoded(self._key))
        store = self._store = Store(self.root)

        def service(request: Request, buffer: bytearray) -> Answer:
            return answer_request(store, keyring, request, buffer)

        self._server = Server(
            refuse_errors(service), port=self._port, chore=store.uncommitted.sweep
        )
        self.use_filesystem(self._filesystem)
        self._server.start()
        self._write_state()

    def use_filesystem(self, name: str) -> None:
        """Make a filesystem if it is missing, and name it in `account` from now on.

        Raises:
            ValueError: the name breaks the service's rules.
        """
        self._filesystem = _checked(name)
        if self._store is not None and volumes.filesystem(self._store, name) is None:
            with contextlib.suppress(Refusal):  # somebody else made it meanwhile
                volumes.create(self._store, name, {})

    def _write_state(self) -> None:
        kept = self._given_key is None
        state = {"url": self.url, "account": self._name, "pid": os.getpid(), "key kept": kept}
        file = self.root / names.HOME / _STATE
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(state), encoding="utf-8")
        fresh.replace(file)

    def stop(self) -> None:
        """Stop serving; afterwards no thread and no socket is left."""
        if self._server is not None:
            self._server.stop()
            (self.root / names.HOME / _STATE).unlink(missing_ok=True)
            self._server = None
        if self._store is not None:
            self._store.close()
            self._store = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

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
        key = (self.root / names.HOME / "key").read_text(encoding="ascii").strip()
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
    while (state := _read_state(root)) is None:
        if time.monotonic() > end:
            raise LakeInUseError(
                f"Another process holds {root} but does not serve it; end that process."
            )
        time.sleep(0.05)
    if not state["key kept"]:
        raise LakeInUseError(
            f"Another process serves {root} with a key of its own, at {state['url']}; "
            "connect with that key."
        )
    (root / filesystem).mkdir(exist_ok=True)  # a folder is a filesystem
    return FoundLake(root, state["url"], state["account"], filesystem=filesystem)


def _read_state(root: Path) -> dict[str, Any] | None:
    """Return what the serving process has written about itself, once it answers."""
    try:
        state: dict[str, Any] = json.loads((root / names.HOME / _STATE).read_text(encoding="utf-8"))
        port = int(state["url"].rpartition(":")[2].partition("/")[0])
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except (OSError, ValueError, KeyError):
        return None
    return state


def _checked(filesystem: str) -> str:
    try:
        return names.check_filesystem(filesystem)
    except Refusal:
        raise ValueError(
            f"{filesystem!r} cannot be a filesystem: 3 to 63 characters, a-z, 0-9 and single "
            "hyphens, beginning and ending with a letter or digit."
        ) from None


def _decoded(key: str) -> bytes:
    try:
        return base64.b64decode(key, validate=True)
    except ValueError:
        raise ValueError("The key of a lake must be base64.") from None


def _stored_key(file: Path) -> str:
    """Return the lake's own key, made at the first use."""
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


def _lock(file: Path) -> IO[str] | None:
    """Lock a file for as long as it stays open; None when another process has it."""
    handle = file.open("a+", encoding="utf-8")
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    return handle


def _account(url: str, name: str, *, key: str, filesystem: str) -> Account:
    from adls_magic.core.account import Account
    from adls_magic.core.secret import Secret

    return Account(
        name,
        url,
        auth="key",
        secret=Secret(key),
        filesystem=filesystem,
        origins={"account": "the local lake"},
    )


atexit.register(stop_all)
