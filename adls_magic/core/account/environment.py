"""What the environment says about the account: the names that other tools read already.

az CLI's names come first, then adlfs's, then object_store's (obstore, polars, delta-rs); where a
thing is said twice, differently, that is an error. Empty variables count as unset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adls_magic.core.account.identity import client_secret_identity, default_identity, static_token
from adls_magic.core.account.levels import Credential, Found, FoundSecret, Level, Stated, read_level
from adls_magic.core.account.pasted import as_secret, clean
from adls_magic.core.errors import ConfigurationError

ACCOUNT = ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME")
KEY = (
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
)
SAS = ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY")
CONNECTION_STRING = ("AZURE_STORAGE_CONNECTION_STRING",)
TOKEN = ("AZURE_STORAGE_TOKEN",)
ENDPOINT = ("AZURE_STORAGE_ENDPOINT", "AZURE_STORAGE_SERVICE_ENDPOINT", "AZURE_ENDPOINT")
FILESYSTEM = ("AZURE_CONTAINER_NAME",)
AUTH_MODE = "AZURE_STORAGE_AUTH_MODE"
ANONYMOUS = "AZURE_STORAGE_ANON"
EMULATOR = "AZURE_STORAGE_USE_EMULATOR"
CLIENT_ID = "AZURE_STORAGE_CLIENT_ID"
CLIENT_SECRET = "AZURE_STORAGE_CLIENT_SECRET"  # noqa: S105 - the name of a variable
TENANT_ID = ("AZURE_STORAGE_TENANT_ID", "AZURE_STORAGE_AUTHORITY_ID")
AUTHORITY_HOST = ("AZURE_STORAGE_AUTHORITY_HOST", "AZURE_AUTHORITY_HOST")
# azure-identity's own: meant for anything in Azure, so they only count when nothing else does.
_IDENTITY = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")
_IDENTITY_PROOF = (
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE",
)
_YES = frozenset({"1", "true", "yes", "on", "t", "y"})
_NO = frozenset({"0", "false", "no", "off", "f", "n"})


def read_environment(environ: Mapping[str, str]) -> Level:
    """Return what `environ` says.

    Raises:
        ConfigurationError: two variables differ, or one is wrong; it names the variables.
        CredentialError: a key, SAS or connection string cannot be right.
    """
    return read_level(
        Stated(
            accounts=_texts(environ, ACCOUNT),
            endpoints=_texts(environ, ENDPOINT),
            filesystems=_texts(environ, FILESYSTEM),
            keys=_secrets(environ, KEY),
            sas_tokens=_secrets(environ, SAS),
            connection_strings=_secrets(environ, CONNECTION_STRING),
            others=[*_client_secret(environ), *_token(environ), *_anonymous(environ)],
            auth=_auth(environ),
            emulator=Found("", origin_of(EMULATOR)) if _is_set(environ, EMULATOR) else None,
            fallback=_fallback(environ),
        )
    )


def origin_of(variable: str) -> str:
    """Return how a variable is named in messages and in `%adls_config --show`."""
    return f"environment {variable}"


def _texts(environ: Mapping[str, str], names: Sequence[str]) -> list[Found]:
    found = ((name, clean(environ.get(name, ""))) for name in names)
    return [Found(value, origin_of(name)) for name, value in found if value]


def _secrets(environ: Mapping[str, str], names: Sequence[str]) -> list[FoundSecret]:
    return [
        FoundSecret(as_secret(found.value, origin=found.origin), found.origin)
        for found in _texts(environ, names)
    ]


def _first(environ: Mapping[str, str], *names: str) -> str:
    return next((found.value for found in _texts(environ, names)), "")


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    text = _first(environ, name).lower()
    if text and text not in _YES | _NO:
        raise ConfigurationError(f"{origin_of(name)} must be true or false.")
    return text in _YES


def _auth(environ: Mapping[str, str]) -> Found | None:
    return auth_mode(_first(environ, AUTH_MODE), origin_of(AUTH_MODE))


def auth_mode(text: str, origin: str) -> Found | None:
    """Return what az CLI's `auth_mode` asks for: `login` is Entra ID, `key` whatever else is there.

    Raises:
        ConfigurationError: another word.
    """
    mode = text.lower()
    if mode not in ("", "login", "key"):
        raise ConfigurationError(f"{origin} must be login or key.")
    return Found("identity", origin) if mode == "login" else None


def _anonymous(environ: Mapping[str, str]) -> list[Credential]:
    if not _is_set(environ, ANONYMOUS):
        return []
    return [Credential("anonymous", origin_of(ANONYMOUS))]


def _token(environ: Mapping[str, str]) -> list[Credential]:
    return [
        Credential("identity", found.origin, token_source=static_token(found.value))
        for found in _secrets(environ, TOKEN)
    ]


def _client_secret(environ: Mapping[str, str]) -> list[Credential]:
    """Return adlfs's and object_store's service principal for storage, when it is complete."""
    secret = _first(environ, CLIENT_SECRET)
    if not secret:
        return []
    client = _first(environ, CLIENT_ID, "AZURE_CLIENT_ID")
    tenant = _first(environ, *TENANT_ID, "AZURE_TENANT_ID", "AZURE_AUTHORITY_ID")
    if not (client and tenant):
        raise ConfigurationError(
            f"{origin_of(CLIENT_SECRET)} is set, but not {CLIENT_ID} and {TENANT_ID[0]} with it."
        )
    source = client_secret_identity(
        tenant_id=tenant,
        client_id=client,
        client_secret=as_secret(secret, origin=origin_of(CLIENT_SECRET)),
        authority=_first(environ, *AUTHORITY_HOST),
    )
    return [Credential("identity", origin_of(CLIENT_SECRET), token_source=source)]


def _fallback(environ: Mapping[str, str]) -> Credential | None:
    complete = all(_first(environ, name) for name in _IDENTITY) and _first(
        environ, *_IDENTITY_PROOF
    )
    if not complete:
        return None
    return Credential("identity", origin_of("AZURE_CLIENT_ID"), token_source=default_identity())
