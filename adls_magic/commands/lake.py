"""Front: `lake`, a folder served as a data lake until somebody stops it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from adls_magic.arguments import LakeArguments
from adls_magic.core.account.address import check_account, check_filesystem
from adls_magic.core.errors import ConfigurationError
from adls_magic.lake import LocalLake, find_or_start

if TYPE_CHECKING:
    from adls_magic.core.account import Account


def serve(arguments: LakeArguments, say: Callable[[str], None]) -> None:
    """Serve until KeyboardInterrupt; then close everything and return.

    Args:
        arguments: a parsed `lake`.
        say: shows a text at once.

    Raises:
        PathError: the account or filesystem cannot be called like that.
        ConfigurationError: the folder or port cannot be had.
    """
    check_account(arguments.account)
    check_filesystem(arguments.filesystem)
    try:
        lake = LocalLake(
            Path(arguments.dir).expanduser(),
            port=arguments.port,
            account=arguments.account,
            filesystem=arguments.filesystem,
        )
        lake.start()
    except (OSError, RuntimeError) as error:
        raise _cannot_start(error) from None
    try:
        say(_told(lake, arguments))
        threading.Event().wait()
    except KeyboardInterrupt:
        say("Stopped.")
    finally:
        lake.stop()


def local_account(folder: str, filesystem: str) -> Account:
    """Find or start the lake over a folder; return the account of the filesystem in it.

    Raises:
        PathError: the filesystem cannot be called like that.
        ConfigurationError: the folder cannot be had.
    """
    check_filesystem(filesystem)
    try:
        return find_or_start(Path(folder).expanduser(), filesystem=filesystem).account
    except (OSError, ValueError, RuntimeError) as error:
        raise _cannot_start(error) from None


def _cannot_start(error: Exception) -> ConfigurationError:
    """Return the error that tells why a lake did not start, without numbers of errors."""
    why = str(error).rstrip(".")
    if isinstance(error, OSError) and error.strerror:
        why = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return ConfigurationError(f"The local lake cannot be started: {why}.")


def _told(lake: LocalLake, arguments: LakeArguments) -> str:
    return (
        f"Local lake over {lake.root}, until Ctrl-C\n"
        f"  endpoint    {lake.url}\n"
        f"  account     {arguments.account}\n"
        f"  filesystem  {arguments.filesystem}, in {lake.root / arguments.filesystem}\n"
        f"  key         in {lake.key_file}, readable by you only\n"
        f"Notebooks on this machine use it by %adls_config --local {lake.root}"
    )
