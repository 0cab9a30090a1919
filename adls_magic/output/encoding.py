"""A value whose form is decided, ready to be written."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, BinaryIO, cast

from adls_magic.core.ends import Ends, continued
from adls_magic.core.errors import AdlsError, OptionError, OutputError
from adls_magic.output import compress, headers
from adls_magic.output.forms import Forms, Options, Sink, Watched, Writer, encoding_of
from adls_magic.output.looking import Looked

NO_OPTIONS: Options = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a value becomes bytes; `write` may be called once.

    Attributes:
        content_type: for the Content-Type of the file, None when the extension is not known.
        description: the value and its form in a few words: `DataFrame, 3 rows, csv`.
        lines: `.csv`, `.tsv` or `.jsonl` when it becomes whole lines of that form, else "".
    """

    content_type: str | None
    description: str
    _writer: Writer = field(repr=False)
    lines: str = ""
    _options: Options = field(default_factory=dict, repr=False)
    _compression: str = ""
    _start: bytes = b""
    _forms: Forms = field(default_factory=lambda: Forms(""), repr=False)
    _cure: Callable[[], str] = field(default=str, repr=False)

    def following(self, look: Callable[[int], Ends | None]) -> Encoding:
        """Return the encoding for adding to a file.

        Args:
            look: takes the number of bytes of the file's beginning that are wanted; returns the
                ends of the file, None when it is empty.

        Raises:
            OutputError: as `added_to`.
        """
        ends = look(self._head_size)
        if ends is not None and self._head_of(ends)[1] is None:
            ends = look(headers.LONGEST)
        try:
            return self if ends is None else self.added_to(ends)
        except OutputError as error:
            raise noted(error, self._forms.source) from None

    def added_to(self, ends: Ends) -> Encoding:
        """Return the encoding for adding to a file that is not empty.

        A csv's header is left out unless there are only blank lines, as is the mark that text in
        some encodings begins with, and lines begin on a line of their own.

        Args:
            ends: of the file.

        Raises:
            OutputError: the header that is there has other columns, or does not end within
                `ends.head`, or the file is not compressed or encoded as this one would be.
        """
        if not self.lines:
            return self
        if self._compression and not compress.already(self._compression, ends.head):
            raise OutputError(
                f"the file that is there is not compressed as {self._compression} is, so nothing "
                "was appended; without --append, --overwrite replaces it"
            )
        start = b"" if self._compression else b"\n"
        options = dict(self._options)
        if self.lines != ".jsonl":
            head, columns = self._head_of(ends)
            encoding = continued(encoding_of(options), head)
            takes_encoding = "encoding" in self._writer.takes()
            headers.check_start(head, options, may_be_encoded=takes_encoding)
            self._compare(columns)
            # Less than is there may be known of what is compressed.
            is_blank = ends.is_whole and head and headers.is_blank(head, options)
            start = b"" if is_blank else start and "\n".encode(encoding)
            options |= {} if is_blank else {"header": False}
            options |= {"encoding": encoding} if "encoding" in options else {}
            options |= {"include_bom": False} if "include_bom" in options else {}
        if ends.tail.endswith(start):
            start = b""
        return replace(self, _options=options, _start=start)

    @property
    def note(self) -> str:
        """What the value's owner has to know until it is written; "" for nothing."""
        return _note_of(self._forms.source)

    @property
    def is_spent(self) -> bool:
        """Whether the value is an iterator that has nothing to give any more, or never had."""
        source = self._forms.source
        return isinstance(source, Looked) and not source.seen

    @property
    def _head_size(self) -> int:
        """Bytes of a file's beginning that are looked at first."""
        if self.lines in (".csv", ".tsv"):
            return headers.MOST
        return compress.LONGEST_MAGIC if self._compression else 0

    def _head_of(self, ends: Ends) -> tuple[bytes, list[str] | None]:
        """Return the beginning of a csv, and its columns; None when they are cut off."""
        head, is_whole = ends.head, ends.is_whole
        if self._compression:
            head = compress.beginning(head, self._compression, headers.LONGEST)
            is_whole = is_whole and len(head) < headers.LONGEST
        if self.lines == ".jsonl" or not self._has_header:
            return head, []
        return head, headers.columns_of(head, self._separator, self._options, is_whole=is_whole)

    @property
    def _separator(self) -> str:
        return "\t" if self.lines == ".tsv" else ","

    @property
    def _has_header(self) -> bool:
        wanted = self._options.get("header", self._options.get("include_header", True))
        return self._writer.header is not None and bool(wanted)

    def _compare(self, there: list[str] | None) -> None:
        """Raise OutputError when the header of a csv is not certainly ours."""
        if self._writer.header is None or not self._has_header:
            return
        written = io.BytesIO()
        # What is wrong with the options is told when the rows are written.
        with contextlib.suppress(Exception):
            self._writer.header(cast(BinaryIO, _Output(written)), self._options)
        ours = headers.columns_of(written.getvalue(), self._separator, self._options, is_whole=True)
        what = self._forms.what.partition(",")[0]
        headers.compare(there, ours or (), what, width=self._writer.width)

    def write(self, stream: Sink) -> None:
        """Write the value to a binary stream, in pieces; the stream is not closed.

        Raises:
            OutputError: the value turned out not to fit the form, or an option is wrong.
            OptionError: an option does not fit the value.
            AdlsError: whatever the stream itself raises.
        """
        output = _Output(stream)
        try:
            self._write_through(output)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # a panic of polars is no Exception
            if output.failure is not None:
                raise output.failure from None
            source = self._forms.source
            if isinstance(error, OutputError | OptionError):
                raise noted(error, source) from None
            if isinstance(error, AdlsError) or (source and source.failure is not None):
                raise
            what = " ".join(str(error).split())
            failed = f"writing {self.description} failed: {type(error).__name__}: {what}"
            raise noted(OutputError(f"{failed}{self._cure()}"), source) from None

    def is_writable(self) -> bool:
        """Write the value to nowhere, and return whether that is possible."""
        try:
            self._write_through(_Output(io.BytesIO()))
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException:  # noqa: BLE001 - a panic of polars is no Exception
            return False
        return True

    def _write_through(self, output: _Output) -> None:
        if self._start:
            output.write(self._start)
        if not self._compression:
            self._writer.write(cast(BinaryIO, output), self._options)
            return
        compressed = compress.CompressedStream(output, self._compression)
        self._writer.write(cast(BinaryIO, _Output(compressed)), self._options)
        compressed.finish()


def noted(error: AdlsError, source: Watched | None) -> AdlsError:
    """Return the error with what the owner of what was read has to know after it."""
    note = _note_of(source)
    return error.retold(f"{error} ({note})") if note else error


def _note_of(source: Watched | None) -> str:
    return source.note if source else ""


class _Output(io.RawIOBase):
    """What the libraries want to see of a stream that can only be written.

    Keeps the stream's own exception: some libraries wrap it in one of theirs.
    """

    def __init__(self, stream: Sink) -> None:
        self._stream = stream
        self._taken = 0
        self.failure: BaseException | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        try:
            self._stream.write(data)
        except BaseException as error:
            self.failure = self.failure or error
            raise
        self._taken += size
        return size

    def tell(self) -> int:
        return self._taken

    def flush(self) -> None:
        """Do nothing: the stream decides when to send."""

    def close(self) -> None:
        """Do nothing: libraries close what they were given, the owner still needs it."""
