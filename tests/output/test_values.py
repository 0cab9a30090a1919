from __future__ import annotations

import csv
import dataclasses
import datetime
import decimal
import importlib.util
import io
import json
import math
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.figure
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.display import HTML, JSON, SVG, Latex, Markdown
from PIL import Image

from adls_magic import output
from adls_magic.core.errors import OptionError, OutputError
from adls_magic.output.forms import name_of

from .streams import Written, written

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@dataclasses.dataclass
class Point:
    x: int
    y: Any


class Pair(NamedTuple):
    left: int
    right: str


@settings(max_examples=50)
@given(st.dictionaries(st.text("abc"), JSON_VALUES) | st.lists(JSON_VALUES))
def test_json_comes_back_as_it_was(value: object) -> None:
    data = written(value, ".json").decode()
    assert data == json.dumps(value, ensure_ascii=False) + "\n"
    assert json.loads(data) == value


@settings(max_examples=50)
@given(st.lists(JSON_VALUES, min_size=1))
def test_json_lines_have_a_line_for_each_item(items: list[object]) -> None:
    lines = written(items, ".jsonl").decode().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == items


def test_json_of_what_python_has_and_json_has_not() -> None:
    value = {
        "date": datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC),
        "path": Path("a/b"),
        "decimal": decimal.Decimal("1.10"),
        "point": Point(1, np.float64(2.5)),
        "array": np.arange(3),
        "set": {1},
        "unicode": "ü",
    }
    data = written(value, ".json")
    assert json.loads(data) == {
        "date": "2026-11-01T12:00:00+00:00",
        "path": str(Path("a/b")),
        "decimal": "1.10",
        "point": {"x": 1, "y": 2.5},
        "array": [0, 1, 2],
        "set": [1],
        "unicode": "ü",
    }
    assert "ü".encode() in data
    assert json.loads(written(Point(1, 2), ".json")) == {"x": 1, "y": 2}


NANS = {"x": math.nan, "y": [math.inf, {"z": -math.inf}], "n": np.float32("nan"), "o": 1.5}
NULLS = {"x": None, "y": [None, {"z": None}], "n": None, "o": 1.5}


def test_what_json_has_no_number_for_is_null_unless_told_otherwise() -> None:
    assert json.loads(written(NANS, ".json")) == NULLS
    assert json.loads(written(NANS, ".json", indent=1)) == NULLS
    assert json.loads(written(iter([NANS]), ".jsonl")) == NULLS
    assert json.loads(written(np.array([math.nan, 1]), ".json")) == [None, 1]
    assert json.loads(written(pa.table({"x": [math.nan, 1]}), ".json")) == [{"x": None}, {"x": 1}]
    assert written({"x": math.nan}, ".json", allow_nan=True) == b'{"x": NaN}\n'
    assert written({"x": 1}, ".json", indent=1) == b'{\n "x": 1\n}\n'
    stream = Written()
    with pytest.raises(OutputError, match="without --opt allow_nan=False they are written as null"):
        output.plan(NANS, ".json", options={"allow_nan": False}).write(stream)
    assert stream.data == b""


def test_missing_times_are_null() -> None:
    missing = [pd.NaT, pd.NA, np.datetime64("NaT", "s"), np.timedelta64("NaT", "s"), math.nan]
    assert json.loads(written(missing, ".json")) == [None] * len(missing)
    assert json.loads(written({"x": missing}, ".json")) == {"x": [None] * len(missing)}


@pytest.mark.parametrize("unit", ["D", "s", "ms", "us", "ns"])
def test_times_of_numpy_are_text(unit: str) -> None:
    moment = np.datetime64("2020-01-01T10:20:30.123456789", unit)
    array = np.array([moment, "NaT"], f"M8[{unit}]")
    text = str(moment)
    assert written(array, ".csv").decode().splitlines() == [text, '""']
    assert json.loads(written(array, ".json")) == [text, None]
    assert [*map(json.loads, written(array, ".jsonl").splitlines())] == [text, None]
    assert json.loads(written({"t": array, "one": moment}, ".json")) == {
        "t": [text, None],
        "one": text,
    }
    records = np.array([(1, moment)], [("n", int), ("t", array.dtype)])
    for each in (records, records.view(np.recarray)):
        assert written(each, ".tsv").decode() == f"n\tt\n1\t{text}\n"
        assert json.loads(written(each, ".json")) == [[1, text]]


