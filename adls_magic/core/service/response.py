"""Reads answers: errors in their three forms, properties, listings."""

from __future__ import annotations

import base64
import binascii
import datetime
import email.utils
import json
import re
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adls_magic.core import errors
from adls_magic.core.secret import redact
from adls_magic.core.service.answer import Answer
from adls_magic.core.service.cures import CLASSES, CURES, STATUS_CURES

_CLOCK_TOLERANCE = 300.0  # seconds; the service refuses beyond 900, clocks rarely differ by 300
_NO_REASON = "the answer gave no reason: is this the dfs endpoint of a storage account?"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class PathProperties:
    """What the service knows of a file or directory."""

    size: int  # bytes committed
    is_directory: bool
    modified: datetime.datetime
    etag: str  # with its quotes
    content_type: str | None = None
    content_md5: str | None = None  # base64, as stored by the writer; the service checks nothing
    metadata: Mapping[str, str] = field(default_factory=dict)
    lease_state: str | None = None  # "leased", "available", …
    lease_duration: str | None = None  # "fixed" or "infinite", while it is leased


@dataclass(frozen=True, slots=True)
class PathItem:
    """One entry of a listing. `etag` has its quotes, as everywhere else here."""

    name: str  # from the filesystem's root, without a leading slash
    size: int  # bytes
    is_directory: bool
    modified: datetime.datetime
    etag: str


def error_code(answer: Answer) -> str | None:
    """Return the service's error code from the header, a JSON body or an XML body."""
    return _word(answer.headers.get("x-ms-error-code")) or _word(_body_error(answer.body)[0])


def error_of(answer: Answer, doing: str) -> errors.AdlsError:
    """Turn a refusal into the error that a user should see.

    Args:
        answer: an answer with a status that is not a success.
        doing: what was tried and on what, such as "create abfss://fs@a.dfs…/x".
    """
    code = error_code(answer)
    message = _body_error(answer.body)[1]
    kind, cure = CURES.get(code or "", (None, ""))
    kind = kind or CLASSES.get(answer.status, errors.ServiceError)
    cure = (
        _clock_cure(answer) or cure or STATUS_CURES.get(answer.status, "") or message or _NO_REASON
    )
    request_id = _word(answer.headers.get("x-ms-request-id")) or ""
    label = " ".join(part for part in (str(answer.status), code) if part)
    tail = f", request {request_id}" if request_id else ""
    text = f"Could not {doing}: {_sentence(cure)} [{label}{tail}]"
    return kind(redact(text), status=answer.status, code=code, request_id=request_id or None)


def _word(text: str | None) -> str | None:
    """Return an error code or id that looks like one; what else stands there is not repeated."""
    word = str(text or "")
    return word if _WORD.fullmatch(word) and redact(word) == word else None


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "?")) else text + "."


