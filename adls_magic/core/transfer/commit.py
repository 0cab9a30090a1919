"""The `with` half of every file that is written: committed on a clean exit, else discarded."""

from __future__ import annotations

import atexit
import contextlib
import inspect
import os
import warnings
import weakref
from types import FrameType
from typing import Self


class CommittedOnExit:
    """A file that appears when its block ends well, and not when it ends in an exception.

    Dropped without a close it is discarded, as a file that nobody wanted to keep, with a
    RuntimeWarning.
    """

    name: str
    _process: int

    @property
    def closed(self) -> bool:
        """Whether it was committed or discarded."""
        raise NotImplementedError

    def close(self) -> None:
        """Let the file appear."""
        raise NotImplementedError

    def abort(self) -> None:
        """Discard what was written."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __new__(cls, *args: object, **options: object) -> Self:
        """Take note of the process that the file belongs to, and not to its forked children."""
        made = super().__new__(cls)
        made._process = os.getpid()
        return made

    def drop_at_exit(self) -> None:
        """Discard it when the process ends, while the threads that are to be ended are alive.

        Later they are stopped wherever they are, perhaps with a lock that is never released.
        """
        _open.add(self)
        # Again for each, so that it comes before the end of a lake that was started meanwhile.
        atexit.unregister(_drop_all)
        atexit.register(_drop_all)

    def __del__(self) -> None:
        # `closed` is missing where the constructor has failed.
        if not getattr(self, "closed", True) and self._process == os.getpid():
            here = inspect.currentframe()
            self._drop(here.f_back if here else None)

    def _drop(self, dropping: FrameType | None) -> None:
        """Discard it; `dropping` is None at the end of the program."""
        try:
            # Not `warn`, which shows the same once only, and a cell may be run again. No
            # ResourceWarning, as these are hidden, and something is lost.
            warnings.warn_explicit(
                f"{self.name!r} was never closed, so it was not written: open it in a with block",
                RuntimeWarning,
                dropping.f_code.co_filename if dropping else "<sys>",
                dropping.f_lineno if dropping else 1,
            )
        finally:
            self.abort()


_open: weakref.WeakSet[CommittedOnExit] = weakref.WeakSet()


def _drop_all() -> None:
    with contextlib.ExitStack() as dropping:  # also when one of them fails
        for file in list(_open):
            if not file.closed and file._process == os.getpid():
                dropping.callback(file._drop, None)
