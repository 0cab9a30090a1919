"""`adls.upload`, `adls.open` and `adls.ls` against a real lake."""

from __future__ import annotations

import csv
import gc
import gzip
import io
import json
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import adls_magic as adls
from adls_magic.core.account import Account
from adls_magic.core.errors import (
    ConflictError,
    OptionError,
    PathError,
    PathExistsError,
    PathNotFoundError,
    SourceNotFoundError,
)
from adls_magic.lake import LocalLake


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


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metadata": {"year": 2026}}, "the value of year must be text, not int"),
        ({"metadata": {2026: "year"}}, "2026 is no name"),
        ({"metadata": {"half": "\ud800"}}, "the value of half holds half a character"),
        ({"content_type": 5}, "must look like text/csv"),
        ({"content_type": b"text/csv"}, "must look like text/csv"),
        ({"workers": "4"}, "workers must be a whole number, not str"),
    ],
)
def test_options_of_a_wrong_kind_are_refused_before_anybody_is_asked(
    tmp_path: Path, given: Any, said: str
) -> None:
    nobody = adls.connect("contoso", endpoint="http://127.0.0.1:1/contoso", account_key="a2V5")
    (tmp_path / "a").mkdir()
    with pytest.raises(OptionError, match=said):
        adls.upload(tmp_path / "a", "raw/x", account=nobody, recursive=True, **given)
    with pytest.raises(OptionError, match=said):
        adls.open("raw/x", "wb", account=nobody, **given)


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


@pytest.mark.parametrize("mode", ["w", "wb", "a", "ab"])
def test_an_exception_discards(account: Account, files: Any, mode: str) -> None:
    adls.upload(b"old", "d/x", account=account)
    with pytest.raises(ZeroDivisionError), adls.open("d/x", mode, account=account) as file:
        file.write(b"half" if "b" in mode else "half")
        1 / 0  # noqa: B018
    assert files() == {"d/x": b"old"}


@pytest.mark.parametrize("given", [{"chunk_size": "8MiB"}, {"chunk_size": True}, {"workers": 2.5}])
def test_numbers_are_numbers(account: Account, given: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="must be a whole number"):
        adls.upload(b"abc", "x", account=account, **given)


@pytest.mark.parametrize("mode", ["w", "wb", "a", "ab"])
def test_a_file_that_is_dropped_is_discarded(account: Account, files: Any, mode: str) -> None:
    file = adls.open("d/x", mode, account=account)
    file.write(b"half" if "b" in mode else "half")
    with pytest.warns(RuntimeWarning, match="'d/x' was never closed, so it was not written"):
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


