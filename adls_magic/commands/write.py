"""Front: `write`, to a target that is looked at before anything runs or is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from adls_magic.arguments import WriteArguments
from adls_magic.commands import (
    Defaults,
    Done,
    committed,
    locate,
    progress_of,
    upload_options,
)
from adls_magic.core.errors import CellError, PathError
from adls_magic.core.text import summary

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from adls_magic import capture
    from adls_magic.core.transfer.upload import UploadResult, Writer

_BLOCK = 1024 * 1024  # bytes read at once from standard input


class CellTarget:
    """The target of a `write`: looked at first, opened when the first bytes are there.

    Args:
        arguments: a parsed `write`.
        defaults: where they say nothing.

    Attributes:
        name: of the file.
        format: the extension that counts instead of the name's, None for the name's.
        skipped: with `--skip-existing`, the result that makes the command unnecessary.
        writer: the last one that was opened.

    Raises:
        OutputError: DEST is to be appended to, and cannot be.
        PathExistsError: DEST exists and is not to be replaced.
        ConflictError: DEST is a directory, or somebody holds it.
        AdlsError: DEST or the account cannot be right, or the service cannot be asked.
    """

    def __init__(self, arguments: WriteArguments, defaults: Defaults) -> None:
        from adls_magic.core.transfer.placement import url_of
        from adls_magic.output import check_appendable, extension_of

        self._arguments = arguments
        self._defaults = defaults
        self._account, self._remote = locate(
            arguments.dest, profile=arguments.profile, defaults=defaults
        )
        if self._remote.is_directory:
            url = url_of(self._account, self._remote)
            raise PathError(f"{url} is a directory; what is written needs a file name")
        self.name = self._remote.name
        wanted = arguments.format
        self.format = None if wanted is None else extension_of(f"cell.{wanted.lstrip('.')}")
        if arguments.append:
            check_appendable(extension_of(self.name) if self.format is None else self.format)
        self.skipped = self._look()
        self.writer: Writer | None = None

    def _look(self) -> UploadResult | None:
        """Refuse what the service would refuse, before the cell has run for an hour."""
        from adls_magic.core.transfer.upload import check_target

        options = upload_options(self._arguments, self._defaults)
        return check_target(self._account, self._remote, options)

    def open(self, content_type: str | None) -> Writer:
        """Open it for writing."""
        from adls_magic.core.transfer.upload import open_writer

        options = upload_options(self._arguments, self._defaults, content_type=content_type)
        progress = progress_of(self._arguments, self._defaults)
        self.writer = open_writer(self._account, self._remote, options, progress=progress)
        return self.writer


def write_cell(
    arguments: WriteArguments, defaults: Defaults, shell: InteractiveShell, cell: str
) -> Done:
    """Run a cell and write what it puts out.

    Raises:
        CellError: the cell failed or put nothing out.
        OutputError: the value does not fit DEST's extension.
        AdlsError: the target cannot be written.
    """
    target = CellTarget(arguments, defaults)
    if target.skipped is not None:
        return Done(f"{summary([target.skipped])}, so the cell was not run", target.skipped)
    from adls_magic import capture

    what = capture.write_cell(
        shell,
        cell,
        target_name=target.name,
        source=arguments.from_,
        format=target.format,
        tee=arguments.tee,
        allow_empty=arguments.allow_empty,
        options=dict(arguments.opt or ()),
        append=arguments.append,
        open_target=cast("capture.OpenTarget", target.open),
    )
    result = committed(target.writer)
    return Done(summary([result], what=what), result)


def write_stream(
    arguments: WriteArguments, defaults: Defaults, stream: BinaryIO, tee: BinaryIO | None
) -> Done:
    """Write what a binary stream gives until its end.

    Args:
        arguments: a parsed `write`.
        defaults: where they say nothing.
        stream: read in blocks; nothing is read when DEST is refused.
        tee: also gets everything.

    Raises:
        CellError: nothing came and `--allow-empty` is not given.
    """
    target = CellTarget(arguments, defaults)
    if target.skipped is not None:
        return Done(summary([target.skipped]), target.skipped)
    block = _read(stream)
    if not block and not arguments.allow_empty:
        raise CellError(
            "nothing came in on standard input; --allow-empty writes an empty file all the same"
        )
    with target.open(None) as writer:
        while block:
            writer.write(block)
            if tee is not None:
                tee.write(block)
                tee.flush()
            block = _read(stream)
    result = committed(writer)
    return Done(summary([result]), result)


def _read(stream: BinaryIO) -> bytes:
    """Return what there is, so that a slow producer is sent as it produces."""
    read = getattr(stream, "read1", stream.read)
    return bytes(read(_BLOCK))
