"""Profiles: accounts by name in the config file, their secrets in the key ring where there is one.

One section a profile, keys named as adlfs's storage_options. A section without a secret whose
`auth` wants one has it in the key ring.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from adls_magic.core.account import ini, keyring_store, profile_file
from adls_magic.core.account.account import AUTHS, SECRET_NAMES, Account
from adls_magic.core.account.endpoints import endpoint_of, is_one_lake, is_path_style, shown
from adls_magic.core.account.levels import Credential, Found, FoundSecret, Level, Stated, read_level
from adls_magic.core.account.pasted import clean
from adls_magic.core.errors import ConfigurationError
from adls_magic.core.secret import Secret

DEFAULT = "default"
SECRET_KEYS = tuple(SECRET_NAMES.values())
KEYS = ("account_name", "filesystem", "endpoint", "auth", *SECRET_KEYS)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)
_NAME_RULE = "1 to 40 letters, digits, dots, hyphens and underscores."

Place = Literal["key ring", "file", "nowhere"]


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as it stands in the file. Its `repr` shows no secret.

    Attributes:
        name: of the section.
        path: of the file.
        values: the keys that are not secret.
        secrets: the others.
    """

    name: str
    path: Path
    values: Mapping[str, str]
    secrets: Mapping[str, Secret]

    def origin(self, key: str) -> str:
        """Return where a value stands, for messages."""
        return f"{key} of profile {self.name} in {self.path}"


