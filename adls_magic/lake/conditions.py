"""Conditional headers, content headers and properties of a request: from headers to values."""

from __future__ import annotations

import base64
import binascii
import email.utils
import re
from collections.abc import Mapping
from dataclasses import fields, replace

from adls_magic.lake.answers import Refusal, wrong_header
from adls_magic.lake.entries import Content, Entry, seconds

_MD5 = 16  # bytes
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
METADATA_LIMIT = 8 * 1024  # bytes of names and values

CONTENT_HEADERS = {
    "type": "x-ms-content-type",
    "encoding": "x-ms-content-encoding",
    "language": "x-ms-content-language",
    "disposition": "x-ms-content-disposition",
    "cache_control": "x-ms-cache-control",
    "md5": "x-ms-content-md5",
}
PLAIN_HEADERS = {
    "type": "Content-Type",
    "encoding": "Content-Encoding",
    "language": "Content-Language",
    "disposition": "Content-Disposition",
    "cache_control": "Cache-Control",
    "md5": "Content-MD5",
}
CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def check_conditions(
    headers: Mapping[str, str], entry: Entry | None, *, source: bool = False, read: bool = False
) -> None:
    """Refuse unless the conditional headers hold for an entry.

    Args:
        headers: the request's.
        entry: what is there now, None for nothing.
        source: look at `x-ms-source-if-…`, of a rename.
        read: an unmet `If-None-Match` or `If-Modified-Since` is a 304.

    Raises:
        Refusal: `ConditionNotMet` or `SourceConditionNotMet`.
    """
    prefix = "x-ms-source-" if source else ""
    failed = Refusal("SourceConditionNotMet" if source else "ConditionNotMet")
    match, none_match, since, until = (headers.get(prefix + name) for name in CONDITIONS)
    if match is not None and not _matches(match, entry):
        raise failed
    if until is not None and (
        entry is None or _changed_after(prefix + CONDITIONS[3], until, entry)
    ):
        raise failed
    unchanged = none_match is not None and _matches(none_match, entry)
    if since is not None and none_match is None and entry is not None:
        unchanged = not _changed_after(prefix + CONDITIONS[2], since, entry)
    if unchanged:
        raise Refusal("NotModified") if read else failed


def _matches(text: str, entry: Entry | None) -> bool:
    if entry is None:
        return False
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in text.split(",")]
    return "*" in tags or entry.etag in tags


def _changed_after(name: str, text: str, entry: Entry) -> bool:
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        raise wrong_header(name, text) from None
    return int(seconds(entry.modified)) > moment


def content_of(headers: Mapping[str, str], *, md5: bool) -> dict[str, str]:
    """Return the `x-ms-content-…` headers by field name.

    Args:
        headers: the request's.
        md5: whether `x-ms-content-md5` belongs to this operation.

    Raises:
        Refusal: `UnsupportedHeader`, or an MD5 that is none.
    """
    if "x-ms-content-md5" in headers:
        if not md5:
            raise Refusal("UnsupportedHeader", detail={"HeaderName": "x-ms-content-md5"})
        check_md5("x-ms-content-md5", headers["x-ms-content-md5"])
    return {field: headers[name] for field, name in CONTENT_HEADERS.items() if name in headers}


def check_md5(name: str, text: str) -> bytes:
    """Return a decoded MD5.

    Raises:
        Refusal: not base64 of 16 bytes.
    """
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise wrong_header(name, text) from None
    if len(digest) != _MD5:
        raise wrong_header(name, text)
    return digest


def with_content(entry: Entry, given: Mapping[str, str]) -> Entry:
    """Return an entry with some content headers replaced."""
    return replace(entry, content=replace(entry.content, **given))


def content_answer(content: Content) -> dict[str, str]:
    """Return stored content headers as plain answer headers."""
    answer = {PLAIN_HEADERS[f.name]: getattr(content, f.name) for f in fields(content)}
    answer["Content-Type"] = content.type or "application/octet-stream"
    return {name: value for name, value in answer.items() if value}


def metadata_of(text: str) -> dict[str, str]:
    """Return the metadata of an `x-ms-properties` header: name → value in base64.

    Raises:
        Refusal: `InvalidPropertyName`, `InvalidHeaderValue`, `InvalidMetadata`.
    """
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = pair.partition("=")
        if not name:
            raise Refusal("InvalidPropertyName")
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise wrong_header("x-ms-properties", text) from None
        if not equals:
            raise wrong_header("x-ms-properties", text)
        found[name] = value
    return check_metadata(found)


def metadata_headers(headers: Mapping[str, str], spelling: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of the blob dialect's `x-ms-meta-…` headers, names as they were sent."""
    prefix = "x-ms-meta-"
    found = {
        spelling.get(name, name)[len(prefix) :]: base64.b64encode(value.encode()).decode()
        for name, value in headers.items()
        if name.startswith(prefix)
    }
    return check_metadata(found)


def check_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Return metadata that keeps the rules.

    Raises:
        Refusal: a name that is no identifier, or more than 8 KiB.
    """
    if any(not _NAME.fullmatch(name) for name in metadata):
        raise Refusal("InvalidMetadata")
    size = sum(len(name) + len(value) * 3 // 4 for name, value in metadata.items())
    if size > METADATA_LIMIT:
        raise Refusal("InvalidMetadata")
    return metadata


def metadata_text(metadata: Mapping[str, str]) -> str:
    """Return metadata as `x-ms-properties` writes it."""
    return ",".join(f"{name}={value}" for name, value in metadata.items())
