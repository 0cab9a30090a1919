"""What an upload is asked to do, and what it answers: values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeGuard

from adls_magic.core.account.address import RemotePath
from adls_magic.core.errors import OptionError
from adls_magic.core.transfer.concurrency import MOST_WORKERS
from adls_magic.core.transfer.lease import PATIENCE
from adls_magic.core.transfer.plan import check_chunk_size
from adls_magic.core.transfer.source import Source


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """How to upload.

    Attributes:
        if_exists: what to do with an existing file. "append" adds to its end, and is for streams;
            content type and metadata are then those of a file that was missing.
        workers: appends in flight at most; None chooses.
        chunk_size: bytes per append; None follows from the size.
        content_type: stored with the files; None guesses from the target's name.
        metadata: stored with the files.
        md5: compute and store each file's MD5.
        in_place: write at the target itself instead of a staged name.
        patience: seconds to wait while somebody else appends to the file.
    """

    if_exists: Literal["refuse", "overwrite", "skip", "append"] = "refuse"
    workers: int | None = None
    chunk_size: int | None = None
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    md5: bool = False
    in_place: bool = False
    patience: float = PATIENCE

    def check(self) -> None:
        """Refuse what cannot be right.

        Raises:
            OptionError: names the option.
        """
        if self.if_exists not in ("refuse", "overwrite", "skip", "append"):
            raise OptionError("if_exists must be refuse, overwrite, skip or append.")
        if self.if_exists == "append" and (self.in_place or self.md5):
            raise OptionError("Neither --in-place nor --md5 goes with appending to a file.")
        for name, value in (("workers", self.workers), ("chunk_size", self.chunk_size)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise OptionError(f"{name} must be a whole number, not {type(value).__name__}.")
        if self.workers is not None and not 1 <= self.workers <= MOST_WORKERS:
            raise OptionError(f"--workers must be between 1 and {MOST_WORKERS}.")
        if self.chunk_size is not None:
            check_chunk_size(self.chunk_size)
        kind: object = self.content_type
        if kind is not None and not (_is_token(kind) and "/" in kind):
            raise OptionError("--content-type must look like text/csv.")
        for name, text in self.metadata.items():
            _check_metadata(name, text)


def _is_token(text: object) -> TypeGuard[str]:
    return isinstance(text, str) and text.isascii() and text.isprintable()


def _check_metadata(name: object, text: object) -> None:
    """Refuse what cannot be stored with a file; a caller in Python may give anything."""
    if not (_is_token(name) and name.isidentifier()):
        raise OptionError(
            f"--metadata: {name!r} is no name; use letters, digits and _ (no digit first)."
        )
    if not isinstance(text, str):
        raise OptionError(
            f"--metadata: the value of {name} must be text, not {type(text).__name__}; use str()."
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise OptionError(
            f"--metadata: the value of {name} holds half a character (a surrogate), which UTF-8 "
            "cannot hold; leave it out."
        ) from None


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What an upload has done."""

    url: str
    size: int  # bytes
    seconds: float
    etag: str
    md5: str | None = None  # base64, when it was asked for
    requests: int = 0  # of the whole command, for several files
    retries: int = 0
    resumed_from: int = 0  # bytes that were there from an earlier run
    skipped: bool = False
    appended_at: int | None = None  # length of the file before, when `size` bytes were added


@dataclass(frozen=True, slots=True)
class UploadJob:
    """One source and where it is to appear."""

    source: Source
    target: RemotePath
