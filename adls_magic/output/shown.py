"""The text that a notebook shows for a value, but whole: without the `…` in the middle.

pandas, polars, numpy and IPython itself cut what is long short. In a file that would be lost, so
their limits are lifted while the text is made. What shows only a preview of itself whatever the
limits (Arrow data, queries that have not run) has no such text.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from adls_magic.output import pictures, rich
from adls_magic.output.forms import Forms
from adls_magic.output.raw import is_readable

_WIDE = 65_535  # characters; more than this polars takes for none at all
_LONG = 10_000  # rows or items, of which the whole text is not made only to be compared
_PANDAS = {
    "display.max_rows": None,
    "display.max_columns": None,
    "display.max_colwidth": None,
    "display.max_seq_items": None,
    "display.large_repr": "truncate",
}
_POLARS = {
    "tbl_rows": -1,
    "tbl_cols": -1,
    "fmt_str_lengths": 2**31 - 1,
    "fmt_table_cell_list_len": -1,
    "tbl_width_chars": _WIDE,
}


def whole_text(value: Any) -> str:
    """Return the text that a notebook shows for `value` with nothing cut out of it."""
    with _unwrapped(), _unlimited():
        return rich.text_of(value, whole=True)


def is_cut_short(value: Any) -> bool:
    """Return whether the text that a notebook shows is only a part of the whole."""
    with _unwrapped():
        text = rich.text_of(value)
    if ".." not in text and "…" not in text:
        return False
    with suppress(TypeError):
        if len(value) > _LONG:
            return True
    return text != whole_text(value)


def says_nothing(value: Any, forms: Forms) -> bool:
    """Return whether the text of a value is not its content: a figure's, an iterator's.

    Args:
        value: what is shown.
        forms: its own.
    """
    if forms.source is not None or pictures.forms(value) is not None:
        return True
    if not forms.writers:
        return is_readable(value)
    return _shows_a_preview(value)


def _shows_a_preview(value: Any) -> bool:
    for package in ("pandas", "polars"):
        module = sys.modules.get(package)
        if module is not None and isinstance(value, module.DataFrame | module.Series):
            return False
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(value, polars.LazyFrame):
        return True
    if type(value).__module__.partition(".")[0] == "pyarrow":
        return True
    return hasattr(value, "__arrow_c_stream__")


@contextmanager
def _unwrapped() -> Iterator[None]:
    """Have pandas put a row on one line, however wide it is."""
    pandas = sys.modules.get("pandas")
    with ExitStack() as stack:
        if pandas is not None:
            stack.enter_context(pandas.option_context("display.expand_frame_repr", False))
        yield


@contextmanager
def _unlimited() -> Iterator[None]:
    loaded = {name: sys.modules.get(name) for name in ("pandas", "polars", "numpy")}
    with ExitStack() as stack:
        if (pandas := loaded["pandas"]) is not None:
            pairs = (part for pair in _PANDAS.items() for part in pair)
            stack.enter_context(pandas.option_context(*pairs))
        if (polars := loaded["polars"]) is not None:
            stack.enter_context(polars.Config(**_POLARS))
        if (numpy := loaded["numpy"]) is not None:
            stack.enter_context(numpy.printoptions(threshold=sys.maxsize))
        yield
