"""The calls that read a file, and what gathers a body that comes in several tries."""

from __future__ import annotations

import http.client
import re

from adls_magic.core.account.address import RemotePath
from adls_magic.core.errors import IntegrityError
from adls_magic.core.service.answer import Headers, Response
from adls_magic.core.service.calls import Calls, given
from adls_magic.core.service.response import parse_size

_BLOCK = 256 * 1024  # bytes
_BEYOND = 2**63 - 1  # the number of a byte that no file has
_CONTENT_RANGE = re.compile(r"bytes +(\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")


def check_range(headers: Headers, first: int, last: int) -> None:
    """Compare the range that an answer brings with the one that was asked for.

    An answer that does not tell its range is believed: its length is compared anyway.

    Args:
        headers: of an answer 206.
        first: number of the first byte that was asked for.
        last: number of the last one, which may lie beyond the file's end.

    Raises:
        IntegrityError: they are other bytes, as from a cache or a proxy on the way.
    """
    told = headers.get("Content-Range")
    if told is None:
        return
    found = _CONTENT_RANGE.fullmatch(told.strip())
    if found is not None:
        start, end, total = int(found[1]), int(found[2]), found[3]
        is_whole = end == last or (end < last and total in ("*", str(end + 1)))
        if start == first and is_whole:
            return
    raise IntegrityError(
        f"Bytes {first} to {last} were asked for, and the answer brings others: something between "
        "here and the service mixes answers up, such as a proxy that caches."
    )


class Received:
    """The bytes of one range, gathered over the tries of its request.

    What a broken try has brought is kept: the next asks for the rest, of the same version.

    Args:
        view: filled from its start; its length is that of the range.
        start: the range's first byte in the file.
        if_match: etag of the only version that will do; None for the one that answers first.
    """

    def __init__(self, view: memoryview, start: int, if_match: str | None) -> None:
        self._view = view
        self._start = start
        self._etag = if_match
        self.filled = 0  # bytes

    def headers(self) -> dict[str, str]:
        """Return what the next try must ask for."""
        first, last = self._missing
        wanted = {"x-ms-range": f"bytes={first}-{last}"}
        return wanted if self._etag is None else {**wanted, "If-Match": self._etag}

    @property
    def _missing(self) -> tuple[int, int]:
        """Numbers of the first and the last byte that are not there yet."""
        return self._start + self.filled, self._start + len(self._view) - 1

    def take(self, response: Response) -> bytes:
        """Read an answer's body; return it when it is not the file's.

        Raises:
            IncompleteRead: it ended early; what came is kept.
            IntegrityError: it brings another range than the one that was asked for.
        """
        if response.status not in (200, 206):
            return response.read()
        self._etag = self._etag or response.headers.get("ETag")
        if response.status == 200:  # a server that ignores ranges sends everything
            self._take_from_start(response)
            return b""
        check_range(response.headers, *self._missing)
        told = response.headers.get("Content-Length")
        end = len(self._view) if told is None else self.filled + parse_size(told)
        if end > len(self._view):
            raise ValueError("the answer is longer than what was asked for")
        while self.filled < end:
            count = response.readinto(self._view[self.filled : end])
            if not count and told is not None:
                raise http.client.IncompleteRead(b"", end - self.filled)
            if not count:
                break
            self.filled += count
        return b""

    def _take_from_start(self, response: Response) -> None:
        """Read an answer with the whole file as far as the range goes."""
        told = response.headers.get("Content-Length")
        left = None if told is None else parse_size(told)
        skipped, rest = self._start + self.filled, memoryview(bytearray(_BLOCK))
        while self.filled < len(self._view):
            part = rest[:skipped] if skipped else self._view[self.filled :]
            count = response.readinto(part)
            if not count and left:
                raise http.client.IncompleteRead(b"", left)
            if not count:
                return
            left = None if left is None else left - count
            if skipped:
                skipped -= count
            else:
                self.filled += count


class ReadCalls(Calls):
    """Reading files.

    https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/read
    """

    def read(
        self,
        remote: RemotePath,
        *,
        start: int = 0,
        end: int | None = None,
        if_match: str | None = None,
    ) -> bytes:
        """Return the bytes from `start` up to, but without, `end` (None: to the file's end).

        Raises:
            ConflictError: the file's etag is no longer `if_match`.
            IntegrityError: the answer brings other bytes.
        """
        if end is not None and end <= start:
            return b""
        whole = start == 0 and end is None
        last = "" if end is None else str(end - 1)
        headers = given(
            {"If-Match": if_match, "x-ms-range": None if whole else f"bytes={start}-{last}"}
        )
        answer, _ = self.call("GET", remote, "", headers)
        if answer.status == 416:
            return b""
        self.check(answer, (200, 206), "read", remote)
        if answer.status == 200:  # a server that ignores ranges sends everything
            return answer.body[start:end]
        check_range(answer.headers, start, _BEYOND if end is None else end - 1)
        return answer.body

    def read_into(
        self, remote: RemotePath, view: memoryview, *, start: int, if_match: str | None = None
    ) -> int:
        """Fill `view` (at least one byte) from position `start`; return how many bytes there were.

        Fewer than asked for only at the file's end. A connection that breaks meanwhile is taken
        up again at the byte where it broke.

        Raises:
            ConflictError: the file's etag is not, or no longer, `if_match`.
            IntegrityError: the answer brings other bytes.
        """
        received = Received(view, start, if_match)
        answer, _ = self.call("GET", remote, "", into=received)
        if answer.status != 416:
            self.check(answer, (200, 206), "read", remote)
        return received.filled
