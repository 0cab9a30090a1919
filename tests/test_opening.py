"""Files from `adls.open`: what they share with those of the built-in `open`, and their ends."""

from __future__ import annotations

import ctypes
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from reliability.processes import environment

import adls_magic as adls
from adls_magic.core.account import Account
from adls_magic.core.errors import ConflictError, PathError, PathExistsError, PermissionDeniedError
from adls_magic.core.transfer.upload import Writer
from adls_magic.lake import LocalLake

MIB = 1024 * 1024


@pytest.fixture
def content(lake: LocalLake) -> Callable[[], bytes | None]:
    """The bytes of `x`, None while it is not there. Nothing else may be there."""

    def read() -> bytes | None:
        path = lake.root / "lake/x"
        assert [each.name for each in path.parent.iterdir()] in ([], ["x"])
        return path.read_bytes() if path.exists() else None

    return read


@pytest.mark.parametrize("mode", ["w", "wb", "x", "xb", "a", "ab"])
def test_after_the_end(account: Account, content: Any, mode: str) -> None:
    piece: Any = b"abc" if "b" in mode else "abc"
    file = adls.open("x", mode, account=account)
    assert (file.readable(), file.writable(), file.seekable()) == (False, True, False)
    assert (file.name, file.closed, file.mode.strip("b")) == ("x", False, "w")
    for call in (lambda: file.seek(0), file.read, file.fileno, lambda: next(iter(file))):
        with pytest.raises(io.UnsupportedOperation):
            call()
    with pytest.raises(io.UnsupportedOperation, match=r"write to io.BytesIO\(\) first"):
        file.seek(0)
    file.writelines([piece, piece])
    assert file.tell() == 6
    file.flush()
    assert content() is None or mode[0] == "a"
    file.close()
    assert content() == b"abcabc" and file.closed
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        file.write(piece)
    with pytest.raises(ValueError, match="closed file"), file:
        file.write(piece)
    assert content() == b"abcabc"


@pytest.mark.parametrize(("mode", "wrong"), [("w", b"x"), ("wb", "x"), ("w", None), ("wb", 7)])
def test_the_other_kind_of_text(account: Account, content: Any, mode: str, wrong: Any) -> None:
    with pytest.raises(TypeError), adls.open("x", mode, account=account) as file:
        file.write(wrong)
    assert content() is None


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, GeneratorExit, ValueError])
def test_whatever_ends_the_block_discards(account: Account, content: Any, failure: Any) -> None:
    with pytest.raises(failure), adls.open("x", "w", account=account) as file:
        file.write("half")
        raise failure
    file.close()  # and does not bring it back
    assert content() is None and file.result is None


def test_a_character_that_an_encoding_lacks(account: Account, content: Any) -> None:
    with adls.open("x", "w", account=account, encoding="ascii") as file:
        with pytest.raises(UnicodeEncodeError):
            file.write("not é")
        file.write("but e")
    assert content() == b"but e"
    with adls.open("x", "w", account=account, encoding="ascii", errors="xmlcharrefreplace") as file:
        file.write("é")
    assert content() == b"&#233;"


@pytest.mark.parametrize("encoding", ["utf-16", "shift_jis", "iso2022_jp", "utf-7", "utf-8-sig"])
def test_encodings_with_a_state(
    account: Account, content: Any, tmp_path: Path, encoding: str
) -> None:
    words = ["日本", "語\n", "", "か", "end"]
    with (tmp_path / "local").open("w", encoding=encoding, newline="") as local:
        local.writelines(words)
    with adls.open("x", "w", account=account, encoding=encoding) as file:
        file.writelines(words)
    assert content() == (tmp_path / "local").read_bytes()
    assert adls.open("x", account=account, encoding=encoding).read() == "".join(words)


def test_seek_and_tell_in_text(account: Account) -> None:
    with adls.open("x", "w", account=account) as file:
        file.writelines(f"é{number}\n" for number in range(100_000))
    with adls.open("x", account=account) as file:
        assert (file.mode, file.name, file.encoding) == ("r", "x", "utf-8")
        seen = [(file.tell(), file.readline()) for _ in range(3)]
        assert file.readlines()[-1] == "é99999\n"
        for place, line in reversed(seen):
            file.seek(place)
            assert file.readline() == line
        file.seek(0)
        assert sum(1 for _ in file) == 100_000
    for call in (file.read, file.readline, lambda: next(file), lambda: file.seek(0)):
        with pytest.raises(ValueError, match="closed"):
            call()


@pytest.mark.parametrize("size", [3, 20 * MIB])
def test_x_and_somebody_who_was_faster(account: Account, content: Any, size: int) -> None:
    file = adls.open("x", "xb", account=account, chunk_size=MIB)
    file.write(bytes(size - 1))
    with adls.open("x", "xb", account=account) as other:
        other.write(b"theirs")
    with pytest.raises(PathExistsError):
        file.close()
    file.close()  # the end that there was is the end
    assert content() == b"theirs" and file.result is None


def test_w_and_somebody_who_was_faster(account: Account, content: Any) -> None:
    adls.upload(b"old", "x", account=account)
    file = adls.open("x", "w", account=account, chunk_size=MIB)
    file.write("ours" * MIB)
    with adls.open("x", "w", account=account) as other:
        other.write("theirs")
    with pytest.raises(ConflictError):
        file.close()
    file.close()
    assert content() == b"theirs"


