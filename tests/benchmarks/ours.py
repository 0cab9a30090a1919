"""adls_magic at its defaults, as a user calls it from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator

# Imported before the upload, as peers do; else the time of it would be the upload's.
import requests  # noqa: F401
import tqdm  # noqa: F401
from measure import ACCOUNT, FILESYSTEM, FOLDER, KEY, MIB, Task, main

import adls_magic
import adls_magic.core.transfer.upload


def blocks(size: int) -> Iterator[bytes]:
    """A stream of that many bytes whose length nobody can know before its end.

    Every block is an object of its own, as where bytes come from somewhere.
    """
    block = bytearray(MIB)
    for _ in range(size // MIB):
        yield bytes(block)
    yield bytes(size % MIB)


def ours(task: Task) -> Callable[[], object]:
    """Options: `bar` draws the progress bar, `stream` sends as many bytes from an iterator."""
    account = adls_magic.connect(
        ACCOUNT, account_key=KEY, endpoint=task.endpoint, filesystem=FILESYSTEM
    )
    upload = adls_magic.upload  # the first look at it imports what it needs
    progress = "bar" in task.options
    if task.is_directory:
        return lambda: upload(
            [str(file) for file in task.files], f"{FOLDER}/", account=account, progress=progress
        )
    source = blocks(task.file.stat().st_size) if "stream" in task.options else task.file
    name = task.name(task.file)
    return lambda: upload(source, name, account=account, progress=progress)


if __name__ == "__main__":
    main({"adls_magic": ours})
