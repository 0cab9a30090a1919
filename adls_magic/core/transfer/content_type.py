"""The content type of a file by its name, the same on every machine."""

from __future__ import annotations

import mimetypes

# The standard table without this machine's own additions (its registry or /etc), and what it lacks.
_TYPES = mimetypes.MimeTypes(filenames=())
for _suffix, _type in {
    ".parquet": "application/vnd.apache.parquet",
    ".feather": "application/vnd.apache.arrow.file",
    ".ipynb": "application/x-ipynb+json",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/x-ndjson",
    ".md": "text/markdown",
    ".log": "text/plain",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".npy": "application/octet-stream",
}.items():
    _TYPES.add_type(_type, _suffix)
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def guess_type(name: str) -> str:
    """Return the content type for a file's name, `application/octet-stream` when unknown."""
    # A name that begins like a URL of the scheme data: would be read as one.
    kind, packing = _TYPES.guess_type(f"./{name}", strict=False)
    if packing is not None:
        return _PACKED.get(packing, "application/octet-stream")
    return kind or "application/octet-stream"
