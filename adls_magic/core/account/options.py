"""What a user says about the account in a call or an option, as the highest level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adls_magic.core.account.account import AUTHS
from adls_magic.core.account.identity import (
    client_secret_identity,
    default_identity,
    static_token,
    token_source,
)
from adls_magic.core.account.levels import Credential, Found, FoundSecret, Level, Stated, read_level
from adls_magic.core.account.pasted import as_secret, clean, kind_of
from adls_magic.core.errors import ConfigurationError, CredentialError
from adls_magic.core.secret import Secret

_INTO = {"key": "keys", "sas": "sas_tokens", "connection string": "connection_strings"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOptions:
    """What was said; None where nothing was. Its `repr` shows no secret.

    Attributes:
        accounts: the account's name or base URL, by the name of the option that gave it.
        endpoints: base URLs, likewise.
        filesystem: name.
        auth: one of `account.AUTHS`.
        account_key: as pasted.
        sas_token: as pasted.
        connection_string: as pasted.
        credential: a key, SAS or connection string as text, an object of azure-core that holds
            one, or anything with `get_token`.
        client_id: of a service principal, with `client_secret` and `tenant_id`.
        client_secret: its secret.
        tenant_id: its directory.
        anon: True for public access; False for Entra ID where no credential is found.
        prefix: stands before the option's name where a message or `%adls_config --show` says
            where a value came from.
    """

    accounts: tuple[tuple[str, str], ...] = ()
    endpoints: tuple[tuple[str, str], ...] = ()
    filesystem: str | None = None
    auth: str = "auto"
    account_key: Secret | None = None
    sas_token: Secret | None = None
    connection_string: Secret | None = None
    credential: Any = None
    client_id: str | None = None
    client_secret: Secret | None = None
    tenant_id: str | None = None
    anon: bool | None = None
    prefix: str = "argument "

    @property
    def wanted_auth(self) -> str | None:
        """The kind of credential that was asked for, None for whichever is there.

        Raises:
            ConfigurationError: it is no kind of credential.
        """
        auth = self.auth.replace("_", "-")
        if auth not in AUTHS:
            raise ConfigurationError(f"auth must be one of {', '.join(AUTHS)}.")
        return None if auth == "auto" else auth

    def origin(self, option: str) -> str:
        """Return how an option is named in messages."""
        return f"{self.prefix}{option}"


def options_level(options: AccountOptions) -> Level:
    """Return what the options say.

    Raises:
        ConfigurationError: a name or endpoint is wrong, or two options contradict each other.
        CredentialError: a key, SAS, connection string or credential cannot be right.
    """
    stated = Stated(
        filesystems=_texts(options, [("filesystem", options.filesystem)]),
        keys=_secrets(options, "account_key", options.account_key),
        sas_tokens=_secrets(options, "sas_token", options.sas_token),
        connection_strings=_secrets(options, "connection_string", options.connection_string),
        endpoints=_texts(options, options.endpoints),
        others=[*_client_secret(options), *_anonymous(options)],
        fallback=_fallback(options),
    )
    for found in _texts(options, options.accounts):
        (stated.endpoints if "://" in found.value else stated.accounts).append(found)
    if options.credential is not None:
        _take_credential(options, stated)
    level = read_level(stated)
    _refuse_other_auth(options, level)
    return level


def _texts(options: AccountOptions, given: Sequence[tuple[str, str | None]]) -> list[Found]:
    found = []
    for name, value in given:
        if value is None:
            continue
        if not isinstance(value, str) or not clean(value):
            raise ConfigurationError(f"{options.origin(name)} must be a text that is not empty.")
        found.append(Found(clean(value), options.origin(name)))
    return found


def _secrets(options: AccountOptions, name: str, value: Secret | None) -> list[FoundSecret]:
    return [] if value is None else [FoundSecret(value, options.origin(name))]


def _client_secret(options: AccountOptions) -> list[Credential]:
    if options.client_secret is None:
        return []
    if not (options.client_id and options.tenant_id):
        raise ConfigurationError(
            f"{options.origin('client_secret')} needs client_id and tenant_id with it."
        )
    source = client_secret_identity(
        tenant_id=options.tenant_id,
        client_id=options.client_id,
        client_secret=options.client_secret,
    )
    return [Credential("identity", options.origin("client_secret"), token_source=source)]


def _anonymous(options: AccountOptions) -> list[Credential]:
    return [Credential("anonymous", options.origin("anon"))] if options.anon else []


def _fallback(options: AccountOptions) -> Credential | None:
    if options.anon is not False:
        return None
    return Credential("identity", options.origin("anon"), token_source=default_identity())


def _take_credential(options: AccountOptions, stated: Stated) -> None:
    """Put the object of `credential=` where its kind belongs."""
    origin = options.origin("credential")
    text, name = _text_and_name(options.credential)
    if name:
        stated.accounts.append(Found(name, origin))
    if text is None:
        source = token_source(options.credential)
        stated.others.append(Credential("identity", origin, token_source=source))
        return
    secret = as_secret(text, origin=origin)
    kind = kind_of(text)
    if kind == "unknown" and options.wanted_auth == "key":
        kind = "key"  # an emulator's may be short
    if kind == "token":
        source = static_token(Secret(clean(text)))
        stated.others.append(Credential("identity", origin, token_source=source))
    elif kind in _INTO:
        getattr(stated, _INTO[kind]).append(FoundSecret(secret, origin))
    else:
        raise CredentialError(
            f"{origin}: this text is no account key, SAS or connection string. Copy it again."
        )


def _text_and_name(credential: Any) -> tuple[str | None, str | None]:
    """Return the secret text that an object holds, and the account's name where it has it."""
    if isinstance(credential, str):
        return credential, None
    if isinstance(credential, Secret):
        return credential.reveal(), None
    if isinstance(credential, Mapping):  # {"account_name": …, "account_key": …}, as the SDK takes
        return credential.get("account_key"), credential.get("account_name")
    named_key = getattr(credential, "named_key", None)  # azure.core's AzureNamedKeyCredential
    if named_key is not None:
        return named_key.key, named_key.name
    return getattr(credential, "signature", None), None  # azure.core's AzureSasCredential


def _refuse_other_auth(options: AccountOptions, level: Level) -> None:
    wanted = options.wanted_auth
    given = level.credentials()
    if wanted and given and not any(credential.fits(wanted) for credential in given):
        raise ConfigurationError(
            f"{options.origin('auth')} asks for {wanted}, but {given[0].origin} gives another "
            "kind of credential."
        )
