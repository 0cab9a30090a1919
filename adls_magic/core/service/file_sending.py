"""Bytes of a file straight from the system's cache into a plain socket, without a copy of ours.

Only where there is no TLS, which must see the bytes. A file that shrinks meanwhile ends the
sending; it is never a signal, as it would be for a mapped file.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
from collections.abc import Callable

_AT_ONCE = 1024 * 1024  # bytes a call; between two, progress is counted and Stop takes effect
# What systems say whose files or sockets cannot do it.
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ESPIPE}


def is_available() -> bool:
    """True where files can be sent like this, and it is known to pay."""
    return sys.platform == "linux" and hasattr(os, "sendfile")


def send_file(
    sock: socket.socket, descriptor: int, position: int, length: int, sent: Callable[[int], None]
) -> int:
    """Send from an open file and return the number of bytes that left.

    That is less than `length` only when the file has become shorter, or, with 0, when this file
    cannot be sent like this.

    Args:
        sock: connected, with a time-out, which counts for every moment without progress.
        descriptor: of a regular file.
        position: bytes from its start.
        length: bytes.
        sent: called after each part with its bytes; what it raises ends the sending.

    Raises:
        TimeoutError: nothing could leave for as long as the socket's time-out.
        OSError: the connection broke.
    """
    left = length
    while left:
        try:
            count = os.sendfile(sock.fileno(), descriptor, position, min(left, _AT_ONCE))
        except BlockingIOError:
            _wait_until_writable(sock)
            continue
        except OSError as error:
            if left == length and error.errno in _UNSUPPORTED:
                return 0
            raise
        if count == 0:
            break
        position += count
        left -= count
        sent(count)
    return length - left


def _wait_until_writable(sock: socket.socket) -> None:
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    patience = sock.gettimeout()
    if not poll.poll(None if patience is None else patience * 1000):
        raise TimeoutError("timed out")
