"""What a process of its own needs to know of an account."""

from __future__ import annotations

import os
from pathlib import Path

from adls_magic.core.account import Account

ROOT = Path(__file__).parents[2]


def environment(account: Account) -> dict[str, str]:
    """The environment of a process that uses `account` and nothing else that is configured."""
    assert account.secret is not None
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("AZURE_", "ADLS_", "STORAGE_"))
        and not name.lower().endswith("_proxy")
    }
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "AZURE_STORAGE_ACCOUNT": account.name,
        "AZURE_STORAGE_KEY": account.secret.reveal(),
        "AZURE_STORAGE_ENDPOINT": account.endpoint,
        "AZURE_CONTAINER_NAME": "lake",
    }
