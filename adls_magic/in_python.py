"""The Python interface: what it takes for a lake path, and how cures read there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath

from adls_magic.core.errors import AdlsError, PathError

_FLAG = re.compile(r"--(overwrite|skip-existing|in-place|md5|recursive)\b(?: \(-r\))?")
_VALUE = re.compile(r"--(workers|chunk-size|content-type|metadata)\b")
_URL_AS_PATH = re.compile(r"[a-z]{4,}:/", re.IGNORECASE)

LakePath = str | os.PathLike[str]


def lake_path(path: LakePath) -> str:
    r"""Return the text of a lake path; that of a `PurePath` is written with slashes.

    Raises:
        PathError: it is no path of a lake: one of a Windows drive, a URL that lost a slash as it
            became a `PurePath`, or something else altogether.
    """
    if not isinstance(path, PurePath):
        text = path if isinstance(path, str | bytes) else _fspath(path)
        if isinstance(text, str):
            return text
        raise PathError(f"a lake path is a str or a pathlib path, no {type(path).__name__}")
    text = path.as_posix()
    if path.drive or _URL_AS_PATH.match(text):
        raise PathError(
            "a path with a drive is none of the lake; a URL must be a str, as pathlib takes a "
            "slash away from it"
        )
    return text


def _fspath(path: object) -> object:
    try:
        return os.fspath(path)  # type: ignore[call-overload] # it may be anything
    except TypeError:
        return None


@contextmanager
def told_in_python() -> Iterator[None]:
    """Let errors of the block say `overwrite=True` where they say `--overwrite`, and so on."""
    try:
        yield
    except AdlsError as error:
        raise _retold(error, str(error)) from None


@contextmanager
def told_of_open() -> Iterator[None]:
    """Let errors of the block be told as `told_in_python`, but with the modes of `open`."""
    try:
        yield
    except AdlsError as error:
        text = str(error).replace("add --overwrite", 'open it with mode "w"')
        raise _retold(error, text) from None


def _retold(error: AdlsError, text: str) -> AdlsError:
    text = _FLAG.sub(lambda found: f"{found[1].replace('-', '_')}=True", text)
    text = _VALUE.sub(lambda found: found[1].replace("-", "_"), text)
    return error if text == str(error) else error.retold(text)
