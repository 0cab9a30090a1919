"""Who is asking: SharedKey, SAS, or nobody; and whether the x-ms-version is one that exists."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from adls_magic.lake.answers import Refusal, wrong_header
from adls_magic.lake.names import split_path
from adls_magic.lake.request import Request
from adls_magic.lake.sas import Grant, Resource, check_sas
from adls_magic.lake.signature import check_shared_key

LARGE_APPENDS = "2019-12-12"  # first version that takes bodies of 4,000 MiB

# https://learn.microsoft.com/rest/api/storageservices/versioning-for-the-azure-storage-services
_VERSIONS = (
    "2017-11-09 2018-03-28 2018-06-17 2018-11-09 2019-02-02 2019-07-07 "
    "2019-10-10 2019-10-31 2019-12-12 2020-02-10 2020-04-08 2020-06-12 "
    "2020-08-04 2020-10-02 2020-12-06 2021-02-12 2021-04-10 2021-06-08 "
    "2021-08-06 2021-10-04 2021-12-02 2022-11-02 2023-01-03 2023-05-03 "
    "2023-08-03 2023-11-03 2024-02-04 2024-05-04 2024-08-04 2024-11-04 "
    "2025-01-05 2025-05-05 2025-07-05 2025-11-05 2026-02-06 2026-04-06 "
    "2026-06-06 2026-10-06 "
)
VERSIONS = frozenset(_VERSIONS.split())


@dataclass(frozen=True, slots=True)
class Keyring:
    """The account that is served: name and key, decoded."""

    account: str
    key: bytes

    def __repr__(self) -> str:
        return f"Keyring(account={self.account!r})"


def check_version(request: Request) -> str:
    """Return the service version that a request asks for.

    Raises:
        Refusal: none given where one is needed, or one that nobody knows.
    """
    version = request.headers.get("x-ms-version")
    if version is None and "sig" in request.query:
        version = request.query.get("sv", "")
    if version is None:
        raise Refusal("MissingRequiredHeader", detail={"HeaderName": "x-ms-version"})
    if version not in VERSIONS:
        raise wrong_header("x-ms-version", version)
    return version


def authenticate(request: Request, keyring: Keyring) -> Grant:
    """Return what the request's credential allows.

    Raises:
        Refusal: no credential, one that is wrong, or one that the lake cannot check.
    """
    scheme = request.headers.get("authorization", "").partition(" ")[0]
    if scheme == "SharedKey":
        check_shared_key(request, account=keyring.account, key=keyring.key, now=time.time())
        return Grant()
    if scheme:
        raise Refusal("InvalidAuthenticationInfo")
    if "sig" not in request.query:
        raise Refusal("NoAuthenticationInformation")
    filesystem, path = split_path(request.raw_path, keyring.account)
    if not path and request.query.get("resource") == "filesystem":
        path = request.query.get("directory", "").strip("/")
    return check_token(request.query, Resource(filesystem, path), keyring, client=request.client)


def check_token(
    token: Mapping[str, str], resource: Resource, keyring: Keyring, *, client: str
) -> Grant:
    """Return what a SAS allows for a resource.

    Raises:
        Refusal: as `sas.check_sas`.
    """
    return check_sas(
        token,
        resource,
        account=keyring.account,
        key=keyring.key,
        client=client,
        now=time.time(),
    )


def token_of(raw_query: str) -> dict[str, str]:
    """Return the decoded parameters of a SAS inside a header."""
    pairs = (pair.partition("=")[::2] for pair in raw_query.split("&") if pair)
    return {
        urllib.parse.unquote(name).lower(): urllib.parse.unquote(value) for name, value in pairs
    }
