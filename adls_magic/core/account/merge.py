"""Merging the levels value by value into one account. Pure.

A credential belongs to the account of its own level and is used for no other.
"""

from __future__ import annotations

from collections.abc import Sequence

from adls_magic.core.account import endpoints
from adls_magic.core.account.account import Account
from adls_magic.core.account.address import check_filesystem
from adls_magic.core.account.identity import default_identity
from adls_magic.core.account.levels import Credential, Found, Level
from adls_magic.core.errors import ConfigurationError, PathError

NOTHING_CONFIGURED = (
    "No account is configured. Run `%adls_config` (without a form: `%adls_config --account NAME "
    "--filesystem NAME --prompt`), set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, or run "
    "`%adls_config --local`, which needs no Azure."
)


def account_of(levels: Sequence[Level]) -> Found | None:
    """Return the account that is meant: the highest level's that names one."""
    return next((level.account for level in levels if level.account), None)


def fitting(levels: Sequence[Level]) -> list[Level]:
    """Leave out the levels that speak of another account than the one meant."""
    account = account_of(levels)
    if account is None:
        return list(levels)
    return [level for level in levels if not level.account or level.account.value == account.value]


def _endpoint(levels: Sequence[Level]) -> Found | None:
    found = next((level.endpoint for level in fitting(levels) if level.endpoint), None)
    account = account_of(levels)
    if found is not None or account is None:
        return found
    return Found(endpoints.endpoint_of(account.value), "from the account's name")


def url_of(levels: Sequence[Level]) -> str | None:
    """Return the endpoint of the account that is meant, None when no level names an account."""
    found = _endpoint(levels)
    return None if found is None or account_of(levels) is None else found.value


def merge(levels: Sequence[Level], wanted: Found | None) -> Account:
    """Return the account that the levels, highest first, make up together.

    Args:
        levels: what each source says.
        wanted: the kind of credential that was asked for and where, None for whichever is there.

    Raises:
        ConfigurationError: no account, or no credential of its own; the text says what to do.
    """
    account = account_of(levels)
    endpoint = _endpoint(levels)
    if endpoint is None:
        raise ConfigurationError(NOTHING_CONFIGURED)
    if account is None:
        raise ConfigurationError(
            f"{endpoint.origin}: the host does not tell the account's name; give it as well "
            "(`--account NAME`)."
        )
    same = fitting(levels)
    filesystem = next((level.filesystem for level in same if level.filesystem), None)
    if filesystem is not None:
        _check_filesystem(filesystem, endpoint.value)
    credential = _credential(same, wanted)
    if credential is None:
        raise ConfigurationError(_no_credential(account.value, levels))
    found = {"account": account, "endpoint": endpoint, "filesystem": filesystem}
    origins = {name: value.origin for name, value in found.items() if value is not None}
    return Account(
        account.value,
        endpoint.value,
        auth=credential.auth,
        secret=credential.secret,
        token_source=credential.token_source,
        filesystem=filesystem.value if filesystem else None,
        origins={**origins, "credential": credential.origin},
    )


def _check_filesystem(filesystem: Found, endpoint: str) -> None:
    try:
        check_filesystem(filesystem.value, one_lake=endpoints.is_one_lake(endpoint))
    except PathError as error:
        raise ConfigurationError(f"{filesystem.origin}: {error}") from None


def _credential(levels: Sequence[Level], wanted: Found | None) -> Credential | None:
    """Return the credential of the highest level that has one of the wanted kind."""
    for level in levels:
        said = wanted or level.auth
        kind = said.value if said else None
        found = level.credentials() if level.has_credential else ()
        if kind is None and len(found) > 1:
            raise ConfigurationError(
                f"{found[0].origin} and {found[1].origin} are both there. Say which to use "
                "(`--auth`), or remove one."
            )
        usable = [one for one in found if kind is None or one.fits(kind)]
        if usable:
            return usable[0]
        if level.auth is not None and not wanted:
            ready = without_secret(level.auth.value, level.auth.origin)
            if ready is not None:
                return ready
    if wanted is not None:
        return without_secret(wanted.value, wanted.origin)
    return next((level.fallback for level in levels if level.fallback), None)


def without_secret(auth: str, origin: str) -> Credential | None:
    """Return a credential of a kind that needs no secret, None for the other kinds."""
    if auth == "identity":
        return Credential("identity", origin, token_source=default_identity())
    return Credential("anonymous", origin) if auth == "anonymous" else None


def _no_credential(account: str, levels: Sequence[Level]) -> str:
    others = [level.account for level in levels if level.has_credential and level.account]
    other = next((found for found in others if found.value != account), None)
    passed = f" The one of {other.value} ({other.origin}) is not used for it." if other else ""
    return (
        f"There is no credential for account {account}.{passed} Give its key or SAS by "
        f"`%adls_config --account {account} --prompt`, set AZURE_STORAGE_ACCOUNT and "
        "AZURE_STORAGE_KEY, or sign in by `--auth identity`."
    )
