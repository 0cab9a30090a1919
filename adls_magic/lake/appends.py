"""Append and flush. The body goes to disk block by block; memory does not depend on its length."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass

from adls_magic.lake.access import LARGE_APPENDS
from adls_magic.lake.answers import Answer, Refusal, wrong_header
from adls_magic.lake.checksum import crc64, crc64_header
from adls_magic.lake.commit import flush
from adls_magic.lake.conditions import (
    CONDITIONS,
    CONTENT_HEADERS,
    check_conditions,
    check_md5,
    content_of,
    with_content,
)
from adls_magic.lake.context import Context, version_headers
from adls_magic.lake.entries import Entry
from adls_magic.lake.leases import check_duration, check_lease_id
from adls_magic.lake.uncommitted import Piece

_MIB = 1024 * 1024
_LARGE = 4_000 * _MIB  # bytes in one append, from LARGE_APPENDS on
_OLD_LARGE = 100 * _MIB
_BINARY = getattr(os, "O_BINARY", 0)


def append(context: Context) -> Answer:
    """Take bytes for a position; with `flush=true` commit up to their end."""
    flushing = context.flag("flush")
    position, length = _check_append(context, flushing=flushing)
    context.grant.require("aw", "o")
    context.file()
    leased = _lease_step(context, flushing=flushing)
    headers = {"x-ms-request-server-encrypted": "true", **leased.headers}
    headers |= _take_body(context, position, length, leased)
    if not flushing:
        return Answer(202, headers)
    given = {"type": context.request.headers.get("content-type", "")}
    entry = _flush(context, position + length, given, leased)
    leased.finish()
    return Answer(202, {**headers, **version_headers(entry)})


def flush_operation(context: Context) -> Answer:
    """Commit what waits up to a position."""
    context.require_no_body()
    position = context.position()
    context.flag("close")
    context.grant.require("aw", "o")
    given = content_of(context.request.headers, md5=True)
    context.file()
    leased = _lease_step(context, flushing=True)
    entry = _flush(context, position, given, leased)
    leased.finish()
    headers = {"x-ms-request-server-encrypted": "false", **leased.headers}
    return Answer(200, {**headers, **version_headers(entry)})


def _flush(context: Context, position: int, given: dict[str, str], leased: _Leased) -> Entry:
    def decide(old: Entry) -> Entry:
        context.store.leases.check(context.key, leased.id)
        check_conditions(context.request.headers, old)
        # A Content-MD5 that is not given again is not that of the new content.
        new = with_content(old, {"md5": "", **given})
        return new.touched(context.store.clock.stamp())

    retain = context.flag("retainuncommitteddata")
    return flush(context.store, context.key, position, retain=retain, decide=decide)


def _check_append(context: Context, *, flushing: bool) -> tuple[int, int]:
    headers = context.request.headers
    length = context.require_length()
    if length == 0:
        raise wrong_header("Content-Length", "0")
    if length > (_LARGE if context.version >= LARGE_APPENDS else _OLD_LARGE):
        raise Refusal("RequestBodyTooLarge")
    refused = [*CONDITIONS, *(CONTENT_HEADERS.values() if flushing else ())]
    for name in refused:
        if name in headers:
            raise Refusal("UnsupportedHeader", detail={"HeaderName": name})
    return context.position(), length


class _Digests:
    """The checks that a request asks for, fed with the body's blocks."""

    def __init__(self, context: Context) -> None:
        headers = context.request.headers
        self._md5 = headers.get("content-md5")
        self._crc = headers.get("x-ms-content-crc64")
        if self._md5 is not None and self._crc is not None:
            raise Refusal("UnsupportedHeader", detail={"HeaderName": "x-ms-content-crc64"})
        if self._md5 is not None:
            check_md5("Content-MD5", self._md5)
        if self._crc is not None:
            _check_crc(self._crc)
        self._hash = hashlib.md5(usedforsecurity=False)
        self._sum = 0

    def feed(self, block: memoryview) -> None:
        if self._md5 is not None:
            self._hash.update(block)
        if self._crc is not None:
            self._sum = crc64(block, self._sum)

    def finish(self) -> dict[str, str]:
        """Return the digests for the answer.

        Raises:
            Refusal: `Md5Mismatch`, `Crc64Mismatch`.
        """
        if self._md5 is not None:
            if not hmac.compare_digest(base64.b64decode(self._md5), self._hash.digest()):
                raise Refusal("Md5Mismatch")
            return {"Content-MD5": self._md5}
        if self._crc is not None:
            if self._crc != crc64_header(self._sum):
                raise Refusal("Crc64Mismatch")
            return {"x-ms-content-crc64": self._crc}
        return {}


