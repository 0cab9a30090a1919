"""A second reading of the SharedKey rule, on the raw bytes of a request as they arrived.

Written from https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key and
sharing nothing with the package.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from .servers import Received

SLOTS = [
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "Date",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "Range",
]


def is_signed(got: Received, account: str, key: str) -> bool:
    """True when the request carries the signature that its own bytes call for."""
    scheme, _, given = (got.header("Authorization") or "").partition(" ")
    name, _, signature = given.partition(":")
    mac = hmac.new(base64.b64decode(key), text_of(got, account).encode(), hashlib.sha256)
    return (scheme, name) == ("SharedKey", account) and base64.b64decode(signature) == mac.digest()


def text_of(got: Received, account: str) -> str:
    text = got.method + "\n"
    for slot in SLOTS:
        value = got.header(slot) or ""
        if (slot, value) == ("Content-Length", "0") or (slot == "Date" and got.header("x-ms-date")):
            value = ""
        text += value + "\n"
    own = [(k.decode().lower(), v.decode("latin-1")) for k, v in got.raw_headers]
    own = [(k, v) for k, v in own if k.startswith("x-ms-")]
    assert len({k for k, _ in own}) == len(own)
    for name, value in sorted(own):
        text += f"{name}:{value}\n"
    path, _, query = got.target.partition("?")
    text += f"/{account}{path}"
    named = [item.split("=", 1) for item in query.split("&")] if query else []
    assert len({name for name, _ in named}) == len(named)
    for name, value in sorted(named):
        text += f"\n{name.lower()}:{decoded(value)}"
    return text


def decoded(value: str) -> str:
    """Undo %XX, byte by byte; a raw + stays what it is."""
    out, rest = bytearray(), value.encode("ascii")
    while rest:
        if rest[:1] == b"%":
            out.append(int(rest[1:3], 16))
            rest = rest[3:]
        else:
            out += rest[:1]
            rest = rest[1:]
    return out.decode()
