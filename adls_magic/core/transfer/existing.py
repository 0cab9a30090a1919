"""What is at a target already, and whether it may be replaced."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from adls_magic.core import errors
from adls_magic.core.service.response import PathProperties
from adls_magic.core.text import format_age, format_size

# The content type of the empty file of a direct upload between its two requests.
MARK = "application/vnd.adls-magic.unfinished"
STALE = 60.0  # seconds after which another upload's unfinished, empty file may be taken over


class SkippedError(Exception):
    """The target exists and existing files are to be left alone."""

    def __init__(self, existing: PathProperties) -> None:
        super().__init__()
        self.existing = existing


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants of the target.

    Attributes:
        if_exists: "refuse", "overwrite", "skip" or "append" to an existing file.
        content_type: stored with the file.
        metadata: stored with the file.
    """

    if_exists: str = "refuse"
    content_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)


def judge(found: PathProperties, wish: Wish, url: str) -> None:
    """Decide whether a file at `url` may be replaced.

    Raises:
        PathExistsError: a file is there and was not to be replaced.
        ConflictError: a directory is there, somebody writes it or holds a lease.
        SkippedError: a file is there and is to be left alone.
    """
    judge_kind(found, url)
    if found.lease_state == "leased":
        raise errors.ConflictError(
            f"{url} is leased: somebody is writing it. Wait, or end their lease.", status=412
        )
    if wish.if_exists == "skip":
        raise SkippedError(found)
    if wish.if_exists != "overwrite":
        size, age = format_size(found.size), format_age(found.modified)
        raise errors.PathExistsError(
            f"{url} exists ({size}, changed {age}): add --overwrite to replace it.",
            status=409,
            code="PathAlreadyExists",
        )


def judge_kind(found: PathProperties, url: str) -> None:
    """Refuse what is no finished file.

    Raises:
        ConflictError: a directory is there, or an upload that has just begun.
    """
    if is_unfinished(found) and not is_stale(found):
        raise errors.ConflictError(
            f"{url} is being written by another upload, or one was killed less than "
            f"{STALE:.0f} seconds ago: run it again in a minute.",
            status=409,
        )
    if found.is_directory:
        raise errors.ConflictError(
            f"{url} is a directory: end it with / to put the file inside.", status=409
        )


def is_unfinished(found: PathProperties) -> bool:
    """True for the empty file of a direct upload between its two requests."""
    return found.size == 0 and (found.content_type or "").startswith(MARK)


def is_stale(found: PathProperties) -> bool:
    """True for an unfinished file whose upload must have been killed."""
    age = datetime.datetime.now(datetime.UTC) - found.modified
    return is_unfinished(found) and age.total_seconds() > STALE
