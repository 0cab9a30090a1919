"""Answers and refusals of the lake: status, headers, body, in the service's forms.

Pure values; knows nothing of sockets, files or operations.
"""

from __future__ import annotations

import datetime
import email.utils
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from adls_magic.lake.codes import ERRORS

SERVER = "Windows-Azure-HDFS/1.0 adls-magic-lake"  # clients know a dfs answer by the first word


class Refusal(Exception):  # noqa: N818 - it is an answer of the service and not a fault of ours
    """An operation ends with one of `codes.ERRORS`.

    Attributes:
        code: a key of `codes.ERRORS`.
        detail: the JSON body's `detail`, such as the header that is wrong.
        headers: more headers for the answer.
    """

    def __init__(
        self,
        code: str,
        *,
        detail: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail = dict(detail or {})
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """HTTP status of the answer."""
        return ERRORS[self.code][0]


def wrong_header(name: str, value: str) -> Refusal:
    """Return the refusal of a header's value, with name and value in its detail."""
    return Refusal("InvalidHeaderValue", detail={"HeaderName": name, "HeaderValue": value})


def wrong_query(name: str, value: str) -> Refusal:
    """Return the refusal of a query parameter's value."""
    detail = {"QueryParameterName": name, "QueryParameterValue": value}
    return Refusal("InvalidQueryParameterValue", detail=detail)


@dataclass(frozen=True, slots=True)
class FilePart:
    """A body that is a range of an open file.

    Attributes:
        descriptor: closed after sending.
        offset: first byte.
        length: bytes.
    """

    descriptor: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer.

    Attributes:
        status: HTTP status.
        headers: without Date, Server, request id and lengths, which the server adds.
        body: bytes or a range of a file.
        length: Content-Length of a HEAD answer, in bytes; else None.
        chunked: send the body in chunks, as the service does with listings.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FilePart = b""
    length: int | None = None
    chunked: bool = False


def http_date(seconds: float) -> str:
    """Return seconds since 1970 as an RFC 1123 date, in English whatever the locale."""
    return email.utils.formatdate(seconds, usegmt=True)


def request_id() -> str:
    """Return a new request id in the service's form."""
    return str(uuid.uuid4())


def refusal_answer(refusal: Refusal, *, request: str, xml: bool) -> Answer:
    """Return the answer to a refused request, in JSON (dfs) or XML (blob).

    Args:
        refusal: what went wrong.
        request: the request id, part of the message.
        xml: whether the blob dialect was spoken.
    """
    status, text = ERRORS[refusal.code]
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    message = f"{text}\nRequestId:{request}\nTime:{now}"
    headers = {"x-ms-error-code": refusal.code, **refusal.headers}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer resource_id=https://storage.azure.com"
    if status == 304:
        return Answer(status, headers)
    body = _xml(refusal, message) if xml else _json(refusal, message)
    headers["Content-Type"] = "application/xml" if xml else "application/json;charset=utf-8"
    return Answer(status, headers, body)


def _json(refusal: Refusal, message: str) -> bytes:
    error: dict[str, object] = {"code": refusal.code, "message": message}
    if refusal.detail:
        error["detail"] = refusal.detail
    return json.dumps({"error": error}, separators=(",", ":"), ensure_ascii=False).encode()


def _xml(refusal: Refusal, message: str) -> bytes:
    detail = "".join(f"<{k}>{escape(v)}</{k}>" for k, v in refusal.detail.items())
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<Error><Code>{refusal.code}</Code><Message>{escape(message)}</Message>{detail}</Error>"
    ).encode()
