"""%adls_upload against a real lake."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from adls_magic.core.account.address import RemotePath
from adls_magic.core.errors import (
    AdlsError,
    ConflictError,
    OptionError,
    OutputError,
    PathError,
    PathExistsError,
    PathNotFoundError,
    SourceError,
    SourceNotFoundError,
)
from adls_magic.core.service.client import Client
from adls_magic.core.transfer import existing
from adls_magic.lake import LocalLake

pytestmark = pytest.mark.usefixtures("lake")

Run = Callable[[str], Any]
Stored = Callable[[], dict[str, bytes]]


@pytest.fixture(autouse=True)
def sources(place: Path) -> None:
    for name in ("a.csv", "b.csv", "my file.csv", "photos/1.jpg", "photos/sub/2.jpg"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(name)
    (place / "photos/empty").mkdir()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a.csv x.csv", {"x.csv": b"a.csv"}),
        ("a.csv d/e/", {"d/e/a.csv": b"a.csv"}),
        ("a.csv /d/x.csv", {"d/x.csv": b"a.csv"}),
        ("a.csv abfss://lake/d/", {"d/a.csv": b"a.csv"}),
        ("'my file.csv' d/", {"d/my file.csv": b"my file.csv"}),
        (r"my\ file.csv d/", {"d/my file.csv": b"my file.csv"}),
        ("a.csv 'd e/ü %41+#.csv'", {"d e/ü %41+#.csv": b"a.csv"}),
        ("a.csv b.csv d/", {"d/a.csv": b"a.csv", "d/b.csv": b"b.csv"}),
        ("*.csv d/", {"d/a.csv": b"a.csv", "d/b.csv": b"b.csv", "d/my file.csv": b"my file.csv"}),
        ("a*.csv /", {"a.csv": b"a.csv"}),
        ("**/*.jpg d/", {"d/1.jpg": b"photos/1.jpg", "d/2.jpg": b"photos/sub/2.jpg"}),
        ("-r photos d", {"d/1.jpg": b"photos/1.jpg", "d/sub/2.jpg": b"photos/sub/2.jpg"}),
        ("-r photos/. d/", {"d/1.jpg": b"photos/1.jpg", "d/sub/2.jpg": b"photos/sub/2.jpg"}),
        (
            "photos/ d/ --recursive",
            {"d/photos/1.jpg": b"photos/1.jpg", "d/photos/sub/2.jpg": b"photos/sub/2.jpg"},
        ),
    ],
)
def test_what_arrives_where(
    run: Run, stored: Stored, line: str, expected: dict[str, bytes]
) -> None:
    assert run(f"%adls_upload {line}").error is None
    assert stored() == expected


def test_the_line_at_the_end(run: Run, lake: LocalLake, place: Path) -> None:
    place.joinpath("big.bin").write_bytes(bytes(3 * 1024 * 1024))
    ran = run("%adls_upload big.bin d/")
    assert re.fullmatch(
        rf"Wrote 3\.00 MiB to {lake.url}/lake/d/big\.bin in \d+\.\d+ s \(\d+(\.\d+)? [MG]iB/s\)",
        ran.line,
    )
    ran = run("%adls_upload a.csv b.csv several/")
    assert re.fullmatch(rf"Wrote 2 files \(10 B\) to {lake.url}/lake/several/ in .* s", ran.line)


def test_variables_and_expressions(run: Run, stored: Stored) -> None:
    run("day = '2026/11'; names = ['a.csv', 'b.csv']")
    assert run("%adls_upload {' '.join(names)} $day/").error is None
    assert run("%adls_upload {names[0]} {day}/{len(names)}.csv").error is None
    assert set(stored()) == {"2026/11/a.csv", "2026/11/b.csv", "2026/11/2.csv"}


def test_local_names_inside_a_function(run: Run, stored: Stored) -> None:
    ran = run(
        "def send(where, value):\n"
        "    get_ipython().run_line_magic('adls_upload', 'a.csv {where}/')\n"
        "    get_ipython().run_line_magic('adls_upload', '--var value {where}/v.txt')\n"
        "send('inside', 'text')"
    )
    assert ran.error is None
    assert stored() == {"inside/a.csv": b"a.csv", "inside/v.txt": b"text"}


def test_a_folder_into_an_existing_directory(run: Run, stored: Stored) -> None:
    run("%adls_upload a.csv d/")
    assert run("%adls_upload -r photos d").error is None
    assert set(stored()) == {"d/a.csv", "d/photos/1.jpg", "d/photos/sub/2.jpg"}
    assert run("%adls_upload a.csv b.csv d --overwrite").error is None
    assert "d/b.csv" in stored()


def test_empty_folders_are_made(run: Run, lake: LocalLake) -> None:
    assert run("%adls_upload -r photos d").error is None
    assert (lake.root / "lake/d/empty").is_dir()
    assert run("%adls_upload -r photos d2/ -q").error is None
    assert (lake.root / "lake/d2/photos/empty").is_dir()
    assert "Made 1 empty folder in " in run("%adls_upload -r photos/empty d3").line
    assert (lake.root / "lake/d3").is_dir()
    run("%adls_upload a.csv d4/empty")
    ran = run("%adls_upload -r photos/empty d4/")
    assert isinstance(ran.error, PathError)
    assert "is a file" in str(ran.error)


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("nothing.csv d/", SourceNotFoundError, "nothing.csv does not exist"),
        ("*.parquet d/", SourceNotFoundError, r"nothing matches \*.parquet"),
        ("photos d/", SourceError, "photos is a folder; add --recursive"),
        ("a.csv b.csv d", OptionError, "need a directory, but .*/lake/d does not exist"),
        ("a*.csv d", OptionError, "need a directory"),
        ("a.csv there", ConflictError, "there is a directory"),
        ("-r photos there/file", PathError, "there/file is a file; a folder"),
        ("a.csv b.csv there/file", OptionError, "is a file"),
        ("a.csv photos/../a.csv d/", OptionError, "would both become a.csv"),
        ("a.csv ../x", PathError, r"no '\.\.' in it"),
        ("a.csv d./", PathError, "ends in a dot"),
        ("a.csv abfss://UPPER/x", PathError, "no filesystem name"),
        ("--chunk-size 0 a.csv d/", UsageError, "at least 1 byte"),
        ("--workers -1 a.csv d/", UsageError, "from 1 to 256"),
        ("--content-type nonsense a.csv d/", OptionError, "text/csv"),
        ("--nonsense a.csv d/", UsageError, "no option --nonsense"),
        ("a.csv {missing}/x", UsageError, "missing is not defined"),
        ("a.csv d/ --opt index=False", UsageError, "--opt is for values"),
        ("--var missing x.txt", UsageError, "missing is not defined"),
        ("a.csv abfss://nosuch/x", AdlsError, "nosuch"),
    ],
)
def test_bad_input_says_what_and_changes_nothing(
    run: Run, stored: Stored, line: str, error: type[BaseException], said: str
) -> None:
    run("%adls_upload a.csv there/file")
    before = stored()
    ran = run(f"%adls_upload {line}")
    assert isinstance(ran.error, error)
    assert re.search(said, str(ran.error))
    assert len(f"{ran.out}{ran.err}".strip().splitlines()) <= 2
    assert "Traceback" not in f"{ran.out}{ran.err}"
    assert stored() == before


def test_an_existing_file_is_refused_replaced_or_left(
    run: Run, stored: Stored, place: Path
) -> None:
    run("%adls_upload a.csv x.csv")
    place.joinpath("a.csv").write_text("new")
    ran = run("%adls_upload a.csv x.csv")
    assert isinstance(ran.error, PathExistsError)
    assert "x.csv exists (5 B, changed just now)" in str(ran.error)
    assert "--overwrite" in str(ran.error)
    assert stored() == {"x.csv": b"a.csv"}
    assert run("%adls_upload a.csv x.csv --skip-existing").line.startswith("Skipped ")
    assert stored() == {"x.csv": b"a.csv"}
    assert run("%adls_upload a.csv x.csv --overwrite").line.startswith("Wrote 3 B")
    assert stored() == {"x.csv": b"new"}


def test_skipped_files_are_counted(run: Run) -> None:
    run("%adls_upload a.csv d/")
    assert run("%adls_upload a.csv b.csv d/ --skip-existing").line.endswith(
        "; skipped 1 that existed"
    )


def test_out_binds_the_result(run: Run, shell: InteractiveShell) -> None:
    run("%adls_upload a.csv x.csv -o one")
    run("%adls_upload a.csv b.csv d/ --out two")
    run("%adls_upload a*.csv e/ -o three")
    assert shell.user_ns["one"].size == 5
    assert [result.url.rpartition("/")[2] for result in shell.user_ns["two"]] == ["a.csv", "b.csv"]
    assert len(shell.user_ns["three"]) == 1


def test_quiet_says_nothing(run: Run) -> None:
    ran = run("%adls_upload a.csv x.csv -q")
    assert (ran.out, ran.err, ran.error) == ("", "", None)


@pytest.mark.parametrize(
    "line",
    [
        "a.csv d",
        "a.csv d --dry-run",
        "a.csv b.csv d",
        "--var x y d",
        "-r photos d",
        "-r photos/empty d",
        "-r photos/empty d/",
    ],
)
def test_a_missing_filesystem_is_told_with_those_that_exist(run: Run, line: str) -> None:
    run("x = y = 1")
    ran = run(f"%adls_upload {line.replace(' d', ' abfss://other/d')}")
    assert isinstance(ran.error, PathNotFoundError)
    assert str(ran.error).count("There are: lake.") == 1


def test_dry_run_says_what_would_happen_and_sends_nothing(run: Run, stored: Stored) -> None:
    run("%adls_upload a.csv d/")
    before = stored()
    text = run("%adls_upload a.csv b.csv d/ --dry-run").out
    assert re.search(r"5 B +a\.csv → \S+/d/a\.csv +exists \(5 B, .*\): would be refused", text)
    assert re.search(r"5 B +b\.csv → \S+/d/b\.csv$", text, re.MULTILINE)
    assert "would be replaced" in run("%adls_upload a.csv d/ --dry-run --overwrite").out
    assert "would be skipped" in run("%adls_upload a.csv d/ --dry-run --skip-existing").out
    assert text.splitlines()[-1] == "Would write 2 files (10 B); nothing was sent."
    assert "folder" in run("%adls_upload -r photos n/ --dry-run").out
    run("value = {'a': 1}")
    text = run("%adls_upload --var value v.json --dry-run").out
    assert "value (dict, 1 key, json)" in text
    assert stored() == before


def test_dry_run_knows_what_an_upload_has_left(run: Run, lake: LocalLake, monkeypatch: Any) -> None:
    with Client(lake.account) as client:
        client.create(RemotePath("lake", "d/a.csv"), content_type=f"{existing.MARK}; of=0")
    line = "%adls_upload a.csv d/ --dry-run"
    assert "an unfinished upload: would be refused for a minute" in run(line).out
    monkeypatch.setattr(existing, "STALE", -1.0)
    assert "an unfinished upload: would be replaced" in run(line).out


def test_variables_are_written_as_their_targets_ask(run: Run, stored: Stored) -> None:
    run("import pandas as pd; df = pd.DataFrame({'a': [1, 2]}); text = 'é'; data = b'\\x00'")
    ran = run("%adls_upload --var df d/frame.csv")
    assert "DataFrame" in ran.line
    run("%adls_upload --var text data d/")
    assert stored() == {"d/frame.csv": b"a\n1\n2\n", "d/text": "é".encode(), "d/data": b"\x00"}
    run("%adls_upload --var df d/other.csv --opt sep=; --opt index=True")
    assert stored()["d/other.csv"].startswith(b";")
    ran = run("%adls_upload --var df d/third.csv --opt separator=;")
    assert "takes no option 'separator'; it takes chunksize" in str(ran.error)
    assert "d/third.csv" not in stored()
    ran = run("%adls_upload --var df d/frame.png")
    assert isinstance(ran.error, OutputError)
    assert "d/frame.png" not in stored()


def test_metadata_type_and_md5_are_stored(run: Run, lake: LocalLake) -> None:
    from adls_magic.core.account.address import RemotePath
    from adls_magic.core.service.client import Client

    assert run("%adls_upload a.csv x.csv --metadata k=v --metadata w='a b' --md5").error is None
    run("%adls_upload a.csv y.csv --content-type text/strange")
    with Client(lake.account) as client:
        properties = client.properties(RemotePath("lake", "x.csv"))
        assert properties.metadata == {"k": "v", "w": "a b"}
        assert properties.content_type == "text/csv"
        assert properties.content_md5 is not None
        assert client.properties(RemotePath("lake", "y.csv")).content_type == "text/strange"


def test_traits_are_the_defaults_of_a_line(run: Run, stored: Stored) -> None:
    run("%adls_upload a.csv x.csv")
    run("%config AdlsMagics.if_exists = 'overwrite'")
    assert run("%adls_upload b.csv x.csv").error is None
    assert stored() == {"x.csv": b"b.csv"}
    assert run("%adls_upload a.csv x.csv --skip-existing").line.startswith("Skipped")
    run("%config AdlsMagics.md5 = True")
    run("%adls_upload a.csv y.csv -o result")
    assert run("assert result.md5").error is None
    run("%config AdlsMagics.profile = 'nosuch'")
    assert "nosuch" in str(run("%adls_upload a.csv z.csv").error)


def test_a_variable_whose_text_is_only_a_display_needs_an_extension(
    run: Run, stored: Stored
) -> None:
    run("import pandas as pd; df = pd.DataFrame({'a': [1]}); number = 7")
    for line in ("df d/", "number d/", "df d/df.gz"):
        error = run(f"%adls_upload --var {line}").error
        assert isinstance(error, OutputError)
        assert "cannot be written as a file without extension; it can be" in str(error)
    assert stored() == {}


def test_a_dry_run_takes_nothing_from_a_variable(run: Run, stored: Stored) -> None:
    run("rows = map(dict, [{'a': 0}, {'a': 1}])")
    text = run("%adls_upload --var rows d/rows.jsonl --dry-run").out
    assert "\nrows: its first item was taken to look at it; the next write of it begins" in text
    assert run("%adls_upload --var rows d/rows.jsonl").error is None
    assert stored() == {"d/rows.jsonl": b'{"a": 0}\n{"a": 1}\n'}


def test_an_iterator_that_is_spent_replaces_no_file(run: Run, stored: Stored) -> None:
    run("def rows():\n    yield {'a': 0}\n    raise KeyError('b')\nrows = rows()")
    assert run("%adls_upload a.csv rows.csv").error is None
    good = stored()
    assert isinstance(run("%adls_upload --var rows rows.csv --overwrite").error, KeyError)
    for line in ("%adls_upload --var rows rows.csv --overwrite", "%adls_upload --var rows d/"):
        again = run(line)
        assert isinstance(again.error, OutputError)
        assert "rows is a generator without items" in str(again.error)
        assert "make it anew" in str(again.error)
    assert stored() == good
    run("one = two = iter(['a'])")
    twice = run("%adls_upload --var one two d/")
    assert "two is a list_iterator without items" in str(twice.error)
    assert stored() == good | {"d/one": b"a"}
    run("nothing = []\nclass Empty:\n    def read(self, size=-1): return b''\nempty = Empty()")
    assert run("%adls_upload --var nothing rows.json --overwrite").error is None
    assert run("%adls_upload --var empty empty.bin").error is None
    assert stored()["rows.json"] == b"[]\n"
