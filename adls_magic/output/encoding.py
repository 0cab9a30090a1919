"""A value whose form is decided, ready to be written."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, BinaryIO, cast

from adls_magic.core.ends import Ends, continued
from adls_magic.core.errors import AdlsError, OutputError
from adls_magic.output import compress, headers
from adls_magic.output.forms import Forms, Options, Sink, Writer, encoding_of

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

    def added_to(self, ends: Ends) -> Encoding:
        """Return the encoding for adding to a file that is not empty.

        A csv's header is left out, as is the mark that text in some encodings begins with, and
        lines begin on a line of their own.

        Args:
            ends: of the file; `head_size` bytes of its beginning.

        Raises:
            OutputError: the header that is there has other columns.
        """
        if not self.lines:
            return self
        if self._compression:
            start, head = b"", compress.beginning(ends.head, self._compression, headers.MOST)
        else:
            start, head = b"\n", ends.head
        options = dict(self._options)
        if self.lines != ".jsonl":
            encoding = continued(encoding_of(options), head)
            self._compare(head, is_whole=ends.is_whole and not self._compression)
            start = start and "\n".encode(encoding)
            options |= {"header": False}
            options |= {"encoding": encoding} if "encoding" in options else {}
            options |= {"include_bom": False} if "include_bom" in options else {}
        if ends.tail.endswith(start):
            start = b""
        return replace(self, _options=options, _start=start)

    @property
    def head_size(self) -> int:
        """Bytes of a file's beginning that `added_to` looks at."""
        return headers.MOST if self.lines in (".csv", ".tsv") else 0

    def _compare(self, head: bytes, *, is_whole: bool) -> None:
        """Raise OutputError when the header of a csv is certainly another one than ours."""
        options = self._options
        written = io.BytesIO()
        if self._writer.header is None or not options.get(
            "header", options.get("include_header", True)
        ):
            return
        # What is wrong with the options is told when the rows are written.
        with contextlib.suppress(Exception):
            self._writer.header(cast(BinaryIO, _Output(written)), options)
        separator = "\t" if self.lines == ".tsv" else ","
        headers.compare(
            headers.columns_of(head, separator, options, is_whole=is_whole),
            headers.columns_of(written.getvalue(), separator, options, is_whole=True),
            self._forms.what.partition(",")[0],
        )

    def write(self, stream: Sink) -> None:
        """Write the value to a binary stream, in pieces; the stream is not closed.

        Raises:
            OutputError: the value turned out not to fit the form, or an option is wrong.
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
            if isinstance(error, AdlsError) or (source and source.failure is not None):
                raise
            raise OutputError(
                f"writing {self.description} failed: {type(error).__name__}: {error}"
            ) from None

    def _write_through(self, output: _Output) -> None:
        if self._start:
            output.write(self._start)
        if not self._compression:
            self._writer.write(cast(BinaryIO, output), self._options)
            return
        compressed = compress.CompressedStream(output, self._compression)
        self._writer.write(cast(BinaryIO, _Output(compressed)), self._options)
        compressed.finish()


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
