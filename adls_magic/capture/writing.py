"""One cell on its way to one target: runs it, chooses what is written, commits or discards."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from adls_magic import output
from adls_magic.capture.cell import NOTHING, Outcome, Wishes, may_end_in_value, run
from adls_magic.capture.stream import CellStdout
from adls_magic.capture.target import HELD, OpenTarget, Target, UnsentError
from adls_magic.core.errors import CellError, OptionError, OutputError, UploadStopped
from adls_magic.output.formats import split_extension
from adls_magic.output.pictures import EXTENSIONS as PICTURES
from adls_magic.output.pictures import figure_of


@dataclass(slots=True, kw_only=True)
class Writing:
    """The ways to write a cell. Each returns what was written, "" when there was nothing."""

    shell: Any
    cell: str
    name: str
    extension: str
    tee: bool
    options: Mapping[str, object]
    open_target: OpenTarget
    appends: bool
    _empty: str = field(default="", init=False)  # the value of which there was nothing to write

    def write_source(self) -> str:
        """Write the text of the cell itself."""
        target = self._target()
        target.write(self.cell.encode())
        return self._commit(target, "source of the cell")

    def write_nothing(self, lacks: str, *, allow_empty: bool) -> str:
        """Write an empty file, or raise CellError if that is not allowed.

        Args:
            lacks: what the cell did not do, where it had no empty value.
            allow_empty: it is allowed.
        """
        if self._empty:
            lacks = f"ended in a value without content ({self._empty})"
        if not allow_empty:
            raise CellError(
                f"the cell {lacks}, so nothing was written to {self.name}; --allow-empty writes "
                f"an empty file"
            )
        self._target().commit()
        return "empty"

    def write_printed(self, *, stderr: bool = False) -> str:
        """Write what the cell prints, while it runs, perhaps with what goes to stderr."""
        target = self._target()
        stdout = CellStdout(target, shown=None if self.tee else 0, stderr=stderr)
        self._run(target, stdout, takes_value=False)
        return self._commit(target, "printed text")

    def write_value(self, *, or_displayed: bool) -> str:
        """Write the value of the last expression; what is printed stays in the notebook."""
        outcome = self._run(self._target(), None, takes_value=True)
        if outcome.value is NOTHING:
            return self._write_displayed(outcome) if or_displayed else ""
        try:
            encoding = self._plan(outcome.value)
        except OutputError:
            found = self._write_displayed(outcome) if or_displayed else ""
            if not found:
                raise
            return found
        return self._encode(encoding)

    def write_either(self) -> str:
        """Write the value if it fits, the printed text otherwise."""
        target = self._target()
        stdout = CellStdout(target, shown=self._shown_bytes())
        outcome = self._run(target, stdout, takes_value=True)
        if outcome.value is NOTHING:
            if target.size:
                self._refuse_options(stdout, target)
            return self._commit(target, "printed text") or self._write_displayed(outcome)
        with target.discarded_on_failure(), ExitStack() as failing:
            failing.callback(stdout.reveal)
            encoding = self._plan_beside_text(outcome.value, target)
            failing.pop_all()
        if isinstance(encoding, str):
            self._refuse_options(stdout, target)
            return self._append_text(target, encoding, outcome.value)
        if not target.opened:
            stdout.reveal()
        return self._encode_instead(encoding, target)

    def _target(self) -> Target:
        compression = split_extension(self.extension)[1]
        return Target(self.open_target, output.content_type_of(self.extension), compression)

    def _shown_bytes(self) -> int | None:
        """How much of the printed text is shown too, while it is open whether it is written.

        Where a value is expected, printed text is most likely a report of progress.
        """
        if self.tee:
            return None
        plain = output.is_plain_text(self.extension)
        return HELD if not plain and may_end_in_value(self.shell, self.cell) else 0

    def _run(self, target: Target, stdout: CellStdout | None, *, takes_value: bool) -> Outcome:
        wishes = Wishes(stdout, value=takes_value, tee=self.tee, hides=self._hides)
        try:
            with target.discarded_on_failure():
                outcome = run(self.shell, self.cell, wishes)
        except UploadStopped:
            raise
        except KeyboardInterrupt as stop:  # after the cell, while its last text was taken
            raise self._cell_error(stop) from None
        failure = stdout.failure if stdout is not None else None
        if failure is None and outcome.error is None:
            return outcome
        if stdout is not None:
            stdout.reveal()
        if failure is None or (outcome.error is not None and isinstance(failure, UnsentError)):
            failure = self._cell_error(outcome.error)
        target.discard(failure)
        raise failure from None

    def _hides(self, shown: Any, value: Any) -> bool:
        """Whether what is displayed is the figure that is written anyway."""
        return split_extension(self.extension)[0] in PICTURES and figure_of(value) is shown

    def _cell_error(self, error: BaseException | None) -> CellError:
        if isinstance(error, KeyboardInterrupt):
            return CellError(f"the cell was stopped, so nothing was written to {self.name}")
        name = type(error).__name__
        return CellError(f"the cell raised {name}, so nothing was written to {self.name}")

    def _refuse_options(self, stdout: CellStdout, target: Target) -> None:
        if self.options:
            error = OptionError(
                f"--opt is for what writes a value, and here text is written as it is shown, so "
                f"nothing was written to {self.name}"
            )
            stdout.reveal()
            target.discard(error)
            raise error

    def _commit(self, target: Target, description: str) -> str:
        if not target.size and not target.opened:
            return ""
        target.commit()
        return description

    def _plan(self, value: Any, *, as_shown: bool = True) -> output.Encoding:
        return output.plan(value, self.extension, options=self.options, as_shown=as_shown)

    def _plan_beside_text(self, value: Any, target: Target) -> output.Encoding | str:
        """Decide about a value and printed text; gives the text of a value that joins that."""
        if not target.size:
            return self._plan(value)
        try:
            return self._plan(value, as_shown=False)
        except OutputError as misfit:
            if (text := output.text_of(value, self.extension)) is not None:
                return text
            raise OutputError(
                f"{misfit}\nThe cell also printed text; with `;` at its end, or with "
                f"--from stdout, that is written."
            ) from None

    def _append_text(self, target: Target, text: str, value: Any) -> str:
        start = "" if target.recent.endswith(b"\n") else "\n"
        with target.discarded_on_failure():
            target.write(f"{start}{text}\n".encode("utf-8", "backslashreplace"))
        return self._commit(target, f"printed text and {type(value).__name__}")

    def _encode(self, encoding: output.Encoding) -> str:
        target = Target(self.open_target, encoding.content_type, "")
        with target.discarded_on_failure():
            if self.appends and encoding.lines:
                encoding = encoding.following(target.begin)
            encoding.write(target)
        description = self._commit(target, encoding.description)
        self._empty = "" if description else encoding.description
        return description

    def _encode_instead(self, encoding: output.Encoding, printed: Target) -> str:
        """Write the value; printed text that has been sent already is given up."""
        dropped = printed.size if printed.opened else 0
        printed.discard(CellError("the value is written, not the printed text"))
        description = self._encode(encoding)
        if description and dropped:
            description += f" ({dropped:,} bytes of printed text dropped)"
        return description

    def _write_displayed(self, outcome: Outcome) -> str:
        """Write the latest displayed object that fits."""
        for value in reversed(outcome.displayed):
            try:
                encoding = self._plan(value, as_shown=False)
            except OutputError:
                continue
            description = self._encode(encoding)
            return description and f"{description}, as displayed"
        return ""
