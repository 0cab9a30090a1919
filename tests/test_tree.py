"""Globs and folders: what is taken, and where `cp -r` would put it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adls_magic.core.errors import OptionError, SourceError, SourceNotFoundError
from adls_magic.core.transfer.tree import expand, needs_directory, place


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.csv", "a.csv", ".hidden.csv", "x.txt", "d/1.csv", "d/e/2.csv", "d/.h/3.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "d/empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(sources: list[str], *, recursive: bool = False, into: bool = True) -> list[str]:
    return [name for _, name in place(expand(sources, recursive=recursive), into=into).files]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["a.csv"], ["a.csv"]),
        (["./a.csv"], ["a.csv"]),
        (["*.csv"], ["a.csv", "b.csv"]),
        (["[b-z].*", "a.csv"], ["b.csv", "x.txt", "a.csv"]),
        (["?.csv"], ["a.csv", "b.csv"]),
        (["d/**/*.csv"], ["1.csv", "2.csv"]),
        (["d/**"], ["1.csv", "2.csv"]),
    ],
)
def test_globs_are_expanded_and_sorted(here: Path, sources: list[str], expected: list[str]) -> None:
    assert names(sources) == expected


@pytest.mark.parametrize(
    ("source", "into", "expected"),
    [
        ("d", True, ["d/.h/3.csv", "d/1.csv", "d/e/2.csv"]),
        ("d/", True, ["d/.h/3.csv", "d/1.csv", "d/e/2.csv"]),
        ("d", False, [".h/3.csv", "1.csv", "e/2.csv"]),
        ("d/.", True, [".h/3.csv", "1.csv", "e/2.csv"]),
        ("d/.", False, [".h/3.csv", "1.csv", "e/2.csv"]),
        ("d/e/..", True, None),
    ],
)
def test_folders(here: Path, source: str, into: bool, expected: list[str] | None) -> None:
    if expected is None:  # `..` has the name of what it is
        expected = ["d/.h/3.csv", "d/1.csv", "d/e/2.csv"]
    assert names([source], recursive=True, into=into) == expected


def test_the_present_folder_means_its_contents(here: Path) -> None:
    assert "a.csv" in names(["."], recursive=True)
    assert "d/1.csv" in names(["."], recursive=True)


def test_empty_folders_are_kept(here: Path) -> None:
    assert place(expand(["d"], recursive=True), into=True).empty_directories == ("d/empty",)
    assert place(expand(["d/empty"], recursive=True), into=True).empty_directories == ("empty",)
    assert place(expand(["d/empty"], recursive=True), into=False).empty_directories == ("",)


def test_a_glob_needs_a_directory_whatever_it_matches(here: Path) -> None:
    assert needs_directory(expand(["a*.csv"], recursive=False))
    assert needs_directory(expand(["a.csv", "b.csv"], recursive=False))
    assert not needs_directory(expand(["a.csv"], recursive=False))
    assert not needs_directory(expand(["d"], recursive=True))


def test_a_file_whose_name_looks_like_a_glob_is_that_file(here: Path) -> None:
    (here / "q[1].csv").write_text("")
    (here / "q1.csv").write_text("")
    assert names(["q[1].csv"]) == ["q[1].csv"]
    assert not needs_directory(expand(["q[1].csv"], recursive=False))


def test_home_is_expanded(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("USERPROFILE", str(here))
    assert names(["~/a.csv", "~/d/*.csv"]) == ["a.csv", "1.csv"]


def test_links_are_followed(here: Path) -> None:
    (here / "link").symlink_to("d")
    (here / "d/to_a.csv").symlink_to("../a.csv")
    assert "link/to_a.csv" in names(["link"], recursive=True)


def test_a_link_around_is_an_error_and_no_endless_walk(here: Path) -> None:
    (here / "d/e/up").symlink_to("..")
    with pytest.raises(SourceError, match="up is a link to a folder that it is in"):
        expand(["d"], recursive=True)


def test_two_links_to_one_folder_are_no_loop(here: Path) -> None:
    (here / "d/one").symlink_to("e")
    (here / "d/two").symlink_to("e")
    assert {"d/one/2.csv", "d/two/2.csv"} <= set(names(["d"], recursive=True))


@pytest.mark.parametrize(
    ("source", "recursive", "error", "said"),
    [
        ("nothing.csv", False, SourceNotFoundError, "nothing.csv does not exist"),
        ("nothing/x", True, SourceNotFoundError, "does not exist"),
        ("*.parquet", False, SourceNotFoundError, r"nothing matches \*.parquet"),
        ("n*/**", True, SourceNotFoundError, "nothing matches"),
        ("d", False, SourceError, "d is a folder; add --recursive"),
        ("[d-e]", False, SourceError, "d is a folder; add --recursive"),
        ("a.csv/", False, SourceError, "cannot be read|is a file, not a folder"),
        ("a.csv/x", False, SourceError, "cannot be read: not a directory"),
        ("broken", False, SourceNotFoundError, "link to something that does not exist"),
        ("with_broken", True, SourceNotFoundError, "link to something that does not exist"),
        ("pipe", False, SourceError, "no regular file"),
        ("with_socket", True, SourceError, "no regular file"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links of POSIX")
def test_bad_sources(
    here: Path, source: str, recursive: bool, error: type[Exception], said: str
) -> None:
    (here / "broken").symlink_to("nowhere")
    (here / "with_broken").mkdir()
    (here / "with_broken/link").symlink_to("nowhere")
    (here / "with_socket").mkdir()
    os.mkfifo(here / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("with_socket/s")
        with pytest.raises(error, match=said) as caught:
            expand([source], recursive=recursive)
    assert "\n" not in str(caught.value)


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder of ours, seen by somebody who may not read everything, as root may."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "a.csv").touch(mode=0o000)
        (folder / "d").mkdir()
        (folder / "d/e").mkdir(mode=0o000)
        if os.geteuid() != 0:
            yield folder
            (folder / "d/e").chmod(0o700)
            return
        os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
@pytest.mark.parametrize("name", ["a.csv", "d"])
def test_unreadable_sources(nobody: Path, name: str) -> None:
    with pytest.raises(SourceError, match="cannot be read: permission denied"):
        expand([str(nobody / name)], recursive=True)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are text")
def test_a_name_that_is_no_text_is_refused(here: Path) -> None:
    (here / os.fsdecode(b"d/\xff.csv")).write_text("")
    with pytest.raises(SourceError, match="not UTF-8"):
        expand(["d"], recursive=True)


def test_two_files_of_one_name_are_refused(here: Path) -> None:
    (here / "d/a.csv").write_text("")
    with pytest.raises(OptionError, match=r"a\.csv and d/a\.csv would both become a\.csv"):
        place(expand(["a.csv", "d/a.csv"], recursive=False), into=True)


TREES = st.lists(
    st.lists(st.sampled_from(["a", "b.c", " x", "é", ".h"]), min_size=1, max_size=3),
    min_size=0,
    max_size=6,
)


@pytest.mark.skipif(shutil.which("cp") is None, reason="needs cp")
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(files=TREES, slash=st.sampled_from(["", "/", "/."]), exists=st.booleans())
def test_folders_go_where_cp_puts_them(
    files: list[list[str]], slash: str, exists: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("cp")
    source = root / "src"
    source.mkdir()
    for parts in files:
        path = source.joinpath(*parts)
        if not any(p.is_file() for p in path.parents) and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
    if exists:
        (root / "dst").mkdir()
    subprocess.run(["cp", "-r", f"{source}{slash}", root / "dst"], check=True)
    copied = {
        path.relative_to(root / "dst").as_posix()
        for path in (root / "dst").rglob("*")
        if path.is_file()
    }
    empty = {
        path.relative_to(root / "dst").as_posix()
        for path in [root / "dst", *(root / "dst").rglob("*")]
        if path.is_dir() and not list(path.iterdir())
    }
    placed = place(expand([f"{source}{slash}"], recursive=True), into=exists)
    assert {name for _, name in placed.files} == copied
    assert {name or "." for name in placed.empty_directories} == empty