def _body_error(body: bytes) -> tuple[str | None, str | None]:
    """Code and message of an error body: JSON of the dfs endpoint, XML of blob, else nothing."""
    text = body[:65536].decode("utf-8", "replace").lstrip("\ufeff \r\n\t")
    if text.startswith("{"):
        try:
            error = json.loads(text)["error"]
            return str(error["code"]), _first_line(str(error.get("message", "")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None, None
    code = re.search(r"<Code>([A-Za-z0-9]{1,100})</Code>", text)
    message = re.search(r"<Message>([^<]{1,1000})", text)
    return (
        code.group(1) if code else None,
        _first_line(message.group(1)) if message and code else None,
    )


def _first_line(text: str) -> str:
    """Drop the RequestId and Time lines that the service adds to its messages."""
    return text.partition("\n")[0].strip()[:300]


def _clock_cure(answer: Answer) -> str | None:
    """Tell by how much this machine's clock is off, when that explains a 403."""
    if answer.status != 403 or error_code(answer) not in ("AuthenticationFailed", None):
        return None
    skew = _clock_skew(answer)
    if skew is None or abs(skew) < _CLOCK_TOLERANCE:
        return None
    minutes = round(abs(skew) / 60)
    return (
        f"this machine's clock is {minutes} minutes {'ahead' if skew > 0 else 'behind'} of the "
        "service's, which accepts 15: set the clock"
    )


def _clock_skew(answer: Answer) -> float | None:
    """Seconds by which this machine's clock is ahead of the service's."""
    try:
        theirs = email.utils.parsedate_to_datetime(str(answer.headers.get("Date")))
        return time.time() - theirs.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def parse_time(text: object) -> datetime.datetime:
    """Read an HTTP date; the start of 1970 when it is unreadable."""
    try:
        moment = email.utils.parsedate_to_datetime(str(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return _EPOCH
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def parse_size(text: object) -> int:
    """Read a length in bytes that may come as a number or a string; 0 when it is unreadable."""
    try:
        return max(0, int(str(text)))
    except ValueError:
        return 0


def properties_of(answer: Answer) -> PathProperties:
    """Read the headers of a HEAD."""
    headers = answer.headers
    return PathProperties(
        size=parse_size(headers.get("Content-Length")),
        is_directory=headers.get("x-ms-resource-type") == "directory",
        modified=parse_time(headers.get("Last-Modified")),
        etag=str(headers.get("ETag") or ""),
        content_type=headers.get("Content-Type"),
        content_md5=headers.get("Content-MD5"),
        metadata=decode_metadata(str(headers.get("x-ms-properties") or "")),
        lease_state=headers.get("x-ms-lease-state"),
        lease_duration=headers.get("x-ms-lease-duration"),
    )


def encode_metadata(metadata: Mapping[str, str]) -> str:
    """Write an `x-ms-properties` value: names with base64 of the values' UTF-8."""
    return ",".join(
        f"{name}={base64.b64encode(value.encode()).decode()}" for name, value in metadata.items()
    )


def decode_metadata(header: str) -> dict[str, str]:
    """Read an `x-ms-properties` value; entries that are not base64 are left out."""
    found = {}
    for item in header.split(","):
        name, equals, value = item.strip().partition("=")
        with_name = bool(name and equals)
        try:
            if with_name:
                found[name] = base64.b64decode(value, validate=True).decode("utf-8", "replace")
        except (ValueError, binascii.Error):
            continue
    return found


def paths_of(answer: Answer) -> list[PathItem]:
    """Read one page of a listing; the service writes numbers and flags as strings.

    Raises:
        ServiceError: the body is not a listing.
    """
    return [
        PathItem(
            name=str(entry.get("name", "")),
            size=parse_size(entry.get("contentLength", 0)),
            is_directory=str(entry.get("isDirectory", "")).lower() == "true",
            modified=parse_time(entry.get("lastModified")),
            etag='"' + str(entry.get("etag", "")).strip('"') + '"',
        )
        for entry in _entries(answer, "paths")
    ]


def filesystems_of(answer: Answer) -> list[str]:
    """Read one page of an account's filesystems.

    Raises:
        ServiceError: the body is not a listing.
    """
    return [str(entry.get("name", "")) for entry in _entries(answer, "filesystems")]


def _entries(answer: Answer, key: str) -> list[dict[str, Any]]:
    try:
        entries = json.loads(answer.body)[key]
        if all(isinstance(entry, dict) for entry in entries):
            return list(entries)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise errors.ServiceError(
        "The answer to a listing could not be read: is this the dfs endpoint of a storage account?",
        status=answer.status,
        request_id=answer.headers.get("x-ms-request-id"),
    )


def continuation_of(answer: Answer) -> str | None:
    """Return the token that asks for the next page, None at the end."""
    return answer.headers.get("x-ms-continuation") or None


def quote_value(value: str) -> str:
    """Encode a query value; a raw `+` would be read as a blank."""
    return urllib.parse.quote(value, safe="")
