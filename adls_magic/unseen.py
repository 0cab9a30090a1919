"""Notebook front: failures of other classes than ours are shown without the values of variables.

`%xmode Verbose` prints the variables of every frame, and somewhere below there is a request with
its credential. https://ipython.readthedocs.io/en/stable/config/integrating.html tells of
`_render_traceback_`.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from IPython.core.error import UsageError

from adls_magic.core.secret import redact

_OURS = str(Path(__file__).parent / "_").removesuffix("_")
_OF_VALUES = str(Path(__file__).parent / "output" / "_").removesuffix("_")

_P = ParamSpec("_P")
_R = TypeVar("_R")


def without_values(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let what `function` raises be shown in IPython without values and without secrets."""

    @functools.wraps(function)
    def shown(*args: _P.args, **options: _P.kwargs) -> _R:
        try:
            return function(*args, **options)
        except (Exception, KeyboardInterrupt) as error:
            _without_values(error)
            raise

    return shown


def _without_values(error: BaseException) -> None:
    if isinstance(error, UsageError) or hasattr(error, "_render_traceback_"):
        return  # shown as a line of its own

    def lines() -> list[str]:
        if isinstance(error, KeyboardInterrupt):
            return ["KeyboardInterrupt: stopped"]
        shown = traceback.TracebackException.from_exception(error)
        if _is_of_a_value(shown.stack):
            _leave_us_out(shown)
        return [redact(line).rstrip("\n") for line in shown.format()]

    error._render_traceback_ = lines  # type: ignore[attr-defined]


def _is_of_a_value(stack: traceback.StackSummary) -> bool:
    """Whether it was a value of the user's, or the library that it is of, that raised."""
    ours = [number for number, frame in enumerate(stack) if frame.filename.startswith(_OURS)]
    if not ours or ours[-1] == len(stack) - 1:
        return False  # our own fault, which all of the traceback belongs to
    return stack[ours[-1]].filename.startswith(_OF_VALUES)


def _leave_us_out(shown: traceback.TracebackException | None) -> None:
    """Take our frames and those that led to us away, also from what the exception came of."""
    if shown is None:
        return
    ours = [number for number, one in enumerate(shown.stack) if one.filename.startswith(_OURS)]
    begin = ours[0] if ours else 0
    kept = [one for one in shown.stack[begin:] if not one.filename.startswith(_OURS)]
    shown.stack[:] = kept or shown.stack
    _leave_us_out(shown.__cause__)
    _leave_us_out(shown.__context__)
