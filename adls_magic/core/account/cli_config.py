"""az CLI's own config file, section [storage]: the last place where an account is looked for.

https://learn.microsoft.com/cli/azure/azure-cli-configuration
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from adls_magic.core.account import ini
from adls_magic.core.account.environment import auth_mode
from adls_magic.core.account.levels import Found, FoundSecret, Level, Stated, read_level
from adls_magic.core.account.pasted import clean
from adls_magic.core.secret import Secret

_SECTION = "storage"


def config_file(environ: Mapping[str, str]) -> Path:
    """Return the path of az CLI's config file: in `$AZURE_CONFIG_DIR` or `~/.azure`."""
    folder = environ.get("AZURE_CONFIG_DIR")
    # pathlib's way raises where nobody knows a home.
    return Path(folder or os.path.expanduser("~/.azure")) / "config"  # noqa: PTH111


def read_cli_config(path: Path) -> Level:
    """Return what az CLI's config file says; nothing when there is none.

    Raises:
        ConfigurationError: the file is broken or its values differ or are wrong.
        CredentialError: a key, SAS or connection string cannot be right.
    """
    text = ini.read_text(path)
    if text is None:
        return Level()
    parser = ini.parse(text, path)
    section = parser[_SECTION] if parser.has_section(_SECTION) else {}
    values = {key.lower(): value for key, value in section.items()}

    def origin(key: str) -> str:
        return f"{key} in {path}"

    def texts(key: str) -> list[Found]:
        value = clean(values.get(key, ""))
        return [Found(value, origin(key))] if value else []

    def secrets(key: str) -> list[FoundSecret]:
        return [FoundSecret(Secret(found.value), found.origin) for found in texts(key)]

    return read_level(
        Stated(
            accounts=texts("account"),
            keys=secrets("key"),
            connection_strings=secrets("connection_string"),
            sas_tokens=secrets("sas_token"),
            auth=auth_mode(clean(values.get("auth_mode", "")), origin("auth_mode")),
        )
    )
