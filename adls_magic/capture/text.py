"""What a text stream that stands in for a standard one has besides `write`."""

from __future__ import annotations

import io


class StandardText(io.TextIOBase):
    """A text stream in UTF-8, with what programs ask of `sys.stdout` or try to set there."""

    encoding = "utf-8"
    errors = "backslashreplace"  # a file name with a broken character must not end the cell
    mode = "w"
    line_buffering = False
    write_through = False

    def reconfigure(
        self,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        line_buffering: bool | None = None,
        write_through: bool | None = None,
    ) -> None:
        """Take settings as `io.TextIOWrapper` does; how a file is buffered and mended stays.

        Raises:
            io.UnsupportedOperation: another encoding than UTF-8, or other line ends.
        """
        if encoding is not None and encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
            raise io.UnsupportedOperation(
                "what a cell prints is written in UTF-8; for another encoding end the cell in "
                "text.encode(…)"
            )
        if newline not in (None, "", "\n"):
            raise io.UnsupportedOperation(
                "what a cell prints is written with the line ends that it prints"
            )
