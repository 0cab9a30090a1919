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

from adls_magic.core.account import cli_config, endpoints, profile_file, profiles, session
from adls_magic.core.account.account import Account
from adls_magic.core.account.address import RemotePath, names_endpoint, parse_path
from adls_magic.core.account.environment import read_environment
from adls_magic.core.account.levels import Credential, Found, Level, account_level
from adls_magic.core.account.merge import account_of, fitting, merge, url_of, without_secret
from adls_magic.core.account.options import AccountOptions, options_level
from adls_magic.core.account.sas import check_in_time
from adls_magic.core.errors import ConfigurationError

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
    if remote is not None and remote.endpoint and url_of(levels) != remote.endpoint:
        levels = _of_path(levels, remote, profile)
    account = merge(levels, Found(wanted, options.origin("auth")) if wanted else None)
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
    said = account_of(levels)
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
    url = remote.endpoint if remote is not None and remote.endpoint else url_of(levels)
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


def _enough(levels: Sequence[Level], wanted: str | None, remote: RemotePath | None) -> bool:
    """Tell whether lower levels can no longer change anything."""
    if account_of(levels) is None:
        return False
    if remote is not None and remote.endpoint and url_of(levels) != remote.endpoint:
        return False
    same = fitting(levels)
    proven = wanted in ("identity", "anonymous") or any(map(_proves, same))
    named = remote is not None or any(level.filesystem for level in same)
    return proven and named and wanted in (None, "identity", "anonymous")


def _proves(level: Level) -> bool:
    if level.has_credential and level.credentials():
        return True
    return level.auth is not None and without_secret(level.auth.value, "") is not None


def _of_path(levels: Sequence[Level], remote: RemotePath, profile: str | None) -> list[Level]:
    """Return the levels that name the path's account themselves."""
    own = [level for level in levels if level.account and level.url == remote.endpoint]
    if own:
        return own
    meant = url_of(levels)
    instead = f"profile {profile}" if profile else meant
    raise ConfigurationError(
        f"The path leads to {remote.endpoint}, for which no credential is configured"
        + (f"; the one of {instead} is not sent there. " if instead else ". ")
        + f"Configure it by `%adls_config --endpoint {remote.endpoint} --prompt` or a profile."
    )
