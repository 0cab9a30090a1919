"""What lets the service check the body of an append: CRC-64/NVME, or MD5 where that is asked for.

https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/update
"""

from __future__ import annotations

import base64
import hashlib
import logging
import threading
from collections.abc import Callable, Iterable
from functools import cache

_ONES = 0xFFFFFFFFFFFFFFFF
_POLYNOMIAL = 0xAD93D23594C93659  # CRC-64/NVME, the service's
_CHECK = 0xAE8B14860A799888  # of b"123456789"

Block = bytes | memoryview
_log = logging.getLogger("adls_magic")
# An import that fails in one thread can give half a module to another that waits for it.
_loading = threading.Lock()


def headers_of(blocks: Iterable[Block], *, or_md5: bool) -> dict[str, str]:
    """Return the headers by which the service compares a body with what arrives.

    The CRC-64 costs some 0.25 s of processor time a GiB, most of it for reading once more from the
    system's cache. MD5 costs about 2 s, so it stands in only where the user has asked for one.

    Args:
        blocks: the body; not looked at when it need not be.
        or_md5: send a Content-MD5 when there is no fast CRC.
    """
    crc64 = crc64_of(blocks)
    if crc64 is not None:
        return {"x-ms-content-crc64": crc64}
    if not or_md5:
        return {}
    digest = hashlib.md5(usedforsecurity=False)
    for block in blocks:
        digest.update(block)
    return {"Content-MD5": base64.b64encode(digest.digest()).decode()}


def crc64_of(blocks: Iterable[Block]) -> str | None:
    """Return the CRC-64/NVME as the header writes it: base64 of 8 bytes, little-endian.

    None, and no block is looked at, when the package for it (extra `crc64`) is not installed.
    """
    with _loading:
        add = _crc64()
    if add is None:
        return None
    crc = 0
    for block in blocks:
        crc = add(block, crc)
    return base64.b64encode(crc.to_bytes(8, "little")).decode()


@cache
def _crc64() -> Callable[[Block, int], int] | None:
    """The function that continues a CRC over more bytes; None without the package."""
    try:
        import anycrc
    except ImportError:
        _log.debug("Appends carry no CRC-64: anycrc (the extra crc64) is not installed.")
        return None
    model = anycrc.CRC(
        width=64, poly=_POLYNOMIAL, init=_ONES, refin=True, refout=True, xorout=_ONES
    )

    def add(block: Block, crc: int) -> int:
        return int(model.calc(block, crc))

    if add(b"56789", add(b"1234", 0)) != _CHECK:
        _log.debug("Appends carry no CRC-64: the installed anycrc computes another one.")
        return None
    _log.debug("Appends carry their CRC-64, computed by anycrc; the service compares it.")
    return add
