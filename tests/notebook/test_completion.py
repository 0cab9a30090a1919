"""Tab on the lines of our magics, through IPython's own completer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from patience import AT_ONCE

from adls_magic.completion import Word, as_written
from adls_magic.core.account import Account, session
from adls_magic.lake import LocalLake
from adls_magic.line import split_line

Complete = Callable[..., list[str]]


@pytest.fixture
def complete(shell: InteractiveShell) -> Complete:
    """Returns the whole text of the cell after each completion."""

    def complete(code: str, cursor: int | None = None) -> list[str]:
        cursor = len(code) if cursor is None else cursor
        with provisionalcompleter(), capture_output() as shown:
            found = list(shell.Completer.completions(code, cursor))
        assert shown.stdout == shown.stderr == ""
        return [code[: one.start] + one.text + code[one.end :] for one in found]

    return complete


def others(lines: list[str]) -> list[str]:
    """Without the names of magics, which IPython offers where we have nothing."""
    return [line for line in lines if " %" not in line]


@pytest.fixture(autouse=True)
def sources(place: Path) -> None:
    for name in ("a.csv", "my file.csv", ".hidden", "d/inner.csv", "O'Brien (1).csv"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("")


def test_only_our_options(complete: Complete) -> None:
    assert complete("%adls_upload --re") == ["%adls_upload --recursive"]
    options = [line.rpartition(" ")[2] for line in complete("%adls_ls --")]
    assert options == [
        "--recursive",
        "--long",
        "--partials",
        "--remove",
        "--profile",
        "--help",
    ]
    assert "%%adls_write x.txt --from" in complete("%%adls_write x.txt --")
    assert "%adls_config --prompt" in complete("%adls_config --p")


def test_local_names(complete: Complete, lake: LocalLake) -> None:
    assert complete("%adls_upload a") == ["%adls_upload a.csv"]
    assert complete("%adls_upload m") == [r"%adls_upload my\ file.csv"]
    assert complete(r"%adls_upload my\ f") == [r"%adls_upload my\ file.csv"]
    assert complete("%adls_upload 'my f") == ["%adls_upload 'my file.csv"]
    assert complete("%adls_upload d/in") == ["%adls_upload d/inner.csv"]
    assert complete("%adls_upload .h") == ["%adls_upload .hidden"]
    assert complete("x = 1\n%adls_upload a") == ["x = 1\n%adls_upload a.csv"]
    (line,) = complete("%adls_upload O")
    assert split_line(line)[1:] == ["O'Brien (1).csv"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own there")
def test_local_names_that_cannot_be_looked_at(complete: Complete, place: Path) -> None:
    (place / "again").symlink_to("again")
    assert complete("%adls_upload a") == ["%adls_upload a.csv", "%adls_upload again"]


def test_names_in_the_lake(complete: Complete, lake: LocalLake, place: Path) -> None:
    (lake.root / "lake/2026/11 x").mkdir(parents=True)
    (lake.root / "lake/2026/file.csv").write_text("")
    assert complete("%adls_ls 20") == ["%adls_ls 2026/"]
    assert complete("%adls_ls 2026/1") == [r"%adls_ls 2026/11\ x/"]
    cell = "%%adls_write 2026/fi\nx = 1"
    assert complete(cell, cell.index("\n")) == ["%%adls_write 2026/file.csv\nx = 1"]
    assert complete("%adls_upload a.csv 2026/f") == ["%adls_upload a.csv 2026/file.csv"]
    assert complete("%adls_ls abfss://lake/20") == ["%adls_ls abfss://lake/2026/"]
    assert others(complete("%adls_upload 20")) == []


def test_values_of_options(complete: Complete, shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text("[prod]\naccount_name = contoso\nauth = anonymous\n")
    assert complete("%adls_ls --profile p") == ["%adls_ls --profile prod"]
    shell.user_ns["my_frame"] = 1
    assert complete("%adls_upload --var my_f") == ["%adls_upload --var my_frame"]
    assert complete("%adls_config --credential my_f") == ["%adls_config --credential my_frame"]
    assert complete("%adls_config --local d") == ["%adls_config --local d/"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [("impor", "import"), ("%%adls_write x.txt\nimpor", "%%adls_write x.txt\nimport")],
)
def test_python_is_completed_as_ever(complete: Complete, code: str, expected: str) -> None:
    assert expected in complete(code)


def test_a_lake_that_does_not_answer_costs_a_second_and_no_error(
    complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/acc"
        session.configure(Account("acc", endpoint, auth="anonymous", filesystem="fs"))
        began = time.monotonic()
        assert others(complete("%adls_ls x")) == []
        assert time.monotonic() - began < AT_ONCE


def test_nothing_configured_is_no_error(complete: Complete) -> None:
    assert others(complete("%adls_ls x")) == []


def test_the_result_of_any_line(shell: InteractiveShell, complete: Complete) -> None:
    for text in ("%adls_upload ", "%adls_upload '", "%adls_upload \\", "%adls_upload {na", "%adls"):
        result: Any = complete(text)
        assert isinstance(result, list)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1))
def test_what_is_offered_reads_back_as_the_name(name: str) -> None:
    name = "".join(c for c in name if not c.isspace() or c == " ") or "x"
    word = Word((), "", "", "")
    assert split_line(as_written(name, word), windows=False) == [name]
    if "'" not in name:
        assert split_line(as_written(name, Word((), "'", "", "'")) + "'") == [name]
