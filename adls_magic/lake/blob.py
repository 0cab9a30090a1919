"""The blob dialect: the calls that the official SDK makes through the blob endpoint.

In path style both endpoints share host and port, so these come to the same server. They are
translated to the same store: reading, properties, metadata, leases, containers and listings.
Writing of blobs is not served; the dfs calls do that.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace

from adls_magic.lake import blob_listing, filesystems, leasing, paths, reading, volumes
from adls_magic.lake.answers import Answer, Refusal, http_date
from adls_magic.lake.conditions import metadata_headers, with_content
from adls_magic.lake.context import Context, version_headers
from adls_magic.lake.entries import Entry, seconds

Operation = Callable[[Context], Answer]

# The two endpoints have different names for the same refusals.
_CODES: Mapping[str, str] = {
    "FilesystemAlreadyExists": "ContainerAlreadyExists",
    "FilesystemBeingDeleted": "ContainerBeingDeleted",
    "FilesystemNotFound": "ContainerNotFound",
    "LeaseIdMismatch": "LeaseIdMismatchWithBlobOperation",
    "LeaseNotPresent": "LeaseNotPresentWithBlobOperation",
    "PathNotFound": "BlobNotFound",
}
_CONTENT: Mapping[str, str] = {
    "type": "x-ms-blob-content-type",
    "encoding": "x-ms-blob-content-encoding",
    "language": "x-ms-blob-content-language",
    "disposition": "x-ms-blob-content-disposition",
    "cache_control": "x-ms-blob-cache-control",
    "md5": "x-ms-blob-content-md5",
}


def find_operation(context: Context) -> Operation:
    """Return the operation that a request of the blob dialect asks for.

    Raises:
        Refusal: `FeatureNotSupported`.
    """
    request, (filesystem, path) = context.request, context.key
    comp = request.query.get("comp", "")
    if path:
        table = _BLOB
    elif request.query.get("restype") == "container" and filesystem:
        table = _CONTAINER
    else:
        table = _ACCOUNT
    verb = "GET" if request.verb == "HEAD" and table is not _BLOB else request.verb
    operation = table.get((verb, comp))
    if operation is None or "x-ms-blob-type" in request.headers:
        raise Refusal("FeatureNotSupported")
    return lambda context: _translated(operation, context)


def _translated(operation: Operation, context: Context) -> Answer:
    try:
        return operation(context)
    except Refusal as refusal:
        code = _CODES.get(refusal.code, refusal.code)
        raise Refusal(code, detail=refusal.detail, headers=refusal.headers) from None


# Blobs


def _describe(context: Context, entry: Entry) -> dict[str, str]:
    headers = {
        **version_headers(entry),
        **reading.describe(context, entry),
        "x-ms-blob-type": "BlockBlob",
        "x-ms-access-tier": "Hot",
        "x-ms-access-tier-inferred": "true",
        "x-ms-creation-time": http_date(seconds(entry.created)),
        **meta_headers(entry.metadata),
    }
    headers.pop("x-ms-properties", None)
    if entry.is_directory:
        headers["x-ms-meta-hdi_isfolder"] = "true"
    return headers


def meta_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return metadata as `x-ms-meta-…` headers."""
    return {
        f"x-ms-meta-{name}": base64.b64decode(value).decode("utf-8", "replace")
        for name, value in metadata.items()
    }


def _head_blob(context: Context) -> Answer:
    context.grant.require("rel", "o")
    entry = reading.look(context)
    return Answer(200, _describe(context, entry), length=entry.size)


def _get_blob(context: Context) -> Answer:
    context.grant.require("r", "o")
    context.filesystem()
    entry, descriptor = context.store.open(context.key)
    headers = _describe(context, entry)
    if entry.is_directory:
        return Answer(200, headers)
    return reading.read_open(context, entry, descriptor, headers)


def _set_metadata(context: Context) -> Answer:
    metadata = metadata_headers(context.request.headers, context.request.spelling)
    return _update(context, lambda entry: replace(entry, metadata=metadata))


def _set_content(context: Context) -> Answer:
    headers = context.request.headers
    given = {field: headers.get(name, "") for field, name in _CONTENT.items()}
    return _update(context, lambda entry: with_content(entry, given))


def _update(context: Context, change: Callable[[Entry], Entry]) -> Answer:
    context.require_no_body()
    context.grant.require("w", "o")
    context.filesystem()

    def decide(old: Entry) -> Entry:
        return change(paths.check_write(context, old)).touched(context.store.clock.stamp())

    entry = context.store.update(context.key, decide)
    return Answer(200, {**version_headers(entry), "x-ms-request-server-encrypted": "true"})


def _delete_blob(context: Context) -> Answer:
    return replace(paths.delete(context), status=202)


# Containers and the account


def _create_container(context: Context) -> Answer:
    context.require_no_body()
    context.grant.require("cw", "c")
    metadata = metadata_headers(context.request.headers, context.request.spelling)
    made = volumes.create(context.store, context.key[0], metadata)
    return Answer(201, filesystems.version_of(made))


def _get_container(context: Context) -> Answer:
    context.grant.require("rl", "c")
    found = context.filesystem()
    headers = {
        **filesystems.version_of(found),
        **context.store.leases.state((found.name, "")),
        **meta_headers(found.metadata),
        "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false",
    }
    return Answer(200, headers)


def _set_container_metadata(context: Context) -> Answer:
    context.require_no_body()
    context.grant.require("w", "c")
    context.filesystem()
    metadata = metadata_headers(context.request.headers, context.request.spelling)
    stored = volumes.put(context.store, context.key[0], metadata)
    return Answer(200, filesystems.version_of(stored))


def _get_policy(context: Context) -> Answer:
    context.grant.require("r", "c")
    found = context.filesystem()
    headers = {**filesystems.version_of(found), "Content-Type": "application/xml"}
    body = b'<?xml version="1.0" encoding="utf-8"?><SignedIdentifiers />'
    return Answer(200, headers, body)


def _lease_container(context: Context) -> Answer:
    found = context.filesystem()
    status, headers = leasing.act(context)
    return Answer(status, {**filesystems.version_of(found), **headers})


def _account(context: Context) -> Answer:
    headers = {
        "x-ms-sku-name": "Standard_LRS",
        "x-ms-account-kind": "StorageV2",
        "x-ms-is-hns-enabled": "true",
    }
    return Answer(200, headers)


_BLOB: Mapping[tuple[str, str], Operation] = {
    ("HEAD", ""): _head_blob,
    ("GET", ""): _get_blob,
    ("DELETE", ""): _delete_blob,
    ("PUT", "metadata"): _set_metadata,
    ("PUT", "properties"): _set_content,
    ("PUT", "lease"): leasing.lease,
}
_CONTAINER: Mapping[tuple[str, str], Operation] = {
    ("PUT", ""): _create_container,
    ("GET", ""): _get_container,
    ("DELETE", ""): filesystems.delete,
    ("PUT", "metadata"): _set_container_metadata,
    ("PUT", "lease"): _lease_container,
    ("GET", "acl"): _get_policy,
    ("GET", "metadata"): _get_container,
    ("GET", "list"): blob_listing.list_blobs,
}
_ACCOUNT: Mapping[tuple[str, str], Operation] = {
    ("GET", "list"): blob_listing.list_containers,
    ("GET", "properties"): _account,
}
