"""Compression on the fly, chosen by the last suffix of a name; nothing is held but the window."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import zlib
from typing import Protocol, cast

from adls_magic.core.errors import OutputError
from adls_magic.output.forms import Sink

_TYPES = {
    ".gz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
}
# The first bytes by which compressed data are known (RFC 1952, RFC 8878, the bzip2 and xz formats).
_MAGIC = {
    ".gz": b"\x1f\x8b",
    ".bz2": b"BZh",
    ".xz": b"\xfd7zXZ\x00",
    ".zst": b"\x28\xb5\x2f\xfd",
}
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")  # the first one, or the end of none
LONGEST_MAGIC = max(map(len, _MAGIC.values()))  # bytes
_GZIP_WINDOW = 31  # zlib's wbits for the largest window inside a gzip header and trailer


class Compressor(Protocol):
    """What zlib, bz2, lzma and zstd have in common."""

    def compress(self, data: bytes, /) -> bytes:
        """Take data and return what is ready, perhaps nothing."""
        ...

    def flush(self) -> bytes:
        """End the stream and return the rest."""
        ...


def content_type(suffix: str) -> str:
    """Return the content type of a compressed file, `suffix` being `.gz`, `.bz2`, `.xz`, `.zst`."""
    return _TYPES[suffix]


def already(suffix: str, start: bytes) -> bool:
    """Return whether data that begin with `start` are compressed that way already."""
    return start.startswith(_MAGIC[suffix])


def found(start: bytes) -> str:
    """Return the suffix that says how a file is compressed which begins so, "" for not at all.

    More is asked of bzip2 than its first letters, with which text may begin.
    """
    suffix = next((suffix for suffix in _MAGIC if already(suffix, start)), "")
    return "" if suffix == ".bz2" and start[4:10] not in _BZIP2_BLOCKS else suffix


def check(suffix: str) -> None:
    """Raise OutputError when this Python cannot compress for `suffix`; "" needs nothing."""
    if suffix == ".zst" and _zstd_module() is None:
        raise OutputError(
            "a name that ends in .zst needs the package zstandard (or Python 3.14): "
            "pip install zstandard, or use .gz"
        )


def compressor(suffix: str) -> Compressor:
    """Return a new compressor for `suffix`.

    Raises:
        OutputError: the package that it needs is not installed.
    """
    check(suffix)
    if suffix == ".gz":
        return zlib.compressobj(wbits=_GZIP_WINDOW)
    if suffix == ".bz2":
        return cast(Compressor, importlib.import_module("bz2").BZ2Compressor())
    if suffix == ".xz":
        return cast(Compressor, importlib.import_module("lzma").LZMACompressor())
    module = importlib.import_module(_zstd_module() or "zstandard")
    maker = module.ZstdCompressor()
    return cast(Compressor, maker.compressobj() if hasattr(maker, "compressobj") else maker)


def _zstd_module() -> str | None:
    if sys.version_info >= (3, 14) and importlib.util.find_spec("compression.zstd"):
        return "compression.zstd"
    return "zstandard" if importlib.util.find_spec("zstandard") else None


def beginning(data: bytes, suffix: str, most: int) -> bytes:
    """Return the first bytes of what `data`, the beginning of a file, holds compressed.

    Nothing, or less, where these data do not suffice, or are not compressed that way.
    """
    try:
        if suffix == ".gz":
            return zlib.decompressobj(_GZIP_WINDOW).decompress(data, most)
        if suffix == ".bz2":
            return cast(
                bytes, importlib.import_module("bz2").BZ2Decompressor().decompress(data, most)
            )
        if suffix == ".xz":
            return cast(
                bytes, importlib.import_module("lzma").LZMADecompressor().decompress(data, most)
            )
        maker = importlib.import_module(_zstd_module() or "zstandard").ZstdDecompressor()
        if hasattr(maker, "stream_reader"):
            return cast(bytes, maker.stream_reader(data).read(most))
        return cast(bytes, maker.decompress(data, most))
    except Exception:  # noqa: BLE001 - each of these modules has an error of its own
        return b""


class CompressedStream:
    """A binary stream that compresses into another one, which it does not close.

    Call `finish()` once, after the last write.
    """

    def __init__(self, stream: Sink, suffix: str) -> None:
        self._stream = stream
        self._compressor = compressor(suffix)
        self._taken = 0

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Compress `data` and pass on what is ready."""
        size = memoryview(data).nbytes
        ready = self._compressor.compress(cast(bytes, data))
        if ready:
            self._stream.write(ready)
        self._taken += size
        return size

    def finish(self) -> None:
        """Write the end of the compressed stream."""
        self._stream.write(self._compressor.flush())

    def tell(self) -> int:
        """Return how many bytes have been taken, before compression."""
        return self._taken

    def flush(self) -> None:
        """Do nothing: flushing a compressor early only makes its output longer."""

    def close(self) -> None:
        """Do nothing: `finish` ends the stream and its owner closes it."""
