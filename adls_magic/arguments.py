"""Front: words → the parsed arguments of a command, the same way in both fronts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cache
from typing import Literal, TypeVar

from IPython.core.error import UsageError

from adls_magic.line_parser import LineParser
from adls_magic.options import CONFIG, LAKE, LS, MOST_WORKERS, UPLOAD, WRITE, Command

__all__ = [
    "CONFIG",
    "LAKE",
    "LS",
    "MOST_WORKERS",
    "UPLOAD",
    "WRITE",
    "Command",
    "ConfigArguments",
    "Front",
    "LakeArguments",
    "ListArguments",
    "TransferArguments",
    "UploadArguments",
    "WriteArguments",
    "parser",
    "read_config",
    "read_lake",
    "read_list",
    "read_upload",
    "read_write",
]

Front = Literal["notebook", "terminal"]


class TransferArguments(argparse.Namespace):
    """What `upload` and `write` have in common."""

    overwrite: bool = False
    skip_existing: bool = False
    workers: int | None = None
    chunk_size: int | None = None
    content_type: str | None = None
    metadata: list[tuple[str, str]] | None = None
    md5: bool = False
    in_place: bool = False
    quiet: bool = False
    profile: str | None = None
    out: str | None = None


class UploadArguments(TransferArguments):
    """A parsed `upload`."""

    source: list[str]
    dest: str
    recursive: bool = False
    var: bool = False
    dry_run: bool = False
    opt: list[tuple[str, object]] | None = None


class WriteArguments(TransferArguments):
    """A parsed `write`."""

    dest: str
    from_: Literal["auto", "result", "stdout", "stdout+stderr", "source"] = "auto"
    allow_empty: bool = False
    append: bool = False
    tee: bool = False
    format: str | None = None
    opt: list[tuple[str, object]] | None = None


class ConfigArguments(argparse.Namespace):
    """A parsed `config`."""

    account: str | None = None
    filesystem: str | None = None
    endpoint: str | None = None
    auth: str | None = None
    prompt: bool = False
    credential: str | None = None
    profile: str | None = None
    save: str | None = None
    local: str | None = None
    show: bool = False
    forget: bool = False


class ListArguments(argparse.Namespace):
    """A parsed `ls`."""

    path: str = ""
    recursive: bool = False
    long: bool = False
    partials: bool = False
    remove: bool = False
    profile: str | None = None


class LakeArguments(argparse.Namespace):
    """A parsed `lake`."""

    dir: str
    port: int = 0
    account: str = "devstoreaccount1"
    filesystem: str = "lake"


@cache
def parser(command: Command, front: Front) -> LineParser:
    """Return the parser of a command in one of the fronts."""
    if front == "notebook":
        sign = "%%" if command is WRITE else "%"
        return LineParser(
            f"{sign}adls_{command.name}",
            command.notebook,
            [*command.shared, *command.only_notebook],
            secret_hint="use %adls_config --prompt",  # noqa: S106 - a sentence, no secret
        )
    return LineParser(
        f"adls-magic {command.name}",
        command.terminal,
        [*command.shared, *command.only_terminal],
        secret_hint="use adls-magic config --prompt --save PROFILE",  # noqa: S106
    )


def read_upload(words: Sequence[str], front: Front) -> UploadArguments:
    """Return a parsed `upload`, or raise UsageError or HelpWanted."""
    options = parser(UPLOAD, front).read(words, UploadArguments())
    if options.var and options.recursive:
        raise UsageError("--recursive is for folders; --var takes names of variables")
    if options.opt and not options.var:
        raise UsageError("--opt is for values; a file is sent as it is (--var is for variables)")
    _check_opt(options.opt)
    return _checked(options)


def read_write(words: Sequence[str], front: Front) -> WriteArguments:
    """Return a parsed `write`, or raise UsageError or HelpWanted."""
    options = parser(WRITE, front).read(words, WriteArguments())
    if options.opt and options.from_ not in ("auto", "result"):
        raise UsageError(f"--opt is for values; there is none with --from {options.from_}")
    _check_opt(options.opt)
    for name in ("overwrite", "skip_existing", "in_place", "md5") if options.append else ():
        if getattr(options, name):
            raise UsageError(f"--append and --{name.replace('_', '-')} exclude each other")
    return _checked(options)


def read_config(words: Sequence[str], front: Front) -> ConfigArguments:
    """Return a parsed `config`, or raise UsageError or HelpWanted."""
    return parser(CONFIG, front).read(words, ConfigArguments())


def read_list(words: Sequence[str], front: Front) -> ListArguments:
    """Return a parsed `ls`, or raise UsageError or HelpWanted."""
    options = parser(LS, front).read(words, ListArguments())
    if options.remove and not options.partials:
        raise UsageError("--remove goes with --partials: it deletes unfinished uploads only")
    return options


def read_lake(words: Sequence[str]) -> LakeArguments:
    """Return a parsed `lake`, or raise UsageError or HelpWanted."""
    return parser(LAKE, "terminal").read(words, LakeArguments())


def _check_opt(given: Sequence[tuple[str, object]] | None) -> None:
    names = [name for name, _ in given or ()]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--opt {name} is given {names.count(name)} times")


_Transfer = TypeVar("_Transfer", bound=TransferArguments)


def _checked(options: _Transfer) -> _Transfer:
    if options.overwrite and options.skip_existing:
        raise UsageError("--overwrite and --skip-existing exclude each other")
    return options
