"""The `with` half of every file that is written: committed on a clean exit, else discarded."""

from __future__ import annotations

import atexit
import contextlib
import inspect
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

    def drop_at_exit(self) -> None:
        """Discard it when the process ends, while the threads that are to be ended are alive.

        Later they are stopped wherever they are, perhaps with a lock that is never released.
        """
        _open.add(self)

    def __del__(self) -> None:
        # `closed` is missing where the constructor has failed.
        if not getattr(self, "closed", True):
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


@atexit.register
def _drop_all() -> None:
    with contextlib.ExitStack() as dropping:  # also when one of them fails
        for file in list(_open):
            if not file.closed:
                dropping.callback(file._drop, None)
