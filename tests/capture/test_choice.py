"""What is written of a cell that prints, displays and has a value, through a real kernel."""

from __future__ import annotations

import pytest

from .conftest import Kernel

FRAME = "import pandas as pd\n"


@pytest.mark.parametrize(
    ("name", "body", "expected", "stays", "said"),
    [
        ("a.csv", "print('chat')\npd.DataFrame({'a': [1, 2]})", b"a\n1\n2\n", "chat\n",
         "DataFrame, 2 rows, csv"),
        ("a.csv", "print('a,b')", b"a,b\n", "", "printed text"),
        ("a.csv", "print('a,b')\nx = 3", b"a,b\n", "", "printed text"),
        ("a.csv", "print('a,b')\n7;", b"a,b\n", "", "printed text"),
        ("a.json", "{'a': 1}", b'{"a": 1}\n', "", "dict, 1 key, json"),
        ("a.txt", "print('text')\n7", b"text\n7\n", "", "printed text and int"),
        ("a.txt", "print('text', end='')\n7", b"text\n7\n", "", "printed text and int"),
        ("a.txt", "print('chat')\n'value'", b"value", "chat\n", "str, 5 characters"),
        ("a.txt", "7", b"7\n", "", "int, txt"),
        ("a.txt", "print('text')\n7;", b"text\n", "", "printed text"),
        ("README", "pd.DataFrame({'a': [1]})", b"   a\n0  1\n", "", "DataFrame, 1 row, text"),
        ("a.bin", "print('chat')\nb'\\x00\\xff'", b"\x00\xff", "chat\n", "bytes, 2 bytes"),
        ("a.dat", "iter([b'one', b'two'])", b"onetwo", "", "list_iterator"),
        ("a.csv.gz", "import gzip; gzip.compress(b'x')[:2]", b"\x1f\x8b", "", "bytes, 2 bytes"),
    ],
)  # fmt: skip
def test_auto(kernel: Kernel, name: str, body: str, expected: bytes, stays: str, said: str) -> None:
    kernel.run(FRAME)
    ran = kernel.write(name, body)
    assert ran.errors == []
    assert kernel.file(name) == expected
    assert ran.streams["stdout"] == stays
    assert ran.shown == []
    assert kernel.value("SAID") == [said]


def test_progress_beside_a_value_is_shown_at_once(kernel: Kernel) -> None:
    kernel.run(FRAME)
    body = "import time\nprint('working')\ntime.sleep(3)\npd.DataFrame({'a': [1]})"
    ran = kernel.write("a.csv", body)
    assert ran.streams["stdout"] == "working\n"
    assert ran.seconds - ran.printed_at[0] > 0.5


def test_only_the_value(kernel: Kernel) -> None:
    ran = kernel.write("a.txt", "print('chat')\n[1, 2]", "source='result'")
    assert kernel.file("a.txt") == b"[1, 2]\n"
    assert ran.streams["stdout"] == "chat\n"
    assert kernel.write("b.txt", "print('chat')", "source='result'").status == "error"


def test_only_the_printed_text(kernel: Kernel) -> None:
    ran = kernel.write("a.csv", "print('text')\n[1, 2]", "source='stdout'")
    assert kernel.file("a.csv") == b"text\n"
    assert ran.shown == [{"text/plain": "[1, 2]"}]  # as in any cell


def test_the_source(kernel: Kernel) -> None:
    ran = kernel.write("a.py", "raise SystemExit  # ü\n", "source='source'")
    assert ran.status == "ok"
    assert kernel.file("a.py") == "raise SystemExit  # ü\n".encode()


def test_format_counts_instead_of_the_name(kernel: Kernel) -> None:
    kernel.run(FRAME)
    kernel.write("data", "pd.DataFrame({'a': [1]})", "format='tsv'")
    assert kernel.file("data") == b"a\n1\n"


def test_options_reach_the_value(kernel: Kernel) -> None:
    kernel.run(FRAME)
    kernel.write("a.csv", "pd.DataFrame({'a': [1]})", "options={'index': True}")
    assert kernel.file("a.csv") == b",a\n0,1\n"
    ran = kernel.write("b.txt", "print(1)", "options={'index': True}, source='stdout'")
    assert ran.errors[-1][0] == "OptionError"


@pytest.mark.parametrize(
    ("name", "body", "said", "stays"),
    [
        ("a.csv", "pd.DataFrame({'a': [1]})", "takes no option 'indx'; did you mean 'index'?", ""),
        ("a.csv", "print('a,b')", "text is written as it is shown", "a,b\n"),
        ("a.txt", "print('text')\n7", "text is written as it is shown", "text\n"),
        ("a.txt", "'text'", "takes no option 'indx'", ""),
        ("a.png", "import matplotlib.pyplot as plt\nplt.plot([1]);", "takes no option 'indx'", ""),
    ],
)
def test_options_that_nothing_takes_send_nothing(
    kernel: Kernel, name: str, body: str, said: str, stays: str
) -> None:
    kernel.run(FRAME)
    ran = kernel.write(name, body, "options={'indx': 1}")
    ((error, text, lines),) = ran.errors
    assert (error, lines) == ("OptionError", 1)
    assert said in text
    assert ran.streams["stdout"] == stays
    assert kernel.value("OPENED") == []


