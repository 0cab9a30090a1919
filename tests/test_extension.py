"""%load_ext, %unload_ext, %reload_ext: nothing doubled, nothing left, nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from shells import fresh_shell
from traitlets.config import Config

from adls_magic.core.account import session
from adls_magic.core.errors import ConfigurationError

ROOT = Path(__file__).parents[1]
OURS = {"adls_upload", "adls_ls", "adls_config", "adls_write"}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("ADLS_MAGIC_CONFIG", str(tmp_path / "config.ini"))
    monkeypatch.chdir(tmp_path)
    with fresh_shell() as made:
        yield made


def state(shell: InteractiveShell) -> dict[str, Any]:
    """Everything that an extension could leave behind."""
    manager = shell.magics_manager
    return {
        "magics": {kind: dict(functions) for kind, functions in manager.magics.items()},
        "registry": dict(manager.registry),
        "configurables": list(shell.configurables),
        "matchers": list(shell.Completer.custom_matchers),
        "events": {name: list(calls) for name, calls in shell.events.callbacks.items()},
        "hooks": {name: list(calls) for name, calls in shell.hooks.items() if calls},
        "names": set(shell.user_ns),
        "threads": set(threading.enumerate()),
    }


def ours(shell: InteractiveShell) -> tuple[list[str], int, int]:
    """Our magics, and how often we are configurable and complete."""
    names = [
        name
        for functions in shell.magics_manager.magics.values()
        for name in functions
        if name in OURS
    ]
    configurable = sum(type(one).__name__ == "AdlsMagics" for one in shell.configurables)
    matchers = sum(
        getattr(one, "matcher_identifier", "") == "adls_magic"
        for one in shell.Completer.custom_matchers
    )
    return sorted(names), configurable, matchers


ONCE = (sorted(OURS), 1, 1)
NEVER: tuple[list[str], int, int] = ([], 0, 0)


def test_load_unload_load(shell: InteractiveShell) -> None:
    # IPython makes its own magics when the first others come; so the first round is its.
    shell.run_line_magic("load_ext", "adls_magic")
    shell.run_line_magic("unload_ext", "adls_magic")
    assert ours(shell) == NEVER
    before = state(shell)
    for _ in range(3):
        shell.run_line_magic("load_ext", "adls_magic")
        assert ours(shell) == ONCE
        shell.run_line_magic("unload_ext", "adls_magic")
        assert state(shell) == before


def test_loading_twice_doubles_nothing(shell: InteractiveShell) -> None:
    import adls_magic

    shell.run_line_magic("load_ext", "adls_magic")
    shell.run_line_magic("load_ext", "adls_magic")
    adls_magic.load_ipython_extension(shell)
    assert ours(shell) == ONCE
    shell.run_line_magic("unload_ext", "adls_magic")
    adls_magic.unload_ipython_extension(shell)
    assert ours(shell) == NEVER


def test_reload_keeps_what_config_set(shell: InteractiveShell) -> None:
    shell.run_line_magic("load_ext", "adls_magic")
    shell.run_cell("%config AdlsMagics.workers = 16")
    shell.run_line_magic("reload_ext", "adls_magic")
    assert ours(shell) == ONCE
    assert shell.magics_manager.registry["AdlsMagics"].defaults.workers == 16


def test_a_local_lake_ends_with_the_extension(shell: InteractiveShell) -> None:
    before = set(threading.enumerate())
    shell.run_line_magic("load_ext", "adls_magic")
    assert shell.run_cell("%adls_config --local here").success
    assert set(threading.enumerate()) - before
    shell.run_line_magic("unload_ext", "adls_magic")
    assert set(threading.enumerate()) == before
    assert session.current() is None


def test_another_extensions_magic_of_our_name_stays(shell: InteractiveShell) -> None:
    def other(line: str) -> str:
        return "other"

    shell.run_line_magic("load_ext", "adls_magic")
    shell.register_magic_function(other, magic_name="adls_ls")
    shell.run_line_magic("unload_ext", "adls_magic")
    assert shell.run_line_magic("adls_ls", "") == "other"


def test_config_lists_the_class_once(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_line_magic("load_ext", "adls_magic")
    shell.run_cell("%config")
    assert capsys.readouterr().out.split().count("AdlsMagics") == 1
    shell.run_cell("%config AdlsMagics")
    out = capsys.readouterr().out
    for trait in ("workers", "chunk_size", "if_exists", "progress", "md5", "profile"):
        assert f"AdlsMagics.{trait}=" in out


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("workers = 16", 16),
        ("workers = None", None),
        ("chunk_size = '8MiB'", 8 * 1024**2),
        ("chunk_size = 4096", 4096),
        ("if_exists = 'skip'", "skip"),
        ("progress = False", False),
        ("md5 = True", True),
        ("profile = 'prod'", "prod"),
    ],
)
def test_traits_take_good_values(shell: InteractiveShell, setting: str, value: object) -> None:
    shell.run_line_magic("load_ext", "adls_magic")
    assert shell.run_cell(f"%config AdlsMagics.{setting}").success
    magics = shell.magics_manager.registry["AdlsMagics"]
    assert getattr(magics.defaults, setting.split()[0]) == value


@pytest.mark.parametrize(
    "setting",
    ["workers = 0", "workers = 'many'", "chunk_size = 0", "chunk_size = '8M'", "if_exists = 'x'"],
)
def test_traits_refuse_bad_values(shell: InteractiveShell, setting: str) -> None:
    shell.run_line_magic("load_ext", "adls_magic")
    magics = shell.magics_manager.registry["AdlsMagics"]
    before = magics.defaults
    shell.run_cell(f"%config AdlsMagics.{setting}")
    assert magics.defaults == before


def test_the_config_file_sets_defaults(tmp_path: Path) -> None:
    config = Config()
    config.AdlsMagics.workers = 3
    config.AdlsMagics.chunk_size = "1MiB"
    with fresh_shell(config) as shell:
        shell.run_line_magic("load_ext", "adls_magic")
        defaults = shell.magics_manager.registry["AdlsMagics"].defaults
        assert (defaults.workers, defaults.chunk_size) == (3, 1024**2)


def test_loading_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "import sys\n"
        "shell = InteractiveShell.instance()\n"
        "before = set(sys.modules)\n"
        "shell.run_line_magic('load_ext', 'adls_magic')\n"
        "print(*(set(sys.modules) - before))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    new = {name.partition(".")[0] for name in run.stdout.split()}
    assert "adls_magic" in new
    heavy = {"requests", "urllib3", "tqdm", "ipywidgets", "anywidget", "pandas", "numpy", "http"}
    assert not new & heavy
    assert not any("lake" in name or "client" in name for name in run.stdout.split())
    assert run.stderr == ""


def test_a_wrong_default_is_told_in_a_line_and_leaves_nothing(shell: InteractiveShell) -> None:
    shell.run_line_magic("load_ext", "storemagic")  # IPython registers %load_ext when first used
    before = state(shell)
    shell.config.AdlsMagics.workers = 0
    with pytest.raises(ConfigurationError, match=r"workers.*Correct it") as caught:
        shell.run_line_magic("load_ext", "adls_magic")
    assert "\n" not in str(caught.value)
    assert state(shell) == before
    shell.config.AdlsMagics.workers = 2
    shell.run_line_magic("load_ext", "adls_magic")
    assert shell.magics_manager.registry["AdlsMagics"].workers == 2
