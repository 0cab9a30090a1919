"""Connection strings of storage accounts, with all their keys. No network.

https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
"""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

from adls_magic.core.account import endpoints
from adls_magic.core.account.pasted import account_key, clean, refuse_other_kind
from adls_magic.core.account.sas import Sas, parse_sas
from adls_magic.core.errors import ConfigurationError, CredentialError, PathError
from adls_magic.core.secret import Secret

EMULATOR_ACCOUNT = "devstoreaccount1"
# Published by Microsoft for the storage emulator, the same on every machine; it opens nothing else.
# https://learn.microsoft.com/azure/storage/common/storage-use-azurite
EMULATOR_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
EMULATOR_PORT = 10000
_SAYS_ENDPOINT = ("dfsendpoint", "blobendpoint", "endpointsuffix")
_SECONDARY = ("blobsecondaryendpoint", "dfssecondaryendpoint")


@dataclass(frozen=True, slots=True)
class ConnectionString:
    """What a connection string says.

    Attributes:
        account: account name, "" when neither AccountName nor an endpoint tells.
        endpoint: base URL of the dfs endpoint.
        key: the account key, None when a SAS or nothing is given.
        sas: the SAS, None when a key or nothing is given.
        endpoint_given: whether it names the endpoint itself, and not only the account.
    """

    account: str
    endpoint: str
    key: Secret | None = None
    sas: Secret | None = None
    endpoint_given: bool = True


def emulator_endpoint(proxy: str = "http://127.0.0.1") -> str:
    """Return the endpoint of the storage emulator on the host of `proxy`."""
    parts = urllib.parse.urlsplit(proxy)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{EMULATOR_PORT}/{EMULATOR_ACCOUNT}"


def parse_connection_string(text: str, *, origin: str = "connection_string") -> ConnectionString:
    """Read a connection string.

    `UseDevelopmentStorage=true` wins over everything; AccountKey over SharedAccessSignature;
    DfsEndpoint over BlobEndpoint over AccountName and EndpointSuffix. Keys are taken in any
    case; those of other services are passed over.

    Args:
        text: as pasted.
        origin: where it came from, for messages.

    Raises:
        CredentialError: it is malformed, or its key or SAS is. No value is repeated.
        ConfigurationError: it names no endpoint, or two accounts.
    """
    fields = _fields(text, origin)
    try:
        if fields.get("usedevelopmentstorage", "").lower() == "true":
            return _emulator(fields)
        account, endpoint = _where(fields)
        key, sas = _credential(fields, endpoint, origin)
    except (ConfigurationError, PathError) as error:
        raise ConfigurationError(f"{origin}: {error}") from None
    given = any(name in fields for name in _SAYS_ENDPOINT)
    token = sas.token if sas else None
    return ConnectionString(account, endpoint, key, token, endpoint_given=given)


def _fields(text: str, origin: str) -> dict[str, str]:
    text = clean(text)
    if not text:
        raise CredentialError(f"{origin}: the connection string is empty.")
    refuse_other_kind(text, "connection string", origin=origin)
    fields: dict[str, str] = {}
    for number, piece in enumerate(text.split(";"), 1):
        if not piece.strip():
            continue
        name, equals, value = piece.partition("=")
        if not equals:
            raise CredentialError(
                f"{origin}: part {number} of the connection string has no =. "
                "It reads Name=value;Name=value;… – copy the whole of it again."
            )
        name, value = name.strip().lower(), value.strip()
        if fields.setdefault(name, value) != value:
            raise CredentialError(
                f"{origin}: part {number} of the connection string says a second time, and "
                "differently, what an earlier part says."
            )
    return {name: value for name, value in fields.items() if value}


def _emulator(fields: dict[str, str]) -> ConnectionString:
    proxy = fields.get("developmentstorageproxyuri")
    if proxy is None:
        endpoint = emulator_endpoint()
    else:
        # Also checks the URL, whose host alone counts.
        found, _ = endpoints.read_endpoint(f"{proxy.rstrip('/')}/{EMULATOR_ACCOUNT}")
        endpoint = emulator_endpoint(found.url)
    return ConnectionString(EMULATOR_ACCOUNT, endpoint, Secret(EMULATOR_KEY))


def _where(fields: dict[str, str]) -> tuple[str, str]:
    """Return account and endpoint."""
    name = fields.get("accountname", "")
    written = fields.get("dfsendpoint") or fields.get("blobendpoint")
    if written:
        url, account = endpoints.normalise_endpoint(written, account=name)
        if name and account and account not in (name, endpoints.ONE_LAKE_ACCOUNT):
            raise ConfigurationError("AccountName and the endpoint name different accounts.")
        return name or account, url
    if any(key in fields for key in _SECONDARY):
        raise ConfigurationError("only a secondary endpoint is given, which cannot be written to.")
    if not name:
        raise ConfigurationError("the connection string has neither AccountName nor DfsEndpoint.")
    protocol = fields.get("defaultendpointsprotocol", "https").lower()
    if protocol not in ("http", "https"):
        raise ConfigurationError("DefaultEndpointsProtocol must be https (or http).")
    suffix = fields.get("endpointsuffix", endpoints.PUBLIC_SUFFIX)
    return name, endpoints.endpoint_of(name, suffix).replace("https", protocol, 1)


def _credential(
    fields: dict[str, str], endpoint: str, origin: str
) -> tuple[Secret | None, Sas | None]:
    if "accountkey" in fields:
        name = f"{origin}, AccountKey"
        any_length = endpoints.is_emulator(endpoint)
        return account_key(fields["accountkey"], origin=name, any_length=any_length), None
    if "sharedaccesssignature" in fields:
        name = f"{origin}, SharedAccessSignature"
        return None, parse_sas(fields["sharedaccesssignature"], origin=name)
    return None, None
