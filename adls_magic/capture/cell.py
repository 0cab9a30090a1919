"""Runs a cell inside a cell magic, as if it were a cell of its own.

IPython's own `run_cell` does it. Around it, for as long as the cell runs: the value of the last
expression is taken before it is displayed, what is displayed is remembered, and what IPython
itself prints (tracebacks, displayed text in a terminal) goes to the notebook.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import collections
import io
import os
import subprocess
import sys
import threading
import tokenize
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, cast

from adls_magic.capture.stream import CellStdout
from adls_magic.capture.swap import swapped
from adls_magic.core.errors import CellError

NOTHING: Any = type("Nothing", (), {"__repr__": lambda self: "NOTHING"})()
_REMEMBERED = 16  # the latest displayed objects, of which one may be wanted

# Calls that give no value, by which a cell of text is known before it runs.
_VALUELESS = ("print(", "display(", "get_ipython().system(")
_RUNNING = ("time", "timeit", "prun", "capture")  # magics that run what they are given
_INVISIBLE = (
    *(tokenize.ENDMARKER, tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT),
    *(tokenize.INDENT, tokenize.DEDENT),
)


@dataclass(slots=True)
class Outcome:
    """What came of a cell: its last value and what it displayed, or why it failed."""

    value: Any = NOTHING
    displayed: collections.deque[Any] = field(
        default_factory=lambda: collections.deque(maxlen=_REMEMBERED)
    )
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a cell is to be run.

    Attributes:
        stdout: takes what is printed; None leaves printing alone.
        value: take the value of the last expression.
        tee: also show that value.
        hides: tells of a displayed object whether it is the value in another form, as a figure
            is of the axes in it; it is not shown then, with `tee` only once.
    """

    stdout: CellStdout | None
    value: bool
    tee: bool
    hides: Callable[[Any, Any], bool] = lambda shown, value: False


def refuse_await(shell: Any, cell: str) -> None:
    """Raise CellError for a cell with `await` at its top level where that cannot work.

    The event loop that would run it is the one that runs the magic.
    """
    try:
        awaits = _awaits(shell, cell)
    except Exception:  # noqa: BLE001 - running the cell shows what is wrong with it
        return
    if awaits and _loop_runs():
        raise CellError(
            "`await` at the top level of a cell cannot run inside a cell magic, so the cell was "
            "not run. Await in a cell of its own (`result = await …`) and write the result."
        )


def _awaits(shell: Any, cell: str) -> bool:
    """Return whether a cell, or what a magic such as `%%time` runs in it, awaits."""
    transformed = shell.transform_cell(cell)
    if shell.should_run_async(cell, transformed_cell=transformed, preprocessing_exc_tuple=None):
        return True
    for call in ast.walk(ast.parse(transformed)):
        match call:
            case ast.Call(
                func=ast.Attribute(attr="run_cell_magic" | "run_line_magic"),
                args=[ast.Constant(value=str(magic)), *_, ast.Constant(value=str(code))],
            ) if magic in _RUNNING and _awaits(shell, code):
                return True
    return False


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def may_end_in_value(shell: Any, cell: str) -> bool:
    """Return whether the cell's last statement is an expression that could have a value."""
    try:
        source = shell.transform_cell(cell)
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return True
    if not body or _ends_in_semicolon(cell):
        return False
    if getattr(shell, "ast_node_interactivity", "last_expr") not in ("last_expr", "none"):
        return True
    last = body[-1]
    return isinstance(last, ast.Expr) and not ast.unparse(last).startswith(_VALUELESS)


