"""README's table of what `auto` writes: every row, through the magic in one real kernel."""

from __future__ import annotations

import bz2
import gzip
import json
import pickle
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from kernels import reached_by_files

from adls_magic.output.formats import CONTENT_TYPES, PLAIN

from .conftest import PATH, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SETUP = """
import collections, dataclasses, io
import numpy as np, pandas as pd, polars as pl, pyarrow as pa
import matplotlib.pyplot as plt
from PIL import Image
from IPython.display import HTML, SVG, JSON, Latex, Markdown
df = pd.DataFrame({"n": [1, 2]})
@dataclasses.dataclass
class Point:
    n: int
class Page:
    def _repr_mimebundle_(self, **_): return {
        "image/png": "iVBORw0KGgo=", "image/jpeg": "/9j/", "application/pdf": "JVBERi0="}
"""
N = [{"n": 1}, {"n": 2}]
KNOWN = {extension.removeprefix(".") for extension in (*CONTENT_TYPES, *PLAIN)} - {"text"}
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Case:
    """A cell, and what a file of each extension is to be."""

    body: str
    expected: Callable[[str, bytes], bool]
    extensions: str = ""  # instead of the row's
    prints: str = ""  # what stays in the notebook


def is_table(extension: str, data: bytes) -> bool:
    """The table of one column n with 1 and 2."""
    import io

    import pandas as pd

    source = io.BytesIO(data)
    readers: dict[str, Callable[[], Any]] = {
        "csv": lambda: pd.read_csv(source).to_dict("records"),
        "tsv": lambda: pd.read_csv(source, sep="\t").to_dict("records"),
        "json": lambda: json.loads(data),
        "jsonl": lambda: [json.loads(line) for line in data.splitlines()],
        "parquet": lambda: pd.read_parquet(source).to_dict("records"),
        "feather": lambda: pd.read_feather(source).to_dict("records"),
        "xlsx": lambda: pd.read_excel(source).to_dict("records"),
        "html": lambda: [{"n": int(n)} for n in re.findall(rb"<td>(\d)</td>", data)],
        "md": lambda: [{"n": int(n)} for n in re.findall(rb"^\| (\d) \|$", data, re.M)],
    }
    return bool(readers[extension]() == N)


def is_array(extension: str, data: bytes) -> bool:
    """The array 1, 2."""
    import io

    import numpy as np

    if extension in ("npy", "npz"):
        loaded = np.load(io.BytesIO(data))
        array = loaded if extension == "npy" else loaded["arr_0"]
        return bool((array == [1, 2]).all())
    return data.split() == ([b"[", b"1,", b"2", b"]"] if extension == "json" else [b"1", b"2"])


def is_picture(extension: str, data: bytes) -> bool:
    starts = {
        "png": PNG, "svg": b"<", "jpg": b"\xff\xd8\xff", "pdf": b"%PDF-",
        "html": b'<img src="data:image/png;base64,iVBOR',
    }  # fmt: skip
    return data.startswith(starts[extension])


def starting_with(start: bytes) -> Callable[[str, bytes], bool]:
    return lambda _, data: data.startswith(start)


def exactly(content: bytes) -> Callable[[str, bytes], bool]:
    return lambda _, data: data == content


