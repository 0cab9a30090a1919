"""Which operation a request asks for, by verb and query.

https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from adls_magic.lake import blob, filesystems, leasing, paths, reading
from adls_magic.lake.access import Keyring, authenticate, check_version
from adls_magic.lake.answers import Answer, Refusal
from adls_magic.lake.appends import append, flush_operation
from adls_magic.lake.context import Context
from adls_magic.lake.names import split_path
from adls_magic.lake.request import Request
from adls_magic.lake.store import Store

Operation = Callable[[Context], Answer]

# To ignore these would store something else than what the client means.
_UNSERVED = frozenset({"x-ms-encryption-key", "x-ms-expiry-time", "x-ms-structured-body"})
_FILESYSTEM: Mapping[str, Operation] = {
    "PUT": filesystems.create,
    "HEAD": filesystems.properties,
    "PATCH": filesystems.set_properties,
    "DELETE": filesystems.delete,
    "GET": filesystems.list_paths,
}
_PATH: Mapping[str, Operation] = {
    "GET": reading.read,
    "DELETE": paths.delete,
    "POST": leasing.lease,
}
_ACTIONS: Mapping[str, Operation] = {
    "append": append,
    "flush": flush_operation,
    "setproperties": paths.set_properties,
    "setaccesscontrol": paths.set_access_control,
}


def answer_request(store: Store, keyring: Keyring, request: Request, buffer: bytearray) -> Answer:
    """Answer one request.

    Args:
        store: the lake's content.
        keyring: the account that is served.
        request: what is asked.
        buffer: the connection's own, for bodies.

    Raises:
        Refusal: the operation is refused.
    """
    version = check_version(request)
    grant = authenticate(request, keyring)
    if "transfer-encoding" in request.headers:
        raise Refusal("MissingContentLengthHeader")
    if not _UNSERVED.isdisjoint(request.headers):
        raise Refusal("FeatureNotSupported")
    key = split_path(request.raw_path, keyring.account)
    context = Context(store, request, grant, keyring, key, version, buffer)
    operation = blob.find_operation(context) if request.xml else _find_operation(context)
    return operation(context)


def _find_operation(context: Context) -> Operation:
    request, (filesystem, path) = context.request, context.key
    if not filesystem:
        if request.query.get("resource") == "account" and request.verb == "GET":
            return filesystems.list_filesystems
        raise _no_operation(request)
    if request.query.get("resource") == "filesystem":
        if path:
            raise Refusal("InvalidUri")
        return _pick(_FILESYSTEM, request.verb)
    if request.verb == "HEAD":
        return reading.properties
    if not path:
        raise _no_operation(request)
    return _find_path_operation(context)


def _find_path_operation(context: Context) -> Operation:
    request = context.request
    if request.verb == "PUT":
        if "x-ms-rename-source" in request.headers:
            return paths.rename
        kind = request.query.get("resource", "")
        if kind not in ("file", "directory"):
            raise _no_operation(request)
        return lambda context: paths.create(context, directory=kind == "directory")
    if request.verb == "PATCH":
        action = request.query.get("action", "").lower()
        if action not in _ACTIONS:
            raise Refusal("InvalidQueryParameterValue", detail={"QueryParameterName": "action"})
        return _ACTIONS[action]
    return _pick(_PATH, request.verb)


def _pick(table: Mapping[str, Operation], verb: str) -> Operation:
    if verb not in table:
        raise Refusal("UnsupportedHttpVerb")
    return table[verb]


def _no_operation(request: Request) -> Refusal:
    if request.verb not in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "POST"):
        return Refusal("UnsupportedHttpVerb")
    return Refusal("MissingRequiredQueryParameter", detail={"QueryParameterName": "resource"})
