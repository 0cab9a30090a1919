"""%adls_config and %adls_ls."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from adls_magic.core.account import session
from adls_magic.core.account.description import rows
from adls_magic.core.errors import AdlsError, ConfigurationError, PathNotFoundError
from adls_magic.lake import LocalLake

Run = Callable[[str], Any]

KEY = base64.b64encode(bytes(range(64))).decode()


def test_local_starts_a_lake_and_uses_it(run: Run, place: Path) -> None:
    ran = run("%adls_config --local")
    assert re.fullmatch(
        r"Using http://127\.0\.0\.1:\d+/devstoreaccount1/lake/ \(local lake in adls-lake\)",
        ran.line,
    )
    (place / "a.txt").write_text("a")
    assert run("%adls_upload a.txt d/").error is None
    assert (place / "adls-lake/lake/d/a.txt").read_text() == "a"
    first = session.current()
    assert run("%adls_config --local adls-lake --filesystem other").error is None
    second = session.current()
    assert first is not None
    assert second is not None
    assert (second.endpoint, second.filesystem) == (first.endpoint, "other")
    assert run("%adls_upload a.txt d/").error is None
    assert (place / "adls-lake/other/d/a.txt").read_text() == "a"


def test_filesystem_alone_changes_only_that(run: Run, lake: LocalLake) -> None:
    ran = run("%adls_config --filesystem raw")
    assert ran.line == f"Using {lake.url}/raw/ (account key)"
    account = session.current()
    assert account is not None
    assert (account.filesystem, account.secret) == ("raw", lake.account.secret)


def test_prompt_asks_and_shows_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, shell: InteractiveShell
) -> None:
    asked = []

    def typed(prompt: str) -> str:
        asked.append(prompt)
        return f"  {KEY}\n"

    monkeypatch.setattr("getpass.getpass", typed)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    ran = run("%adls_config --account contoso --filesystem raw --prompt")
    assert ran.line == "Using abfss://raw@contoso.dfs.core.windows.net/ (account key)"
    assert asked == ["Key, SAS or connection string of contoso (not shown): "]
    text = run("%adls_config --show").out
    assert "contoso" in text
    assert KEY not in text
    account = session.current()
    assert account is not None
    assert account.secret is not None
    assert account.secret.reveal() == KEY
    assert run("%adls_config --forget").error is None
    assert session.current() is None


@pytest.mark.parametrize(("auth", "text"), [("key", "short=="), ("sas", KEY), ("key", "")])
def test_a_wrong_secret_changes_nothing_and_is_not_repeated(
    run: Run, lake: LocalLake, monkeypatch: pytest.MonkeyPatch, auth: str, text: str
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: text)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    before = session.current()
    ran = run(f"%adls_config --account contoso --auth {auth} --prompt")
    assert isinstance(ran.error, AdlsError)
    assert not text or text not in f"{ran.out}{ran.err}"
    assert session.current() is before


def test_prompt_where_nobody_can_answer_fails_at_once(run: Run) -> None:
    ran = run("%adls_config --account contoso --prompt")
    assert isinstance(ran.error, ConfigurationError)
    assert "Nobody can be asked here" in str(ran.error)
    assert len(ran.out.splitlines()) == 1


def test_credential_is_the_name_of_a_variable(run: Run, shell: InteractiveShell) -> None:
    shell.user_ns["secret"] = KEY
    ran = run("%adls_config --account contoso --credential secret")
    assert ran.line.startswith("Using account contoso (account key); it has no filesystem yet")
    assert type(run("%adls_config --account a --credential missing").error) is UsageError
    ran = run(f"%adls_config --account contoso --credential {KEY}")
    assert type(ran.error) is UsageError
    assert KEY not in ran.err


def test_profiles_are_saved_and_used(run: Run, tmp_path: Path) -> None:
    assert run("%adls_config --account contoso --filesystem raw --auth anonymous").error is None
    ran = run("%adls_config --save p1")
    assert "p1" in ran.line
    assert "contoso" in (tmp_path / "config.ini").read_text()
    run("%adls_config --forget")
    assert isinstance(run("%adls_ls").error, ConfigurationError)
    assert "raw@contoso" in run("%adls_config --profile p1").line
    assert isinstance(run("%adls_config --profile nosuch").error, ConfigurationError)
    account = session.current()
    assert account is not None
    assert account.name == "contoso"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--local --account a", "leave --account out"),
        ("--forget --account a", "--forget stands alone"),
        ("--prompt --credential x", "exclude each other"),
        ("--prompt --auth identity", "needs no secret"),
        ("contoso", "takes options only"),
        (f"--account-key {KEY}", "a secret is never given on the line"),
        (f"--sas={KEY}", "a secret is never given on the line"),
    ],
)
def test_contradictions_are_usage_errors(run: Run, line: str, said: str) -> None:
    ran = run(f"%adls_config {line}")
    assert type(ran.error) is UsageError
    assert said in str(ran.error)
    assert KEY not in ran.err


@pytest.mark.parametrize("name", ["UPPER", "a b", "no/slash", "x"])
def test_local_refuses_wrong_filesystems(run: Run, place: Path, name: str) -> None:
    ran = run(f"%adls_config --local --filesystem '{name}'")
    assert isinstance(ran.error, AdlsError)
    assert not (place / "adls-lake").exists()


def test_local_over_a_file_is_an_error(run: Run, place: Path) -> None:
    (place / "file").write_text("")
    ran = run("%adls_config --local file")
    assert isinstance(ran.error, ConfigurationError)
    where = (place / "file").resolve()
    said = f"The local lake cannot be started: {where}: this is a file and no folder."
    assert str(ran.error) == said


def test_a_file_named_as_the_filesystem_is_an_error_with_a_cure(run: Run, place: Path) -> None:
    (place / "adls-lake").mkdir()
    (place / "adls-lake" / "raw").write_text("")
    ran = run("%adls_config --local --filesystem raw")
    assert isinstance(ran.error, ConfigurationError)
    assert str(ran.error).startswith("The local lake cannot be started: ")
    assert "move it, or use another filesystem." in str(ran.error)


def test_a_wrong_endpoint_is_told_with_its_option_once(run: Run) -> None:
    ran = run("%adls_config --account contoso --endpoint ftp://a --auth anonymous")
    assert str(ran.error).startswith("option --endpoint: An endpoint starts with https://")


@pytest.mark.parametrize(
    ("lines", "origins"),
    [
        (["--local"], ["local lake"] * 4 + [""]),
        (["--local", "--filesystem raw"], ["local lake"] * 2 + ["option --filesystem"]),
        (
            ["--account contoso --filesystem raw --auth identity"],
            ["option --account", "from the account's name", "option --filesystem", "option --auth"],
        ),
    ],
)
def test_show_names_where_each_value_came_from(
    run: Run, lines: list[str], origins: list[str]
) -> None:
    for line in lines:
        assert run(f"%adls_config {line}").error is None
    account = session.current()
    assert account is not None
    assert [row.origin for row in rows(account)][: len(origins)] == origins
    shown = run("%adls_config --show").out.strip()
    assert shown == account.describe()
    for row in rows(account):
        end = f"  ({row.origin})" if row.origin else ""
        assert re.search(
            rf"^{row.name} +{re.escape(row.value)} *{re.escape(end)}$", shown, re.MULTILINE
        )


def test_show_without_anything_tells_the_ways(run: Run) -> None:
    ran = run("%adls_config --show")
    assert ran.error is None
    for way in ("%adls_config", "AZURE_STORAGE_ACCOUNT", "--local"):
        assert way in ran.out


def test_without_options_the_form_and_its_text(run: Run, lake: LocalLake) -> None:
    ran = run("%adls_config")
    assert ran.error is None
    assert lake.url in ran.out
    assert lake.account.secret is not None
    assert lake.account.secret.reveal() not in ran.out


# ── ls ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def filled(run: Run, lake: LocalLake, place: Path) -> LocalLake:
    (place / "a.csv").write_bytes(bytes(2048))
    run("%adls_upload a.csv d/")
    run("%adls_upload a.csv 'd/sub/b c.csv'")
    return lake


def test_ls_is_a_table(run: Run, filled: LocalLake) -> None:
    lines = run("%adls_ls d").out.splitlines()
    assert lines[0].split() == ["name", "size", "modified"]
    assert re.fullmatch(r"a\.csv +2\.00 KiB  \d{4}-\d\d-\d\d \d\d:\d\d", lines[1])
    assert lines[2].startswith("sub/")
    assert lines[3] == f"1 file (2.00 KiB) and 1 directory in {filled.url}/lake/d/"


def test_ls_recursive_and_long(run: Run, filled: LocalLake) -> None:
    out = run("%adls_ls -r -l").out
    assert re.search(
        r'^d/sub/b c\.csv +2048  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ".+"$', out, re.MULTILINE
    )
    assert "2 files (4.00 KiB) and 2 directories" in out


def test_ls_of_a_file_an_empty_and_a_missing_directory(run: Run, filled: LocalLake) -> None:
    assert "1 file (2.00 KiB) in" in run("%adls_ls d/a.csv").out
    (filled.root / "lake/empty").mkdir()
    assert run("%adls_ls empty").line == f"{filled.url}/lake/empty/ is empty"
    ran = run("%adls_ls nothing")
    assert isinstance(ran.error, PathNotFoundError)
    assert "nothing does not exist" in str(ran.error)
    ran = run("%adls_ls abfss://nosuch/")
    assert isinstance(ran.error, PathNotFoundError)
    assert "nosuch" in str(ran.error)
