"""POSIX permissions as far as the lake keeps them: stored and shown, not enforced.

SharedKey bypasses them on the service too.
"""

from __future__ import annotations

import re

from adls_magic.lake.answers import wrong_header

_SYMBOLIC = re.compile(r"(?:[r-][w-][x-]){2}[r-][w-][xtT-]\+?")
_FILE, _DIRECTORY = 0o666, 0o777
_UMASK = 0o027


def initial(permissions: str | None, umask: str | None, *, directory: bool) -> str:
    """Return the permissions of a new file or directory in symbolic form.

    Args:
        permissions: `x-ms-permissions`, octal or symbolic.
        umask: `x-ms-umask`, octal.
        directory: whether it is a directory.

    Raises:
        Refusal: not in one of these forms.
    """
    mask = _UMASK if umask is None else _octal("x-ms-umask", umask)
    if permissions is None:
        return symbolic((_DIRECTORY if directory else _FILE) & ~mask)
    if permissions.isdigit():
        return symbolic(_octal("x-ms-permissions", permissions) & ~mask)
    return check(permissions)


def check(text: str) -> str:
    """Return permissions in symbolic form.

    Raises:
        Refusal: neither octal nor symbolic.
    """
    if text.isdigit():
        return symbolic(_octal("x-ms-permissions", text))
    if not _SYMBOLIC.fullmatch(text):
        raise wrong_header("x-ms-permissions", text)
    return text


def symbolic(mode: int) -> str:
    """Return a mode as `rwxr-x---`."""
    bits = f"{mode & 0o777:09b}"
    return "".join(char if bit == "1" else "-" for char, bit in zip("rwxrwxrwx", bits, strict=True))


def acl(permissions: str) -> str:
    """Return the access list that permissions stand for."""
    return f"user::{permissions[:3]},group::{permissions[3:6]},other::{permissions[6:9]}"


def _octal(name: str, text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        raise wrong_header(name, text) from None
    if not 0 <= mode <= 0o1777:
        raise wrong_header(name, text)
    return mode
