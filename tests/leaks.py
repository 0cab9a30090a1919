"""Looks for a secret in files and messages, in every shape in which one turns up."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

_SHORTEST = 6  # bytes; shorter shapes would be found in innocent text


def shapes(secret: str) -> dict[str, bytes]:
    """Return the ways of writing `secret`: plain, encoded, reversed, base64 at any offset."""
    raw = secret.encode()
    forms = {
        "plain": raw,
        "reversed": raw[::-1],
        "url-encoded": urllib.parse.quote(secret, safe="").encode(),
        "json": json.dumps(secret)[1:-1].encode(),
        "repr": repr(secret)[1:-1].encode(),
        "utf-16": secret.encode("utf-16-le"),
        "hex": raw.hex().encode(),
    }
    forms |= {f"base64+{shift}": form for shift, form in enumerate(_base64_at_any_offset(raw))}
    return {name: form for name, form in forms.items() if len(form) >= _SHORTEST}


def _base64_at_any_offset(raw: bytes) -> Iterator[bytes]:
    """Yield what base64 makes of `raw` wherever it begins inside a longer text."""
    for shift, mixed_characters in enumerate((0, 2, 3)):
        encoded = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        yield encoded[mixed_characters:-1]


def find(secret: str, content: bytes | str) -> list[str]:
    """Return the names of the shapes of `secret` that `content` holds."""
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogateescape")
    return [name for name, form in shapes(secret).items() if form in content]


def find_below(folder: Path, secret: str) -> dict[str, list[str]]:
    """Return {file: shapes found} for every file below `folder`."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    found = {str(path): find(secret, path.read_bytes()) for path in files}
    return {name: names for name, names in found.items() if names}
