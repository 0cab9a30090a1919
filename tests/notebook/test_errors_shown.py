"""How a failure looks in IPython, whatever the traceback mode."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from adls_magic.core.account import Account, session
from adls_magic.core.errors import AdlsError, ConnectionFailedError
from adls_magic.lake import LocalLake

Run = Callable[[str], Any]

FAILURES = [
    ("%adls_upload nothing.csv d/", "SourceNotFoundError: nothing.csv does not exist"),
    ("%adls_ls", "ConfigurationError: No account is configured."),
    ("%%adls_write x.txt\nprint(1)", "ConfigurationError: No account is configured."),
    ("%adls_upload", "UsageError: %adls_upload: the following arguments are required"),
    ("%adls_upload a.csv b -o class", "UsageError: %adls_upload: -o/--out: the name of a variable"),
    ("%adls_upload a.csv {typo}", "UsageError: typo is not defined"),
    ("%adls_config --prompt --account a", "ConfigurationError: Nobody can be asked here."),
]


@pytest.mark.parametrize("mode", ["Context", "Verbose", "Minimal", "Plain"])
@pytest.mark.parametrize(("cell", "said"), FAILURES)
def test_an_error_is_a_line_or_two_and_fails_the_cell(
    run: Run, shell: InteractiveShell, mode: str, cell: str, said: str
) -> None:
    run(f"%xmode {mode}")
    ran = run(cell)
    shown = f"{ran.out}{ran.err}".strip()
    assert isinstance(ran.error, AdlsError) or type(ran.error) is UsageError
    assert shown.startswith(said)
    assert len(shown.splitlines()) <= 2


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "its name was not found"),
        (
            {"HTTPS_PROXY": "http://127.0.0.1:9"},
            "check HTTPS_PROXY, or name contoso.dfs.nowhere.invalid in NO_PROXY",
        ),
    ],
)
def test_no_network_is_told_soon(
    run: Run, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    endpoint = "https://contoso.dfs.nowhere.invalid"
    session.configure(Account("contoso", endpoint, auth="anonymous", filesystem="raw"))
    Path("a.csv").write_text("a\n")
    for cell in ("%adls_ls", "%adls_upload a.csv d/", "%%adls_write x.txt\nprint(1)"):
        began = time.monotonic()
        ran = run(cell)
        assert time.monotonic() - began < 15
        assert isinstance(ran.error, ConnectionFailedError)
        assert said in str(ran.error)
        assert len(f"{ran.out}{ran.err}".strip().splitlines()) <= 2


def test_an_error_can_be_caught(run: Run) -> None:
    ran = run(
        "import adls_magic\n"
        "try:\n"
        "    get_ipython().run_line_magic('adls_upload', 'nothing.csv d/')\n"
        "except adls_magic.AdlsError as error:\n"
        "    print('caught', isinstance(error, FileNotFoundError))"
    )
    assert ran.line == "caught True"
    assert ran.error is None


@pytest.mark.parametrize("name", ["adls_upload", "adls_ls", "adls_config"])
def test_help_is_the_question_mark_page(run: Run, shell: InteractiveShell, name: str) -> None:
    page = run(f"%{name} --help").out.strip()
    assert page == shell.object_inspect(f"%{name}")["docstring"].strip()
    assert page.index(f"    %{name}") < page.index("usage:") < page.index("--help  ")


def test_help_of_the_cell_magic(run: Run, shell: InteractiveShell) -> None:
    page = run("%%adls_write --help\npass").out.strip()
    assert page == shell.object_inspect("%%adls_write")["docstring"].strip()
    assert "%%adls_write 2026/11/top.csv" in page


VALUES = [
    ("lazy", "import polars\npolars.scan_csv('nosuch.csv')", "x.csv", FileNotFoundError),
    ("rows", "def rows():\n    yield [1]\n    raise KeyError('mine')\nrows()", "x.csv", KeyError),
    ("chained", "def rows():\n    yield 'a'\n    try:\n        1 / 0\n    except ZeroDivisionError\
 as error:\n        raise KeyError('mine') from error\nrows()", "x.txt", KeyError),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body", "name", "error"), VALUES)
def test_a_value_that_raises_is_shown_without_our_frames(
    run: Run, lake: LocalLake, kind: str, body: str, name: str, error: type[BaseException]
) -> None:
    ran = run(f"%%adls_write {name}\n{body}")
    shown = f"{ran.out}{ran.err}"
    assert isinstance(ran.error, error)
    assert "adls_magic" not in shown.replace("get_ipython().run_cell_magic", "")
    if kind != "lazy":
        assert shown.count("File ") == 1 + (kind == "chained")
        assert "raise KeyError('mine')" in shown and "in rows" in shown
    assert shown.count("Traceback") == 1 + (kind == "chained")
    assert list((lake.root / "lake").iterdir()) == []


def test_a_fault_of_ours_is_shown_with_our_frames(
    run: Run, lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adls_magic.output.raw.forms", None)
    shown = run("%%adls_write x.txt\n{'a': 1}").out
    assert "TypeError" in shown and "_forms_of" in shown
