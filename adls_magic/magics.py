"""Notebook front: a line → options → one call → one line of text.

Option mistakes are IPython's UsageError, everything else an AdlsError: both show as a line or
two and fail the cell, so that Run All, nbconvert and papermill stop. Nothing heavy is imported
here: `%load_ext` must cost nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

import traitlets
from IPython.core.error import UsageError
from IPython.core.magic import (
    Magics,
    cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)

from adls_magic import arguments as parsing
from adls_magic.arguments import MOST_WORKERS, Command
from adls_magic.commands import Defaults, Done, IfExists
from adls_magic.core.errors import ConfigurationError, OptionError
from adls_magic.core.text import parse_size
from adls_magic.line import expanded, split_line
from adls_magic.line_parser import HelpWanted
from adls_magic.unseen import without_values

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from adls_magic.commands.config import Asker

_Magic = TypeVar("_Magic", bound=Callable[..., object])
_Parsed = TypeVar("_Parsed")


def _documented(command: Command) -> Callable[[_Magic], _Magic]:
    """Give a magic the text of its options as docstring, which is its `?` page."""

    def decorate(magic: _Magic) -> _Magic:
        magic.__doc__ = parsing.parser(command, "notebook").format_help()
        return magic

    return decorate


@magics_class
class AdlsMagics(Magics):
    """Upload to Azure Data Lake Storage Gen2; these are the defaults of its magics."""

    workers = traitlets.Int(
        None,
        allow_none=True,
        min=1,
        max=MOST_WORKERS,
        help="Appends in flight; None chooses and adapts while running.",
    ).tag(config=True)
    chunk_size = traitlets.Union(
        [traitlets.Int(), traitlets.Unicode()],
        default_value=None,
        allow_none=True,
        help="Bytes per append, also as '8MiB'; None follows from the file's size.",
    ).tag(config=True)
    if_exists = traitlets.Enum(
        ("refuse", "overwrite", "skip"),
        default_value="refuse",
        help="What to do when DEST exists and the line says nothing about it.",
    ).tag(config=True)
    progress = traitlets.Bool(
        None, allow_none=True, help="Draw a bar; None does where somebody is looking."
    ).tag(config=True)
    md5 = traitlets.Bool(False, help="Also compute and store the Content-MD5.").tag(config=True)
    profile = traitlets.Unicode(
        None, allow_none=True, help="Profile of the config file to take the account from."
    ).tag(config=True)

    @traitlets.validate("chunk_size")
    def _check_chunk_size(self, proposal: Mapping[str, Any]) -> int | None:
        value = proposal["value"]
        if value is None:
            return None
        try:
            return parse_size(str(value))
        except OptionError as error:
            raise traitlets.TraitError(str(error)) from None

    @property
    def _ip(self) -> InteractiveShell:
        assert self.shell is not None  # noqa: S101 - it is registered with one
        return self.shell

    @property
    def defaults(self) -> Defaults:
        """The traits as they are now."""
        return Defaults(
            workers=self.workers,
            chunk_size=self.chunk_size,
            if_exists=cast(IfExists, self.if_exists),
            progress=self.progress,
            md5=self.md5,
            profile=self.profile,
        )

    @_documented(parsing.UPLOAD)
    @needs_local_scope
    @no_var_expand  # `line` does
    @line_magic
    @without_values
    def adls_upload(self, line: str, local_ns: Mapping[str, Any] | None = None) -> None:
        """Upload; the text that a user sees comes from `options`."""
        from adls_magic.commands import upload as upload_command

        options = self._parsed(parsing.read_upload, line, local_ns)
        if options is None:
            return
        if options.var:
            values = {name: self._value(name, local_ns) for name in options.source}
            done = upload_command.upload_values(options, self.defaults, values)
        else:
            done = upload_command.upload(options, self.defaults)
        self._finish(options, done)

    @_documented(parsing.WRITE)
    @needs_local_scope
    @no_var_expand
    @cell_magic
    @without_values
    def adls_write(self, line: str, cell: str, local_ns: Mapping[str, Any] | None = None) -> None:
        """Write; the text that a user sees comes from `options`."""
        from adls_magic.commands import write as write_command

        options = self._parsed(parsing.read_write, line, local_ns)
        if options is None:
            return
        self._finish(options, write_command.write_cell(options, self.defaults, self._ip, cell))

    @_documented(parsing.LS)
    @needs_local_scope
    @no_var_expand  # `line` does
    @line_magic
    @without_values
    def adls_ls(self, line: str, local_ns: Mapping[str, Any] | None = None) -> None:
        """List; the text that a user sees comes from `options`."""
        from adls_magic.commands.list import list_text

        options = self._parsed(parsing.read_list, line, local_ns)
        if options is not None:
            print(list_text(options, self.defaults))

    @_documented(parsing.CONFIG)
    @needs_local_scope
    @no_var_expand  # `line` does
    @line_magic
    @without_values
    def adls_config(self, line: str, local_ns: Mapping[str, Any] | None = None) -> None:
        """Configure; the text that a user sees comes from `options`."""
        options = self._parsed(parsing.read_config, line, local_ns)
        if options is None:
            return
        if not vars(options) or not any(vars(options).values()):
            from adls_magic.form import show

            show(self._ip)
            return
        from adls_magic.commands.config import configure

        print(configure(options, self._asker(local_ns)))

    # ── what they share ──────────────────────────────────────────────────────────────────────

    def _parsed(
        self,
        read: Callable[[list[str], parsing.Front], _Parsed],
        line: str,
        local_ns: Mapping[str, Any] | None,
    ) -> _Parsed | None:
        """Return a parsed line; None when it asks for help, which is then shown."""
        namespace = {**self._ip.user_ns, **(local_ns or {})}
        try:
            return read(split_line(expanded(line, namespace)), "notebook")
        except HelpWanted as wanted:
            print(wanted)
            return None

    def _value(self, name: str, local_ns: Mapping[str, Any] | None) -> object:
        namespace = {**self._ip.user_ns, **(local_ns or {})}
        if name not in namespace:
            raise UsageError(f"--var: {name} is not defined")
        return namespace[name]

    def _finish(self, options: parsing.TransferArguments, done: Done) -> None:
        if options.out:
            self._ip.push({options.out: done.value})
        if not options.quiet:
            print(done.text)

    def _asker(self, local_ns: Mapping[str, Any] | None) -> Asker:
        from adls_magic.commands.config import Asker

        variables = {**self._ip.user_ns, **(local_ns or {})}
        return Asker(secret=self._ask_secret, consent=self._ask_consent, variables=variables)

    def _ask_secret(self, prompt: str) -> str:
        import getpass

        return self._asked(lambda: getpass.getpass(prompt))

    def _ask_consent(self, question: str) -> bool:
        return self._asked(lambda: input(question)).strip().lower() in ("y", "yes")

    def _asked(self, ask: Callable[[], str]) -> str:
        in_kernel = getattr(self._ip, "kernel", None) is not None
        return _asked(ask, somebody_is_there=in_kernel or sys.stdin.isatty())


def _asked(ask: Callable[[], str], *, somebody_is_there: bool) -> str:
    """Ask where somebody can answer, and fail at once where nobody can."""
    from IPython.core.error import StdinNotImplementedError

    try:
        if somebody_is_there:
            return ask()
    except (StdinNotImplementedError, EOFError):
        pass
    raise ConfigurationError(
        "Nobody can be asked here. Set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, or write a "
        "profile by `adls-magic config --prompt --save NAME` in a terminal and use --profile NAME."
    )


# ── loading ──────────────────────────────────────────────────────────────────────────────────


def load(shell: InteractiveShell) -> None:
    """Register the magics and their completion; once, however often it is called."""
    if "AdlsMagics" in shell.magics_manager.registry:
        return
    others = list(shell.configurables)
    try:
        shell.register_magics(AdlsMagics)
    except traitlets.TraitError as error:
        shell.configurables[:] = others
        raise ConfigurationError(
            f"IPython's configuration of AdlsMagics: {error}. Correct it in ipython_config.py; "
            "restart the kernel when %config set it."
        ) from None
    from adls_magic.completion import register

    register(shell)


def unload(shell: InteractiveShell) -> None:
    """Take everything away again: magics, defaults, completion, account, local lakes."""
    manager = shell.magics_manager
    magics = manager.registry.pop("AdlsMagics", None)
    if magics is None:
        return
    for functions in manager.magics.values():
        for name in [name for name, function in functions.items() if _is_of(function, magics)]:
            del functions[name]
    shell.configurables[:] = [one for one in shell.configurables if one is not magics]
    from adls_magic.completion import unregister

    unregister(shell)
    _let_go()


def _is_of(function: object, magics: Magics) -> bool:
    return getattr(function, "__self__", None) is magics


def _let_go() -> None:
    """Drop the credential and end the threads, without importing what was never used."""
    session = sys.modules.get("adls_magic.core.account.session")
    if session is not None:
        session.forget()
    form = sys.modules.get("adls_magic.form")
    if form is not None:
        form.close()
    lake = sys.modules.get("adls_magic.lake")
    if lake is not None:
        lake.stop_all()
