"""Listings: an ordered walk over the folders, in pages, with tokens that survive a restart."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import os
import zlib
from collections.abc import Iterator

from adls_magic.lake import names, volumes
from adls_magic.lake.answers import Refusal, http_date, wrong_query
from adls_magic.lake.entries import Entry, Filesystem, file_time, seconds
from adls_magic.lake.locks import Key
from adls_magic.lake.store import Store

PAGE = 5_000  # entries: default and maximum of the service
_MARK = "VBb+/"  # the service's tokens hold +, / and = too: clients must encode them


def page_size(text: str | None) -> int:
    """Return the number of entries for a page.

    Raises:
        Refusal: not a number, or less than 1.
    """
    if text is None:
        return PAGE
    try:
        size = int(text)
    except ValueError:
        raise wrong_query("maxResults", text) from None
    if size < 1:
        raise Refusal("OutOfRangeQueryParameterValue", detail={"QueryParameterName": "maxResults"})
    return min(size, PAGE)


def make_token(name: str) -> str:
    """Return the token for a listing that goes on behind a name."""
    data = name.encode()
    data = zlib.crc32(data).to_bytes(4, "big") + data
    # Filled up so that base64 ends in "=".
    data += b"\0" * (len(data) % 3 == 0)
    return _MARK + base64.b64encode(data).decode()


def read_token(token: str | None) -> str | None:
    """Return the name in a token.

    Raises:
        Refusal: not one of ours, or damaged on the way (a `+` that became a blank).
    """
    if not token:
        return None
    try:
        data = base64.b64decode(token.removeprefix(_MARK), validate=True)
        name = data[4:].rstrip(b"\0")
        sound = token.startswith(_MARK) and zlib.crc32(name).to_bytes(4, "big") == data[:4]
        text = name.decode()
    except (binascii.Error, ValueError):
        sound, text = False, ""
    if not sound:
        raise wrong_query("continuation", token)
    return text


def list_paths(
    store: Store,
    directory: Key,
    *,
    recursive: bool,
    after: str | None,
    limit: int,
    begin: str = "",
) -> tuple[list[tuple[str, Entry]], str | None]:
    """Return a page of paths below a directory, and the token of the next page.

    Args:
        store: the lake's content.
        directory: filesystem and path.
        recursive: all levels, or one.
        after: the last name of the page before.
        limit: entries in the page.
        begin: the first name to list, relative to the directory.

    Raises:
        Refusal: `FilesystemNotFound`, `PathNotFound`.
    """
    volumes.require(store, directory[0])
    if not store.is_directory(directory):
        raise Refusal("PathNotFound")
    first = f"{directory[1]}/{begin}".strip("/") if begin else ""
    start = tuple((after or first).split("/")) if after or first else ()
    walk = _walk(store, directory, recursive=recursive, after=start)
    # The walk begins with the very name; a token's has been listed already.
    page = list(itertools.islice((item for item in walk if item[0] != after), limit))
    token = make_token(page[-1][0]) if len(page) == limit else None
    return page, token


def _walk(
    store: Store, directory: Key, *, recursive: bool, after: tuple[str, ...]
) -> Iterator[tuple[str, Entry]]:
    filesystem, base = directory
    for segment in _segments(store, directory):
        path = f"{base}/{segment}" if base else segment
        parts = tuple(path.split("/"))
        if after and parts < after and parts != after[: len(parts)]:
            continue
        entry = _entry(store, (filesystem, path))
        if entry is None:
            continue
        if not after or parts >= after:
            yield path, entry
        if recursive and entry.is_directory:
            yield from _walk(store, (filesystem, path), recursive=True, after=after)


def _segments(store: Store, directory: Key) -> list[str]:
    """Return the names in a directory that can be lake paths, in order."""
    try:
        with os.scandir(store.place(directory)) as entries:
            found = [entry.name for entry in entries if not _is_link_to_directory(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    segments = [store.segment_of(name) if "~" in name else name for name in found]
    return sorted(segment for segment in segments if _possible(segment))


def _is_link_to_directory(entry: os.DirEntry[str]) -> bool:
    # Such links can run in circles.
    return entry.is_symlink() and entry.is_dir()


def _possible(segment: str) -> bool:
    try:
        segment.encode()
        names.check_path(segment)
    except (Refusal, UnicodeError):
        return False
    return True


def _entry(store: Store, key: Key) -> Entry | None:
    try:
        return store.find(key)
    except OSError:
        return None


def path_facts(name: str, entry: Entry) -> dict[str, str]:
    """Return a path as the JSON listing writes it: all values strings, no quotes in the ETag."""
    facts = {
        "contentLength": str(entry.size),
        "creationTime": str(file_time(entry.created)),
        "etag": entry.etag,
        "expiryTime": "0",
        "group": entry.group,
        "lastModified": http_date(seconds(entry.modified)),
        "name": name,
        "owner": entry.owner,
        "permissions": entry.permissions,
    }
    if entry.is_directory:
        facts["isDirectory"] = "true"
    return facts


def filesystem_facts(filesystem: Filesystem) -> dict[str, str]:
    """Return a filesystem as the JSON listing writes it."""
    return {
        "DefaultEncryptionScope": "$account-encryption-key",
        "DenyEncryptionScopeOverride": "false",
        "etag": filesystem.etag,
        "lastModified": http_date(seconds(filesystem.stamp)),
        "name": filesystem.name,
    }


def json_body(key: str, entries: list[dict[str, str]]) -> bytes:
    """Return a listing's body, which ends in a line feed."""
    return (json.dumps({key: entries}, separators=(",", ":"), ensure_ascii=False) + "\n").encode()