def test_a_misfit_sends_nothing_and_keeps_the_value(kernel: Kernel) -> None:
    ran = kernel.write("a.csv", "import matplotlib.pyplot as plt\nplt.figure()")
    ((name, text, lines),) = ran.errors
    assert (name, lines) == ("OutputError", 1)
    assert text.startswith("a Figure cannot be written as .csv; it can be png, svg")
    assert kernel.value("OPENED") == []
    assert kernel.value("type(_).__name__") == "Figure"


def test_a_misfit_beside_printed_text_says_how_to_write_that(kernel: Kernel) -> None:
    body = "import csv\ncsv.writer(sys.stdout).writerow([1, 2])"
    ran = kernel.write("a.csv", body)
    assert "an int cannot be written as .csv" in ran.errors[0][1]
    assert "`;` at its end" in ran.errors[0][1]
    assert ran.streams["stdout"] == "1,2\r\n"
    kernel.write("a.csv", body + ";")
    assert kernel.file("a.csv") == b"1,2\r\n"


def test_nothing_is_an_error_unless_it_is_allowed(kernel: Kernel) -> None:
    ran = kernel.write("a.txt", "x = 1")
    assert ran.errors[0][0] == "CellError"
    assert "--allow-empty" in ran.errors[0][1]
    assert kernel.value("OPENED") == []
    assert kernel.write("a.txt", "x = 1", "allow_empty=True").status == "ok"
    assert kernel.file("a.txt") == b""
    assert kernel.value("SAID") == ["empty"]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("a.txt", "source='result'", "ended in no value (printed text does not count with --from"),
        ("a.xlsx", "", "ended in no value and displayed none that fits .xlsx (no text does), so"),
    ],
)
def test_no_value_where_text_does_not_count(
    kernel: Kernel, name: str, options: str, said: str
) -> None:
    ran = kernel.write(name, "print('text')", options)
    assert ran.errors[0][0] == "CellError"
    assert ran.errors[0][1].startswith(f"the cell {said}")
    assert ran.streams["stdout"] == "text\n"


def test_a_long_text_gives_way_to_a_value(kernel: Kernel) -> None:
    ran = kernel.write("a.txt", "for i in range(3): print('x' * 999_999)\n'the value'")
    assert kernel.file("a.txt") == b"the value"
    assert kernel.value("OPENED") == ["a.txt", "a.txt"]  # the text was on its way
    assert kernel.value("SAID") == ["str, 9 characters (3,000,000 bytes of printed text dropped)"]
    assert ran.streams["stdout"] == ""


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("fig = plt.figure(); fig.gca().plot([1, 2])\nfig", 0),
        ("plt.plot([1, 2])", 0),
        ("plt.plot([1, 2]);", 1),
        ("plt.plot([1, 2])\nplt.show()", 1),
        ("print('chat')\nplt.plot([1, 2])\nx = 1", 1),
    ],
)
def test_a_plot_is_written_however_the_cell_ends(kernel: Kernel, body: str, shown: int) -> None:
    kernel.run("import matplotlib.pyplot as plt")
    ran = kernel.write("a.png", body)
    assert ran.status == "ok", ran.errors
    assert (kernel.file("a.png") or b"")[:4] == b"\x89PNG"
    assert len(ran.shown) == shown
    assert ran.streams["stdout"] == ("chat\n" if "chat" in body else "")


def test_a_plot_that_is_teed_is_shown(kernel: Kernel) -> None:
    kernel.run("import matplotlib.pyplot as plt")
    ran = kernel.write("a.svg", "plt.plot([1, 2])", "tee=True")
    assert (kernel.file("a.svg") or b"")[:5] == b"<?xml"
    assert ["image/png" in one for one in ran.shown] == [False, True]  # the lines, the picture


@pytest.mark.parametrize(
    "body", ["figure, axes = plt.subplots()\nfigure", "plt.plot([1])\nplt.gcf()"]
)
def test_a_figure_that_is_teed_is_shown_once(kernel: Kernel, body: str) -> None:
    kernel.run("import matplotlib.pyplot as plt")
    ran = kernel.write("a.png", body, "tee=True")
    assert (kernel.file("a.png") or b"")[:4] == b"\x89PNG"
    assert ["image/png" in one for one in ran.shown] == [True]
    assert kernel.run("plt.get_fignums()").shown == [{"text/plain": "[]"}]


