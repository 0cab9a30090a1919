"""What one source says – the options, the session, the environment, a profile – brought in order.

Within a level the same thing may be said twice, but not differently. Levels are merged by
`resolve`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from adls_magic.core.account import endpoints
from adls_magic.core.account.account import Account, Auth
from adls_magic.core.account.address import check_account, check_filesystem
from adls_magic.core.account.connection_string import (
    EMULATOR_ACCOUNT,
    EMULATOR_KEY,
    emulator_endpoint,
    parse_connection_string,
)
from adls_magic.core.account.identity import TokenSource
from adls_magic.core.account.pasted import account_key, clean
from adls_magic.core.account.sas import parse_sas
from adls_magic.core.errors import ConfigurationError, PathError
from adls_magic.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Found:
    """A value and where it was found, in words that can stand in a message."""

    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class FoundSecret:
    """A secret and where it was found."""

    value: Secret
    origin: str


@dataclass(frozen=True, slots=True)
class Credential:
    """One way to prove who one is, and where it was found."""

    auth: Auth
    origin: str
    secret: Secret | None = None
    token_source: TokenSource | None = None
    from_connection_string: bool = False

    def fits(self, wanted: str) -> bool:
        """Tell whether it is of the kind `wanted`: an `Auth` or "connection-string"."""
        return self.from_connection_string if wanted == "connection-string" else self.auth == wanted


@dataclass(slots=True)
class Stated:
    """Everything that one source says, before it is checked and compared.

    Attributes:
        accounts: names, in order of preference of their spelling; so all the lists.
        endpoints: base URLs.
        filesystems: names.
        keys: account keys.
        sas_tokens: tokens or URLs with one.
        connection_strings: whole ones.
        others: credentials that are complete already, such as an identity.
        auth: the kind of credential to use, None for whichever is there.
        emulator: where it says that the storage emulator is meant.
        fallback: what to use when no level has a credential.
    """

    accounts: list[Found] = field(default_factory=list)
    endpoints: list[Found] = field(default_factory=list)
    filesystems: list[Found] = field(default_factory=list)
    keys: list[FoundSecret] = field(default_factory=list)
    sas_tokens: list[FoundSecret] = field(default_factory=list)
    connection_strings: list[FoundSecret] = field(default_factory=list)
    others: list[Credential] = field(default_factory=list)
    auth: Found | None = None
    emulator: Found | None = None
    fallback: Credential | None = None


def _nothing() -> tuple[Credential, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Level:
    """What one source says, checked.

    Attributes:
        account: name of the account that its credentials belong to; None when it names none.
        endpoint: base URL, None for the one that follows from the account's name.
        filesystem: None when it names none.
        auth: the kind of credential that it asks for, None for whichever is there.
        credentials: gives its credentials; may have to ask the key ring.
        has_credential: whether `credentials` is worth asking.
        fallback: what to use when no level has a credential.
    """

    account: Found | None = None
    endpoint: Found | None = None
    filesystem: Found | None = None
    auth: Found | None = None
    credentials: Callable[[], tuple[Credential, ...]] = _nothing
    has_credential: bool = False
    fallback: Credential | None = None

    @property
    def url(self) -> str | None:
        """The endpoint that it means, None when it names no account."""
        if self.endpoint is not None:
            return self.endpoint.value
        return None if self.account is None else endpoints.endpoint_of(self.account.value)


def agree(found: Sequence[Found], what: str) -> Found | None:
    """Return the one value that all of `found` have, None when there are none.

    Raises:
        ConfigurationError: two differ; it names where both stand.
    """
    for other in found[1:]:
        if other.value != found[0].value:
            raise _differ(found[0].origin, other.origin, what)
    return found[0] if found else None


def read_level(stated: Stated) -> Level:
    """Check and compare what one source says.

    Raises:
        ConfigurationError: a name or endpoint is wrong, or two values differ.
        CredentialError: a key, SAS or connection string cannot be right.
    """
    from_strings = _take_connection_string(stated)
    from_sas = _take_sas(stated)
    if stated.emulator is not None:
        _take_emulator(stated, stated.emulator)
    account, endpoint = _where(stated)
    filesystem = agree(stated.filesystems, "filesystem")
    if filesystem is not None:
        _check_filesystem(filesystem, endpoint)
    credentials = _distinct([*from_strings, *_keys(stated, endpoint), *from_sas, *stated.others])
    return Level(
        account=account,
        endpoint=endpoint,
        filesystem=filesystem,
        auth=stated.auth,
        credentials=lambda: credentials,
        has_credential=bool(credentials),
        fallback=stated.fallback,
    )


def account_level(account: Account) -> Level:
    """Return a ready account, such as the session's, as a level."""

    def found(value: str, name: str) -> Found:
        return Found(value, account.origins.get(name, "session"))

    credential = Credential(
        account.auth,
        account.origins.get("credential", "session"),
        account.secret,
        account.token_source,
    )
    return Level(
        account=found(account.name, "account"),
        endpoint=found(account.endpoint, "endpoint"),
        filesystem=found(account.filesystem, "filesystem") if account.filesystem else None,
        credentials=lambda: (credential,),
        has_credential=True,
    )


