"""%adls_ls --partials: what unfinished uploads have left, and its removal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError

from adls_magic.core.account import session
from adls_magic.core.account.address import RemotePath
from adls_magic.core.errors import PathNotFoundError
from adls_magic.core.service.client import Client
from adls_magic.core.transfer import partials
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.existing import MARK
from adls_magic.core.transfer.reader import MemoryReader
from adls_magic.lake import LocalLake

Run = Callable[[str], Any]
DAY = 24 * 3600
FINGERPRINT = "0123456789abcdef"


@pytest.fixture
def ago(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """By how many seconds the lake's clock is behind, which only goes forward."""
    real, behind = time.time_ns, {"seconds": 2 * DAY}
    monkeypatch.setattr(time, "time_ns", lambda: real() - behind["seconds"] * 10**9)
    return behind


@pytest.fixture
def lake(tmp_path: Path, ago: dict[str, int]) -> Iterator[LocalLake]:
    """A running lake that the session uses, two days ago."""
    with LocalLake(tmp_path / "lake") as running:
        session.configure(running.account)
        yield running


@pytest.fixture
def client(lake: LocalLake) -> Iterator[Client]:
    with Client(lake.account) as opened:
        yield opened


def leave(client: Client, path: str, size: int = 0) -> RemotePath:
    """What an upload leaves at `path`: staged, or a stub where the name is none of a staged one."""
    remote = RemotePath("lake", path)
    staged = partials.target_of(path) is not None
    client.create(remote, content_type=None if staged else f"{MARK}; of={FINGERPRINT}")
    if size:
        client.append(remote, 0, PieceBody(MemoryReader(bytes(size)), 0, size, lambda count: None))
        client.flush(remote, size)
    return remote


def staged(target: str) -> str:
    directory, slash, name = target.rpartition("/")
    return f"{directory}{slash}{partials.staged_name(name, FINGERPRINT)}"


@pytest.fixture
def left(client: Client, lake: LocalLake, ago: dict[str, int]) -> LocalLake:
    """Two days old: a staged file, one in a directory below, a stub; young ones; and others."""
    leave(client, staged("d/old.csv"), 2048)
    leave(client, staged("d/below/deep x.csv"), 5)
    leave(client, "d/stub.csv")
    client.create(RemotePath("lake", "d/_SUCCESS"))
    client.create(RemotePath("lake", "d/.other.partial"))
    client.create(RemotePath("lake", staged("d/directory")), directory=True)
    ago["seconds"] = 0
    leave(client, staged("d/new.csv"), 1024)
    leave(client, "d/new stub.csv")
    return lake


def names(lake: LocalLake) -> set[str]:
    top = lake.root / "lake"
    return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}


OTHERS = {"d/_SUCCESS", "d/.other.partial"}


def test_they_are_listed(run: Run, left: LocalLake) -> None:
    lines = run("%adls_ls --partials d").out.splitlines()
    assert [re.split(r"  +", line.strip()) for line in lines[:-1]] == [
        ["target", "size", "touched", "staged as"],
        ["new.csv", "1.00 KiB", "just now", f".new.csv.{FINGERPRINT}.partial"],
        ["old.csv", "2.00 KiB", "2 days ago", f".old.csv.{FINGERPRINT}.partial"],
        ["new stub.csv", "0 B", "just now", "(empty, in its place)"],
        ["stub.csv", "0 B", "2 days ago", "(empty, in its place)"],
    ]
    assert lines[-1] == (
        f"4 unfinished uploads (3.00 KiB) in {left.url}/lake/d/, 2 of them untouched for a day"
    )


def test_also_below_and_exactly(run: Run, left: LocalLake) -> None:
    out = run("%adls_ls --partials -r -l").out
    assert re.search(
        r'^d/below/deep x\.csv +5  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  "0x\w+"  '
        rf"\.deep x\.csv\.{FINGERPRINT}\.partial$",
        out,
        re.M,
    )
    assert out.splitlines()[0].split("  ")[0] == "target"
    assert "5 unfinished uploads (3.00 KiB) in" in out and "3 of them untouched" in out


@pytest.mark.parametrize(("path", "target"), [("d/old.csv", "old.csv"), ("d/stub.csv", "stub.csv")])
def test_of_one_target(run: Run, left: LocalLake, client: Client, path: str, target: str) -> None:
    """Whether something is at it or not."""
    line = f"1 unfinished upload (.*) in {left.url}/lake/{path}, 1 of them untouched for a day"
    for _ in range(2):
        lines = run(f"%adls_ls --partials {path}").out.splitlines()
        assert len(lines) == 3 and lines[1].startswith(f"{target} ")
        assert re.fullmatch(line.replace("(.*)", r"\(.*\)"), lines[2])
        if path == "d/old.csv":
            client.create(RemotePath("lake", path), content_type="text/csv")