def _ends_in_semicolon(cell: str) -> bool:
    """Return whether the last token is the `;` that hides a value.

    IPython looks for it too, but in the cell of the notebook, which is a call of the magic.
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(cell).readline))
    except (tokenize.TokenError, SyntaxError):
        return cell.rstrip().endswith(";")
    seen = (token for token in reversed(tokens) if token.type not in _INVISIBLE)
    last = next(seen, None)
    return last is not None and last.string == ";"


def run(shell: Any, cell: str, wishes: Wishes) -> Outcome:
    """Run `cell`; its traceback, if it fails, has been shown once when this returns."""
    outcome = Outcome()
    outside = wishes.stdout.outside if wishes.stdout is not None else nullcontext
    with ExitStack() as stack:
        if wishes.stdout is not None:
            stack.callback(wishes.stdout.finish)
            wishes.stdout.start()
            stack.enter_context(_printing_outside(shell, wishes.stdout))
            if (thread := _script_thread(shell)) is not None:
                wishes.stdout.include(thread)
            if wishes.stdout.captures_processes:
                stack.enter_context(swapped(shell, "system", _system_of(shell)))
        hook = _ValueHook(shell, cell, outcome, wishes=wishes, outside=outside)
        stack.enter_context(_displayhook(shell, hook))
        stack.enter_context(_watched_display(shell, outcome, wishes))
        result = shell.run_cell(cell, store_history=False)
    if result is None:
        outcome.error = RuntimeError("the cell did not run")
    elif not result.success:
        outcome.error = result.error_before_exec or result.error_in_exec
    return outcome


class _ValueHook:
    """Stands in for `sys.displayhook`: keeps the latest value instead of displaying it."""

    def __init__(
        self,
        shell: Any,
        cell: str,
        outcome: Outcome,
        *,
        wishes: Wishes,
        outside: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._shell = shell
        self._original = _display_of(shell)
        self._outcome = outcome
        self._wishes = wishes
        self._outside = outside
        self._hidden = _ends_in_semicolon(cell)

    def __call__(self, value: Any = None) -> None:
        if self._hidden:
            return
        if not self._wishes.value:
            self._display(value)
            return
        if self._outcome.value is not NOTHING and not self._wishes.tee:
            self._display(self._outcome.value)  # it was not the last one after all
        self._outcome.value = NOTHING if value is None else value
        if self._wishes.tee:
            self._display(value)
        elif value is not None:
            self._remember(value)

    def _display(self, value: Any) -> None:
        with self._outside():
            self._original(value)

    def _remember(self, value: Any) -> None:
        """Set `_`, `__` and `Out` as displaying would."""
        hook = self._shell.displayhook
        hook.check_for_underscore()
        hook.update_user_ns(value)


def _display_of(shell: Any) -> Callable[[Any], object]:
    """Return what displays a value now: IPython's hook, or what a magic around this one set."""
    hook = sys.displayhook
    if isinstance(hook, _ValueHook) or hook is sys.__displayhook__:
        return cast(Callable[[Any], object], shell.displayhook)
    return hook


@contextmanager
def _displayhook(shell: Any, hook: _ValueHook) -> Iterator[None]:
    trap = shell.display_trap
    before, trapped = sys.displayhook, trap.hook
    sys.displayhook = trap.hook = hook
    try:
        yield
    finally:
        trap.hook = trapped
        if sys.displayhook is hook:
            sys.displayhook = before


@contextmanager
def _watched_display(shell: Any, outcome: Outcome, wishes: Wishes) -> Iterator[None]:
    """Remember what is displayed, and leave out what is the value itself."""
    original = shell.display_formatter.format
    times = 0  # that the value has been shown; pyplot shows its figures after the cell again

    def watching(value: Any, *args: Any, **options: Any) -> Any:
        nonlocal times
        if outcome.value is not NOTHING and wishes.hides(value, outcome.value):
            times += 1
            if times > int(wishes.tee):
                return {}, {}
        if wishes.stdout is None or wishes.stdout.captures_this_thread():
            outcome.displayed.append(value)
        return original(value, *args, **options)

    with swapped(shell.display_formatter, "format", watching):
        yield


@contextmanager
def _printing_outside(shell: Any, stdout: CellStdout) -> Iterator[None]:
    """Keep out of the captured text what a terminal prints: tracebacks, displays, questions."""
    show, publish, ask = shell._showtraceback, shell.display_pub.publish, builtins.input

    def showing(kind: Any, error: Any, traceback: Any) -> None:
        # An error of the lake is raised by the magic itself; here it would be shown twice.
        if error is not stdout.failure:
            stdout.give_up(error)
            with stdout.outside():
                stdout.reveal()  # as in any cell: first what it printed, then how it failed
                show(kind, error, traceback)

    def publishing(*args: Any, **options: Any) -> Any:
        with stdout.outside():
            return publish(*args, **options)

    def asking(prompt: object = "", /) -> str:
        __tracebackhide__ = True  # IPython shows the user's own frames
        with stdout.outside():
            return ask(prompt)

    with (
        swapped(builtins, "input", asking),
        swapped(shell, "_showtraceback", showing),
        swapped(shell.display_pub, "publish", publishing),
    ):
        yield


def _script_thread(shell: Any) -> threading.Thread | None:
    """Return the thread that prints what `%%bash` and its like do: one for all cells."""
    loop = getattr(shell.magics_manager.registry.get("ScriptMagics"), "event_loop", None)
    if loop is None or not loop.is_running():
        return None  # it begins with the first such magic

    async def itself() -> threading.Thread:
        return threading.current_thread()

    with suppress(TimeoutError):
        return asyncio.run_coroutine_threadsafe(itself(), loop).result(timeout=1)
    return None


def _system_of(shell: Any) -> Callable[[str], None]:
    """Return what runs `!command` with its own descriptors instead of a terminal's.

    A kernel runs it under a pseudo-terminal, which mixes stderr in, turns line ends into CRLF
    and holds all that is printed in memory. And Stop ends the cell, not only the command.
    """

    def system(command: str) -> None:
        __tracebackhide__ = True
        command = shell.var_expand(command, depth=1)
        shell_path = os.environ.get("SHELL") or None
        code = subprocess.call(command, shell=True, executable=shell_path)  # noqa: S602 - it is what `!` means
        code = 128 - code if code > 128 else code
        shell.user_ns["_exit_code"] = code
        if getattr(shell, "system_raise_on_error", False) and code != 0:
            raise subprocess.CalledProcessError(code, command)

    return system