def check_profile_name(name: str) -> str:
    """Return the name of a profile, or raise ConfigurationError with the rule it breaks."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"That is no name of a profile: {_NAME_RULE}")
    return name


def list_profiles() -> list[str]:
    """Return the names of the profiles in the config file, in its order.

    Raises:
        ConfigurationError: the file is broken.
    """
    return list(read_profiles(os.environ))


def read_profiles(environ: Mapping[str, str]) -> dict[str, Profile]:
    """Return all profiles of the config file by name.

    Raises:
        ConfigurationError: the file is broken, has an unknown key, or holds a secret that
            other users can read; it names file, section and key, and no value.
    """
    path = profile_file.config_file(environ)
    sections = ini.parse(profile_file.read(path), path)
    profiles = {name: _profile(name, dict(sections[name]), path) for name in sections.sections()}
    if any(profile.secrets for profile in profiles.values()):
        profile_file.refuse_readable_by_others(path)
    return profiles


def profile_level(profile: Profile) -> Level:
    """Return what a profile says. The key ring is asked only when the credential is wanted.

    Raises:
        ConfigurationError: a name or endpoint is wrong, or two values differ.
        CredentialError: a key, SAS or connection string cannot be right.
    """
    level = read_level(_stated(profile))
    kept = SECRET_NAMES.get(profile.values.get("auth", ""))
    if level.has_credential or kept is None or level.url is None:
        return level
    return Level(
        account=level.account,
        endpoint=level.endpoint,
        filesystem=level.filesystem,
        auth=level.auth,
        credentials=cache(lambda: _from_key_ring(profile, kept, level.url or "")),
        has_credential=True,
    )


def place_for_secret(*, secret_in_file: bool = False) -> Place:
    """Tell where `save_profile` would put a secret: "nowhere" means that it would refuse."""
    if keyring_store.usable():
        return "key ring"
    return "file" if secret_in_file else "nowhere"


def save_profile(name: str, account: Account, *, secret_in_file: bool = False) -> str:
    """Write a profile, in place of one of that name; other sections stay as they are.

    Args:
        name: of the profile; "default" is used where no other is named.
        account: what to keep.
        secret_in_file: consent to a key or SAS in the file, with mode 0600, where there is no
            key ring.

    Returns:
        A sentence that says what was put where.

    Raises:
        ConfigurationError: there is no key ring and no consent, the credential cannot be kept,
            or the file is broken or cannot be written.
    """
    check_profile_name(name)
    path = profile_file.config_file(os.environ)
    earlier = read_profiles(os.environ).get(name)
    place = place_for_secret(secret_in_file=secret_in_file) if account.secret else "nowhere"
    _refuse_unkept(account, place)
    kept = SECRET_NAMES.get(account.auth, "")
    if account.secret and place == "key ring":
        keyring_store.store(name, account.endpoint, kept, account.secret)
    lines = _lines(account)
    if account.secret and place == "file":
        lines.append(f"{kept} = {account.secret.reveal()}")
    _change(path, name, lines, private=True)
    if earlier is not None:
        _drop_kept(earlier, but=(account.endpoint, kept))
    return _said(name, path, place)


def delete_profile(name: str) -> None:
    """Remove a profile from the file, and its secret from the key ring.

    Raises:
        ConfigurationError: there is no such profile, or the file is broken or cannot be written.
    """
    path = profile_file.config_file(os.environ)
    profile = wanted_profile(name, read_profiles(os.environ), path)
    _change(path, name, None, private=False)
    _drop_kept(profile)


def wanted_profile(name: str, profiles: Mapping[str, Profile], path: Path) -> Profile:
    """Return the profile of that name, or raise ConfigurationError with the names there are."""
    if name not in profiles:
        check_profile_name(name)
        there = ", ".join(profiles) if profiles else "none yet"
        raise ConfigurationError(f"{path} has no profile {shown(name)}; there are: {there}.")
    return profiles[name]


def _profile(name: str, values: dict[str, str], path: Path) -> Profile:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{path} has a section whose name is none of a profile: {_NAME_RULE}"
        )
    where = f"{path}, section {shown(name)}"
    for key, value in values.items():
        if key.lower() not in KEYS:
            raise ConfigurationError(
                f"{where}: {shown(key)} is no key of a profile; those are {', '.join(KEYS)}."
            )
        if "\n" in value and key.lower() not in SECRET_KEYS:
            raise ConfigurationError(f"{where}: {key} goes on in an indented line.")
    values = {key.lower(): value for key, value in values.items()}
    if values.get("auth", "auto") not in AUTHS:
        raise ConfigurationError(f"{where}: auth must be one of {', '.join(AUTHS)}.")
    given = {key: clean(value) for key, value in values.items() if clean(value)}
    return Profile(
        name,
        path,
        {key: value for key, value in given.items() if key not in SECRET_KEYS},
        {key: Secret(value) for key, value in given.items() if key in SECRET_KEYS},
    )


def _stated(profile: Profile) -> Stated:
    def texts(key: str) -> list[Found]:
        value = profile.values.get(key)
        return [Found(value, profile.origin(key))] if value else []

    def secrets(key: str) -> list[FoundSecret]:
        secret = profile.secrets.get(key)
        return [FoundSecret(secret, profile.origin(key))] if secret else []

    auth = profile.values.get("auth", "auto")
    return Stated(
        accounts=texts("account_name"),
        endpoints=texts("endpoint"),
        filesystems=texts("filesystem"),
        keys=secrets("account_key"),
        sas_tokens=secrets("sas_token"),
        connection_strings=secrets("connection_string"),
        auth=None if auth == "auto" else Found(auth, profile.origin("auth")),
    )


def _from_key_ring(profile: Profile, kept: str, endpoint: str) -> tuple[Credential, ...]:
    secret = keyring_store.load(profile.name, endpoint, kept)
    if secret is None:
        return ()
    found = FoundSecret(secret, f"key ring, profile {profile.name}")
    stated = Stated(
        endpoints=[Found(endpoint, found.origin)],
        keys=[found] if kept == "account_key" else [],
        sas_tokens=[found] if kept == "sas_token" else [],
        connection_strings=[found] if kept == "connection_string" else [],
    )
    return read_level(stated).credentials()


def _refuse_unkept(account: Account, place: Place) -> None:
    if account.secret is not None and place == "nowhere":
        raise ConfigurationError(
            "There is no key ring to keep the secret in. Install one "
            "(`pip install adls-magic[keyring]`), or say that the secret may go into the file."
        )
    if account.token_source is not None and not account.token_source.lasting:
        raise ConfigurationError(
            f"A {account.token_source.name} cannot be kept in a profile; "
            "sign in by `--auth identity` instead."
        )


def _lines(account: Account) -> list[str]:
    follows = not is_path_style(account.endpoint) and not is_one_lake(account.endpoint)
    plain = follows and account.endpoint == endpoint_of(account.name)
    values = {
        "account_name": account.name,
        "endpoint": None if plain else account.endpoint,
        "filesystem": account.filesystem,
        "auth": account.auth,
    }
    return [f"{key} = {value}" for key, value in values.items() if value]


def _change(path: Path, name: str, lines: list[str] | None, *, private: bool) -> None:
    """Write the file with one section changed, after making sure that no other changes."""
    old = profile_file.read(path)
    new = profile_file.replace_section(old, name, lines)
    if _others(old, name, path) != _others(new, name, path):
        raise ConfigurationError(f"{path} is laid out in a way that is only changed by hand.")
    profile_file.write_atomically(path, new, private=private)


def _others(text: str, name: str, path: Path) -> dict[str, dict[str, str]]:
    sections = ini.parse(text, path)
    return {other: dict(sections[other]) for other in sections.sections() if other != name}


def _drop_kept(profile: Profile, *, but: tuple[str, str] | None = None) -> None:
    """Remove the secret that an earlier state of the profile has in the key ring."""
    kept = SECRET_NAMES.get(profile.values.get("auth", ""))
    endpoint = read_level(_stated(profile)).url
    if kept and endpoint and (endpoint, kept) != but:
        keyring_store.remove(profile.name, endpoint, kept)


def _said(name: str, path: Path, place: Place) -> str:
    where = {
        "key ring": f"Saved profile {name} in {path}, its secret in the key ring.",
        "file": f"Saved profile {name} with its secret in {path}, readable by you only.",
        "nowhere": f"Saved profile {name} in {path}; it holds no secret.",
    }
    return where[place]
