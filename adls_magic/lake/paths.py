"""Operations on files and directories that change them, other than append and flush."""

from __future__ import annotations

import re
from dataclasses import replace

from adls_magic.lake import permissions, volumes
from adls_magic.lake.access import check_token, token_of
from adls_magic.lake.answers import Answer, Refusal, wrong_header
from adls_magic.lake.conditions import (
    check_conditions,
    content_of,
    metadata_of,
    with_content,
)
from adls_magic.lake.context import Context, version_headers
from adls_magic.lake.entries import Entry
from adls_magic.lake.leases import check_duration, check_lease_id
from adls_magic.lake.locks import Key, inside
from adls_magic.lake.names import split_path
from adls_magic.lake.sas import Resource


def create(context: Context, *, directory: bool) -> Answer:
    """Create a file or directory, or replace a file."""
    context.require_no_body()
    context.grant.require("cw", "o")
    context.filesystem()
    new = _new_entry(context, directory=directory)

    def decide(old: Entry | None) -> Entry:
        _check_replace(context, old, directory=directory)
        return (
            new if old is None else replace(new, created=old.created if directory else new.created)
        )

    lease = _proposed_lease(context)
    entry = context.store.create(context.key, decide)
    if lease is not None:
        context.store.leases.acquire(context.key, *lease)
    return Answer(201, {**version_headers(entry), "x-ms-request-server-encrypted": "true"})


def _new_entry(context: Context, *, directory: bool) -> Entry:
    headers, stamp = context.request.headers, context.store.clock.stamp()
    mode = permissions.initial(
        headers.get("x-ms-permissions"), headers.get("x-ms-umask"), directory=directory
    )
    entry = Entry(
        directory,
        0,
        stamp,
        stamp,
        stamp,
        metadata=metadata_of(headers.get("x-ms-properties", "")),
        owner=headers.get("x-ms-owner", "$superuser"),
        group=headers.get("x-ms-group", "$superuser"),
        permissions=mode,
        acl=headers.get("x-ms-acl", ""),
    )
    return with_content(entry, content_of(headers, md5=False))


def _check_replace(context: Context, old: Entry | None, *, directory: bool) -> None:
    headers = context.request.headers
    if old is not None and headers.get("if-none-match") == "*":
        raise _exists(old)
    if old is not None and old.is_directory != directory:
        raise Refusal("PathConflict")
    check_conditions(headers, old)
    if old is not None and not context.grant.allows("w"):
        raise Refusal("AuthorizationPermissionMismatch")
    if "x-ms-lease-id" in headers:
        context.store.leases.check(context.key, headers["x-ms-lease-id"])


def _exists(entry: Entry) -> Refusal:
    kind = "directory" if entry.is_directory else "file"
    return Refusal("PathAlreadyExists", headers={"x-ms-existing-resource-type": kind})


def _proposed_lease(context: Context) -> tuple[str, int] | None:
    headers = context.request.headers
    if "x-ms-proposed-lease-id" not in headers:
        return None
    id_ = check_lease_id("x-ms-proposed-lease-id", headers["x-ms-proposed-lease-id"])
    return id_, check_duration(headers.get("x-ms-lease-duration", "-1"))


def delete(context: Context) -> Answer:
    """Remove a file or directory."""
    context.grant.require("d", "o")
    context.filesystem()
    recursive = context.flag("recursive")

    def check(entry: Entry) -> None:
        check_conditions(context.request.headers, entry)
        context.store.leases.check(context.key, context.request.headers.get("x-ms-lease-id"))
        if entry.is_directory and not recursive and not context.store.is_empty(context.key):
            raise Refusal("DirectoryNotEmpty")

    context.store.delete(context.key, check)
    return Answer(200)


def rename(context: Context) -> Answer:
    """Give the path in `x-ms-rename-source` the name in the URL."""
    context.require_no_body()
    mode = context.request.query.get("mode", "legacy")
    if mode not in ("legacy", "posix"):
        raise Refusal("InvalidQueryParameterValue", detail={"QueryParameterName": "mode"})
    context.grant.require("mw", "o")
    source = _rename_source(context)
    headers = context.request.headers
    metadata = metadata_of(headers["x-ms-properties"]) if "x-ms-properties" in headers else None

    def decide(old: Entry | None, target: Entry | None) -> Entry:
        entry = _check_rename(context, source, old, target)
        return entry if metadata is None else replace(entry, metadata=metadata)

    entry = context.store.rename(source, context.key, decide)
    return Answer(201, version_headers(entry))


