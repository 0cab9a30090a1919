"""What `adls_magic.open` does: files of the lake with the modes of the built-in `open`."""

from __future__ import annotations

import codecs
import io
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from adls_magic.core.account.resolve import locate
from adls_magic.core.ends import continued
from adls_magic.core.errors import OptionError, PathError
from adls_magic.core.service.filesystem_hint import filesystem_hint
from adls_magic.core.transfer.commit import CommittedOnExit
from adls_magic.core.transfer.lease import PATIENCE
from adls_magic.core.transfer.placement import url_of
from adls_magic.core.transfer.remote_file import BUFFER, RemoteFile
from adls_magic.core.transfer.upload import UploadOptions, UploadResult, Writer, open_writer
from adls_magic.in_python import LakePath, lake_path, told_of_open

if TYPE_CHECKING:
    from adls_magic.core.account import Account
    from adls_magic.core.account.address import RemotePath

_WRITING: Mapping[str, Literal["overwrite", "refuse", "append"]] = {
    "w": "overwrite",
    "x": "refuse",
    "a": "append",
}
_MODES = tuple(letter + kind for letter in ("r", *_WRITING) for kind in ("", "t", "b"))
_NO_SEEK = (
    "a file in the lake is written from its beginning to its end: write to io.BytesIO() first, "
    "then its getvalue() to this file"
)
_NEWLINES = (None, "", "\n", "\r", "\r\n")


def open(
    path: LakePath,
    mode: str = "r",
    *,
    account: Account | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    workers: int | None = None,
    chunk_size: int | None = None,
    md5: bool = False,
    in_place: bool = False,
    patience: float = PATIENCE,
    progress: bool | None = False,
) -> IO[Any]:
    """Open a file in the lake, as the built-in `open` does a local one.

        with open("logs/run.txt", "w") as f:
            print("done", file=f)
        for line in open("logs/run.txt"):
            print(line, end="")
        frame = pandas.read_parquet(open("sales.parquet", "rb"))

    What is written is sent while the block runs, and appears when the file is closed: whole, or
    not at all. An exception in the block discards it, and so does dropping the file without
    closing it (a RuntimeWarning). Who appends waits until others who append to the file are
    through.

    What is read is the version that was there at the opening; when it changes meanwhile, the
    next read that needs the service is an error.

    Args:
        path: lake path, as str or pathlib's.
        mode: "r" reads, "w" replaces an existing file, "x" refuses one, "a" adds to its end; with
            "b" for bytes.
        account: from `connect`; looked for as the magics do when None.
        encoding: of a text file; UTF-8 when None.
        errors: of a text file, as in the built-in `open`.
        newline: of a text file, as in the built-in `open`; but None writes line ends as they are
            given, on every platform.
        content_type: stored with the file; None guesses from its name. With "a" it counts when
            the file is missing, as `metadata` does.
        metadata: stored with the file.
        workers: appends in flight; None chooses.
        chunk_size: bytes per append; None follows from the size.
        md5: compute and store the Content-MD5; not with "a".
        in_place: write at the target itself instead of a staged name; not with "a".
        patience: seconds to wait, with "a", while somebody else appends.
        progress: draw a bar while writing; None does where somebody is looking.

    Raises:
        OptionError: another mode, or an argument that does not go with it.
        PathNotFoundError: "r", and there is no such file.
        PathExistsError: "x", and the file exists.
        ConflictError: when it is closed at the latest: somebody else holds or changed the file.
    """
    _check(mode, text=(encoding, errors, newline))
    text = None if "b" in mode else _Text(encoding or "utf-8", errors or "strict", newline)
    if mode[0] == "r":
        if content_type or metadata or workers or chunk_size or md5 or in_place:
            raise OptionError("the options of writing do not go with the mode " + repr(mode))
        return _reading(*_located(path, account), text)
    options = UploadOptions(
        if_exists=_WRITING[mode[0]],
        workers=workers,
        chunk_size=chunk_size,
        content_type=content_type,
        metadata=dict(metadata or {}),
        md5=md5,
        in_place=in_place,
        patience=patience,
    )
    with told_of_open():
        options.check()
        where, remote = _located(path, account)
        writer = open_writer(where, remote, options, progress=progress, kind=BinaryWriter)
    return cast(IO[Any], writer if text is None else text.over(writer))


