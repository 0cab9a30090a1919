"""Which account is meant, of all that path, options, session, environment and files say.

Order: path and options › session › environment › profile `default` › another profile of the
account › az CLI's config file.

Levels are merged value by value. A credential belongs to the account of its own level and is
used for no other; and a path, which may come from anywhere, never gets a credential whose level
does not name the path's account itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from adls_magic.core import cli_config, endpoints, profile_file, profiles, session
from adls_magic.core.account import Account
from adls_magic.core.account_options import AccountOptions, options_level
from adls_magic.core.address import RemotePath, check_filesystem, names_endpoint, parse_path
from adls_magic.core.environment import read_environment
from adls_magic.core.errors import ConfigurationError, PathError
from adls_magic.core.identity import default_identity
from adls_magic.core.levels import Credential, Found, Level, account_level
from adls_magic.core.sas import check_in_time

_NOTHING = (
    "No account is configured. Run `%adls_config` (without a form: `%adls_config --account NAME "
    "--filesystem NAME --prompt`), set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, or run "
    "`%adls_config --local`, which needs no Azure."
)
_Reader = Callable[[Sequence[Level]], list[Level]]


def resolve(
    *,
    remote: RemotePath | None = None,
    options: AccountOptions | None = None,
    profile: str | None = None,
    use_session: bool = True,
    expired_ok: bool = False,
) -> Account:
    """Return the account that is meant, with its credential.

    Args:
        remote: the place that the user wrote; counts when it names an account.
        options: what the user said besides.
        profile: name of the profile that comes before session and environment.
        use_session: False leaves out what `%adls_config` has set, to see what else is there.
        expired_ok: take a SAS that has expired, to describe it.

    Raises:
        ConfigurationError: nothing is configured, two values of one level differ, or the
            account has no credential of its own; the text says which and what to do.
        CredentialError: a key, SAS or connection string cannot be right, or the SAS has expired.
    """
    options = options or AccountOptions()
    wanted = options.wanted_auth
    readers = _readers(os.environ, options, profile, remote, use_session=use_session)
    levels: list[Level] = []
    for read in readers:
        levels += read(levels)
        if _enough(levels, wanted, remote):
            break
    if remote is not None and remote.endpoint and _url(levels) != remote.endpoint:
        levels = _of_path(levels, remote, profile)
    account = _merge(levels, wanted)
    if account.auth == "sas" and account.secret is not None and not expired_ok:
        check_in_time(account.secret, origin=account.origins["credential"])
    return account


def locate(
    text: str,
    *,
    account: Account | None = None,
    options: AccountOptions | None = None,
    profile: str | None = None,
) -> tuple[Account, RemotePath]:
    """Return the account and the place that a user's text names.

    Args:
        text: a lake path in any form.
        account: the account to use, instead of looking for one.
        options: as for `resolve`.
        profile: as for `resolve`.

    Raises:
        PathError: the text names no place.
        ConfigurationError: as for `resolve`, or the text names another account than `account`.
        CredentialError: as for `resolve`.
    """
    full = parse_path(text) if names_endpoint(text) else None
    if account is None:
        account = resolve(remote=full, options=options, profile=profile)
    elif full is not None and full.endpoint != account.endpoint:
        raise ConfigurationError(
            f"The path leads to {full.endpoint}, but the account is {account.endpoint}: "
            "a credential is only sent to its own account."
        )
    one_lake = endpoints.is_one_lake(account.endpoint)
    return account, full or parse_path(text, filesystem=account.filesystem, one_lake=one_lake)


def _readers(
    environ: Mapping[str, str],
    options: AccountOptions,
    profile: str | None,
    remote: RemotePath | None,
    *,
    use_session: bool,
) -> list[_Reader]:
    """Return what reads each source, highest first; given what the higher ones said."""

    def named(levels: Sequence[Level]) -> list[Level]:
        return [] if profile is None else [_named_profile(profile, environ, levels)]

    def in_session(levels: Sequence[Level]) -> list[Level]:
        account = session.current() if use_session else None
        return [] if account is None else [account_level(account)]

    def of_account(levels: Sequence[Level]) -> list[Level]:
        return _profiles_of_account(environ, levels, remote)

    def of_cli(levels: Sequence[Level]) -> list[Level]:
        return [cli_config.read_cli_config(cli_config.config_file(environ))]

    return [
        lambda levels: [options_level(options)],
        named,
        in_session,
        lambda levels: [read_environment(environ)],
        lambda levels: _default_profile(environ),
        of_account,
        of_cli,
    ]


def _named_profile(name: str, environ: Mapping[str, str], levels: Sequence[Level]) -> Level:
    path = profile_file.config_file(environ)
    found = profiles.wanted_profile(name, profiles.read_profiles(environ), path)
    level = profiles.profile_level(found)
    said = _account(levels)
    if said and level.account and said.value != level.account.value:
        raise ConfigurationError(
            f"{said.origin} and profile {name} name different accounts. Leave one of them out."
        )
    return level


def _default_profile(environ: Mapping[str, str]) -> list[Level]:
    found = profiles.read_profiles(environ).get(profiles.DEFAULT)
    return [] if found is None else [profiles.profile_level(found)]


def _profiles_of_account(
    environ: Mapping[str, str], levels: Sequence[Level], remote: RemotePath | None
) -> list[Level]:
    """Return the other profile that is of the account meant; two of them are an error if used."""
    url = remote.endpoint if remote is not None and remote.endpoint else _url(levels)
    if url is None:
        return []
    others = [found for name, found in profiles.read_profiles(environ).items() if name != "default"]
    same = {
        found.name: level
        for found in others
        if (level := profiles.profile_level(found)).account and level.url == url
    }
    if len(same) < 2:
        return list(same.values())

    def ambiguous() -> tuple[Credential, ...]:
        raise ConfigurationError(
            f"Several profiles are of this account: {', '.join(same)}. Say which by --profile."
        )

    first = next(iter(same.values()))
    return [Level(account=first.account, credentials=ambiguous, has_credential=True)]


def _account(levels: Sequence[Level]) -> Found | None:
    return next((level.account for level in levels if level.account), None)


def _fitting(levels: Sequence[Level]) -> list[Level]:
    """Leave out the levels that speak of another account than the one meant."""
    account = _account(levels)
    if account is None:
        return list(levels)
    return [level for level in levels if not level.account or level.account.value == account.value]


def _endpoint(levels: Sequence[Level]) -> Found | None:
    found = next((level.endpoint for level in _fitting(levels) if level.endpoint), None)
    account = _account(levels)
    if found is not None or account is None:
        return found
    return Found(endpoints.endpoint_of(account.value), "from the account's name")


def _url(levels: Sequence[Level]) -> str | None:
    found = _endpoint(levels)
    return None if found is None or _account(levels) is None else found.value


def _enough(levels: Sequence[Level], wanted: str | None, remote: RemotePath | None) -> bool:
    """Tell whether lower levels can no longer change anything."""
    if _account(levels) is None:
        return False
    if remote is not None and remote.endpoint and _url(levels) != remote.endpoint:
        return False
    fitting = _fitting(levels)
    proven = wanted in ("identity", "anonymous") or any(
        level.has_credential or (level.auth and _without_secret(level.auth.value, ""))
        for level in fitting
    )
    named = any(level.filesystem for level in fitting) or (remote is not None)
    return proven and named and wanted in (None, "identity", "anonymous")


def _of_path(levels: Sequence[Level], remote: RemotePath, profile: str | None) -> list[Level]:
    """Return the levels that name the path's account themselves."""
    own = [level for level in levels if level.account and level.url == remote.endpoint]
    if own and profile is None:
        return own
    meant = _url(levels)
    instead = f"profile {profile}" if profile else meant
    raise ConfigurationError(
        f"The path leads to {remote.endpoint}, for which no credential is configured"
        + (f"; the one of {instead} is not sent there. " if instead else ". ")
        + f"Configure it by `%adls_config --endpoint {remote.endpoint} --prompt` or a profile."
    )