def test_display_stays_in_the_notebook(kernel: Kernel) -> None:
    ran = kernel.write("a.txt", "print('text'); display(1); display(2)")
    assert kernel.file("a.txt") == b"text\n"
    assert ran.shown == [{"text/plain": "1"}, {"text/plain": "2"}]


def test_what_was_displayed_last_is_written_where_text_cannot_be(kernel: Kernel) -> None:
    kernel.run(FRAME)
    body = "print('chat')\ndisplay(pd.DataFrame({'a': [1]}))\ndisplay('other')"
    assert kernel.write("a.parquet", body).status == "ok"
    assert kernel.value("pd.read_parquet(__import__('io').BytesIO(FILES['a.parquet'])).to_dict()")
    assert kernel.value("SAID") == ["DataFrame, 1 row, parquet, as displayed"]


def test_an_iterator_is_written_while_it_runs_and_its_error_is_shown(kernel: Kernel) -> None:
    assert kernel.write("a.jsonl", "({'n': n} for n in range(3))").status == "ok"
    assert kernel.file("a.jsonl") == b'{"n": 0}\n{"n": 1}\n{"n": 2}\n'
    ran = kernel.write("b.jsonl", "({'n': 1 // n} for n in (1, 0))")
    assert [name for name, _, _ in ran.errors] == ["ZeroDivisionError"]
    assert kernel.file("b.jsonl") is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("(n for n in [{'a': 1}])", "a generator cannot be written as .txt; it can be csv, "),
        ("import matplotlib.pyplot as plt; plt.figure()", "a Figure cannot be written as .txt; "),
        ("async def f(): pass\nf()", "a coroutine has not been awaited"),
    ],
)
def test_a_text_that_says_nothing_is_refused_beside_printed_text_too(
    kernel: Kernel, body: str, said: str
) -> None:
    for printed in ("", "print('head')\n"):
        ran = kernel.write("a.txt", f"{printed}{body}")
        ((error, text, _),) = ran.errors
        assert error == "OutputError"
        assert text.startswith(said)
        assert ("with `;` at its end" in text) == bool(printed)
        assert ran.streams["stdout"] == ("head\n" if printed else "")
    assert kernel.value("OPENED") == []
    kernel.run("import gc; out = _ = __ = ___ = None; Out.clear(); gc.collect()")


def test_a_refused_iterator_is_written_whole_by_the_next_cell(kernel: Kernel) -> None:
    kernel.run("rows = ({'a': n} for n in range(3))")
    assert "its first item was taken" in kernel.write("a.parquet", "rows").errors[0][1]
    assert kernel.write("a.txt", "print('text')\nrows").status == "error"
    assert kernel.write("a.jsonl", "rows").status == "ok"
    assert kernel.file("a.jsonl") == b'{"a": 0}\n{"a": 1}\n{"a": 2}\n'


def test_printed_text_goes_before_the_whole_text_of_a_value(kernel: Kernel) -> None:
    kernel.run(FRAME)
    body = "print('text')\npd.DataFrame({'a': range(100)})"
    assert kernel.write("a.txt", body).status == "ok"
    assert (kernel.file("a.txt") or b"").splitlines()[::101] == [b"text", b"99  99"]
    assert "as a file without extension; it can be csv" in kernel.write("a", body).errors[0][1]


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("a.jsonl", "[]", "list, 0 items, jsonl"),
        ("a.jsonl", "pd.DataFrame({'a': []})", "DataFrame, 0 rows, jsonl"),
        ("a.csv", "iter([])", "list_iterator without items"),
        ("a.txt", "''", "str, 0 characters"),
    ],
)
def test_an_empty_value_is_told_from_none(kernel: Kernel, name: str, body: str, said: str) -> None:
    kernel.run(FRAME)
    ((error, text, _),) = kernel.write(name, body).errors
    assert error == "CellError"
    assert text.startswith(f"the cell ended in a value without content ({said}), so nothing was")
    assert kernel.write(name, body, "allow_empty=True").status == "ok"
    assert kernel.file(name) == b""


def test_no_items_are_an_array_of_none(kernel: Kernel) -> None:
    assert kernel.write("a.json", "(n for n in ())").status == "ok"
    assert (kernel.file("a.json") or b"").split() == [b"[", b"]"]


@pytest.mark.parametrize(("name", "shown"), [("a.html", 1), ("a.csv", 0)])
def test_a_display_that_fails_is_shown_once_at_most(kernel: Kernel, name: str, shown: int) -> None:
    body = "class Bad:\n    def _repr_html_(self): raise LookupError('mine')\nBad()"
    names = [error for error, _, _ in kernel.write(name, body).errors]
    assert names == ["LookupError"] * shown + ["OutputError"]