@pytest.mark.parametrize(
    ("mode", "given", "said"),
    [
        ("rb", {"encoding": "utf-8"}, "are for text"),
        ("ab", {"newline": "\n"}, "are for text"),
        ("r", {"newline": "x"}, "newline must be"),
        ("r", {"md5": True}, "options of writing"),
        ("r", {"metadata": {"a": "1"}}, "options of writing"),
        ("a", {"md5": True}, "appending"),
        ("ab", {"in_place": True}, "appending"),
    ],
)
def test_arguments_that_do_not_go_together(
    account: Account, mode: str, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        adls.open("x", mode, account=account, **given)


def test_open_of_a_directory_and_of_an_unknown_encoding(account: Account) -> None:
    with pytest.raises(PathError, match="is a directory"):
        adls.open("d/", "w", account=account)
    for given in ({"encoding": "nonsense"}, {"errors": "nonsense"}):
        with pytest.raises(LookupError):
            adls.open("x", "w", account=account, **given)
    with pytest.raises(FileNotFoundError, match="nothing at"):
        adls.open("x", account=account)
    with pytest.raises(PathNotFoundError, match="There are: lake"):
        adls.open("abfss://nosuchfs/x", account=account)


def test_appending(account: Account, files: Any) -> None:
    for number in range(3):
        with adls.open("d/x.txt", "a", account=account) as text:
            print(number, file=text)
        with adls.open("d/x.bin", "ab", account=account) as binary:
            binary.write(bytes([number]))
    assert text.result.appended_at == 4 and text.name == "d/x.txt"
    assert files() == {"d/x.txt": b"0\n1\n2\n", "d/x.bin": b"\0\1\2"}
    with pytest.raises(ConflictError, match="is a directory"):
        adls.open("d", "a", account=account)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-8"])
def test_a_mark_at_the_start_only(account: Account, files: Any, encoding: str) -> None:
    for text in ("é", "ü\n"):
        with adls.open("x", "a", account=account, encoding=encoding) as file:
            file.write(text)
    assert files() == {"x": "éü\n".encode(encoding)}


@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
def test_line_ends(account: Account, files: Any, tmp_path: Path, newline: str | None) -> None:
    with adls.open("x", "w", account=account, newline=newline) as file:
        file.write("a\nb\r\nc")
    local = tmp_path / "local"
    given = "" if newline is None else newline  # the one difference: nothing by the platform
    with local.open("w", newline=given) as file:
        file.write("a\nb\r\nc")
    assert files() == {"x": local.read_bytes()}
    with (
        adls.open("x", account=account, newline=newline) as file,
        local.open(newline=newline) as same,
    ):
        assert file.readlines() == same.readlines()


def test_reading_text(account: Account) -> None:
    adls.upload("é\nzwei\n\udc80".encode("utf-8", "surrogateescape"), "x.txt", account=account)
    assert list(adls.open("x.txt", account=account, errors="replace")) == ["é\n", "zwei\n", "�"]
    with adls.open("x.txt", account=account) as file, pytest.raises(UnicodeDecodeError):
        file.read()


def test_what_is_read_can_be_uploaded(account: Account, files: Any) -> None:
    adls.upload(b"abc" * 1000, "d/x.bin", account=account)
    with adls.open("d/x.bin", "rb", account=account) as source:
        adls.upload(source, "e/", account=account)
    assert files()["e/x.bin"] == b"abc" * 1000


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


def test_libraries_write_and_read_through_it(account: Account) -> None:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    from matplotlib.figure import Figure
    from PIL import Image

    frame = pd.DataFrame({"a": range(1000), "b": ["x"] * 1000})
    table = pa.table({"a": [1, 2, 3]})
    picture = Image.new("RGB", (20, 30), "red")
    with adls.open("x.csv", "w", account=account) as text:
        frame.to_csv(text, index=False)
    with adls.open("b.csv", "wb", account=account) as binary:
        frame.to_csv(binary, index=False)
    with adls.open("x.csv.gz", "wb", account=account) as binary:
        frame.to_csv(binary, index=False, compression="gzip")
    with adls.open("x.json", "wb", account=account) as binary:
        frame.to_json(binary)
    with adls.open("rows.csv", "w", account=account) as text:
        csv.writer(text, lineterminator="\n").writerows([["a", "b"], ["1", "2"]])
    with adls.open("x.parquet", "wb", account=account) as binary:
        frame.to_parquet(binary)
    with adls.open("y.parquet", "wb", account=account) as binary:
        pq.write_table(table, binary)
    for kind in ("png", "jpeg", "webp"):
        with adls.open(f"x.{kind}", "wb", account=account) as binary:
            picture.save(binary, format=kind)
    with adls.open("x.zip", "wb", account=account) as binary, zipfile.ZipFile(binary, "w") as pack:
        pack.writestr("one", "1" * 10_000)
        pack.writestr("two", "2")
    with adls.open("x.gz", "wb", account=account) as binary, gzip.open(binary, "wt") as packed:
        packed.write("packed")
    with (
        adls.open("x.tar.gz", "wb", account=account) as binary,
        tarfile.open(fileobj=binary, mode="w:gz") as tape,
    ):
        tape.add(__file__, "this")
    with adls.open("x.npy", "wb", account=account) as binary:
        np.save(binary, np.arange(100_000))
    with adls.open("x.npz", "wb", account=account) as binary:
        np.savez(binary, a=np.arange(3))
    with adls.open("x.pkl", "wb", account=account) as binary:
        pickle.dump(frame, binary, protocol=5)
    with adls.open("list.json", "w", account=account) as text:
        json.dump(["é"], text, ensure_ascii=False)
    with adls.open("copy", "wb", account=account) as binary, Path(__file__).open("rb") as source:
        shutil.copyfileobj(source, binary)
    with adls.open("lines", "wb", account=account) as binary:
        binary.writelines([b"one\n", b"two\n"])
    with adls.open("f.pdf", "wb", account=account) as binary:
        Figure().savefig(binary, format="pdf")

    for name, kind in (("x.csv", None), ("b.csv", None), ("x.csv.gz", "gzip")):
        file = adls.open(name, "rb", account=account)
        assert pd.read_csv(file, compression=kind).equals(frame)
    assert pd.read_json(adls.open("x.json", "rb", account=account)).equals(frame)
    assert pd.read_csv(adls.open("x.csv", account=account)).equals(frame)
    assert list(csv.reader(adls.open("rows.csv", account=account))) == [["a", "b"], ["1", "2"]]
    assert pd.read_parquet(adls.open("x.parquet", "rb", account=account)).equals(frame)
    assert pq.read_table(adls.open("y.parquet", "rb", account=account)).equals(table)
    for kind in ("png", "jpeg", "webp"):
        with Image.open(adls.open(f"x.{kind}", "rb", account=account)) as image:
            assert image.convert("RGB").size == (20, 30)
    with zipfile.ZipFile(adls.open("x.zip", "rb", account=account)) as pack:
        assert pack.testzip() is None and pack.namelist() == ["one", "two"]
    with gzip.open(adls.open("x.gz", "rb", account=account), "rt") as packed:
        assert packed.read() == "packed"
    with tarfile.open(fileobj=adls.open("x.tar.gz", "rb", account=account)) as tape:
        assert tape.getnames() == ["this"]
    assert np.load(adls.open("x.npy", "rb", account=account)).sum() == sum(range(100_000))
    assert list(np.load(adls.open("x.npz", "rb", account=account))["a"]) == [0, 1, 2]
    assert pickle.load(adls.open("x.pkl", "rb", account=account)).equals(frame)
    assert json.load(adls.open("list.json", account=account)) == ["é"]
    copy = io.BytesIO()
    shutil.copyfileobj(adls.open("copy", "rb", account=account), copy)
    assert copy.getvalue() == Path(__file__).read_bytes()
    assert adls.open("lines", account=account).readlines() == ["one\n", "two\n"]
    assert adls.open("f.pdf", "rb", account=account).read(5) == b"%PDF-"
