"""Secrets of profiles in the operating system's key ring, when `keyring` is installed.

An entry is bound to the profile's endpoint: when somebody edits the profile to lead elsewhere,
its secret does not follow.
"""

from __future__ import annotations

from typing import Any

from adls_magic.core.errors import ConfigurationError
from adls_magic.core.secret import Secret

SERVICE = "adls-magic"
# keyring's own measure: below 1 are its null and fail backends and files in plain text.
_LEAST_PRIORITY = 1


def usable() -> bool:
    """Tell whether there is a key ring that keeps secrets encrypted."""
    return _keyring() is not None


def load(profile: str, endpoint: str, kind: str) -> Secret | None:
    """Return a profile's secret, None when there is none or no key ring.

    Raises:
        ConfigurationError: the key ring is there and does not answer.
    """
    keyring = _keyring()
    if keyring is None:
        return None
    try:
        text = keyring.get_password(SERVICE, _entry(profile, endpoint, kind))
    except Exception as error:  # noqa: BLE001 - a backend may raise anything of its system
        raise _refused(error) from None
    return Secret(text) if text else None


def store(profile: str, endpoint: str, kind: str, secret: Secret) -> None:
    """Keep a profile's secret.

    Raises:
        ConfigurationError: there is no key ring, or it refuses.
    """
    keyring = _keyring()
    if keyring is None:
        raise ConfigurationError(
            "There is no key ring: run `pip install adls-magic[keyring]` on a desktop system."
        )
    try:
        keyring.set_password(SERVICE, _entry(profile, endpoint, kind), secret.reveal())
    except Exception as error:  # noqa: BLE001 - a backend may raise anything of its system
        raise _refused(error) from None


def remove(profile: str, endpoint: str, kind: str) -> None:
    """Drop a profile's secret; nothing happens when there is none.

    Raises:
        ConfigurationError: the key ring holds it and refuses to drop it.
    """
    keyring = _keyring()
    if keyring is None or load(profile, endpoint, kind) is None:
        return
    try:
        keyring.delete_password(SERVICE, _entry(profile, endpoint, kind))
    except Exception as error:  # noqa: BLE001 - a backend may raise anything of its system
        raise _refused(error) from None


def _entry(profile: str, endpoint: str, kind: str) -> str:
    return f"{profile} {kind} {endpoint}"


def _keyring() -> Any:
    """Return the module `keyring`, None when it is missing or has no backend worth the name."""
    try:
        import keyring

        good = keyring.get_keyring().priority >= _LEAST_PRIORITY
    except Exception:  # noqa: BLE001 - missing, broken or without a backend: all the same here
        return None
    return keyring if good else None


def _refused(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The key ring does not answer ({type(error).__name__}). Is it locked? "
        "Unlock it, or give the secret by `%adls_config --prompt`."
    )