def _rename_source(context: Context) -> Key:
    """Return the source's filesystem and path; its own SAS, if any, must allow the move."""
    raw, _, token = context.request.headers["x-ms-rename-source"].partition("?")
    if not raw.isascii():
        raise Refusal("InvalidSourceUri")
    account = context.keyring.account
    # Some SDKs encode the slashes too.
    plain = re.sub("%2f", "/", raw, flags=re.IGNORECASE).removeprefix("/")
    try:
        filesystem, path = split_path(f"/{account}/{plain}", account)
    except Refusal:
        raise Refusal("InvalidSourceUri") from None
    if not filesystem or not path:
        raise Refusal("InvalidSourceUri")
    grant = context.grant
    if token and grant.permissions is not None:
        resource = Resource(filesystem, path)
        grant = check_token(
            token_of(token), resource, context.keyring, client=context.request.client
        )
    grant.require("m", "o")
    for name in {filesystem, context.key[0]}:
        volumes.require(context.store, name)
    return filesystem, path


def _check_rename(context: Context, source: Key, old: Entry | None, target: Entry | None) -> Entry:
    headers, leases = context.request.headers, context.store.leases
    if old is None:
        raise Refusal("SourcePathNotFound")
    check_conditions(headers, old, source=True)
    leases.check(source, headers.get("x-ms-source-lease-id"))
    if target is not None and headers.get("if-none-match") == "*":
        raise _exists(target)
    check_conditions(headers, target)
    if "x-ms-lease-id" in headers:
        leases.check(context.key, headers["x-ms-lease-id"])
    if source != context.key and inside(context.key, source):
        raise Refusal("InvalidDestinationPath")
    if target is not None and old.is_directory != target.is_directory:
        raise Refusal("InvalidSourceOrDestinationResourceType")
    if target is not None and target.is_directory and not context.store.is_empty(context.key):
        raise Refusal("DirectoryNotEmpty")
    return old


def set_properties(context: Context) -> Answer:
    """Replace the metadata, and the content headers that are given."""
    context.require_no_body()
    context.grant.require("w", "o")
    context.filesystem()
    headers = context.request.headers
    given = content_of(headers, md5=True)
    metadata = metadata_of(headers["x-ms-properties"]) if "x-ms-properties" in headers else None

    def decide(old: Entry) -> Entry:
        new = with_content(check_write(context, old), given)
        new = new if metadata is None else replace(new, metadata=metadata)
        return new.touched(context.store.clock.stamp())

    entry = context.store.update(context.key, decide)
    return Answer(200, version_headers(entry))


def set_access_control(context: Context) -> Answer:
    """Store owner, group, permissions or access list."""
    context.require_no_body()
    context.grant.require("po", "o")
    context.filesystem()
    headers = context.request.headers
    fields = {"x-ms-owner": "owner", "x-ms-group": "group", "x-ms-acl": "acl"}
    given = {field: headers[name] for name, field in fields.items() if name in headers}
    if "x-ms-permissions" in headers:
        if "acl" in given:
            raise wrong_header("x-ms-acl", headers["x-ms-acl"])
        given |= {"permissions": permissions.check(headers["x-ms-permissions"]), "acl": ""}

    def decide(old: Entry) -> Entry:
        new: Entry = replace(check_write(context, old), **given)  # type: ignore[arg-type]
        return replace(new, stamp=context.store.clock.stamp())

    entry = context.store.update(context.key, decide)
    return Answer(200, version_headers(entry))


def check_write(context: Context, entry: Entry) -> Entry:
    """Return an entry when conditions and lease allow to change its properties."""
    check_conditions(context.request.headers, entry)
    context.store.leases.check(context.key, context.request.headers.get("x-ms-lease-id"))
    return entry