def test_durations_of_numpy_are_text() -> None:
    array = np.array([90_061_000_000_001, -1, "NaT"], "m8[ns]")
    texts = ["1 day, 1:01:01.000000001", "-1 day, 23:59:59.999999999", None]
    assert json.loads(written(array, ".json")) == texts
    assert json.loads(written(array.astype("m8[s]"), ".json"))[0] == "1 day, 1:01:01"
    assert json.loads(written(np.array([3], "m8[Y]"), ".json")) == ["3 years"]


def test_what_is_masked_is_not_lost() -> None:
    array = np.ma.array([1, 2], mask=[False, True])
    for value, extension in ((array, ".npy"), (array, ".npz"), ({"a": array}, ".npz")):
        stream = Written()
        with pytest.raises(OutputError, match=r"lose its mask; write array\.filled"):
            output.plan(value, extension).write(stream)
        assert stream.data == b""
    assert json.loads(written(array, ".json")) == [1, None]
    assert np.load(io.BytesIO(written(array[:1], ".npy"))) == [1]
    times = np.ma.array(np.array(["2020", "2021"], "M8[ns]"), mask=[True, False])
    assert json.loads(written(times, ".json"))[0] is None


@pytest.mark.parametrize("compress", [True, False])
def test_arrays_of_any_name(compress: bool) -> None:
    arrays = {name: np.arange(3) for name in ("file", "allow_pickle", "a/b", "ü")}
    found = np.load(io.BytesIO(written(arrays, ".npz", compress=compress)))
    assert sorted(found) == sorted(arrays)
    np.testing.assert_array_equal(found["file"], np.arange(3))


def test_what_json_cannot_hold_is_named() -> None:
    with pytest.raises(OutputError, match="object has no form in JSON"):
        written([object()], ".json")


ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": 'say "hi",\nthen go'}]


@pytest.mark.parametrize("make", [list, iter, tuple])
def test_rows_of_dicts_as_csv(make: Any) -> None:
    data = written(make(ROWS), ".csv").decode()
    assert list(csv.DictReader(io.StringIO(data, newline=""))) == [
        {"a": "1", "b": "x"},
        {"a": "2", "b": 'say "hi",\nthen go'},
    ]


def test_rows_of_other_kinds_as_csv() -> None:
    assert written([[1, 2], (3, 4)], ".csv") == b"1,2\n3,4\n"
    assert written([Point(1, 2)], ".tsv") == b"x\ty\n1\t2\n"
    assert written(iter([Pair(1, "r"), Pair(2, "s")]), ".csv") == b"left,right\n1,r\n2,s\n"
    assert written([{"a": 1}, {"b": 2}], ".csv") == b"a,b\n1,\n,2\n"


def test_a_late_column_of_an_iterator_is_an_error() -> None:
    with pytest.raises(OutputError, match="the column 'b', which the first one lacks"):
        written(iter([{"a": 1}, {"b": 2}]), ".csv")


def test_an_iterator_of_rows_is_no_parquet() -> None:
    with pytest.raises(OutputError, match=r"a generator cannot .* be csv, tsv, json, jsonl \("):
        output.plan((row for row in ROWS), ".parquet")


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3) / 7, np.array([1, 2, 3]), np.array(["a", "b"])]
)
def test_arrays(array: Any) -> None:
    np.testing.assert_array_equal(np.load(io.BytesIO(written(array, ".npy"))), array)
    packed = np.load(io.BytesIO(written(array, ".npz")))
    np.testing.assert_array_equal(packed["arr_0"], array)
    assert json.loads(written(array, ".json")) == array.tolist()
    back = np.loadtxt(io.BytesIO(written(array, ".csv")), delimiter=",", dtype=array.dtype)
    np.testing.assert_array_equal(back, array)
    assert written(array, ".txt").count(b"\n") == len(array)


