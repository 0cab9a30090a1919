"""JSON of pandas' frames: pandas' own shape, but nothing is rounded."""

from __future__ import annotations

import datetime
import json
import pathlib
import uuid

import numpy as np
import pandas as pd
import pytest

from .streams import written

NUMBERS = [1.23456789012345e-12, 2 / 3 * 1e-5, 0.1 + 0.2, 5e-324, -1.7976931348623157e308, 2.0]
ORIENTS = ["records", "split", "index", "columns", "values", "table"]


@pytest.mark.parametrize("extension", [".json", ".jsonl"])
@pytest.mark.parametrize("dtype", ["float64", "Float64", "object", "category", "double[pyarrow]"])
def test_numbers_come_back_exactly(extension: str, dtype: str) -> None:
    frame = pd.DataFrame({"x": pd.Series([*NUMBERS, None], dtype=dtype)})
    text = written(frame, extension).decode()
    rows = json.loads(text) if extension == ".json" else [*map(json.loads, text.splitlines())]
    assert [row["x"] for row in rows] == [*NUMBERS, None]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_times_keep_the_unit_of_their_column(unit: str, zone: str | None) -> None:
    moment = np.datetime64("2020-01-01T00:00:00.123456789", unit)
    frame = pd.DataFrame({"t": pd.Series([moment, None], dtype=f"M8[{unit}]").dt.tz_localize(zone)})
    there = moment - np.timedelta64(9, "h") if zone else moment
    assert json.loads(written(frame, ".json")) == [
        {"t": str(there) + ("Z" if zone else "")},
        {"t": None},
    ]


def test_what_is_in_lists_and_dicts_is_exact_too() -> None:
    moment = datetime.datetime(2020, 1, 1, 0, 0, 0, 1)
    cells = [{"a": [0.1 + 0.2, None]}, [moment, pd.NaT], np.array([1 / 3]), "x", 7, True, np.nan]
    rows = json.loads(written(pd.DataFrame({"o": pd.Series(cells, dtype=object)}), ".json"))
    assert [row["o"] for row in rows] == [
        {"a": [0.1 + 0.2, None]},
        ["2020-01-01T00:00:00.000001", None],
        [1 / 3],
        *("x", 7, True, None),
    ]


@pytest.mark.parametrize("orient", ORIENTS)
def test_every_shape_is_pandas_own(orient: str) -> None:
    # Values that pandas itself writes exactly, so that its own text can be compared.
    frame = pd.DataFrame(
        {
            "x": [0.5, None],
            "t": np.array(["2020-01-01T00:00:00.125", "NaT"], "M8[ms]"),
            "s": ['say "="', None],
            "c": pd.Categorical(["u", "v"]),
        },
        index=pd.Index(["k", "l"], name="key"),
    )
    ours = json.loads(written(frame, ".json", orient=orient))
    assert ours == json.loads(frame.to_json(orient=orient, date_format="iso"))
    exact = pd.DataFrame({"x": NUMBERS})
    assert repr(NUMBERS[0]) in written(exact, ".json", orient=orient).decode()


def test_labels_are_exact_too() -> None:
    times = pd.DatetimeIndex(np.array(["2020-01-01T00:00:00.000001"], "M8[us]"))
    frame = pd.DataFrame({"x": [1]}, index=times)
    label = "2020-01-01T00:00:00.000001"
    assert json.loads(written(frame, ".json", orient="index")) == {label: {"x": 1}}
    assert json.loads(written(frame.T, ".jsonl")) == {"index": "x", label: 1}
    split = written(frame.set_axis([0.1 + 0.2]), ".json", orient="split")
    assert json.loads(split)["index"] == [0.1 + 0.2]


def test_the_users_options_decide_how_values_look() -> None:
    frame = pd.DataFrame({"x": [1 / 3], "t": np.array(["2020-01-01T00:00:00.5"], "M8[us]")})
    options = {"double_precision": 2, "date_unit": "s"}
    assert written(frame, ".jsonl", **options) == b'{"x":0.33,"t":"2020-01-01T00:00:00"}\n'
    assert written(frame[["x"]], ".json", indent=1).count(b"\n") == 5
    assert written(frame[["x"]], ".json", orient="records", lines=True).count(b"\n") == 1


# pandas' encoder asks such labels for what they lack, in a way that Python 3.13 tells.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("orient", ORIENTS)
@pytest.mark.parametrize("dtype", ["date32[pyarrow]", "date64[pyarrow]"])
def test_dates_of_arrow_are_pandas_own(orient: str, dtype: str) -> None:
    days = pd.Series([datetime.date(2026, 1, 2), datetime.date(1066, 10, 14)], dtype=dtype)
    frame = pd.DataFrame({"d": days, "e": [*days[:1], None]}).astype(dtype)
    for each in (frame, frame.set_axis(days)):
        ours = json.loads(written(each, ".json", orient=orient))
        assert ours == json.loads(each.to_json(orient=orient, date_format="iso"))


@pytest.mark.parametrize("axis", [0, 1])
def test_labels_of_several_levels_are_exact_too(axis: int) -> None:
    labels = [("a", 0.1 + 0.2), ("b", 2.0)]
    frame = pd.DataFrame(np.eye(2))
    frame = frame.set_axis(pd.MultiIndex.from_tuples(labels), axis=axis)
    shape = json.loads(written(frame, ".json", orient="split"))
    assert shape["columns" if axis else "index"] == [list(one) for one in labels]
    mixed = pd.DataFrame({"x": [1, 2]}, index=[0.1 + 0.2, "a"])
    assert json.loads(written(mixed, ".json", orient="split"))["index"] == [0.1 + 0.2, "a"]


@pytest.mark.parametrize("extension", [".json", ".jsonl"])
def test_what_pandas_has_no_form_for_is_written_as_elsewhere(extension: str) -> None:
    moments = np.array(["2020-01-01T00:00:00.123456789", "NaT"], "M8[ns]")
    one = uuid.UUID(int=7)
    cells = [moments, moments[0], one, [one], {"k": pathlib.PurePosixPath("a/b")}, range(2)]
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=object)})
    text = written(frame, extension).decode()
    found = json.loads(text) if extension == ".json" else [*map(json.loads, text.splitlines())]
    said = "2020-01-01T00:00:00.123456789"
    expected = [[said, None], said, str(one), [str(one)], {"k": "a/b"}, [0, 1]]
    assert [row["x"] for row in found] == expected
