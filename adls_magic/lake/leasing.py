"""The lease operations: acquire, renew, change, release, break."""

from __future__ import annotations

import uuid

from adls_magic.lake.answers import Answer, Refusal, wrong_header
from adls_magic.lake.conditions import check_conditions
from adls_magic.lake.context import Context, version_headers
from adls_magic.lake.leases import check_duration, check_lease_id
from adls_magic.lake.request import decimal


def lease(context: Context) -> Answer:
    """Do an `x-ms-lease-action` on a path (dfs: POST)."""
    context.filesystem()
    entry = context.store.find(context.key)
    if entry is None:
        raise Refusal("PathNotFound")
    check_conditions(context.request.headers, entry)
    status, headers = act(context)
    return Answer(status, {**version_headers(entry), **headers})


def act(context: Context) -> tuple[int, dict[str, str]]:
    """Do the action on whatever the request names; return status and lease headers."""
    context.grant.require("wd", "o" if context.key[1] else "c")
    action = context.request.headers.get("x-ms-lease-action", "").lower()
    leases, key = context.store.leases, context.key
    if action == "acquire":
        id_ = _given(context, "x-ms-proposed-lease-id", str(uuid.uuid4()))
        duration = check_duration(context.request.headers.get("x-ms-lease-duration", ""))
        return 201, {"x-ms-lease-id": leases.acquire(key, id_, duration).id}
    if action == "break":
        return 202, {"x-ms-lease-time": str(leases.break_(key, _period(context)))}
    id_ = _given(context, "x-ms-lease-id")
    if action == "renew":
        return 200, {"x-ms-lease-id": leases.renew(key, id_).id}
    if action == "change":
        proposed = _given(context, "x-ms-proposed-lease-id")
        return 200, {"x-ms-lease-id": leases.change(key, id_, proposed).id}
    if action == "release":
        leases.release(key, id_)
        return 200, {}
    raise wrong_header("x-ms-lease-action", action)


def _given(context: Context, name: str, default: str | None = None) -> str:
    text = context.request.headers.get(name, default)
    if text is None:
        raise Refusal("MissingRequiredHeader", detail={"HeaderName": name})
    return check_lease_id(name, text)


def _period(context: Context) -> int | None:
    text = context.request.headers.get("x-ms-lease-break-period")
    if text is None:
        return None
    period = decimal(text)
    if period is None or period > 60:
        raise wrong_header("x-ms-lease-break-period", text)
    return period