def _differ(first: str, second: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"Two different values for the {what}: {first} and {second}. Remove one of them."
    )


def _same_secret(found: Sequence[FoundSecret], what: str) -> FoundSecret | None:
    for other in found[1:]:
        if clean(other.value.reveal()).lstrip("?") != clean(found[0].value.reveal()).lstrip("?"):
            raise _differ(found[0].origin, other.origin, what)
    return found[0] if found else None


def _take_connection_string(stated: Stated) -> list[Credential]:
    """Add what the connection string says to the other values and return its credential."""
    found = _same_secret(stated.connection_strings, "connection string")
    if found is None:
        return []
    parsed = parse_connection_string(found.value.reveal(), origin=found.origin)
    if parsed.account:
        stated.accounts.append(Found(parsed.account, found.origin))
    if parsed.endpoint_given or not stated.endpoints:
        stated.endpoints.append(Found(parsed.endpoint, found.origin))
    secret = parsed.key or parsed.sas
    if secret is None:
        return []
    auth: Auth = "key" if parsed.key else "sas"
    return [Credential(auth, found.origin, secret, from_connection_string=True)]


def _take_sas(stated: Stated) -> list[Credential]:
    """Add what the URL of a SAS says to the other values and return the SAS."""
    found = _same_secret(stated.sas_tokens, "SAS")
    if found is None:
        return []
    sas = parse_sas(found.value.reveal(), origin=found.origin)
    if sas.account:
        stated.accounts.append(Found(sas.account, found.origin))
    if sas.endpoint:
        stated.endpoints.append(Found(sas.endpoint, found.origin))
    if sas.filesystem:
        stated.filesystems.append(Found(sas.filesystem, found.origin))
    return [Credential("sas", found.origin, sas.token)]


def _take_emulator(stated: Stated, emulator: Found) -> None:
    stated.accounts.append(Found(EMULATOR_ACCOUNT, emulator.origin))
    if not stated.endpoints:
        stated.endpoints.append(Found(emulator_endpoint(), emulator.origin))
    if not (stated.keys or stated.sas_tokens or stated.connection_strings or stated.others):
        stated.keys.append(FoundSecret(Secret(EMULATOR_KEY), emulator.origin))


def _where(stated: Stated) -> tuple[Found | None, Found | None]:
    """Return account and endpoint, each checked, and of one account."""
    account = agree(stated.accounts, "account")
    if account is not None:
        _check(account, check_account)
    normal: list[Found] = []
    named: list[Found] = [] if account is None else [account]
    for found in stated.endpoints:
        url, owner = _endpoint(found, account)
        normal.append(Found(url, found.origin))
        if owner and owner != endpoints.ONE_LAKE_ACCOUNT:
            named.append(Found(owner, found.origin))
        elif owner and account is None:
            account = Found(owner, found.origin)
    return agree(named, "account") or account, agree(normal, "endpoint")


def _endpoint(found: Found, account: Found | None) -> tuple[str, str]:
    try:
        return endpoints.normalise_endpoint(found.value, account=account.value if account else "")
    except (ConfigurationError, PathError) as error:
        raise ConfigurationError(f"{found.origin}: {error}") from None


def _check(found: Found, rule: Callable[[str], str]) -> None:
    try:
        rule(found.value)
    except PathError as error:
        raise ConfigurationError(f"{found.origin}: {error}") from None


def _check_filesystem(found: Found, endpoint: Found | None) -> None:
    # Without an endpoint of its own the level may be meant for OneLake's freer names;
    # `resolve` checks again when the endpoint is known.
    free = endpoint is None or endpoints.is_one_lake(endpoint.value)
    _check(found, lambda name: check_filesystem(name, one_lake=free))


def _keys(stated: Stated, endpoint: Found | None) -> list[Credential]:
    found = _same_secret(stated.keys, "account key")
    if found is None:
        return []
    any_length = endpoint is not None and endpoints.is_emulator(endpoint.value)
    key = account_key(found.value.reveal(), origin=found.origin, any_length=any_length)
    return [Credential("key", found.origin, key)]


def _distinct(credentials: Sequence[Credential]) -> tuple[Credential, ...]:
    """Drop what is said twice; refuse two keys, or two SAS, that differ."""
    kept: dict[Auth, Credential] = {}
    for credential in credentials:
        earlier = kept.setdefault(credential.auth, credential)
        same = (earlier.secret, earlier.token_source) == (
            credential.secret,
            credential.token_source,
        )
        if not same:
            what = {"key": "account key", "sas": "SAS"}.get(credential.auth, "credential")
            raise _differ(earlier.origin, credential.origin, what)
    return tuple(kept.values())