def test_a_program_that_never_closes_ends(lake: LocalLake) -> None:
    script = """
import adls_magic as adls
text, binary, adding = (adls.open("x", mode) for mode in ("w", "wb", "ab"))
text.write("half"); binary.write(bytes(9_000_000)); adding.write(bytes(9_000_000))
reading = adls.open("there/y")
assert reading.read(1) == "y"
"""
    adls.upload(b"y", "there/y", account=lake.account)
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment(lake.account), "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "")
    told = re.findall(r"RuntimeWarning: 'x' was never closed, so it was not written", ran.stderr)
    assert len(told) == len(ran.stderr.splitlines()) == 3, ran.stderr
    assert not (lake.root / "lake/x").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_that_ends_leaves_the_file_alone(lake: LocalLake) -> None:
    script = """
import os, sys
import adls_magic as adls
file = adls.open("x", "wb", chunk_size=1_000_000)
file.write(bytes(3_000_000))
if (child := os.fork()) == 0:
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
file.close()
"""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        env=environment(lake.account),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (lake.root / "lake/x").read_bytes() == bytes(3_000_000)


def test_a_file_is_given_up_before_the_lake_in_the_process_ends(tmp_path: Path) -> None:
    script = """
import sys
import adls_magic.opening
from adls_magic.lake import find_or_start
account = find_or_start(sys.argv[1]).account
file = adls_magic.opening.open("y", "wb", account=account, chunk_size=1_000_000)
file.write(bytes(3_000_000))
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "lake")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0 and "'y' was never closed" in ran.stderr
    assert not list((tmp_path / "lake" / "lake").iterdir())


# ------------------------------------------------- what is kept as it is until it is sent


class Bytes(bytes):
    """A subclass may hand out whatever it likes."""


def changing(kind: str, size: int) -> tuple[Any, Callable[[], None]]:
    """Something of `size` bytes "a", and what changes it to "b" in its place."""
    if kind == "bytearray":
        data = bytearray(b"a" * size)
        return data, lambda: data.__setitem__(slice(None), b"b" * size)
    if kind == "memoryview":
        data = bytearray(b"a" * size)
        return memoryview(data), lambda: data.__setitem__(slice(None), b"b" * size)
    if kind == "numpy":
        import numpy as np

        array = np.full(size, ord("a"), np.uint8)
        return array, lambda: array.fill(ord("b"))
    if kind == "numpy data":
        import numpy as np

        array = np.full(size, ord("a"), np.uint8)
        return array.data.toreadonly(), lambda: array.fill(ord("b"))
    if kind == "ctypes":
        buffer = (ctypes.c_char * size).from_buffer_copy(b"a" * size)
        return buffer, lambda: ctypes.memset(buffer, ord("b"), size) and None
    if kind == "BytesIO":  # whose value is the very memory that it writes to, until it does
        stream = io.BytesIO(b"a" * size)

        def write() -> None:
            stream.seek(0)
            stream.write(b"b" * size)

        return stream.getvalue(), write
    memory = Bytes(b"a" * size)
    return memory, lambda: None


KINDS = ["bytearray", "memoryview", "numpy", "numpy data", "ctypes", "BytesIO", "subclass"]


@pytest.mark.parametrize("size", [MIB, 3 * MIB + 1])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_changed_after_it_was_written(
    account: Account, content: Any, kind: str, size: int
) -> None:
    """What write() was given may be changed as soon as it is back, before anything is sent."""
    with adls.open("x", "wb", account=account, chunk_size=8 * MIB, workers=1) as file:
        for _ in range(4):
            data, change = changing(kind, size)
            assert file.write(data) == size
            change()
    assert content() == b"a" * 4 * size


def test_what_is_there_is_told_of_in_the_words_of_python(account: Account) -> None:
    adls.upload(b"old", "x", account=account)
    for mode in ("x", "xb"):
        with pytest.raises(PathExistsError, match='open it with mode "w" to replace it') as caught:
            adls.open("x", mode, account=account)
        assert "--" not in str(caught.value) and caught.value.code == "PathAlreadyExists"
    with pytest.raises(PathExistsError, match="overwrite=True to replace it") as caught:
        adls.upload(b"new", "x", account=account)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_what_is_known_at_the_end_only_is_told_in_the_words_of_python(
    account: Account, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    def close(_: Writer) -> None:
        raise PermissionDeniedError("not rename, or add --in-place.", status=403)

    file = adls.open("x", mode, account=account)
    monkeypatch.setattr(Writer, "close", close)
    with pytest.raises(PermissionDeniedError, match=r"or add in_place=True\.$") as caught:
        file.close()
    assert caught.value.status == 403
    monkeypatch.undo()
    file.close()


@pytest.mark.parametrize("kind", [PurePosixPath, PureWindowsPath, Path])
def test_paths_of_pathlib(account: Account, lake: LocalLake, kind: Any) -> None:
    adls.upload(b"1", kind("d", "a"), account=account)
    with adls.open(kind("d", "b"), "w", account=account) as file:
        file.write("2")
    assert (lake.root / "lake/d/a").read_bytes() == b"1"
    assert adls.open(kind("d", "b"), account=account).read() == "2"
    assert [each.name for each in adls.ls(kind("d"), account=account)] == ["d/a", "d/b"]


@pytest.mark.parametrize(
    "path",
    [
        PureWindowsPath("C:/d/x"),
        PurePosixPath("abfss://lake/x"),
        PureWindowsPath("https://a.b/x"),
        b"x",
        7,
        None,
        str,
        Path,
    ],
)
def test_what_is_no_path_of_a_lake(account: Account, path: Any) -> None:
    for call in (adls.open, adls.ls, lambda path, **options: adls.upload(b"", path, **options)):
        with pytest.raises(PathError, match=r"a lake path is a str|a URL must be a str"):
            call(path, account=account)
