"""Every test here starts on a machine where nothing is configured."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adls_magic.core.account import keyring_store, session


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in list(os.environ):
        if name.startswith(("AZURE_", "ADLS_MAGIC")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ADLS_MAGIC_CONFIG", str(tmp_path / "config.ini"))
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path / "azure"))
    monkeypatch.setattr(keyring_store, "_keyring", lambda: None)
    session.forget()
    yield
    session.forget()


@pytest.fixture
def config(tmp_path: Path):
    """Write the config file of profiles, readable by the owner only."""

    def write(text: str, mode: int = 0o600) -> Path:
        path = tmp_path / "config.ini"
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def cli_config(tmp_path: Path):
    """Write az CLI's own config file."""

    def write(text: str) -> Path:
        path = tmp_path / "azure" / "config"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write
