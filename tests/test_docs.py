"""What README says is what the code does: its tables, its example, its commands, its names."""

from __future__ import annotations

import builtins
import re
import runpy
from pathlib import Path

import pytest
import readme_tables
from shown_text import steady, text_of

import adls_magic
from adls_magic import options
from adls_magic.core import errors
from adls_magic.core.account import profiles
from adls_magic.core.service.retry import RetryPolicy
from adls_magic.core.transfer import existing
from adls_magic.lake import LocalLake

CHECKOUT = Path(__file__).resolve().parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    """Return the text below a heading, up to the next one of its level."""
    level = title.partition(" ")[0]
    found = re.search(rf"^{re.escape(title)}\n(.*?)(?=^{level} |\Z)", README, re.M | re.S)
    assert found is not None, f"README has no {title!r}"
    return found.group(1)


def code(title: str, language: str) -> list[str]:
    """Return the code blocks of a section in one language."""
    return [body for name, body in FENCE.findall(section(title)) if name == language]


@pytest.mark.parametrize("name", readme_tables.TABLES)
def test_table_is_what_the_code_says(name: str) -> None:
    assert readme_tables.block(name) in README, "run: python tests/readme_tables.py"


def test_every_command_has_its_section_and_its_options() -> None:
    declared = {one.name for one in vars(options).values() if isinstance(one, options.Command)}
    tables = {re.split(r"[_ ]", name)[-1] for name in readme_tables.TABLES}
    assert tables >= declared
    for name in declared - {"lake"}:
        sign = "%%" if name == "write" else "%"
        assert f"\n### `{sign}adls_{name}" in README


def test_options_that_need_a_notebook_are_named() -> None:
    commands = (options.UPLOAD, options.WRITE, options.CONFIG, options.LS)
    names = {one.args[-1] for command in commands for one in command.only_notebook}
    listed = re.search(r"need a notebook \((.*?)\)", section("## From a terminal"))
    assert listed is not None
    assert set(re.findall(r"`(--[a-z-]+)`", listed.group(1))) == names


def test_exports_are_what_is_exported() -> None:
    listed = re.search(r"What is exported: (.*?)\.\n", section("## From Python"))
    assert listed is not None
    assert re.findall(r"`(\w+)`", listed.group(1)) == adls_magic.__all__
    assert set(dir(adls_magic)) >= set(adls_magic.__all__)
    for name in adls_magic.__all__:
        assert getattr(adls_magic, name).__name__.rpartition(".")[2] == name


def test_errors_are_also_what_python_would_raise() -> None:
    named = re.findall(r"`(\w+Error)`", section("## From Python"))
    assert len(named) >= 5
    ours = [one for one in vars(errors).values() if isinstance(one, type)]
    ours = [one for one in ours if issubclass(one, errors.AdlsError)]
    for name in set(named) - {"AdlsError"}:
        assert any(issubclass(one, getattr(builtins, name)) for one in ours)


def test_keys_of_a_profile_are_named() -> None:
    listed = re.search(
        r"^The keys are (.*?)\. ", section("## Which account, which credential"), re.M
    )
    assert listed is not None
    assert set(re.findall(r"`(\w+)`", listed.group(1))) == set(profiles.KEYS)


def test_the_mark_of_an_unfinished_file_is_named() -> None:
    assert f"`{existing.MARK}`" in section("## What is guaranteed, and what is not")


def test_there_are_two_commands_of_one_line() -> None:
    commands = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)
    assert len(commands) == 2, ".ci/run takes the first two"
    assert [block.count("\n") for block in code("# adls_magic", "sh")[:2]] == [1, 1]
    assert "notebooks/run.py quickstart.ipynb" in commands[0]
    assert commands[1].endswith("-m pytest")


def test_links_inside_the_repository_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert not [link for link in links if not (CHECKOUT / link).exists()]
    named = re.findall(r"^\| `(adls_magic/[\w/]*|tests/[\w/]*)`", section("## Development"), re.M)
    assert len(named) >= 3
    assert not [name for name in named if not (CHECKOUT / name).is_dir()]


@pytest.mark.parametrize("document", ["tests/LEAKS.md", "README.md"])
def test_every_test_that_a_document_names_exists(document: str) -> None:
    text = (CHECKOUT / document).read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert named
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not re.search(rf"^def {test}\(", (CHECKOUT / file).read_text("utf-8"), re.MULTILINE)
    ]
    assert not missing


def test_every_row_of_what_is_promised_names_its_test() -> None:
    leaks = (CHECKOUT / "tests/LEAKS.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!\*\*|---|way out)(.*) \|$", leaks, re.MULTILINE)
    what_if = re.findall(r"^\| (?!if|---)(.*) \|$", section("## What happens if …"), re.M)
    assert len(rows) >= 10
    assert len(what_if) >= 10
    unnamed = [row for row in rows + what_if if not re.search(r"`tests/\S+::test_\w+`$", row)]
    assert not unnamed


def test_the_policy_of_retries_is_named() -> None:
    policy = RetryPolicy()
    said = f"after {policy.tries} tries of a request, or {policy.patience:.0f} seconds"
    assert said in section("## What happens if …")


def test_example_shows_what_it_really_shows(tmp_path: Path) -> None:
    import nbformat

    execute = runpy.run_path(str(CHECKOUT / "notebooks" / "run.py"))["execute"]
    cells, shown = code("## In thirty seconds", "python"), code("## In thirty seconds", "text")
    notebook = tmp_path / "example.ipynb"
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(content, notebook)
    executed = nbformat.read(execute(notebook, tmp_path / "run"), as_version=4)
    assert [text_of(cell.outputs) for cell in executed.cells] == [steady(text) for text in shown]


def test_example_of_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sales.csv").write_text("city,amount\n", encoding="utf-8")
    (source,) = code("## From Python", "python")
    assert "adls.connect(" in source
    with LocalLake(tmp_path / "lake") as lake:
        # The account is another one, and reading it back would take adlfs.
        source = re.sub(r"adls\.connect\(.*\)", "lake.account", source)
        source = re.sub(r"^pd\.read_csv.*$", "", source, flags=re.MULTILINE)
        exec(source, {"lake": lake})
    written = tmp_path / "lake" / "lake"
    assert (written / "logs" / "run.txt").read_text(encoding="utf-8") == "done\n"
    assert (written / "2026" / "11" / "sales.csv").exists()


def test_example_of_the_local_lake_runs(tmp_path: Path) -> None:
    (source,) = code("## The local lake", "python")
    exec(source, {"tmp_path": tmp_path, "adls": adls_magic})
    assert (tmp_path / "lake" / "greeting.txt").exists()


def test_changelog_has_full_sentences() -> None:
    text = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    entries = re.findall(r"^- (.*)$", text, re.MULTILINE)
    assert "## [Unreleased]" in text
    assert entries
    assert not [entry for entry in entries if not entry.endswith(".")]
