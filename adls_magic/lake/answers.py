"""Answers and refusals of the lake: status, headers, body, and every error code as data.

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

SERVER = "Windows-Azure-HDFS/1.0 adls-magic-lake"  # clients know a dfs answer by the first word

_INTERNAL = "Server encountered an internal error. Please try again after some time."
_AUTHENTICATION = (
    "Server failed to authenticate the request. Make sure the value of Authorization header is "
    "formed correctly including the signature."
)
_LEASE_ID = "The lease ID specified did not match the lease ID for the resource"

# code: (status, message). Statuses and codes follow the service's documented list:
# https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2
ERRORS: Mapping[str, tuple[int, str]] = {
    "ContentLengthMustBeZero": (400, "The Content-Length request header must be zero."),
    "InvalidFlushPosition": (
        400,
        "The uploaded data is not contiguous or the position query parameter value is not equal "
        "to the length of the file after appending the uploaded data.",
    ),
    "InvalidHeaderValue": (
        400,
        "The value for one of the HTTP headers is not in the correct format.",
    ),
    "InvalidInput": (400, "One of the request inputs is not valid."),
    "InvalidMetadata": (
        400,
        "The specified metadata is invalid. It has characters that are not permitted.",
    ),
    "InvalidPropertyName": (400, "A property name cannot be empty."),
    "InvalidQueryParameterValue": (
        400,
        "Value for one of the query parameters specified in the request URI is invalid.",
    ),
    "InvalidRenameDestinationPath": (400, "The destination path of the rename is not valid."),
    "InvalidResourceName": (400, "The specified resource name contains invalid characters."),
    "InvalidSourceUri": (400, "The source URI is invalid."),
    "InvalidUri": (400, "The request URI is invalid."),
    "Md5Mismatch": (
        400,
        "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
    ),
    "Crc64Mismatch": (
        400,
        "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.",
    ),
    "MissingRequiredHeader": (
        400,
        "An HTTP header that's mandatory for this request is not specified.",
    ),
    "MissingRequiredQueryParameter": (
        400,
        "A query parameter that's mandatory for this request is not specified.",
    ),
    "MultipleConditionHeadersNotSupported": (400, "Multiple condition headers are not supported."),
    "OutOfRangeQueryParameterValue": (
        400,
        "One of the query parameters specified in the request URI is outside the permissible range.",
    ),
    "OutOfRangeInput": (400, "One of the request inputs is out of range."),
    "InvalidRequest": (400, "The request is not a valid HTTP request."),
    "UnsupportedHeader": (400, "One of the headers specified in the request is not supported."),
    "UnsupportedQueryParameter": (
        400,
        "One of the query parameters specified in the request URI is not supported.",
    ),
    "NotModified": (304, "The condition is not met."),
    "InvalidAuthenticationInfo": (
        401,
        "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
    ),
    "NoAuthenticationInformation": (
        401,
        "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
    ),
    "AuthenticationFailed": (403, _AUTHENTICATION),
    "AuthorizationFailure": (403, "This request is not authorized to perform this operation."),
    "AuthorizationPermissionMismatch": (
        403,
        "This request is not authorized to perform this operation using this permission.",
    ),
    "AuthorizationProtocolMismatch": (
        403,
        "This request is not authorized to perform this operation using this protocol.",
    ),
    "AuthorizationResourceTypeMismatch": (
        403,
        "This request is not authorized to perform this operation using this resource type.",
    ),
    "AuthorizationServiceMismatch": (
        403,
        "This request is not authorized to perform this operation using this service.",
    ),
    "AuthorizationSourceIPMismatch": (
        403,
        "This request is not authorized to perform this operation using this source IP.",
    ),
    "BlobNotFound": (404, "The specified blob does not exist."),
    "ContainerNotFound": (404, "The specified container does not exist."),
    "FilesystemNotFound": (404, "The specified filesystem does not exist."),
    "PathNotFound": (404, "The specified path does not exist."),
    "RenameDestinationParentPathNotFound": (
        404,
        "The parent directory of the destination path does not exist.",
    ),
    "ResourceNotFound": (404, "The specified resource does not exist."),
    "SourcePathNotFound": (404, "The source path for a rename operation does not exist."),
    "UnsupportedHttpVerb": (405, "The resource doesn't support the specified HTTP verb."),
    "BlockCountExceedsLimit": (409, "The block count exceeds the maximum permissible limit."),
    "ContainerAlreadyExists": (409, "The specified container already exists."),
    "DirectoryNotEmpty": (
        409,
        "The recursive query parameter value must be true to delete a non-empty directory.",
    ),
    "FilesystemAlreadyExists": (409, "The specified filesystem already exists."),
    "FilesystemBeingDeleted": (409, "The specified filesystem is being deleted."),
    "InvalidDestinationPath": (
        409,
        "The specified path, or an element of the path, exists and its resource type is invalid for this operation.",
    ),
    "InvalidSourceOrDestinationResourceType": (
        409,
        "The source and destination resource type must be identical.",
    ),
    "LeaseAlreadyPresent": (409, "There is already a lease present."),
    "LeaseIdMismatchWithLeaseOperation": (409, f"{_LEASE_ID} with the specified lease operation."),
    "LeaseIsBreakingAndCannotBeAcquired": (
        409,
        "The lease ID matched, but the specified lease must be an infinite-duration lease or be ended.",
    ),
    "LeaseNotPresentWithLeaseOperation": (
        409,
        "The lease ID is not present with the specified lease operation.",
    ),
    "LeaseIsBrokenAndCannotBeRenewed": (
        409,
        "The lease ID matched, but the lease has been broken.",
    ),
    "PathAlreadyExists": (409, "The specified path already exists."),
    "PathConflict": (
        409,
        "The specified path, or an element of the path, exists and its resource type is invalid for this operation.",
    ),
    "ResourceTypeMismatch": (409, "The resource type does not allow this operation."),
    "UncommittedBlockCountExceedsLimit": (409, "The uncommitted block count exceeds the limit."),
    "MissingContentLengthHeader": (411, "The Content-Length header was not specified."),
    "ConditionNotMet": (
        412,
        "The condition specified using HTTP conditional header(s) is not met.",
    ),
    "LeaseIdMismatchWithResource": (412, f"{_LEASE_ID}."),
    "LeaseIdMismatch": (412, f"{_LEASE_ID}."),
    "LeaseIdMismatchWithBlobOperation": (412, f"{_LEASE_ID} for the blob."),
    "LeaseIdMissing": (
        412,
        "There is currently a lease on the resource and no lease ID was specified in the request.",
    ),
    "LeaseLost": (412, "A lease ID was specified, but the lease for the resource has expired."),
    "LeaseNotPresent": (412, "There is currently no lease on the resource."),
    "SourceConditionNotMet": (
        412,
        "The source condition specified using HTTP conditional header(s) is not met.",
    ),
    "RequestBodyTooLarge": (
        413,
        "The request body is too large and exceeds the maximum permissible limit.",
    ),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "InternalError": (500, _INTERNAL),
    "FeatureNotSupported": (501, "This feature is not supported by the local lake."),
    "ServerBusy": (503, "The server is busy."),
    "InsufficientStorage": (507, "The disk that holds the local lake is full."),
}


class Refusal(Exception):  # noqa: N818 - it is an answer of the service and not a fault of ours
    """An operation ends with one of `ERRORS`.

    Attributes:
        code: a key of `ERRORS`.
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
    """A body that is a range of an open file: descriptor (closed after sending), first byte, bytes."""

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
