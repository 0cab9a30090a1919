"""Notebook front: failures of other classes than ours are shown without the values of variables.

`%xmode Verbose` prints the variables of every frame, and somewhere below there is a request with
its credential. https://ipython.readthedocs.io/en/stable/config/integrating.html tells of
`_render_traceback_`.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from IPython.core.error import UsageError

from adls_magic.core.secret import redact

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
        return [redact(line) for line in traceback.format_exception(error)]

    error._render_traceback_ = lines  # type: ignore[attr-defined]
