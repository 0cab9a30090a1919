"""Bytes of a file straight from the system's cache into a plain socket, without a copy of ours.

Only where there is no TLS, which must see the bytes. Large parts are mapped and handed to the
system as they lie; only the system touches them, so a file that shrinks meanwhile is an error
(EFAULT) there, and never the signal that ends a process which reads a mapped file itself.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator

_AT_ONCE = 1024 * 1024  # bytes a call; between two, progress is counted and Stop takes effect
# Mapped windows pay from some MiB on, and what is mapped counts as memory of the process while
# it is: so there are only a few. On a quick line one is free in a moment; who waits longer sends
# in the other way, which is as good where the line is what is slow.
_WINDOW = 8 * 1024 * 1024  # bytes
_SMALLEST_WINDOW = 1024 * 1024  # bytes
_windows = threading.BoundedSemaphore(4)
_WINDOW_PATIENCE = 0.01  # seconds
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
    is_over = False
    while left and not is_over:
        with _mapped(descriptor, position, left) as window:
            if window is not None:
                count = _send_window(sock, window, sent)
                is_over = count < len(window)
            else:
                count = _send_part(sock, descriptor, position, left, is_first=left == length)
                is_over = count == 0
                sent(count)
        position += count
        left -= count
    return length - left


@contextlib.contextmanager
def _mapped(descriptor: int, position: int, left: int) -> Iterator[memoryview | None]:
    """Map the next part of a file; None when it is small, too many are mapped, or it cannot be."""
    start = position - position % mmap.ALLOCATIONGRANULARITY
    length = min(_WINDOW, position + left - start)
    if left < _SMALLEST_WINDOW or not _windows.acquire(timeout=_WINDOW_PATIENCE):
        yield None
        return
    try:
        try:
            mapping = mmap.mmap(descriptor, length, prot=mmap.PROT_READ, offset=start)
        except (OSError, ValueError):  # no mapping of this kind of file; it has become shorter
            yield None
            return
        with mapping, memoryview(mapping) as whole, whole[position - start :] as window:
            yield window
    finally:
        _windows.release()


def _send_window(sock: socket.socket, window: memoryview, sent: Callable[[int], None]) -> int:
    """Send what is mapped; return the number of bytes, fewer when the file has become shorter."""
    count = 0
    while count < len(window):
        try:
            with window[count:] as rest:
                step = sock.send(rest)
        except OSError as error:
            if error.errno == errno.EFAULT:
                break
            raise
        count += step
        sent(step)
    return count


def _send_part(
    sock: socket.socket, descriptor: int, position: int, left: int, *, is_first: bool
) -> int:
    """Send what fits and return the number of bytes: 0 at the file's end, or when none can be."""
    while True:
        try:
            return os.sendfile(sock.fileno(), descriptor, position, min(left, _AT_ONCE))
        except BlockingIOError:
            _wait_until_writable(sock)
        except OSError as error:
            if is_first and error.errno in _UNSUPPORTED:
                return 0
            raise


def _wait_until_writable(sock: socket.socket) -> None:
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    patience = sock.gettimeout()
    if not poll.poll(None if patience is None else patience * 1000):
        raise TimeoutError("timed out")
