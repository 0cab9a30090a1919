"""The `with` half of every file that is written: committed on a clean exit, else discarded."""

from __future__ import annotations

import inspect
import warnings
from typing import Self


class CommittedOnExit:
    """A file that appears when its block ends well, and not when it ends in an exception.

    Dropped without a close it is discarded, as a file that nobody wanted to keep, with a
    RuntimeWarning.
    """

    name: str

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

    def __del__(self) -> None:
        # `closed` is missing where the constructor has failed.
        if getattr(self, "closed", True):
            return
        here = inspect.currentframe()
        dropping = here.f_back if here else None  # None at the end of the program
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