def _check_crc(text: str) -> None:
    try:
        right = len(base64.b64decode(text, validate=True)) == 8
    except (binascii.Error, ValueError):
        right = False
    if not right:
        raise wrong_header("x-ms-content-crc64", text)


def _take_body(context: Context, position: int, length: int, leased: _Leased) -> dict[str, str]:
    digests = _Digests(context)
    area, piece = context.store.uncommitted.start(context.key, position, length)
    with ExitStack() as undo:
        undo.callback(area.abandon, piece)
        _write_body(context, piece, digests)
        answer = digests.finish()
        # A body can take longer than a lease lasts. Under the lock, so that nothing of one that
        # has ended comes to wait after the first flush of the next.
        with context.store.locks.hold(context.key) if leased.id else nullcontext():
            context.store.leases.check(context.key, leased.id)
            area.accept(piece)
        undo.pop_all()
    return answer


def _write_body(context: Context, piece: Piece, digests: _Digests) -> None:
    target = os.open(piece.file.path, os.O_WRONLY | _BINARY)
    try:
        os.lseek(target, piece.offset, os.SEEK_SET)
        for block in context.request.body.blocks(context.buffer):
            digests.feed(block)
            rest = block
            while rest:
                rest = rest[os.write(target, rest) :]
    finally:
        os.close(target)


@dataclass(frozen=True, slots=True)
class _Leased:
    """What a request does with a lease: answer headers now, and a step after the flush.

    `id` is that of the lease which must still hold when the request takes effect.
    """

    headers: dict[str, str]
    finish: Callable[[], None]
    id: str | None = None


def _nothing() -> None:
    return None


def _lease_step(context: Context, *, flushing: bool) -> _Leased:
    """Check the lease of a write, or do its `x-ms-lease-action`."""
    headers, leases, key = context.request.headers, context.store.leases, context.key
    action = headers.get("x-ms-lease-action")
    given = headers.get("x-ms-lease-id")
    if action in ("acquire", "acquire-release"):
        return _acquire(context, release=action == "acquire-release", flushing=flushing)
    leases.check(key, given)
    if action is None:
        return _Leased({}, _nothing, given)
    if given is None:
        raise Refusal("MissingRequiredHeader", detail={"HeaderName": "x-ms-lease-id"})
    id_ = check_lease_id("x-ms-lease-id", given)
    if action == "auto-renew":
        leases.renew(key, id_)
        return _Leased({"x-ms-lease-renewed": "true"}, _nothing, id_)
    if action != "release" or not flushing:
        raise wrong_header("x-ms-lease-action", action)
    return _Leased({}, lambda: leases.release(key, id_), id_)


def _acquire(context: Context, *, release: bool, flushing: bool) -> _Leased:
    headers, leases, key = context.request.headers, context.store.leases, context.key
    if release and not flushing:
        raise wrong_header("x-ms-lease-action", "acquire-release")
    for name in ("x-ms-proposed-lease-id", "x-ms-lease-duration"):
        if name not in headers:
            raise Refusal("MissingRequiredHeader", detail={"HeaderName": name})
    id_ = check_lease_id("x-ms-proposed-lease-id", headers["x-ms-proposed-lease-id"])
    leases.acquire(key, id_, check_duration(headers["x-ms-lease-duration"]))
    finish = (lambda: leases.release(key, id_)) if release else _nothing
    return _Leased({"x-ms-lease-id": id_}, finish, id_)
