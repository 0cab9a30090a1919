"""A piece of a source as the body of a request, counted as it leaves."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping

from adls_magic.core.service.file_sending import is_available, send_file
from adls_magic.core.service.request import Stopped
from adls_magic.core.transfer.checksum import headers_of
from adls_magic.core.transfer.reader import FileReader, Reader


class PieceBody:
    """A piece of a reader as the body of a request, counted as it leaves.

    When a try is repeated, what it had counted is taken back first, so that a bar never runs
    past its end.

    Args:
        reader: where the bytes are.
        position: bytes from the source's start.
        length: bytes.
        count: told of bytes sent, negative when they are taken back.
        is_whole: the piece is the whole source, and its arrival makes the file: so the source
            is checked before the last block leaves.
        md5: the service is to check the bytes by MD5 when there is nothing faster.
    """

    def __init__(
        self,
        reader: Reader,
        position: int,
        length: int,
        count: Callable[[int], None],
        *,
        is_whole: bool = False,
        md5: bool = False,
    ) -> None:
        self.length = length
        self._reader = reader
        self._position = position
        self._count = count
        self._counted = 0
        self._is_whole = is_whole
        self._md5 = md5
        self.tries = 0

    def checks(self, is_over: Callable[[], bool]) -> Mapping[str, str]:
        """Sum the piece up, anew for each try: it is read again, too.

        Nothing is held between this reading and the sending. A source that changes in between
        is refused by the service as damaged, and told as changed before the next try.

        Raises:
            SourceError: the source cannot be read, or has changed since an earlier try.
            Stopped: `is_over` said so.
        """
        if self.tries:
            self._reader.check_unchanged()
        return headers_of(self._read(is_over), or_md5=self._md5)

    def _read(self, is_over: Callable[[], bool]) -> Iterator[bytes | memoryview]:
        for block in self._reader.blocks(self._position, self.length):
            if is_over():
                raise Stopped
            yield block

    def blocks(self) -> Iterator[bytes | memoryview]:
        """Yield the piece from its start."""
        self._begin()
        for block in self._reader.blocks(self._position, self.length):
            if self._is_whole and self._counted + len(block) == self.length:
                self._reader.check_unchanged()
            yield block
            self._note(len(block))

    def send_plain(self, sock: socket.socket, is_over: Callable[[], bool]) -> bool:
        """Send the piece from the system's cache of the file, where that can be done.

        Raises:
            SourceError: the file has become shorter.
            Stopped: `is_over` said so.
        """
        descriptor = self._reader.descriptor
        if descriptor is None or self._is_whole or not is_available():
            return False

        def sent(count: int) -> None:
            self._note(count)
            if is_over():
                raise Stopped

        self._begin()
        try:
            count = send_file(sock, descriptor, self._position, self.length, sent)
        except (ConnectionError, TimeoutError):
            raise
        except OSError:
            # Of the line, or of the file? Reading there tells.
            for _ in self._reader.blocks(self._position + self._counted, 1):
                pass
            raise
        if count == 0:
            self.tries -= 1  # `blocks` counts this one
        if 0 < count < self.length and isinstance(self._reader, FileReader):
            raise self._reader.cut_short()
        return count > 0

    def _begin(self) -> None:
        self.take_back()
        self.tries += 1

    def _note(self, sent: int) -> None:
        self._counted += sent
        self._count(sent)

    def take_back(self) -> None:
        """Uncount what the last try had sent."""
        if self._counted:
            self._count(-self._counted)
            self._counted = 0
