"""Rules for the names of filesystems and paths, and how a path is named on disk.

Pure functions; the strictest reading of
https://learn.microsoft.com/rest/api/storageservices/Naming-and-Referencing-Containers--Blobs--and-Metadata
"""

from __future__ import annotations

import hashlib
import os
import re
import urllib.parse

from adls_magic.lake.answers import Refusal

HOME = ".adls-lake"  # the lake's own folder below its root; not a possible filesystem name
DATABASE = "lake.db"  # in it: the properties of files, and what is to be done after a crash

_FILESYSTEM = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_SPECIAL = frozenset({"$web", "$root", "$logs"})
_FORBIDDEN = re.compile("[\x00-\x1f\x7f\x81\ue000-\uf8ff]")
_PATH_LIMIT = 1024  # characters
_LEVEL_LIMIT = 61  # segments: 63 levels with the account and the filesystem counted in
_SEGMENT_LIMIT = 255  # bytes that a file system on disk takes for one name
_LONG = re.compile(r"~[0-9a-f]{32}\Z")


def check_filesystem(name: str) -> str:
    """Return a filesystem's name.

    Raises:
        Refusal: `InvalidResourceName`.
    """
    if name not in _SPECIAL and not _FILESYSTEM.fullmatch(name):
        raise Refusal("InvalidResourceName")
    return name


def check_path(path: str) -> str:
    """Return a decoded path without slashes at its ends, or refuse it.

    Raises:
        Refusal: `InvalidUri`, `InvalidResourceName`.
    """
    if len(path) > _PATH_LIMIT or _FORBIDDEN.search(path):
        raise Refusal("InvalidResourceName")
    segments = path.split("/")
    if len(segments) > _LEVEL_LIMIT or "" in segments:
        raise Refusal("InvalidUri")
    if any(segment.endswith(".") for segment in segments):
        raise Refusal("InvalidUri")
    return path


def decode(raw: str) -> str:
    """Return a percent-encoded text decoded as UTF-8.

    Raises:
        Refusal: `InvalidUri`: not UTF-8.
    """
    try:
        return urllib.parse.unquote_to_bytes(raw.encode("latin-1")).decode("utf-8")
    except UnicodeError:
        raise Refusal("InvalidUri") from None


def split_path(raw_path: str, account: str) -> tuple[str, str]:
    """Return filesystem and path of a raw URL path in path style; "" for what is not there.

    Raises:
        Refusal: another account (`ResourceNotFound`) or a name that breaks the rules.
    """
    first, _, rest = raw_path.removeprefix("/").partition("/")
    if decode(first) != account:
        raise Refusal("ResourceNotFound")
    raw_filesystem, _, raw = rest.partition("/")
    filesystem = decode(raw_filesystem)
    path = decode(raw).removesuffix("/")
    if filesystem:
        check_filesystem(filesystem)
    return filesystem, check_path(path) if path else ""


def parent(path: str) -> str:
    """Return the directory of a path, "" for the root."""
    return path.rpartition("/")[0]


def needs_other_name(segment: str) -> bool:
    """Whether a segment cannot be a name on disk as it stands."""
    return (
        len(segment.encode()) > _SEGMENT_LIMIT
        or bool(_LONG.search(segment))
        or (os.name == "nt" and bool(re.search(r'[<>:"|?*\\]|[ .]\Z', segment)))
    )


def name_on_disk(segment: str) -> str:
    """Return a segment's name on disk: itself wherever possible."""
    if not needs_other_name(segment):
        return segment
    digest = hashlib.sha256(segment.encode()).hexdigest()[:32]
    start = re.sub(r'[<>:"|?*\\ .]', "_", segment)[:40]
    return f"{start}~{digest}"