def _merge(levels: Sequence[Level], wanted: str | None) -> Account:
    account = _account(levels)
    endpoint = _endpoint(levels)
    if endpoint is None:
        raise ConfigurationError(_NOTHING)
    if account is None:
        raise ConfigurationError(
            f"{endpoint.origin}: the host does not tell the account's name; give it as well "
            "(`--account NAME`)."
        )
    fitting = _fitting(levels)
    filesystem = next((level.filesystem for level in fitting if level.filesystem), None)
    if filesystem is not None:
        _check_filesystem(filesystem, endpoint.value)
    credential = _credential(fitting, wanted)
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


def _credential(levels: Sequence[Level], wanted: str | None) -> Credential | None:
    """Return the credential of the highest level that has one of the wanted kind."""
    for level in levels:
        kind = wanted or (level.auth.value if level.auth else None)
        found = level.credentials() if level.has_credential else ()
        if kind is None and len(found) > 1:
            raise ConfigurationError(
                f"{found[0].origin} and {found[1].origin} are both there. Say which to use "
                "(`--auth`), or remove one."
            )
        fitting = [one for one in found if kind is None or one.fits(kind)]
        if fitting:
            return fitting[0]
        if level.auth is not None and not wanted:
            ready = _without_secret(level.auth.value, level.auth.origin)
            if ready is not None:
                return ready
    if wanted is not None:
        return _without_secret(wanted, f"asked for by auth {wanted}")
    return next((level.fallback for level in levels if level.fallback), None)


def _without_secret(auth: str, origin: str) -> Credential | None:
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
