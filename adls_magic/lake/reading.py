"""Reading: properties, whole files and ranges. Serves both dialects."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re

from adls_magic.lake import permissions
from adls_magic.lake.answers import Answer, FilePart, Refusal
from adls_magic.lake.conditions import check_conditions, content_answer, metadata_text
from adls_magic.lake.context import Context, version_headers
from adls_magic.lake.entries import Entry
from adls_magic.lake.request import decimal

_MD5_RANGE = 4 * 1024 * 1024  # bytes: the longest range that gets a Content-MD5
_RANGE = re.compile(r"bytes=(\d+)-(\d*)|bytes=-(\d+)")


def properties(context: Context) -> Answer:
    """Answer HEAD: everything, or with an action only part of it."""
    context.grant.require("rel", "o")
    entry = look(context)
    action = context.request.query.get("action", "").lower()
    if action not in ("", "getstatus", "getaccesscontrol", "checkaccess"):
        raise Refusal("InvalidQueryParameterValue", detail={"QueryParameterName": "action"})
    headers = {**version_headers(entry), **_system(entry)}
    if action == "getaccesscontrol":
        headers["x-ms-acl"] = entry.acl or permissions.acl(entry.permissions)
    if action:
        return Answer(200, headers, length=0)
    return Answer(200, {**headers, **describe(context, entry)}, length=entry.size)


def look(context: Context) -> Entry:
    """Return what a reading request names, when its conditions hold."""
    context.filesystem()
    entry = context.store.find(context.key)
    if entry is None:
        raise Refusal("PathNotFound")
    _check_read(context, entry)
    return entry


def _check_read(context: Context, entry: Entry) -> None:
    check_conditions(context.request.headers, entry, read=True)
    lease = context.request.headers.get("x-ms-lease-id")
    context.store.leases.check(context.key, lease, read=True)


def _system(entry: Entry) -> dict[str, str]:
    return {
        "x-ms-resource-type": "directory" if entry.is_directory else "file",
        "x-ms-owner": entry.owner,
        "x-ms-group": entry.group,
        "x-ms-permissions": entry.permissions,
        "x-ms-server-encrypted": "true",
    }


def describe(context: Context, entry: Entry) -> dict[str, str]:
    """Return the headers that tell all about an entry, Content-Length apart."""
    headers = {**content_answer(entry.content), "Accept-Ranges": "bytes", **_system(entry)}
    headers |= context.store.leases.state(context.key)
    if entry.metadata:
        headers["x-ms-properties"] = metadata_text(entry.metadata)
    return headers


def read(context: Context) -> Answer:
    """Answer GET: a whole file or a range of it."""
    context.grant.require("r", "o")
    context.filesystem()
    entry, descriptor = context.store.open(context.key)
    if entry.is_directory:
        raise Refusal("ResourceTypeMismatch")
    return read_open(
        context, entry, descriptor, {**version_headers(entry), **describe(context, entry)}
    )


def read_open(context: Context, entry: Entry, descriptor: int, headers: dict[str, str]) -> Answer:
    """Return the answer of a read from an open file, which the answer closes."""
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, descriptor)
        answer = _read(context, entry, descriptor, {**headers, **_overrides(context)})
        undo.pop_all()
    return answer


def _read(context: Context, entry: Entry, descriptor: int, headers: dict[str, str]) -> Answer:
    _check_read(context, entry)
    asked = context.request.headers.get("x-ms-range") or context.request.headers.get("range")
    span = _span(asked, entry.size)
    if span is None:
        return Answer(200, headers, FilePart(descriptor, 0, entry.size))
    first, last = span
    if "Content-MD5" in headers:
        whole = "x-ms-blob-content-md5" if context.request.xml else "x-ms-content-md5"
        headers[whole] = headers.pop("Content-MD5")
    headers["Content-Range"] = f"bytes {first}-{last}/{entry.size}"
    headers |= _range_md5(context, descriptor, first, last - first + 1)
    return Answer(206, headers, FilePart(descriptor, first, last - first + 1))


_OVERRIDES = {
    "rscc": "Cache-Control",
    "rscd": "Content-Disposition",
    "rsce": "Content-Encoding",
    "rscl": "Content-Language",
    "rsct": "Content-Type",
}


def _overrides(context: Context) -> dict[str, str]:
    return {_OVERRIDES[name]: value for name, value in context.grant.overrides}


def _span(asked: str | None, size: int) -> tuple[int, int] | None:
    """Return first and last byte of a range, None for the whole file."""
    found = _RANGE.fullmatch(asked or "")
    if found is None:
        return None  # a range that cannot be read is ignored, by RFC 9110 14.2
    begin, end, from_end = (decimal(group or "") for group in found.groups())
    if end is not None and begin is not None and end < begin:
        return None
    if begin is None:
        first, last = max(0, size - (from_end or 0)), size - 1
    else:
        first, last = begin, size - 1 if end is None else min(size - 1, end)
    if first >= size:
        raise Refusal("InvalidRange", headers={"Content-Range": f"bytes */{size}"})
    return first, last


def _range_md5(context: Context, descriptor: int, offset: int, length: int) -> dict[str, str]:
    if context.request.headers.get("x-ms-range-get-content-md5", "").lower() != "true":
        return {}
    if length > _MD5_RANGE:
        raise Refusal("OutOfRangeInput")
    os.lseek(descriptor, offset, os.SEEK_SET)
    digest = hashlib.md5(os.read(descriptor, length), usedforsecurity=False).digest()
    return {"Content-MD5": base64.b64encode(digest).decode()}