# README's rows by their first two columns → cells that they speak of. An extension in capitals
# stands for none at all.
CASES: dict[tuple[str, str], list[Case]] = {
    ("text, bytes, files and iterators of them", "any; text in no binary format"): [
        Case("print('chat')\n'é'", exactly("é".encode()), "csv txt xyz NONE", "chat\n"),
        Case("b'\\x00'", exactly(b"\0"), "csv png parquet xyz"),
        Case("io.BytesIO(b'ab')", exactly(b"ab"), "bin"),
        Case("open('here.bin', 'rb')", exactly(b"here"), "png"),
        Case("(piece for piece in (b'a', b'b'))", exactly(b"ab"), "bin"),
        Case("(piece for piece in 'ab')", exactly(b"ab"), "csv"),
    ],
    (
        "DataFrame and Series (pandas, polars, also lazy), Arrow data",
        "csv tsv json jsonl parquet feather xlsx html md",
    ): [
        Case("print('chat')\ndf", is_table, prints="chat\n"),
        Case("df.n", is_table, "csv"),
        Case("pl.DataFrame({'n': [1, 2]})", is_table, "csv tsv json jsonl parquet feather html md"),
        Case("pl.LazyFrame({'n': [1, 2]})", is_table, "csv tsv json jsonl parquet feather html md"),
        Case("pa.table({'n': [1, 2]})", is_table),
        Case("pa.table({'n': pa.chunked_array([[1], [2]])}).to_reader()", is_table, "csv parquet"),
    ],
    (
        "iterator of DataFrames or Arrow batches",
        "csv tsv json jsonl parquet feather xlsx html md",
    ): [
        Case("(df[i : i + 1] for i in range(2))", is_table),
        Case("iter(pa.table({'n': [1, 2]}).to_batches(max_chunksize=1))", is_table, "feather"),
    ],
    ("dict, list, dataclass, number", "json jsonl"): [
        Case("{'n': 1}", exactly(b'{"n": 1}\n')),
        Case("Point(1)", exactly(b'{"n": 1}\n')),
        Case("2.5", exactly(b"2.5\n")),
        Case("[{'n': 1}, {'n': 2}]", is_table),
    ],
    ("list or iterator of rows, dicts, dataclasses", "csv tsv json jsonl"): [
        Case("[{'n': 1}, {'n': 2}]", is_table),
        Case("({'n': n} for n in (1, 2))", is_table),
        Case("(Point(n) for n in (1, 2))", is_table),
        Case("[['n'], [1], [2]]", is_table, "csv tsv"),
    ],
    ("numpy array", "npy npz csv tsv txt json jsonl"): [
        Case("np.array([1, 2])", is_array),
        Case("{'arr_0': np.array([1, 2])}", is_array, "npz"),
    ],
    (
        "figure and parts of it (matplotlib), image (PIL)",
        "png svg jpg pdf html",
    ): [
        Case("plt.plot([1, 2])", is_picture),
        Case("plt.figure()", is_picture, "png"),
        Case("Image.new('RGB', (2, 2))", is_picture, "png jpg pdf html"),
    ],
    (
        "anything with a rich display (Altair, plotly, sympy …)",
        "png svg jpg pdf html md tex json",
    ): [
        Case("Page()", starting_with(PNG), "png"),
        Case("SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')", starting_with(b"<svg"), "svg"),
        Case("Page()", starting_with(b"\xff\xd8\xff"), "jpg"),
        Case("Page()", exactly(b"%PDF-"), "pdf"),
        Case("HTML('<b>b</b>')", exactly(b"<b>b</b>\n"), "html"),
        Case("Markdown('# h')", exactly(b"# h\n"), "md"),
        Case("Latex('$x$')", exactly(b"$x$\n"), "tex"),
        Case("JSON({'n': 1})", exactly(b'{"n": 1}\n'), "json"),
    ],
    ("anything", "pkl"): [
        Case("{1, 2}", lambda _, data: bool(pickle.loads(data) == {1, 2})),
    ],
    ("any other", "txt log md py rst, none"): [
        Case("print('text')\n7", exactly(b"text\n7\n"), "txt log md py rst NONE"),
        Case("[1, 2]", exactly(b"[1, 2]\n"), "txt NONE"),
    ],
    ("none: `;`, an assignment, `print(…)`", "text of any kind"): [
        Case("print('text')\n7;", exactly(b"text\n"), "csv txt html NONE"),
        Case("print('text')\nx = 7", exactly(b"text\n"), "json"),
        Case("print('a')\nprint('b')", exactly(b"a\nb\n"), "csv"),
        Case("print('x')", lambda _, data: gzip.decompress(data) == b"x\n", "txt.gz"),
        Case("'x'", lambda _, data: bz2.decompress(data) == b"x", "txt.bz2"),
    ],
    ("none", "parquet feather xlsx npy npz pkl png svg jpg pdf"): [
        Case("print('chat')\ndisplay(df);", is_table, "parquet feather xlsx", "chat\n"),
        Case("display(np.array([1, 2]))", is_array, "npy npz"),
        Case("display({1, 2})", lambda _, data: bool(pickle.loads(data) == {1, 2}), "pkl"),
        Case("plt.plot([1, 2]);", is_picture, "png svg jpg pdf"),
    ],
}  # fmt: skip
# Rows that are errors: cells, and what the error says.
REFUSED: dict[tuple[str, str], list[tuple[str, str, str]]] = {
    ("any other", "every other"): [
        ("plt.figure()", "csv", "a Figure cannot be written as .csv; it can be png, svg, jpg, pdf"),
        ("df", "png", "a DataFrame cannot be written as .png; it can be csv, tsv, json"),
        ("'text'", "parquet", "a str cannot be written as .parquet; it can be"),
        ("object()", "csv", "an object cannot be written as .csv; it can be txt"),
    ],
    ("none, and nothing printed", "any"): [
        ("x = 1", "csv", "the cell put nothing out"),
        ("x = 1", "png", "the cell ended in no value and displayed none that fits .png"),
    ],
}


