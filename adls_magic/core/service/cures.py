"""What to do about each refusal of the service, as data.

Codes: https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes and the
API description of the dfs endpoint.
"""

from __future__ import annotations

from adls_magic.core import errors

_Kind = type[errors.AdlsError]
_DAMAGED = (
    "the bytes were damaged on the way, each time they were sent: run it again, and if that "
    "fails, over another network or from another machine"
)
_LEASED = (errors.ConflictError, "somebody holds a lease on it: wait or end it")
_LEASE_ENDED = (errors.ConflictError, "our lease has ended: run it again")

# By error code: the class of the error, and the cure. None keeps the class that fits the status.
CURES: dict[str, tuple[_Kind | None, str]] = {
    "AccountIsDisabled": (None, "the account is disabled: ask its owner or look in the portal"),
    "AccountRequiresHttps": (errors.ConfigurationError, "use an https endpoint"),
    "AuthenticationFailed": (
        None,
        "the key or SAS is wrong, damaged or not this account's: set it again with "
        "%adls_config --prompt",
    ),
    "AuthorizationFailure": (
        None,
        "the account's network rules probably refuse this machine: use its private endpoint or "
        "have this address allowed",
    ),
    "AuthorizationPermissionMismatch": (
        None,
        "the sender is known but may not do this: it needs the role «Storage Blob Data "
        "Contributor» (Owner is not enough), an ACL, or a SAS with that permission",
    ),
    "AuthorizationProtocolMismatch": (None, "this SAS is for https only: use an https endpoint"),
    "AuthorizationResourceTypeMismatch": (
        None,
        "the account SAS lacks the resource type: make one with srt=sco",
    ),
    "AuthorizationServiceMismatch": (None, "the SAS is for another service: make one for blobs"),
    "AuthorizationSourceIPMismatch": (None, "the SAS is for other IP addresses than this one"),
    "Crc64Mismatch": (errors.IntegrityError, _DAMAGED),
    "BlockCountExceedsLimit": (
        errors.ConflictError,
        "the file consists of 50,000 pieces, as many as it may (each append adds one): go on in a "
        "new file",
    ),
    "DestinationPathIsBeingDeleted": (errors.ConflictError, "wait until the delete is through"),
    "DirectoryNotEmpty": (errors.ConflictError, "delete recursively or choose another path"),
    "EndpointUnsupportedAccountFeatures": (
        errors.ConfigurationError,
        "this flat account has blob soft delete, versioning or events on, which the dfs endpoint "
        "refuses: turn them off or use an account with a hierarchical namespace",
    ),
    "FilesystemAlreadyExists": (errors.PathExistsError, "use it as it is or choose another name"),
    "FilesystemBeingDeleted": (
        errors.ConflictError,
        "a filesystem's name is free again some 30 seconds after its delete: try again then",
    ),
    "FilesystemNotFound": (
        errors.PathNotFoundError,
        "the filesystem does not exist: check its name; %adls_config --filesystem sets it",
    ),
    "InsufficientAccountPermissions": (None, "the credential lacks rights on the account"),
    "InvalidAuthenticationInfo": (
        None,
        "the token is not for this service or its tenant: sign in again (az login) in the "
        "account's tenant",
    ),
    "InvalidFlushPosition": (
        errors.ConflictError,
        "another writer changed this path meanwhile: run it again",
    ),
    "InvalidFlushOperation": (
        errors.ConflictError,
        "the file was last written through the blob API: upload with --overwrite",
    ),
    "InvalidAppendOperation": (
        errors.ConflictError,
        "the file was last written through the blob API: upload with --overwrite",
    ),
    "InvalidResourceName": (errors.PathError, "the service refuses this name: choose another"),
    "InvalidUri": (errors.PathError, "the service refuses this name: choose another"),
    "KeyBasedAuthenticationNotPermitted": (
        None,
        "this account refuses account keys: use %adls_config --auth identity",
    ),
    "LeaseAlreadyPresent": _LEASED,
    "LeaseIdMismatch": _LEASE_ENDED,
    "LeaseIdMismatchWithLeaseOperation": _LEASE_ENDED,
    "LeaseIdMissing": _LEASED,
    "LeaseLost": (errors.ConflictError, "our lease was taken or has ended: run it again"),
    "LeaseNotPresent": _LEASE_ENDED,
    "LeaseNotPresentWithLeaseOperation": _LEASE_ENDED,
    "Md5Mismatch": (errors.IntegrityError, _DAMAGED),
    "NoAuthenticationInformation": (
        None,
        "the path is not public: set a credential with %adls_config",
    ),
    "PathAlreadyExists": (errors.PathExistsError, "add --overwrite to replace it"),
    "PathConflict": (
        errors.ConflictError,
        "a file stands where a directory is needed, or the other way round: choose another path",
    ),
    "PathNotFound": (errors.PathNotFoundError, "check the path; %adls_ls shows what is there"),
    "RenameDestinationParentPathNotFound": (
        errors.PathNotFoundError,
        "the target's directory has gone: run it again",
    ),
    "RequestBodyTooLarge": (errors.OptionError, "give a smaller --chunk-size"),
    "ResourceNotFound": (errors.PathNotFoundError, "check the path"),
    "ServerBusy": (None, "the account is at its limits: try again later or with fewer --workers"),
    "SourceConditionNotMet": (
        errors.ConflictError,
        "another run of the same upload has changed what was staged: run it again",
    ),
    "SourcePathNotFound": (errors.PathNotFoundError, "run it again"),
    "UnauthorizedBlobOverwrite": (
        None,
        "the credential may create but not replace files: get one with the right to move and "
        "delete, or use --in-place",
    ),
}

# By HTTP status, for codes that are not in the table.
CLASSES: dict[int, _Kind] = {
    401: errors.PermissionDeniedError,
    403: errors.PermissionDeniedError,
    404: errors.PathNotFoundError,
    409: errors.ConflictError,
    412: errors.ConflictError,
}
_REDIRECT = "a redirect came back, perhaps to a network's login page: check the endpoint"
STATUS_CURES: dict[int, str] = {
    301: _REDIRECT,
    302: _REDIRECT,
    307: _REDIRECT,
    308: _REDIRECT,
    401: "set a credential with %adls_config",
    403: "the credential may not do this, or a proxy or firewall refuses it",
    404: "check account, filesystem and path",
    407: "the proxy wants a login: put it into HTTPS_PROXY as http://user:password@host:port",
    412: "it was changed by somebody else meanwhile: run it again",
    500: "the service failed: run it again",
    503: "the service is busy: run it again later",
}
