"""A small signing client for the lake's tests, with everything on the wire under control."""

from __future__ import annotations

import base64
import contextlib
import email.utils
import hashlib
import hmac
import http.client
import json
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VERSION = "2023-11-03"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        return self.headers.get("x-ms-error-code")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def etag(self) -> str:
        return self.headers["etag"]


@dataclass
class Wire:
    """Signs and sends single requests; `send` takes the target below the account."""

    port: int
    account: str
    key: str
    connections: list[http.client.HTTPConnection] = field(default_factory=list)

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.connections.append(connection)
        return connection

    def close(self) -> None:
        for connection in self.connections:
            connection.close()

    def sign(self, method: str, target: str, headers: dict[str, str]) -> str:
        path, _, query = target.partition("?")
        low = {name.lower(): value for name, value in headers.items()}
        if low.get("content-length") == "0":
            del low["content-length"]
        slots = ["content-encoding", "content-language", "content-length", "content-md5"]
        slots += ["content-type", "date", "if-modified-since", "if-match", "if-none-match"]
        slots += ["if-unmodified-since", "range"]
        lines = [method, *(low.get(name, "") for name in slots)]
        lines += [f"{n}:{low[n]}" for n in sorted(low) if n.startswith("x-ms-")]
        resource = f"/{self.account}{path}"
        pairs = sorted(pair.partition("=")[::2] for pair in query.split("&") if pair)
        for name, value in pairs:
            resource += f"\n{name.lower()}:{urllib.parse.unquote(value)}"
        text = "\n".join([*lines, resource])
        key = base64.b64decode(self.key)
        digest = hmac.digest(key, text.encode(), hashlib.sha256)
        return f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"

    def headers(
        self, method: str, target: str, body: bytes | None, extra: dict[str, str]
    ) -> dict[str, str]:
        headers = {
            "x-ms-version": VERSION,
            "x-ms-date": email.utils.formatdate(time.time(), usegmt=True),
        }
        if method in ("PUT", "PATCH", "POST"):
            headers["Content-Length"] = str(len(body or b""))
        headers |= extra
        headers = {name: value for name, value in headers.items() if value is not None}
        if "Authorization" not in headers:  # "" sends none
            headers["Authorization"] = self.sign(method, target, headers)
        return {name: value for name, value in headers.items() if value != ""}

    def send(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        connection: http.client.HTTPConnection | None = None,
        **extra: Any,
    ) -> Reply:
        """Send one signed request; keyword `x_ms_lease_id` is header `x-ms-lease-id`."""
        given = {name.replace("_", "-"): value for name, value in extra.items()}
        whole = f"/{self.account}{target}"
        headers = self.headers(method, whole, body, given)
        used = connection or self.connect()
        used.putrequest(method, whole, skip_accept_encoding=True)
        for name, value in headers.items():
            used.putheader(name, value)
        used.endheaders(body)
        answer = used.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        reply = Reply(answer.status, found, answer.read())
        if connection is None:
            used.close()
        return reply

    def begin_append(
        self,
        path: str,
        position: int,
        data: bytes | None,
        length: int,
        query: str = "",
        **extra: Any,
    ) -> http.client.HTTPConnection:
        """Send the head of an append of `length` bytes and the first of them; the rest is to come.

        `has_come` tells when the lake has them.
        """
        given = {name.replace("_", "-"): value for name, value in extra.items()}
        target = f"/{self.account}{path}?action=append&position={position}{query}"
        headers = self.headers("PATCH", target, None, {"Content-Length": str(length), **given})
        connection = self.connect()
        connection.putrequest("PATCH", target, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(data)
        return connection

    # The calls that most tests need

    def create(self, path: str, **extra: Any) -> Reply:
        return self.send("PUT", f"{path}?resource=file", **extra)

    def mkdir(self, path: str, **extra: Any) -> Reply:
        return self.send("PUT", f"{path}?resource=directory", **extra)

    def append(self, path: str, position: int, body: bytes, query: str = "", **extra: Any) -> Reply:
        target = f"{path}?action=append&position={position}{query}"
        return self.send("PATCH", target, body, **extra)

    def flush(self, path: str, position: int, query: str = "", **extra: Any) -> Reply:
        return self.send("PATCH", f"{path}?action=flush&position={position}{query}", **extra)

    def head(self, path: str, **extra: Any) -> Reply:
        return self.send("HEAD", path, **extra)

    def get(self, path: str, **extra: Any) -> Reply:
        return self.send("GET", path, **extra)

    def rename(self, source: str, target: str, **extra: Any) -> Reply:
        return self.send("PUT", f"{target}?mode=legacy", x_ms_rename_source=source, **extra)

    def write(self, path: str, data: bytes) -> Reply:
        reply = self.create(path)
        if data:
            assert self.append(path, 0, data).status == 202
            reply = self.flush(path, len(data))
        assert reply.status in (200, 201)
        return reply


def waiting(root: Path) -> list[Path]:
    """Return the files in which a lake keeps what is not flushed yet."""
    return list((root / ".adls-lake" / "waiting").iterdir())


def has_come(root: Path, data: bytes) -> bool:
    """True when the lake has written these bytes of an append that is on its way."""
    with contextlib.suppress(FileNotFoundError):  # one of another append, which has ended
        return any(data in file.read_bytes() for file in waiting(root))
    return False


def wire_of(lake: Any) -> Wire:
    """Return a client of a running `LocalLake`."""
    port = int(lake.url.rpartition(":")[2].partition("/")[0])
    return Wire(port, lake.account.name, lake.account.secret.reveal())
