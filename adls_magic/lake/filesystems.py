"""Operations on filesystems and the account: create, describe, delete, and the two listings."""

from __future__ import annotations

from adls_magic.lake import listing, volumes
from adls_magic.lake.answers import Answer, Refusal, http_date, wrong_query
from adls_magic.lake.conditions import metadata_of, metadata_text
from adls_magic.lake.context import Context
from adls_magic.lake.entries import Filesystem, seconds
from adls_magic.lake.names import check_path

_JSON = "application/json;charset=utf-8"


def version_of(filesystem: Filesystem) -> dict[str, str]:
    """Return ETag and Last-Modified of a filesystem."""
    modified = http_date(seconds(filesystem.stamp))
    return {"ETag": f'"{filesystem.etag}"', "Last-Modified": modified}


def create(context: Context) -> Answer:
    """Make a filesystem."""
    context.require_no_body()
    context.grant.require("cw", "c")
    metadata = metadata_of(context.request.headers.get("x-ms-properties", ""))
    made = volumes.create(context.store, context.key[0], metadata)
    return Answer(201, {**version_of(made), "x-ms-namespace-enabled": "true"})


def properties(context: Context) -> Answer:
    """Describe a filesystem."""
    context.grant.require("rl", "c")
    found = context.filesystem()
    headers = {**version_of(found), "x-ms-namespace-enabled": "true"}
    if found.metadata:
        headers["x-ms-properties"] = metadata_text(found.metadata)
    return Answer(200, headers, length=0)


def set_properties(context: Context) -> Answer:
    """Replace a filesystem's metadata."""
    context.require_no_body()
    context.grant.require("w", "c")
    metadata = metadata_of(context.request.headers.get("x-ms-properties", ""))
    context.filesystem()
    return Answer(200, version_of(volumes.put(context.store, context.key[0], metadata)))


def delete(context: Context) -> Answer:
    """Remove a filesystem with all that is in it."""
    context.grant.require("d", "c")
    given = context.request.headers.get("x-ms-lease-id")
    key = (context.key[0], "")
    volumes.delete(context.store, context.key[0], lambda _: context.store.leases.check(key, given))
    return Answer(202)


def list_filesystems(context: Context) -> Answer:
    """List the filesystems of the account, in pages."""
    context.grant.require("l", "s")
    page, token = filesystem_page(context, "continuation")
    body = listing.json_body("filesystems", [listing.filesystem_facts(found) for found in page])
    headers = {"Content-Type": _JSON, "x-ms-continuation": token or ""}
    return Answer(200, headers, body, chunked=True)


def filesystem_page(context: Context, token_name: str) -> tuple[list[Filesystem], str | None]:
    """Return a page of filesystems and the token of the next one."""
    query = context.request.query
    prefix = query.get("prefix", "")
    after = listing.read_token(query.get(token_name)) or ""
    limit = listing.page_size(query.get("maxresults"))
    found = [
        f
        for f in volumes.filesystems(context.store)
        if f.name.startswith(prefix) and f.name > after
    ]
    page = found[:limit]
    return page, listing.make_token(page[-1].name) if len(found) > limit else None


def list_paths(context: Context) -> Answer:
    """List a directory, or all below it, in pages."""
    context.grant.require("l", "c" if context.grant.types is not None else "o")
    query = context.request.query
    if query.get("recursive", "").lower() not in ("true", "false"):
        if "recursive" in query:
            raise wrong_query("recursive", query["recursive"])
        raise Refusal("MissingRequiredQueryParameter", detail={"QueryParameterName": "recursive"})
    directory = query.get("directory", "")
    if directory.startswith("/"):
        raise wrong_query("directory", directory)
    directory = directory.removesuffix("/")
    after = listing.read_token(query.get("continuation"))
    page, token = listing.list_paths(
        context.store,
        (context.key[0], check_path(directory) if directory else ""),
        recursive=context.flag("recursive"),
        after=after,
        begin=query.get("beginfrom", ""),
        limit=listing.page_size(query.get("maxresults")),
    )
    body = listing.json_body("paths", [listing.path_facts(*item) for item in page])
    headers = {"Content-Type": _JSON}
    if token is not None:
        headers["x-ms-continuation"] = token
    return Answer(200, headers, body, chunked=True)