def test_arrays_of_special_kinds() -> None:
    structured = np.array([(1, 2.5)], dtype=[("n", int), ("x", float)])
    assert written(structured, ".csv") == b"n,x\n1,2.5\n"
    named = np.load(io.BytesIO(written({"a": np.arange(2), "b": np.ones(1)}, ".npz")))
    assert sorted(named) == ["a", "b"]
    with pytest.raises(OutputError, match=r"cannot be written as \.npy"):
        output.plan(np.array([object()]), ".npy")
    with pytest.raises(OutputError, match=r"cannot be written as \.csv; it can be .*npy"):
        output.plan(np.zeros((2, 2, 2)), ".csv")


def figure() -> mpl.figure.Figure:
    drawn = mpl.figure.Figure()
    drawn.subplots().plot([1, 2, 3])
    return drawn


MAGIC = {
    ".png": b"\x89PNG\r\n",
    ".jpg": b"\xff\xd8\xff",
    ".pdf": b"%PDF-",
    ".svg": b"<?xml",
    ".html": b'<img src="data:image/png;base64,',
    ".tiff": b"II*\x00",
    ".webp": b"RIFF",
}


@pytest.mark.parametrize("extension", MAGIC)
def test_figures(extension: str) -> None:
    assert written(figure(), extension).startswith(MAGIC[extension])


def test_parts_of_a_figure_stand_for_it() -> None:
    drawn = mpl.figure.Figure()
    both = drawn.subplots(1, 2)
    lines = both[0].plot([1, 2])
    bars = both[1].hist([1, 1, 2])
    for part in (both[0], both, lines, lines[0], bars, (drawn, both), both[0].set_title("x")):
        assert written(part, ".png").startswith(MAGIC[".png"])
        assert output.plan(part, ".png").description == "Figure, png"


def test_options_of_a_figure() -> None:
    small, large = (written(figure(), ".png", dpi=dpi) for dpi in (20, 200))
    assert Image.open(io.BytesIO(small)).width * 5 < Image.open(io.BytesIO(large)).width


def test_a_misfit_names_the_value_and_what_it_can_be() -> None:
    with pytest.raises(OutputError) as raised:
        output.plan(figure(), ".csv")
    message = str(raised.value)
    assert message.startswith("a Figure cannot be written as .csv; it can be png, svg, jpg, pdf")
    for name in message.rpartition("it can be ")[2].split(", "):
        assert written(figure(), f".{name}"), name


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_images_offer_only_what_they_can_be(mode: str) -> None:
    image = Image.new(mode, (4, 3))
    back = Image.open(io.BytesIO(written(image, ".png")))
    assert (back.size, back.mode) == ((4, 3), mode)
    with pytest.raises(OutputError) as raised:
        output.plan(image, ".csv")
    offers = str(raised.value).rpartition("it can be ")[2].split(", ")
    assert ("jpg" in offers) == (mode in ("RGB", "L"))
    for name in offers:
        assert written(image, f".{name}"), name


@pytest.mark.parametrize("mode", ["1", "LA", "I", "F", "CMYK", "HSV", "YCbCr", "RGBX", "I;16"])
def test_every_offer_for_an_unusual_image_is_true(mode: str) -> None:
    image = Image.new(mode, (4, 3))
    with pytest.raises(OutputError) as raised:
        output.plan(image, ".csv")
    for name in str(raised.value).rpartition("it can be ")[2].split(", "):
        assert written(image, f".{name}"), name


def test_an_image_is_refused_before_it_is_drawn() -> None:
    with pytest.raises(OutputError, match=r"an Image cannot be .*\.png; it can be jpg, .*tiff"):
        output.plan(Image.new("CMYK", (1, 1)), ".png")


