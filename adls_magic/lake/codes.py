"""Every error code that the lake answers with: status and message, as data.

Statuses, codes and the texts that recordings show follow
https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2
"""

from __future__ import annotations

from collections.abc import Mapping

_SIGNATURE = (
    "Server failed to authenticate the request. Make sure the value of Authorization header is "
    "formed correctly including the signature."
)
_CHALLENGE = (
    "Server failed to authenticate the request. Please refer to the information in the "
    "www-authenticate header."
)
_NOT_AUTHORIZED = "This request is not authorized to perform this operation"
_RESOURCE_TYPE = (
    "The specified path, or an element of the path, exists and its resource type is invalid for "
    "this operation."
)
_LEASE_ID = "The lease ID specified did not match the lease ID for the resource"
_TOO_LARGE = "The request body is too large and exceeds the maximum permissible limit."
_FLUSH = (
    "The uploaded data is not contiguous or the position query parameter value is not equal to "
    "the length of the file after appending the uploaded data."
)
_DIGEST = (
    "The {0} value specified in the request did not match with the {0} value calculated by the "
    "server."
)

ERRORS: Mapping[str, tuple[int, str]] = {
    "ContentLengthMustBeZero": (400, "The Content-Length request header must be zero."),
    "InvalidFlushPosition": (400, _FLUSH),
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
    "Md5Mismatch": (400, _DIGEST.format("MD5")),
    "Crc64Mismatch": (400, _DIGEST.format("CRC64")),
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
        "One of the query parameters specified in the request URI is outside the "
        "permissible range.",
    ),
    "OutOfRangeInput": (400, "One of the request inputs is out of range."),
    "InvalidRequest": (400, "The request is not a valid HTTP request."),
    "UnsupportedHeader": (400, "One of the headers specified in the request is not supported."),
    "UnsupportedQueryParameter": (
        400,
        "One of the query parameters specified in the request URI is not supported.",
    ),
    "NotModified": (304, "The condition is not met."),
    "InvalidAuthenticationInfo": (401, _CHALLENGE),
    "NoAuthenticationInformation": (401, _CHALLENGE),
    "AuthenticationFailed": (403, _SIGNATURE),
    "AuthorizationFailure": (403, f"{_NOT_AUTHORIZED}."),
    "AuthorizationPermissionMismatch": (403, f"{_NOT_AUTHORIZED} using this permission."),
    "AuthorizationProtocolMismatch": (403, f"{_NOT_AUTHORIZED} using this protocol."),
    "AuthorizationResourceTypeMismatch": (403, f"{_NOT_AUTHORIZED} using this resource type."),
    "AuthorizationServiceMismatch": (403, f"{_NOT_AUTHORIZED} using this service."),
    "AuthorizationSourceIPMismatch": (403, f"{_NOT_AUTHORIZED} using this source IP."),
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
    "ContainerBeingDeleted": (409, "The specified container is being deleted."),
    "FilesystemBeingDeleted": (409, "The specified filesystem is being deleted."),
    "InvalidDestinationPath": (409, _RESOURCE_TYPE),
    "InvalidSourceOrDestinationResourceType": (
        409,
        "The source and destination resource type must be identical.",
    ),
    "LeaseAlreadyPresent": (409, "There is already a lease present."),
    "LeaseIdMismatchWithLeaseOperation": (409, f"{_LEASE_ID} with the specified lease operation."),
    "LeaseIsBreakingAndCannotBeAcquired": (
        409,
        "The lease ID matched, but the specified lease must be an infinite-duration lease "
        "or be ended.",
    ),
    "LeaseIsBreakingAndCannotBeChanged": (
        409,
        "The lease ID matched, but the lease is currently in breaking state and cannot be changed.",
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
    "PathConflict": (409, _RESOURCE_TYPE),
    "ResourceTypeMismatch": (409, "The resource type does not allow this operation."),
    "UncommittedBlockCountExceedsLimit": (409, "The uncommitted block count exceeds the limit."),
    "MissingContentLengthHeader": (411, "The Content-Length header was not specified."),
    "ConditionNotMet": (
        412,
        "The condition specified using HTTP conditional header(s) is not met.",
    ),
    "LeaseIdMismatch": (412, f"{_LEASE_ID}."),
    "LeaseIdMismatchWithBlobOperation": (412, f"{_LEASE_ID} for the blob."),
    "LeaseIdMissing": (
        412,
        "There is currently a lease on the resource and no lease ID was specified in the request.",
    ),
    "LeaseLost": (412, "A lease ID was specified, but the lease for the resource has expired."),
    "LeaseNotPresent": (412, "There is currently no lease on the resource."),
    "LeaseNotPresentWithBlobOperation": (412, "There is currently no lease on the blob."),
    "SourceConditionNotMet": (
        412,
        "The source condition specified using HTTP conditional header(s) is not met.",
    ),
    "RequestBodyTooLarge": (413, _TOO_LARGE),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "InternalError": (
        500,
        "Server encountered an internal error. Please try again after some time.",
    ),
    "FeatureNotSupported": (501, "This feature is not supported by the local lake."),
    "ServerBusy": (503, "The server is busy."),
    "InsufficientStorage": (507, "The disk that holds the local lake is full."),
}
