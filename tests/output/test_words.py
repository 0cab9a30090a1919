"""What true, no and none mean as the value of an option; and the header that is a list of names."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from adls_magic import output
from adls_magic.core.ends import Ends
from adls_magic.core.errors import OptionError, OutputError

from .streams import Written, written

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": ""}]
TABLES = {
    "pandas": FRAME,
    "polars": pl.DataFrame({"a": [1, 2], "b": ["x", None]}),
    "lazy": pl.DataFrame({"a": [1, 2], "b": ["x", None]}).lazy(),
    "arrow": pa.table({"a": [1, 2], "b": ["x", None]}),
    "rows": ROWS,
    "numpy": np.array([(1, "x"), (2, "")], [("a", int), ("b", "U1")]),
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("no", ["false", "False", "no", "OFF"])
def test_a_header_that_is_not_wanted(kind: str, no: str) -> None:
    assert written(TABLES[kind], ".csv", header=no) == written(TABLES[kind], ".csv", header=False)
    assert written(TABLES[kind], ".csv", header="true") == written(TABLES[kind], ".csv")


@pytest.mark.parametrize("kind", TABLES)
def test_a_header_is_no_text(kind: str) -> None:
    with pytest.raises(OptionError, match="header is True or False, no text"):
        output.plan(TABLES[kind], ".csv", options={"header": "nope"})


@pytest.mark.parametrize("kind", ["pandas", "arrow", "rows", "numpy"])
def test_a_header_of_other_names(kind: str) -> None:
    rest = written(TABLES[kind], ".csv", header=False)
    assert written(TABLES[kind], ".csv", header=["x", "y z"]) == b"x,y z\n" + rest
    with pytest.raises(OutputError if kind == "pandas" else OptionError, match=r"header|aliases"):
        written(TABLES[kind], ".csv", header=["x"])


def test_a_header_for_rows_without_names() -> None:
    assert written([[1, 2]], ".csv", header=["x", "y"]) == b"x,y\n1,2\n"


@pytest.mark.parametrize(
    ("value", "extension", "options", "meant"),
    [
        (FRAME, ".csv", {"index": "yes"}, {"index": True}),
        (FRAME, ".csv", {"index_label": "no"}, {}),
        (FRAME, ".csv", {"index_label": "false"}, {"index_label": False}),
        (FRAME, ".md", {"index": "on"}, {"index": True}),
        (FRAME, ".json", {"index": "false"}, {"index": False}),
        (FRAME, ".json", {"indent": "none"}, {"indent": None}),
        (FRAME, ".parquet", {"index": "no", "compression": "none"}, {"index": False}),
        (FRAME, ".feather", {"index": "yes"}, {"index": True}),
        (FRAME, ".xlsx", {"index": "no", "sheet_name": "no"}, {"index": False}),
        (FRAME, ".xlsx", {"sheet_name": "true"}, {}),
        (FRAME, ".csv", {"na_rep": "none"}, {}),
        (FRAME, ".csv", {"na_rep": "no"}, {}),
        (TABLES["polars"], ".csv", {"null_value": "none"}, {}),
        (TABLES["polars"], ".csv", {"include_bom": "yes"}, {"include_bom": True}),
        (TABLES["polars"], ".csv", {"float_scientific": "no"}, {"float_scientific": False}),
        (TABLES["polars"], ".parquet", {"statistics": "full"}, {}),
        (TABLES["polars"], ".parquet", {"statistics": "no"}, {"statistics": False}),
        (TABLES["arrow"], ".csv", {"quoting_style": "none"}, {}),
        (TABLES["arrow"], ".parquet", {"store_schema": "false"}, {"store_schema": False}),
        (ROWS, ".json", {"indent": "none"}, {"indent": None}),
        (ROWS, ".json", {"sort_keys": "no"}, {"sort_keys": False}),
    ],
)
def test_the_words(value: Any, extension: str, options: Any, meant: Any) -> None:
    found = output.plan(value, extension, options=options)._options
    assert found == {**options, **meant}
    assert all(type(one) is not int for one in found.values())


def test_the_text_of_words_is_written_as_text() -> None:
    assert written(FRAME, ".csv", na_rep="none", index="no") == b"a,b\n1,x\n2,none\n"
    assert written(FRAME, ".csv", index="yes", index_label="no").startswith(b"no,a,b\n")
    assert json.loads(written(ROWS, ".json", indent="none")) == ROWS


@pytest.mark.parametrize(
    ("value", "extension", "name"),
    [
        (FRAME, ".csv", "index"),
        (FRAME, ".json", "lines"),
        (FRAME, ".parquet", "index"),
        (TABLES["polars"], ".csv", "decimal_comma"),
        (ROWS, ".json", "sort_keys"),
        (ROWS, ".csv", "doublequote"),
    ],
)
def test_what_is_neither_true_nor_false(value: Any, extension: str, name: str) -> None:
    with pytest.raises(OptionError, match=f"{name} is True or False"):
        output.plan(value, extension, options={name: "perhaps"})


@pytest.mark.parametrize("kind", ["pandas", "rows"])
def test_no_character_is_none(kind: str) -> None:
    chosen = {"quotechar": "none", "quoting": 3}
    assert written(TABLES[kind], ".csv", **chosen) == written(TABLES[kind], ".csv")
    assert written(TABLES[kind], ".csv", escapechar="None") == written(TABLES[kind], ".csv")
    following = output.plan(TABLES[kind], ".csv", options=chosen)
    target = Written()
    following.following(lambda _: Ends(b"a,b\n", b"a,b\n", 4)).write(target)
    assert target.data == b"1,x\n2,\n"
