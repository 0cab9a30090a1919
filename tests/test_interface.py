"""`adls.upload`, `adls.open` and `adls.ls` against a real lake."""

from __future__ import annotations

import csv
import gc
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import adls_magic as adls
from adls_magic.core.account import Account
from adls_magic.core.errors import (
    OptionError,
    PathError,
    PathExistsError,
    PathNotFoundError,
    SourceNotFoundError,
)
from adls_magic.lake import LocalLake


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[LocalLake]:
    with LocalLake(tmp_path / "lake") as running:
        yield running


@pytest.fixture
def account(lake: LocalLake) -> Account:
    return lake.account


@pytest.fixture
def files(lake: LocalLake) -> Any:
    top = lake.root / "lake"

    def read() -> dict[str, bytes]:
        return {
            path.relative_to(top).as_posix(): path.read_bytes()
            for path in top.rglob("*")
            if path.is_file()
        }

    return read


@pytest.mark.parametrize(
    "make",
    [
        lambda path: str(path),
        lambda path: path,
        lambda path: path.read_bytes(),
        lambda path: bytearray(path.read_bytes()),
        lambda path: io.BytesIO(path.read_bytes()),
        lambda path: io.StringIO(path.read_text()),
        lambda path: iter([b"so", "me"]),
        lambda path: (part for part in ("so", b"me")),
    ],
    ids=["str", "Path", "bytes", "bytearray", "binary", "text", "iterator", "generator"],
)
def test_every_kind_of_source(account: Account, files: Any, tmp_path: Path, make: Any) -> None:
    path = tmp_path / "x.txt"
    path.write_text("some")
    result = adls.upload(make(path), "d/x.txt", account=account)
    assert files() == {"d/x.txt": b"some"}
    assert (result.size, result.skipped, result.resumed_from) == (4, False, 0)
    assert result.url.endswith("/lake/d/x.txt")
    with pytest.raises(PathExistsError):
        adls.upload(make(path), "d/x.txt", account=account)
    assert adls.upload(make(path), "d/x.txt", account=account, skip_existing=True).skipped
    assert not adls.upload(make(path), "d/x.txt", account=account, overwrite=True).skipped


def test_an_open_file_brings_its_name(account: Account, files: Any, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"123")
    with (tmp_path / "x.bin").open("rb") as source:
        adls.upload(source, "d/", account=account)
    assert files() == {"d/x.bin": b"123"}
    with pytest.raises(PathError, match="no name of its own"):
        adls.upload(b"123", "d/", account=account)


def test_lists_and_folders(account: Account, files: Any, tmp_path: Path) -> None:
    for name in ("t/a", "t/s/b", "c[1]"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    results = adls.upload([tmp_path / "t/a", str(tmp_path / "c[1]")], "d/", account=account)
    assert [result.url.rpartition("/")[2] for result in results] == ["a", "c%5B1%5D"]
    results = adls.upload(tmp_path / "t", "e/", account=account, recursive=True)
    assert len(results) == 2
    assert set(files()) == {"d/a", "d/c[1]", "e/t/a", "e/t/s/b"}
    with pytest.raises(SourceNotFoundError):
        adls.upload(str(tmp_path / "*"), "f/", account=account)  # globs are for the magics
    with pytest.raises(OptionError, match="need a directory"):
        adls.upload([tmp_path / "t/a", tmp_path / "c[1]"], "nothing", account=account)


def test_contradicting_options(account: Account) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        adls.upload(b"", "x", account=account, overwrite=True, skip_existing=True)


def test_a_text_file(account: Account, files: Any) -> None:
    with adls.open("d/x.csv", "w", account=account) as file:
        csv.writer(file, lineterminator="\r\n").writerows([["é", 1], ["b", 2]])
        print("end", file=file)
        assert files() == {}
    assert files() == {"d/x.csv": "é,1\r\nb,2\r\nend\n".encode()}
    assert file.result.size == 15
    with adls.open("d/y.txt", "w", account=account, encoding="utf-16") as file:
        file.write("a")
        file.write("b")
    assert files()["d/y.txt"].decode("utf-16") == "ab"


def test_a_binary_file(account: Account, files: Any) -> None:
    with adls.open("d/x.bin", "wb", account=account) as file:
        assert file.write(b"12") == 2
        assert file.tell() == 2
        file.write(memoryview(b"34"))
    assert files() == {"d/x.bin": b"1234"}


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_an_exception_discards(account: Account, files: Any, mode: str) -> None:
    adls.upload(b"old", "d/x", account=account)
    with pytest.raises(ZeroDivisionError), adls.open("d/x", mode, account=account) as file:
        file.write("half" if mode == "w" else b"half")
        1 / 0  # noqa: B018
    assert files() == {"d/x": b"old"}


@pytest.mark.parametrize("given", [{"chunk_size": "8MiB"}, {"chunk_size": True}, {"workers": 2.5}])
def test_numbers_are_numbers(account: Account, given: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="must be a whole number"):
        adls.upload(b"abc", "x", account=account, **given)


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_a_file_that_is_dropped_is_discarded(account: Account, files: Any, mode: str) -> None:
    file = adls.open("d/x", mode, account=account)
    file.write("half" if mode == "w" else b"half")
    del file
    gc.collect()
    assert files() == {}


def test_x_refuses_and_w_replaces(account: Account, files: Any) -> None:
    adls.upload(b"old", "x", account=account)
    with pytest.raises(FileExistsError):
        adls.open("x", "x", account=account)
    with adls.open("x", "w", account=account) as file:
        file.write("new")
    assert files() == {"x": b"new"}


@pytest.mark.parametrize("mode", ["r+", "a+", "w+", "", "tw", "wbt", "xw"])
def test_modes_that_are_not_there(account: Account, mode: str) -> None:
    with pytest.raises(ValueError, match="the mode must be"):
        adls.open("x", mode, account=account)


def test_open_of_a_directory_and_of_an_unknown_encoding(account: Account) -> None:
    with pytest.raises(PathError, match="is a directory"):
        adls.open("d/", "w", account=account)
    with pytest.raises(LookupError):
        adls.open("x", "w", account=account, encoding="nonsense")


def test_ls(account: Account, lake: LocalLake) -> None:
    adls.upload(b"123", "d/s/x", account=account)
    (item,) = adls.ls("d/s", account=account)
    assert (item.name, item.size, item.is_directory) == ("d/s/x", 3, False)
    assert [item.name for item in adls.ls(account=account)] == ["d"]
    names = {item.name for item in adls.ls("abfss://lake/", account=account, recursive=True)}
    assert names == {"d", "d/s", "d/s/x"}
    with pytest.raises(FileNotFoundError):
        list(adls.ls("nothing", account=account))


@pytest.mark.parametrize("path", ["", "some/dir"])
def test_ls_of_a_filesystem_that_is_not_there_names_those_that_are(
    account: Account, path: str
) -> None:
    with pytest.raises(PathNotFoundError, match=r"filesystem does not exist.*There are: lake\."):
        list(adls.ls(f"abfss://nosuchfs/{path}", account=account))


def test_pandas_writes_through_it(account: Account, files: Any) -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    with adls.open("x.csv", "w", account=account) as text:
        frame.to_csv(text, index=False)
    with adls.open("x.parquet", "wb", account=account) as binary:
        frame.to_parquet(binary)
    assert files()["x.csv"] == b"a,b\n1,x\n2,y\n"
    assert pd.read_parquet(io.BytesIO(files()["x.parquet"])).equals(frame)
