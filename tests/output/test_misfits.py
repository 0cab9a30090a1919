"""What a table cannot be is told in one line: which column, and what it can be instead."""

from __future__ import annotations

import datetime
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from adls_magic.core.errors import OutputError

from .streams import written

DAY = datetime.timedelta(1)
CLASH = pd.DataFrame({"a": [1], "b": [2]}).set_index("a", drop=False)


@pytest.mark.parametrize(
    ("make", "wrong", "said", "right"),
    [
        (lambda: pl.DataFrame({"a": [1], "b": [b"x"]}), "csv", "'b' holds Binary", "parquet"),
        (lambda: pl.DataFrame({"b": [[b"x"]]}), "jsonl", r"'b' holds List\(Binary\)", "parquet"),
        (lambda: pl.DataFrame({"b": [[1]]}), "tsv", r"'b' holds List\(Int64\)", "json"),
        (lambda: pl.LazyFrame({"b": [DAY]}), "csv", "'b' holds Duration", "jsonl"),
        (lambda: pa.table({"b": [[1]]}), "csv", "'b' holds list<", "json"),
        (lambda: pa.table({"b": [[1]]}).to_batches()[0], "tsv", "'b' holds list<", "json"),
        (lambda: iter([pa.table({"b": [[1]]})]), "csv", "Unsupported Type:list<", "parquet"),
        (lambda: pa.table({"b": [b"x"]}), "json", "bytes has no form in JSON", "csv"),
        (lambda: CLASH, "json", "both named 'a'; rename one, or .*--opt index=False", "csv"),
        (lambda: iter([CLASH]), "jsonl", "both named 'a'; rename one", "csv"),
        (lambda: CLASH, "feather", "both named 'a'; rename one", "parquet"),
        (lambda: pd.DataFrame([[1, 2]], columns=["n", "n"]), "json", "unique", "csv"),
    ],
)
def test_what_does_not_fit(make: Any, wrong: str, said: str, right: str) -> None:
    with pytest.raises(OutputError, match=said) as raised:
        written(make(), f".{wrong}")
    message = str(raised.value)
    assert "\n" not in message
    offers = message.rpartition("; it can be ")[2].partition(" (")[0].split(", ")
    assert right in offers
    assert wrong not in offers
    for name in {*offers} - {"txt"}:
        assert written(make(), f".{name}"), name


def test_the_index_can_be_left_out() -> None:
    assert written(CLASH, ".jsonl", index=False) == b'{"a":1,"b":2}\n'


def test_an_error_that_is_not_about_the_form_offers_no_other() -> None:
    with pytest.raises(OutputError) as raised:
        written(CLASH, ".csv", sep="ab")
    assert "it can be" not in str(raised.value)
