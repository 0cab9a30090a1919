"""A value whose form is decided, ready to be written."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, BinaryIO, cast

from adls_magic.core.errors import AdlsError, OutputError
from adls_magic.output import compress
from adls_magic.output.forms import Forms, Options, Sink, Writer

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

    def added_to(self, last: bytes) -> Encoding:
        """Return the encoding for adding to a file that is not empty.

        A csv's header is left out, and lines begin on a line of their own.

        Args:
            last: the file's last byte.
        """
        if not self.lines:
            return self
        start = b"" if self._compression or last == b"\n" else b"\n"
        headless = {} if self.lines == ".jsonl" else {"header": False}
        return replace(self, _options={**self._options, **headless}, _start=start)

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