@pytest.mark.parametrize(
    ("extension", "options", "said"),
    [
        (".svg", {"pil_kwargs": {"quality": 1}}, r"no option 'pil_kwargs'; it takes backend, "),
        (".jpg", {"metadata": {"Title": "x"}}, r"no option 'metadata'; it takes backend, "),
        (".png", {"pil_kwargs": {"qualty": 1}}, r"^pil_kwargs of \.png has no 'qualty'; it has o"),
        (".webp", {"pil_kwargs": 90}, r"^pil_kwargs is a dict of options .*\{'quality': 90\}$"),
    ],
)
def test_what_savefig_would_pass_over_or_trip_on(extension: str, options: Any, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        written(figure(), extension, **options)


def test_what_savefig_hands_on_to_pillow() -> None:
    small = written(figure(), ".jpg", pil_kwargs={"quality": 1})
    assert len(small) < len(written(figure(), ".jpg", pil_kwargs={"quality": 99}))


@pytest.mark.parametrize(
    ("make", "offers"),
    [
        (lambda: {"a": object()}, "txt"),
        (lambda: {(1, 2): 3}, "txt"),
        (lambda: [math.nan], "json, jsonl, txt"),
        (lambda: [{"a": math.nan}], "csv, tsv, json, jsonl, txt"),
        (lambda: math.nan, "json, jsonl, txt"),
        (lambda: np.array([1j]), "csv, tsv, npy, npz, txt"),
        (lambda: np.array(5), "json, jsonl, npy, npz, txt"),
        (lambda: {"a": np.array([1j])}, "npz, txt"),
        (lambda: iter([{"a": object()}]), "csv, tsv"),
        (lambda: [{"a": "x" * 2000}], "csv, tsv, json, jsonl, txt"),
    ],
)
def test_offered_is_what_this_very_value_can_be(make: Any, offers: str) -> None:
    with pytest.raises(OutputError, match=rf"; it can be {offers}( \(its first .*)?$"):
        output.plan(make(), ".parquet")
    for name in offers.split(", "):
        assert written(make(), f".{name}"), name


def test_an_iterator_of_what_has_no_form_says_so() -> None:
    with pytest.raises(OutputError, match=r"a list_iterator .* in no other form: .* rows of an it"):
        output.plan(iter([object()]), ".parquet")


@pytest.mark.parametrize("name", ["a\udc80", "\ud83d", "ü😀"])
def test_json_of_broken_file_names_reads_back(name: str) -> None:
    assert json.loads(written({name: [name]}, ".json")) == {name: [name]}
    assert json.loads(written(iter([name, {"n": name}][1:]), ".jsonl")) == {"n": name}


def test_an_array_without_dimensions_is_its_number() -> None:
    assert written(np.array(5), ".json") == written(np.array(5), ".jsonl") == b"5\n"
    assert output.plan(np.array(5), ".json").description == "ndarray, one number, json"


class Chart:
    """Shows itself as Vega's charts do."""

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return {"application/vnd.vegalite.v5+json": {"mark": "bar"}, "text/plain": "Chart"}

    def to_html(self) -> str:
        return "<html>chart</html>"


class Formula:
    def _repr_latex_(self) -> str:
        return "$x^2$"

    def _repr_png_(self) -> bytes:
        return MAGIC[".png"]


@pytest.mark.parametrize(
    ("value", "extension", "expected"),
    [
        (HTML("<b>x</b>"), ".html", b"<b>x</b>\n"),
        (Markdown("# x"), ".md", b"# x\n"),
        (Latex("$x$"), ".tex", b"$x$\n"),
        (JSON({"a": 1}), ".json", b'{"a": 1}\n'),
        (SVG("<svg xmlns='http://www.w3.org/2000/svg'/>"), ".svg", b"<svg"),
        (Chart(), ".json", b'{"mark": "bar"}\n'),
        (Chart(), ".html", b"<html>chart</html>\n"),
        (Chart(), ".txt", b"<"),
        (Formula(), ".tex", b"$x^2$\n"),
        (Formula(), ".png", MAGIC[".png"]),
    ],
)
def test_rich_display(value: object, extension: str, expected: bytes) -> None:
    assert written(value, extension).startswith(expected)


class Page:
    def _repr_html_(self) -> str:
        return "<b>page</b>"

    def to_html(self, header: str = "x", optimize: str = "y") -> str:
        return f"{header}, {optimize}"


def test_options_of_a_rich_display_are_what_its_method_takes_them_for() -> None:
    assert written(Page(), ".html", header="a", optimize="true") == b"a, true\n"
    with pytest.raises(OptionError, match="nosuch"):
        written(Page(), ".html", nosuch="a")
    with pytest.raises(OptionError, match="has none"):
        written(Formula(), ".tex", optimize="x")


def test_the_offers_for_a_rich_display_are_what_it_has() -> None:
    with pytest.raises(OutputError, match=r"a Formula cannot .*; it can be png, tex, txt$"):
        output.plan(Formula(), ".pdf")


@pytest.mark.parametrize("value", [7, 2.5, {"a": 1}, ValueError("x")])
@pytest.mark.parametrize("extension", [".txt", ".log", ".py", ""])
def test_plain_text_holds_what_a_notebook_shows(value: object, extension: str) -> None:
    assert written(value, extension).decode().rstrip() == repr(value)


def test_a_figure_is_no_text() -> None:
    with pytest.raises(OutputError, match=r"a Figure cannot be written as \.txt"):
        output.plan(figure(), ".txt")


def test_pickle_only_when_asked_by_name() -> None:
    value = {"a": (1, {2})}
    assert pickle.loads(written(value, ".pkl")) == value
    with pytest.raises(OutputError, match=r"failed: .*[Pp]ickle"):
        written(lambda: 1, ".pkl")


def test_options_where_there_are_none() -> None:
    for value, extension in ((b"x", ".bin"), ([[1]], ".csv"), (7, ".txt"), (HTML("x"), ".html")):
        with pytest.raises(OptionError, match="takes no option 'index'"):
            output.plan(value, extension, options={"index": False})


@pytest.mark.parametrize(
    ("value", "extension", "options", "expected"),
    [
        ([{"a": 1}], ".csv", {"delimiter": ";", "header": False}, b"1\n"),
        ([{"a": "ü"}], ".csv", {"encoding": "utf-8-sig"}, "\ufeffa\nü\n".encode()),
        (iter([{"a": "ü"}]), ".tsv", {"encoding": "latin-1"}, "a\nü\n".encode("latin-1")),
        (np.arange(2), ".csv", {"lineterminator": "\r\n"}, b"0\r\n1\r\n"),
        ({"b": 1, "a": 2}, ".json", {"sort_keys": True}, b'{"a": 2, "b": 1}\n'),
        (iter([{"b": 1, "a": 2}]), ".jsonl", {"sort_keys": True}, b'{"a": 2, "b": 1}\n'),
        (7, ".pkl", {"protocol": 0}, pickle.dumps(7, 0)),
    ],
)
def test_options_of_plain_data(
    value: object, extension: str, options: dict[str, object], expected: bytes
) -> None:
    assert written(value, extension, **options) == expected


@pytest.mark.parametrize(
    ("make", "extension", "name"),
    [
        (lambda: [{"a": 1}], ".jsonl", "indent"),  # it would not be one line each any more
        (lambda: [{"a": 1}], ".csv", "sep"),
        (lambda: np.arange(2), ".npz", "compression"),
        (lambda: figure(), ".png", "dip"),
        (lambda: figure(), ".png", "format"),  # DEST's extension says it
        (lambda: Image.new("RGB", (1, 1)), ".jpg", "qualiti"),  # Pillow would pass over it
        (lambda: Image.new("RGB", (1, 1)), ".html", "quality"),
        (Chart, ".html", "no_such"),
        (Formula, ".png", "dpi"),
    ],
)
def test_an_unknown_option_is_found_before_anything_is_written(
    make: Any, extension: str, name: str
) -> None:
    with pytest.raises(OptionError, match=name):
        output.plan(make(), extension, options={name: 1})


def test_an_option_that_is_nearly_right_is_named() -> None:
    with pytest.raises(
        OptionError, match=r"^writing Figure as \.png .*'dip'; did you mean 'dpi'\?$"
    ):
        output.plan(figure(), ".png", options={"dip": 1})
    with pytest.raises(OptionError, match=r"no encoding 'utf-9'"):
        output.plan([{"a": 1}], ".csv", options={"encoding": "utf-9"})


def test_the_encoding_is_told_by_the_content_type() -> None:
    def content_type(name: str) -> str | None:
        return output.plan([{"a": 1}], ".csv", options={"encoding": name}).content_type

    assert content_type("latin-1") == "text/csv; charset=iso-8859-1"
    assert content_type("latin1") == "text/csv; charset=iso-8859-1"
    assert content_type("cp1252") == "text/csv; charset=windows-1252"
    assert content_type("utf-16-le") == "text/csv; charset=utf-16le"
    assert content_type("utf-8-sig") == "text/csv; charset=utf-8"


def test_real_charts_and_formulas() -> None:
    import altair

    chart = altair.Chart({"values": [{"a": 1}]}).mark_bar().encode(x="a:Q")
    assert json.loads(written(chart, ".json"))["mark"]["type"] == "bar"
    assert b"vega" in written(chart, ".html")
    with pytest.raises(OutputError, match=r"a Chart cannot be .*csv; it can be .*json.*html"):
        output.plan(chart, ".csv")
    with pytest.raises(OptionError, match="no_such"):
        output.plan(chart, ".html", options={"no_such": 1}).write(Written())
    if not importlib.util.find_spec("vl_convert"):
        with pytest.raises(OutputError, match=r"needs the package vl-convert-python: pip install"):
            output.plan(chart, ".svg")


def test_real_plotly() -> None:
    import plotly.graph_objects as plotly

    drawn = plotly.Figure(plotly.Bar(y=[1, 2]))
    assert json.loads(written(drawn, ".json"))["data"][0]["type"] == "bar"
    whole, linked = written(drawn, ".html"), written(drawn, ".html", include_plotlyjs="cdn")
    assert b"<html>" in whole[:100]
    assert len(linked) * 50 < len(whole)
    with pytest.raises(OptionError, match="no_such"):
        output.plan(drawn, ".html", options={"no_such": 1})
    with pytest.raises(OutputError, match=r"a Figure cannot be written as \.csv; it can be .*html"):
        output.plan(drawn, ".csv")
    if not importlib.util.find_spec("kaleido"):
        with pytest.raises(
            OutputError, match=r"a Figure as \.png needs the package kaleido: pip i"
        ):
            output.plan(drawn, ".png")


class Drawn:
    """Is drawn by another package, as charts of plotly are."""

    def to_image(self, format: str, scale: int = 1) -> bytes:  # noqa: A002 - its name
        if scale > 9:
            raise RuntimeError("\nno browser\nfound")
        return MAGIC[f".{format}"] * scale


def test_what_another_package_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kaleido.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert written(Drawn(), ".png", scale=2) == MAGIC[".png"] * 2
    with pytest.raises(
        OutputError, match=r"^drawing a Drawn as \.png with kaleido .* no browser f"
    ):
        output.plan(Drawn(), ".png", options={"scale": 10})
    with pytest.raises(OptionError, match=r"with these options failed: .*'no_such'"):
        output.plan(Drawn(), ".png", options={"no_such": 1})


def test_a_widget_has_no_json() -> None:
    import ipywidgets

    with pytest.raises(OutputError, match=r"^an IntSlider cannot be .*\.json; it can be txt$"):
        output.plan(ipywidgets.IntSlider(), ".json")


@pytest.mark.parametrize(
    ("name", "article"),
    [("ndarray", "an"), ("SVG", "an"), ("Axes", "an"), ("NoneType", "a"), ("Series", "a")],
)
def test_articles(name: str, article: str) -> None:
    assert name_of(type(name, (), {})()) == f"{article} {name}"


def test_real_formulas() -> None:
    import sympy

    x = sympy.Symbol("x")
    assert written(sympy.Integral(x**2, x), ".tex") == b"$\\displaystyle \\int x^{2}\\, dx$\n"
    assert written(x**2, ".txt") == b"x**2\n"
    with pytest.raises(OutputError, match=r"a Pow cannot be written as \.csv; it can be .*tex"):
        output.plan(x**2, ".csv")