def rows() -> dict[tuple[str, str], str]:
    """README's rows: value and extensions → what is written."""
    table = re.search(r"^\| the cell's last value .*?\n\n", README, re.M | re.S)
    assert table is not None
    found = [line.strip("|").split("|") for line in table.group().strip().splitlines()[2:]]
    return {(value.strip(), extensions.strip()): said.strip() for value, extensions, said in found}


def wanted(row: tuple[str, str], case: Case) -> list[str]:
    return (case.extensions or row[1]).split()


def targets() -> Iterator[tuple[str, str, str]]:
    """Name of the target, extension, body: of all cells in their order."""
    number = 0
    for row, cases in CASES.items():
        for case in cases:
            for extension in wanted(row, case):
                number += 1
                suffix = "" if extension == "NONE" else f".{extension}"
                yield f"d/f{number}{suffix}", extension, case.body
    for refused in REFUSED.values():
        for body, extension, _ in refused:
            number += 1
            yield f"d/f{number}.{extension}", extension, body


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Any], Path]]:
    """Every cell of the tables, executed; and the folder in which their files are."""
    place = tmp_path_factory.mktemp("table")
    (place / "here.bin").write_bytes(b"here")
    cells = ["%load_ext adls_magic\n%adls_config --local", SETUP]
    cells += [f"%%adls_write {name}\n{body}" for name, _, body in targets()]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", PATH)
        patch.setenv("ADLS_MAGIC_CONFIG", str(place / "none.ini"))
        client = nbclient.NotebookClient(
            notebook,
            timeout=60,
            kernel_name="python3",
            allow_errors=True,
            resources={"metadata": {"path": str(place)}},
            config=reached_by_files(),
        )
        client.execute()
    assert not [one for cell in notebook.cells[:2] for one in cell.outputs if "ename" in one]
    yield notebook.cells[2:], place / "adls-lake" / "lake"


def test_every_row_has_cells() -> None:
    assert rows().keys() == {*CASES, *REFUSED}
    for row, cases in CASES.items():
        tried = {extension for case in cases for extension in wanted(row, case)}
        listed = {name for name in re.findall(r"\w+", row[1]) if name in KNOWN}
        assert listed <= tried, row


@pytest.mark.parametrize("row", CASES, ids=lambda row: row[0][:30])
def test_a_row_that_is_written(row: tuple[str, str], executed: tuple[list[Any], Path]) -> None:
    cells, lake = executed
    places = iter(zip(targets(), cells, strict=True))
    for each, cases in CASES.items():
        for case in cases:
            for _ in wanted(each, case):
                (name, extension, body), cell = next(places)
                if each == row:
                    errors = [one.evalue for one in cell.outputs if "ename" in one]
                    assert not errors, (body, extension)
                    assert case.expected(extension, (lake / name).read_bytes()), (body, extension)
                    text = "".join(one.text for one in cell.outputs if one.output_type == "stream")
                    assert text.partition("Wrote ")[0] == case.prints, (body, extension)


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row[0])
def test_a_row_that_is_refused(row: tuple[str, str], executed: tuple[list[Any], Path]) -> None:
    cells, lake = executed
    by_body = {
        (body, extension): (name, cell)
        for (name, extension, body), cell in zip(targets(), cells, strict=True)
    }
    for body, extension, said in REFUSED[row]:
        name, cell = by_body[body, extension]
        (error,) = [one for one in cell.outputs if "ename" in one]
        assert error.evalue.startswith(said)
        assert not (lake / name).exists()
