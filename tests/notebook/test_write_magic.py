"""%%adls_write as a magic: its options, its target, its line at the end."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from adls_magic.core.errors import (
    CellError,
    ConflictError,
    OptionError,
    OutputError,
    PathError,
    PathExistsError,
)
from adls_magic.lake import LocalLake

pytestmark = pytest.mark.usefixtures("lake")

Run = Callable[[str], Any]
Stored = Callable[[], dict[str, bytes]]


@pytest.mark.parametrize(
    ("line", "body", "path", "content"),
    [
        ("d/x.txt", "print('é', end='')", "d/x.txt", "é".encode()),
        ("d/x.csv", "import pandas as pd\npd.DataFrame({'a': [1]})", "d/x.csv", b"a\n1\n"),
        ("d/x.json", "{'a': 1}", "d/x.json", b'{"a": 1}\n'),
        ("d/x", "b'\\x00\\x01'", "d/x", b"\x00\x01"),
        ("x.dat --format csv", "[{'a': 1}]", "x.dat", b"a\n1\n"),
        ("x.dat --format .CSV", "[{'a': 1}]", "x.dat", b"a\n1\n"),
        ("x.py --from source", "print(1)\nprint(2)\n", "x.py", b"print(1)\nprint(2)\n"),
        ("x.csv --opt delimiter=;", "[{'a': 1, 'b': 2}]", "x.csv", b"a;b\n1;2\n"),
        ("x.csv --opt header=False --opt \"delimiter=','\"", "[{'a': 1}]", "x.csv", b"1\n"),
        (
            "x.txt --from stdout+stderr",
            "import sys\nprint('out'); print('err', file=sys.stderr)",
            "x.txt",
            b"out\nerr\n",
        ),
        ("x.txt --from stdout", "print('out')\n5", "x.txt", b"out\n"),
        ("x.txt --from result", "print('out')\n'value'", "x.txt", b"value"),
        ("x.txt --allow-empty", "x = 1", "x.txt", b""),
        ("'d e/ü.txt'  # why", "print(1)", "d e/ü.txt", b"1\n"),
    ],
)
def test_what_is_written(
    run: Run, stored: Stored, line: str, body: str, path: str, content: bytes
) -> None:
    ran = run(f"%%adls_write {line}\n{body}")
    assert ran.error is None
    written = stored()
    assert list(written) == [path]
    if path.endswith(".json"):
        assert written[path].split() == content.split()
    else:
        assert written[path] == content


def test_the_line_at_the_end_says_what_was_written(run: Run, lake: LocalLake) -> None:
    ran = run("%%adls_write d/x.csv\nimport pandas as pd\npd.DataFrame({'a': [1, 2, 3]})")
    assert re.fullmatch(
        rf"Wrote 8 B to {lake.url}/lake/d/x\.csv in .* s.* \[DataFrame, 3 rows.*, csv\]", ran.line
    )


def test_an_existing_file_is_refused_before_the_cell_runs(run: Run, stored: Stored) -> None:
    run("%%adls_write x.txt\nprint(1)")
    ran = run("%%adls_write x.txt\nran = True\nprint(2)")
    assert isinstance(ran.error, PathExistsError)
    assert run("ran").error is not None
    ran = run("%%adls_write x.txt --skip-existing --out left\nran = True\nprint(2)")
    assert run("assert left.skipped and left.size == 2 and left.etag").error is None
    assert ran.line.endswith("x.txt: it exists, so the cell was not run")
    assert run("ran").error is not None
    assert stored() == {"x.txt": b"1\n"}
    assert run("%%adls_write x.txt --overwrite\nran = True\nprint(2)").error is None
    assert stored() == {"x.txt": b"2\n"}


@pytest.mark.parametrize(
    ("line", "body", "error", "said"),
    [
        ("there", "print(1)", ConflictError, "is a directory"),
        ("there/", "print(1)", PathError, "needs a file name"),
        ("/", "print(1)", PathError, "needs a file name"),
        ("new.txt", "1/0", CellError, "ZeroDivisionError"),
        ("new.txt", "x = 1", CellError, "--allow-empty"),
        ("there/old.txt --overwrite", "print('half'); 1/0", CellError, "ZeroDivisionError"),
        ("", "print(1)", UsageError, "required: DEST"),
        ("a b", "print(1)", UsageError, "1 word too many"),
        ("new.csv --opt no=1", "[[1]]", OptionError, "takes no option 'no'"),
        ("new.csv --opt no", "[[1]]", UsageError, "NAME=VALUE"),
        ("new.txt --from nowhere", "print(1)", UsageError, "must be one of auto"),
        ("{missing}.txt", "print(1)", UsageError, "missing is not defined"),
        ("new.txt --append --overwrite", "print(1)", UsageError, "exclude each other"),
        ("new.txt --append --skip-existing", "print(1)", UsageError, "exclude each other"),
        ("new.txt --append --in-place", "print(1)", UsageError, "exclude each other"),
        ("new.txt --append --md5", "print(1)", UsageError, "exclude each other"),
        ("new.parquet --append", "ran = True", OutputError, "csv, tsv, jsonl, txt"),
        ("new.json.gz --append", "ran = True", OutputError, "nothing can be appended"),
        ("new.csv --append --format xlsx", "ran = True", OutputError, "is one whole"),
        ("there --append", "ran = True", ConflictError, "is a directory"),
        ("there/old.txt --append", "print('half'); 1/0", CellError, "ZeroDivisionError"),
        ("there/old.txt --append", "x = 1", CellError, "--allow-empty"),
    ],
)
def test_bad_input_leaves_everything_as_it_was(
    run: Run, stored: Stored, line: str, body: str, error: type[BaseException], said: str
) -> None:
    run("%%adls_write there/old.txt\nprint('old')")
    ran = run(f"%%adls_write {line}\n{body}")
    assert isinstance(ran.error, error)
    assert said in str(ran.error)
    assert run("ran").error is not None
    assert stored() == {"there/old.txt": b"old\n"}


def test_appending_text(run: Run, stored: Stored, lake: LocalLake) -> None:
    first = run("%%adls_write --append d/x.log\nprint('one')")
    assert re.fullmatch(
        rf"Appended 4 B to {lake.url}/lake/d/x\.log, now 4 B, in .* s.* \[printed text\]",
        first.line,
    )
    second = run("%%adls_write --append d/x.log --tee\nprint('two')\n5")
    assert "Appended 6 B" in second.out and "now 10 B" in second.out
    assert run("%%adls_write d/x.log --append --allow-empty\nx = 1").error is None
    assert stored() == {"d/x.log": b"one\ntwo\n5\n"}


@pytest.mark.parametrize(
    "value",
    ["pd.DataFrame({'a': [N]})", "pl.DataFrame({'a': [N]})", "[{'a': N}]", "pa.table({'a': [N]})"],
)
def test_a_header_is_written_once(run: Run, stored: Stored, value: str) -> None:
    head = "import pandas as pd, polars as pl, pyarrow as pa\n"
    for number in "123":
        body = head + value.replace("N", number)
        for path in ("x.csv", "x.tsv", "x.jsonl", "x.csv.gz"):
            assert run(f"%%adls_write --append {path}\n{body}").error is None
    packed = stored()
    assert gzip.decompress(packed.pop("x.csv.gz")) == b"a\n1\n2\n3\n"
    lines = packed.pop("x.jsonl").decode().splitlines()
    assert [json.loads(line) for line in lines] == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert packed == {"x.csv": b"a\n1\n2\n3\n", "x.tsv": b"a\n1\n2\n3\n"}


@pytest.mark.parametrize("path", ["x.csv", "x.tsv", "x.csv.gz"])
def test_other_columns_are_refused_before_anything_is_sent(
    run: Run, stored: Stored, path: str
) -> None:
    head = "import pandas as pd\n"
    run(f"%%adls_write {path}\n{head}pd.DataFrame({{'a': [1], 'b': [2]}})")
    before = stored()
    ran = run(f"%%adls_write {path} --append\n{head}pd.DataFrame({{'a': [1], 'c': [2]}})")
    assert isinstance(ran.error, OutputError)
    assert "it lacks 'b' and has 'c'. Nothing was appended; with --opt header=False" in str(
        ran.error
    )
    assert stored() == before
    # Nobody holds it, and who insists may.
    line = f"%%adls_write {path} --append --opt header=False"
    assert run(f"{line}\n{head}pd.DataFrame({{'a': [1], 'c': [2]}})").error is None
    data = stored()[path]
    data = gzip.decompress(data) if path.endswith(".gz") else data
    assert data.replace(b"\t", b",") == b"a,b\n1,2\n1,2\n"


def test_a_mark_for_excel_stands_at_the_start_only(run: Run, stored: Stored) -> None:
    for _ in range(3):
        ran = run("%%adls_write x.csv --append --opt encoding=utf-8-sig\n[{'ä': 1}]")
        assert ran.error is None
    assert stored() == {"x.csv": "ä\n1\n1\n1\n".encode("utf-8-sig")}


def test_rows_begin_on_a_line_of_their_own(run: Run, stored: Stored) -> None:
    run("%%adls_write x.csv --from stdout\nprint('a\\n1', end='')")
    run("%%adls_write x.csv --append\n[{'a': 2}]")
    run("%%adls_write x.csv --append\n[{'a': 3}]")
    assert stored() == {"x.csv": b"a\n1\n2\n3\n"}


def test_an_empty_table_adds_nothing(run: Run, stored: Stored) -> None:
    table = "import pandas as pd\npd.DataFrame({'a': []})"
    assert run(f"%%adls_write x.csv --append\n{table}").error is None
    assert run(f"%%adls_write x.csv --append\n{table}").error is None
    assert stored() == {"x.csv": b"a\n"}
    assert run(f"%%adls_write x.csv --append\n{table}").error is None  # nobody holds it


def test_defaults_do_not_hinder_appending(run: Run, stored: Stored) -> None:
    run("%config AdlsMagics.md5 = True")
    run("%config AdlsMagics.if_exists = 'skip'")
    for _ in range(2):
        assert run("%%adls_write x.txt --append\nprint(1)").error is None
    assert stored() == {"x.txt": b"1\n1\n"}


def test_as_a_line_magic_it_points_to_the_cell_magic(run: Run) -> None:
    ran = run("%adls_write x.txt")
    assert type(ran.error) is UsageError
    assert "%%adls_write" in str(ran.error)


def test_out_and_quiet(run: Run, shell: InteractiveShell, stored: Stored) -> None:
    ran = run("%%adls_write x.txt -q -o result\nprint('hidden')")
    assert (ran.out, ran.err) == ("", "")
    assert shell.user_ns["result"].size == 7
    assert stored() == {"x.txt": b"hidden\n"}


def test_tee_shows_what_is_written(run: Run, stored: Stored) -> None:
    ran = run("%%adls_write x.txt --tee\nprint('shown')")
    assert ran.out.startswith("shown\nWrote 6 B")
    assert stored() == {"x.txt": b"shown\n"}


@pytest.mark.parametrize(
    ("options", "content"),
    [
        ("--opt header=['x','y']", b"x,y\n1,2\n"),
        ("--opt \"header=['x','y']\"", b"x,y\n1,2\n"),
        ('--opt columns=["b"] --opt index=true --opt index_label=no', b"no,b\n0,2\n"),
        ("--opt header=false --opt sep='\\t'", b"1\t2\n"),
        ("--opt header={names}", b"x,y\n1,2\n"),
        ("--opt header=$names --opt sep={sep}", b"x;y\n1;2\n"),
    ],
)
def test_options_of_a_table(run: Run, stored: Stored, options: str, content: bytes) -> None:
    run("import pandas as pd; names = ['x', 'y']; sep = ';'")
    assert run(f"%%adls_write x.csv {options}\npd.DataFrame({{'a': [1], 'b': [2]}})").error is None
    assert stored() == {"x.csv": content}


@pytest.mark.parametrize("value", ['{"Title": "it\'s"}', "{title}", "$title", '{"Title": name}'])
def test_an_option_that_is_a_dict(run: Run, stored: Stored, value: str) -> None:
    run("from matplotlib.figure import Figure; name = \"it's\"; title = {'Title': name}")
    assert run(f"%%adls_write x.png --opt metadata={value}\nFigure()").error is None
    assert b"Title\0it's" in stored()["x.png"]


def test_rows_that_cannot_be_appended_are_all_there_for_another_file(
    run: Run, stored: Stored
) -> None:
    run("%%adls_write x.csv\n[{'a': 1}]")
    run("rows = iter([{'b': 1}, {'b': 2}])")
    ran = run("%%adls_write x.csv --append\nrows")
    assert "has other columns" in str(ran.error)
    assert "its first item was taken" in str(ran.error)
    assert run("%%adls_write y.csv\nrows").error is None
    assert stored() == {"x.csv": b"a\n1\n", "y.csv": b"b\n1\n2\n"}
