"""The `with` half of every file that is written: committed on a clean exit, else discarded."""

from __future__ import annotations

import warnings
from typing import Self


class CommittedOnExit:
    """A file that appears when its block ends well, and not when it ends in an exception.

    Dropped without a close it is discarded, as a file that nobody wanted to keep, with a
    ResourceWarning.
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
        try:
            warnings.warn(
                f"{self.name!r} was never closed, so it was not written: open it in a with block",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
        finally:
            self.abort()