def test_of_a_target_with_a_very_long_name(run: Run, lake: LocalLake, client: Client) -> None:
    name = "n" * 240
    leave(client, staged(f"d/{name}"), 1)
    lines = run(f"%adls_ls --partials d/{name}").out.splitlines()
    assert lines[1].split()[0] == "n" * 200 + "…"
    assert isinstance(run(f"%adls_ls --partials d/{'n' * 199}").error, PathNotFoundError)


def test_none_and_nothing(run: Run, left: LocalLake, client: Client) -> None:
    client.create(RemotePath("lake", "empty"), directory=True)
    url = f"{left.url}/lake/empty/"
    assert run("%adls_ls --partials empty").line == f"No unfinished upload in {url}"
    assert run("%adls_ls --partials --remove empty").line == f"Removed nothing from {url}"
    assert run("%adls_ls --partials d/_SUCCESS").line.startswith("No unfinished upload in ")
    for path in ("nothing", "no/such", "abfss://nosuch/"):
        assert isinstance(run(f"%adls_ls --partials {path}").error, PathNotFoundError)


def test_only_what_nobody_has_touched_for_a_day_is_removed(run: Run, left: LocalLake) -> None:
    before = names(left)
    lines = run("%adls_ls --partials --remove d").out.splitlines()
    assert lines[-1] == (
        f"Removed 2 unfinished uploads (2.00 KiB) from {left.url}/lake/d/; "
        "kept 2 that were touched less than a day ago"
    )
    assert [line.split("  ")[0] for line in lines[1:-1]] == ["old.csv", "stub.csv"]
    assert before - names(left) == {staged("d/old.csv"), "d/stub.csv"}
    last = run("%adls_ls --partials --remove -r").out.splitlines()[-1]
    assert last.startswith("Removed 1 unfinished upload (5 B) from ")
    assert names(left) == OTHERS | {staged("d/new.csv"), "d/new stub.csv"}
    assert run("%adls_ls --partials --remove -r").line.startswith("Removed nothing from ")
    assert (left.root / "lake" / staged("d/directory")).is_dir()


def test_of_one_target_only(run: Run, left: LocalLake) -> None:
    before = names(left)
    run("%adls_ls --partials --remove d/old.csv")
    assert before - names(left) == {staged("d/old.csv")}


def test_a_run_that_comes_back_is_not_hit(
    run: Run, left: LocalLake, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the listing and the delete it has flushed."""
    delete = Client.delete

    def late(self: Client, remote: RemotePath, **given: str) -> None:
        if remote.path == staged("d/old.csv"):
            client.flush(remote, 2048)
        delete(self, remote, **given)

    monkeypatch.setattr(Client, "delete", late)
    last = run("%adls_ls --partials --remove d").out.splitlines()[-1]
    assert last.startswith("Removed 1 unfinished upload (0 B)") and "; kept 3 that were" in last
    assert staged("d/old.csv") in names(left)


def test_one_that_has_gone_meanwhile(
    run: Run, left: LocalLake, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = Client.delete

    def late(self: Client, remote: RemotePath, **given: str) -> None:
        delete(client, remote)
        delete(self, remote, **given)

    monkeypatch.setattr(Client, "delete", late)
    assert "Removed 2 unfinished uploads" in run("%adls_ls --partials --remove d").out


def test_a_real_upload_goes_on_with_what_was_kept(run: Run, lake: LocalLake, place: Path) -> None:
    """The names that uploads give are the ones that are found."""
    (place / "a b.csv").write_bytes(bytes(3000))
    seen = []

    def look(self: Client, source: RemotePath, *given: object, **named: object) -> None:
        seen.append(run("%adls_ls --partials d").out)
        raise PathNotFoundError("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "rename", look)
        run("%adls_upload 'a b.csv' d/ --chunk-size 1000")
    assert re.search(r"^a b\.csv +2\.93 KiB +\S+ .*  \.a b\.csv\.[0-9a-f]{16}\.partial$",
                     seen[0], re.M)  # fmt: skip


def test_long_listings_mark_them(run: Run, left: LocalLake) -> None:
    lines = run("%adls_ls -l d").out.splitlines()
    assert lines[0].split()[-1] == "note"
    marked = {line.split()[0] for line in lines if line.endswith("  unfinished upload")}
    assert marked == {f".{name}.csv.{FINGERPRINT}.partial" for name in ("old", "new")}
    assert "unfinished" not in run("%adls_ls d").out
    assert "note" not in run("%adls_ls -l d/below/../_SUCCESS").out


def test_remove_alone_is_refused(run: Run, left: LocalLake) -> None:
    before = names(left)
    ran = run("%adls_ls --remove d")
    assert isinstance(ran.error, UsageError) and "--remove goes with --partials" in str(ran.error)
    assert names(left) == before