def _check(mode: str, text: tuple[str | None, ...]) -> None:
    if mode not in _MODES:
        raise OptionError(
            'the mode must be "r", "w", "x" (refuse what exists) or "a", with "b" for bytes'
        )
    if "b" in mode and any(option is not None for option in text):
        raise OptionError("encoding, errors and newline are for text, not for the mode " + mode)
    if text[2] not in _NEWLINES:
        raise OptionError("newline must be None, '', '\\n', '\\r' or '\\r\\n'")


def _located(path: LakePath, account: Account | None) -> tuple[Account, RemotePath]:
    where, remote = locate(lake_path(path), account=account)
    if remote.is_directory:
        raise PathError(f"{url_of(where, remote)} is a directory; a file needs a name")
    return where, remote


def _reading(account: Account, remote: RemotePath, text: _Text | None) -> IO[Any]:
    with filesystem_hint(account, remote.filesystem):
        raw = RemoteFile(account, remote)
    binary = io.BufferedReader(raw, BUFFER)
    if text is None:
        return binary
    wrapper = io.TextIOWrapper(binary, text.encoding, text.errors, text.newline)
    wrapper.mode = "r"  # type: ignore[misc] # as the built-in `open` does
    return wrapper


class _Text:
    """How text becomes bytes. A wrong name is said before anything is asked of the service."""

    def __init__(self, encoding: str, errors: str, newline: str | None) -> None:
        codecs.lookup_error(errors)
        self.encoding = codecs.lookup(encoding).name
        self.errors = errors
        self.newline = newline

    def over(self, writer: Writer) -> TextWriter:
        """Return a text file over a writer."""
        encoding = self.encoding
        # An encoding that begins with a mark must not do so in the middle of a file.
        if "".encode(encoding) and (ends := writer.ends()) is not None:
            encoding = continued(encoding, ends.head)
        return TextWriter(writer, encoding=encoding, errors=self.errors, newline=self.newline)


class BinaryWriter(Writer):
    """A `Writer` whose errors are told in the words of `open`."""

    def _hand_over(self) -> None:
        with told_of_open():
            super()._hand_over()

    def close(self) -> None:
        """Let the file appear, as `Writer` does."""
        with told_of_open():
            super().close()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Raise UnsupportedOperation: what was written is on its way."""
        raise io.UnsupportedOperation(_NO_SEEK)


class TextWriter(CommittedOnExit, io.TextIOBase):
    r"""A text file over a `Writer`.

    Unlike `io.TextIOWrapper`, it discards what was written when its block ends in an exception,
    and when it is dropped without being closed.

    Args:
        writer: takes the bytes.
        encoding: of the text.
        errors: what to do with characters that it lacks.
        newline: what `\n` becomes; None and "" leave it.
    """

    mode = "w"
    encoding = "utf-8"  # plain attributes, over the read-only ones of io
    errors = "strict"

    def __init__(self, writer: Writer, *, encoding: str, errors: str, newline: str | None) -> None:
        self._writer = writer
        self.name = writer.name
        self.encoding = encoding
        self.errors = errors
        self._newline = newline or "\n"
        self._encoder = codecs.getincrementalencoder(encoding)(errors)

    @property
    def result(self) -> UploadResult | None:
        """The UploadResult, after the commit."""
        return self._writer.result

    @property
    def closed(self) -> bool:
        """Whether it was committed or discarded."""
        return self._writer.closed

    def writable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Return the number of bytes written so far, as the binary file does."""
        return self._writer.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Raise UnsupportedOperation: what was written is on its way."""
        raise io.UnsupportedOperation(_NO_SEEK)

    def write(self, text: str, /) -> int:
        """Write text; return the number of characters."""
        translated = text if self._newline == "\n" else text.replace("\n", self._newline)
        self._writer.write(self._encoder.encode(translated))
        return len(text)

    def flush(self) -> None:
        """Do nothing: what is written appears when the file is closed."""

    def close(self) -> None:
        """Let the file appear."""
        if not self.closed:
            rest = self._encoder.encode("", final=True)
            if rest:
                self._writer.write(rest)
        self._writer.close()

    def abort(self) -> None:
        """Discard what was written."""
        self._writer.abort()
