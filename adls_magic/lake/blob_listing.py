"""The blob dialect's listings, in XML."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from adls_magic.lake import listing
from adls_magic.lake.answers import Answer, Refusal, http_date
from adls_magic.lake.context import Context
from adls_magic.lake.entries import Entry, seconds
from adls_magic.lake.filesystems import filesystem_page

_XML = {"Content-Type": "application/xml"}


def list_containers(context: Context) -> Answer:
    """List the filesystems as containers."""
    context.grant.require("l", "s")
    page, token = filesystem_page(context, "marker")
    details = "metadata" in context.request.query.get("include", "")
    items = []
    for found in page:
        facts = {"Last-Modified": http_date(seconds(found.stamp)), "Etag": f'"{found.etag}"'}
        facts |= {"LeaseStatus": "unlocked", "LeaseState": "available"}
        facts |= {"HasImmutabilityPolicy": "false", "HasLegalHold": "false"}
        metadata = found.metadata if details else {}
        items.append(_item("Container", found.name, facts, metadata))
    return _results(context, f"<Containers>{''.join(items)}</Containers>", token, {})


def list_blobs(context: Context) -> Answer:
    """List the paths of a filesystem as blobs, whole or one level."""
    context.grant.require("l", "c" if context.grant.types is not None else "o")
    query = context.request.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    if delimiter not in ("", "/"):
        raise Refusal("FeatureNotSupported")
    page, token = _page(context, prefix, recursive=not delimiter)
    details = "metadata" in query.get("include", "")
    items = [_path(path, entry, level=bool(delimiter), details=details) for path, entry in page]
    body = f"<Blobs>{''.join(items)}</Blobs>"
    return _results(context, body, token, {"Prefix": prefix, "Delimiter": delimiter})


def _page(
    context: Context, prefix: str, *, recursive: bool
) -> tuple[list[tuple[str, Entry]], str | None]:
    directory = prefix.rpartition("/")[0]
    try:
        page, token = listing.list_paths(
            context.store,
            (context.key[0], directory),
            recursive=recursive,
            after=listing.read_token(context.request.query.get("marker")),
            limit=listing.page_size(context.request.query.get("maxresults")),
        )
    except Refusal as refusal:
        if refusal.code != "PathNotFound":
            raise
        return [], None
    return [(path, entry) for path, entry in page if path.startswith(prefix)], token


def _path(path: str, entry: Entry, *, level: bool, details: bool) -> str:
    if level and entry.is_directory:
        return f"<BlobPrefix><Name>{escape(path)}/</Name></BlobPrefix>"
    facts = {
        "Creation-Time": http_date(seconds(entry.created)),
        "Last-Modified": http_date(seconds(entry.modified)),
        "Etag": entry.etag,
        "ResourceType": "directory" if entry.is_directory else "file",
        "Content-Length": str(entry.size),
        "Content-Type": entry.content.type or "application/octet-stream",
        "Content-MD5": entry.content.md5,
        "BlobType": "BlockBlob",
        "AccessTier": "Hot",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
    }
    metadata = dict(entry.metadata) if details else {}
    if entry.is_directory and details:
        metadata["hdi_isfolder"] = base64.b64encode(b"true").decode()
    return _item("Blob", path, facts, metadata)


def _item(tag: str, name: str, facts: Mapping[str, str], metadata: Mapping[str, str]) -> str:
    properties = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in facts.items() if value)
    meta = "".join(
        f"<{key}>{escape(base64.b64decode(value).decode('utf-8', 'replace'))}</{key}>"
        for key, value in metadata.items()
    )
    more = f"<Metadata>{meta}</Metadata>" if meta else ""
    return f"<{tag}><Name>{escape(name)}</Name><Properties>{properties}</Properties>{more}</{tag}>"


def _results(context: Context, body: str, token: str | None, facts: Mapping[str, str]) -> Answer:
    name = f" ContainerName={quoteattr(context.key[0])}" if context.key[0] else ""
    size = context.request.query.get("maxresults", "")
    given = {"MaxResults": size, "Marker": context.request.query.get("marker", ""), **facts}
    more = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in given.items() if value)
    text = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<EnumerationResults{name}>{more}{body}<NextMarker>{escape(token or '')}</NextMarker>"
        "</EnumerationResults>"
    )
    return Answer(200, _XML, text.encode(), chunked=True)
