"""What the extensions mean: their names, content types, and who can fill them. Data and no I/O."""

from __future__ import annotations

import codecs
import re

_ALIASES = {
    ".htm": ".html",
    ".jpeg": ".jpg",
    ".ndjson": ".jsonl",
    ".markdown": ".md",
    ".pickle": ".pkl",
    ".arrow": ".feather",
    ".ipc": ".feather",
    ".pq": ".parquet",
    ".tif": ".tiff",
    ".latex": ".tex",
}

CONTENT_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".tsv": "text/tab-separated-values; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".feather": "application/vnd.apache.arrow.file",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".tex": "application/x-tex",
    ".txt": "text/plain; charset=utf-8",
    ".log": "text/plain; charset=utf-8",
    ".py": "text/x-python; charset=utf-8",
    ".npy": "application/octet-stream",
    ".npz": "application/zip",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
    ".pdf": "application/pdf",
    ".eps": "application/postscript",
    ".pkl": "application/octet-stream",
}

# What is offered when a value does not fit, in the order in which it is offered.
ORDER = (
    *(".png", ".svg", ".jpg", ".pdf", ".gif", ".webp", ".tiff", ".bmp", ".eps"),
    *(".csv", ".tsv", ".json", ".jsonl", ".parquet", ".feather", ".xlsx"),
    *(".npy", ".npz", ".html", ".md", ".tex", ".txt"),
)

# Extensions of plain text: they hold whatever a cell shows as text.
PLAIN = frozenset({"", ".txt", ".text", ".log", ".out", ".err", ".md", ".rst", ".py"})

# Extensions that text cannot be, so that nothing printed is ever meant for them. An SVG is text,
# but what a cell prints beside a figure is not that figure.
NOT_TEXT = frozenset(
    {
        *(".parquet", ".feather", ".xlsx", ".npy", ".npz", ".pkl"),
        *(".png", ".svg", ".jpg", ".gif", ".bmp", ".tiff", ".webp", ".pdf"),
    }
)

# Formats of lines, to which more can be added, also compressed: what is added is a compressed
# stream of its own then, and readers take such streams for one.
LINES = frozenset({".csv", ".tsv", ".jsonl"})
# What is one whole, so that something behind its end is lost or makes it unreadable.
WHOLE = (
    frozenset(CONTENT_TYPES) | {".zip", ".docx", ".pptx", ".h5", ".orc", ".avro", ".ipynb"}
) - (LINES | PLAIN | {".tex"})

_COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")


def extension_of(name: str) -> str:
    """Return the extension of a path or file name in lower case, "" when it has none.

    A compression suffix is returned together with the extension before it: `top.csv.gz` gives
    `.csv.gz`, and `dump.gz` gives `.gz`.
    """
    base = re.split(r"[/\\]", name)[-1].lower()
    stem, _, last = base.lstrip(".").rpartition(".")
    if not stem:
        return ""
    if f".{last}" in _COMPRESSIONS:
        inner, _, before = stem.rpartition(".")
        return f".{before}.{last}" if inner else f".{last}"
    return f".{last}"


def split_extension(extension: str) -> tuple[str, str]:
    """Return the canonical extension and the compression suffix of `.csv.gz`, `csv` or ``.

    The compression is "" when there is none; a lone `.gz` compresses something without extension.
    """
    text = extension.lower().strip()
    if text and not text.startswith("."):
        text = f".{text}"
    compression = next((suffix for suffix in _COMPRESSIONS if text.endswith(suffix)), "")
    plain = text.removesuffix(compression) if compression else text
    return _ALIASES.get(plain, plain), compression


def charset_of(encoding: str) -> str:
    """Return the name that an encoding of Python's has in a Content-Type.

    https://www.iana.org/assignments/character-sets
    """
    name = codecs.lookup(encoding).name.removesuffix("-sig").replace("_", "-")
    for pattern, registered in _CHARSETS:
        name = re.sub(pattern, registered, name)
    return name


_CHARSETS = (  # patterns of Python's names, and what is registered
    (r"^ascii$", "us-ascii"),
    (r"^cp(125\d)$", r"windows-\1"),
    (r"^iso8859-", "iso-8859-"),
    (r"^utf-(16|32)-", r"utf-\1"),
)
