"""Front: what the commands of both fronts share: defaults, the account, the engine's options.

A command is parsed arguments → account and paths → one call → one line of text, and stands in a
module of its own. What is heavy is imported in the functions, for the sake of `%load_ext`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from adls_magic.arguments import TransferArguments
from adls_magic.core.text import common_directory, summary

if TYPE_CHECKING:
    from adls_magic.core.account import Account
    from adls_magic.core.account.address import RemotePath
    from adls_magic.core.transfer.upload import UploadOptions, UploadResult, Writer

IfExists = Literal["refuse", "overwrite", "skip"]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a line says nothing; set by `%config AdlsMagics` in a notebook."""

    workers: int | None = None
    chunk_size: int | None = None
    if_exists: IfExists = "refuse"
    progress: bool | None = None
    md5: bool = False
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What a command has done: the text to show, and the value for `--out`."""

    text: str
    value: UploadResult | list[UploadResult] | None = None


def locate(text: str, *, profile: str | None, defaults: Defaults) -> tuple[Account, RemotePath]:
    """Return the account that a lake path belongs to, and the path.

    Raises:
        PathError: the text is no lake path.
        ConfigurationError: there is no account for it, or contradicting ones.
        CredentialError: its credential cannot be right.
    """
    from adls_magic.core.account import resolve

    return resolve.locate(text, profile=profile or defaults.profile)


def upload_options(
    arguments: TransferArguments, defaults: Defaults, *, content_type: str | None = None
) -> UploadOptions:
    """Return the engine's options: the line's, then the defaults.

    Args:
        arguments: of the line.
        defaults: where the line says nothing.
        content_type: what the content itself says, unless the line says otherwise.
    """
    from adls_magic.core.transfer.upload import UploadOptions

    if_exists = defaults.if_exists
    if arguments.overwrite:
        if_exists = "overwrite"
    elif arguments.skip_existing:
        if_exists = "skip"
    appends = getattr(arguments, "append", False)
    return UploadOptions(
        if_exists="append" if appends else if_exists,
        workers=arguments.workers or defaults.workers,
        chunk_size=arguments.chunk_size or defaults.chunk_size,
        content_type=arguments.content_type or content_type,
        metadata=dict(arguments.metadata or ()),
        md5=(arguments.md5 or defaults.md5) and not appends,
        in_place=arguments.in_place,
    )


def progress_of(arguments: TransferArguments, defaults: Defaults) -> bool | None:
    """Return whether to draw a bar; None where somebody is looking."""
    return False if arguments.quiet else defaults.progress


def done(
    account: Account,
    dest: RemotePath,
    results: list[UploadResult],
    seconds: float,
    *,
    single: bool,
    what: str | None = None,
) -> Done:
    """Return the line and the value of an upload: of one file, or of a list of them.

    Args:
        account: where it went.
        dest: as the user named it.
        results: one a file.
        seconds: wall time of all.
        single: one source that is no folder or glob.
        what: a few words on a value that was written.
    """
    if single:
        return Done(summary(results, what=what), results[0])
    from adls_magic.core.transfer.placement import url_of

    to = common_directory([result.url for result in results]) or url_of(account, dest)
    return Done(summary(results, to=to, seconds=seconds), results)


def committed(writer: Writer | None) -> UploadResult:
    """Return the result of a writer that was left without an exception."""
    assert writer is not None and writer.result is not None  # noqa: S101 - by clean exit
    return writer.result
