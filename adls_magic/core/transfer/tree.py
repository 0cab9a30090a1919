"""The local side of an upload: globs and folders → files and their names in the lake.

Looks at local files only, sends nothing and raises before anything is sent. The rules are those
of `cp -r`, with links followed: the lake has none.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adls_magic.core.errors import OptionError, SourceError, SourceNotFoundError
from adls_magic.core.transfer.unreadable import is_folder, unreadable

_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to send.

    Attributes:
        path: where it is.
        name: its name below its source's place in the lake, with `/`; "" for a source that is
            a file itself.
    """

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class LocalSource:
    """One file or folder that the user named, or one match of a glob.

    Attributes:
        path: where it is.
        name: its own name in the lake; "" for a folder written `photos/.`, whose contents go
            directly into DEST.
        is_directory: a folder.
        from_glob: a match of a glob, which always needs a directory as DEST.
        files: everything to send, sorted; the source itself when it is a file.
        empty_directories: names below the source, "" for the folder itself.
    """

    path: Path
    name: str
    is_directory: bool
    from_glob: bool
    files: tuple[LocalFile, ...]
    empty_directories: tuple[str, ...] = ()


def expand(sources: Sequence[str], *, recursive: bool, globs: bool = True) -> list[LocalSource]:
    """Return what the sources stand for, in their order, matches of a glob sorted.

    Args:
        sources: paths and globs as the user wrote them; `~` is the home directory.
        recursive: take folders along.
        globs: False takes `*`, `?` and `[` as they are.

    Raises:
        SourceNotFoundError: a source does not exist, or a glob matches nothing.
        SourceError: a folder without `recursive`, something unreadable, no regular file, or a
            name that is no text.
    """
    found: list[LocalSource] = []
    for source in sources:
        if "\0" in source:
            raise SourceNotFoundError("a source's name holds a null character, as no file's does")
        text = os.path.expanduser(source)  # noqa: PTH111 - a trailing "/." must stay
        if globs and _GLOB.search(text) and not os.path.lexists(text):
            found += [_source(match, recursive, from_glob=True) for match in _matches(text)]
        else:
            found.append(_source(text, recursive))
    return found


def _matches(pattern: str) -> list[str]:
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob is relative
    if "**" in pattern:
        # It reaches every file itself; a folder's contents would come twice.
        matches = [match for match in matches if not Path(match).is_dir()]
    if not matches:
        raise SourceNotFoundError(f"nothing matches {pattern} in {Path.cwd()}")
    return matches


def _source(text: str, recursive: bool, *, from_glob: bool = False) -> LocalSource:
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise unreadable(path, error) from None
    if not stat.S_ISDIR(mode):
        if text.endswith(("/", os.sep)):
            raise SourceError(f"{text} is a file, not a folder")
        file = _file(path, "", mode)
        return LocalSource(path, _own_name(path), False, from_glob, (file,))
    if not recursive:
        raise is_folder(text)
    files: list[LocalFile] = []
    empty: list[str] = []
    for entry in _walk(path, "", ()):
        if isinstance(entry, LocalFile):
            files.append(entry)
        else:
            empty.append(entry)
    contents_only = text == "." or text.endswith(("/.", f"{os.sep}."))
    name = "" if contents_only else _own_name(path)
    return LocalSource(path, name, True, from_glob, tuple(files), tuple(empty))


def _own_name(path: Path) -> str:
    """Return the last part of a path, also of `..` and of a drive's root's `C:`."""
    name = path.name if path.name not in ("", "..") else path.resolve().name
    return _text(name, path)


def _walk(
    folder: Path, below: str, above: tuple[tuple[int, int], ...]
) -> Iterator[LocalFile | str]:
    """Yield the files in a folder and, as text, the folders without anything in them."""
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise unreadable(folder, error) from None
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        raise SourceError(f"{folder} is a link to a folder that it is in; following it never ends")
    if not entries:
        yield below
    for entry in entries:
        path = folder / entry.name
        name = f"{below}/{_text(entry.name, path)}".lstrip("/")
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise unreadable(path, error) from None
        if stat.S_ISDIR(mode):
            yield from _walk(path, name, (*above, identity))
        else:
            yield _file(path, name, mode)


def _file(path: Path, name: str, mode: int) -> LocalFile:
    if not stat.S_ISREG(mode):
        raise SourceError(f"{path} is no regular file (a pipe, socket or device)")
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise unreadable(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    return LocalFile(path, name)


def _text(name: str, path: Path) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise SourceError(
            f"{str(path)!r} has a name that is not UTF-8, which the lake cannot hold; rename it"
        ) from None
    return name


# ── where it goes ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Placed:
    """What goes where: `name` is relative to DEST, "" for DEST itself.

    Attributes:
        files: (local path, name) in the order of the sources.
        empty_directories: names.
    """

    files: tuple[tuple[Path, str], ...]
    empty_directories: tuple[str, ...]


def needs_directory(sources: Sequence[LocalSource]) -> bool:
    """Whether DEST must be a directory: several sources, or a glob, whatever it matches."""
    return len(sources) > 1 or any(source.from_glob for source in sources)


def place(sources: Sequence[LocalSource], *, into: bool) -> Placed:
    """Return where the files of the sources go.

    Args:
        sources: from `expand`.
        into: DEST is a directory that receives the sources under their own names; otherwise
            DEST is the name of the only source's copy.

    Raises:
        OptionError: two sources would become the same file.
    """
    files: list[tuple[Path, str]] = []
    empty: list[str] = []
    for source in sources:
        top = source.name if into else ""
        files += [(file.path, _join(top, file.name)) for file in source.files]
        empty += [_join(top, name) for name in source.empty_directories]
    _check_distinct(files)
    return Placed(tuple(files), tuple(dict.fromkeys(empty)))


def _join(top: str, name: str) -> str:
    return f"{top}/{name}".strip("/")


def _check_distinct(files: Sequence[tuple[Path, str]]) -> None:
    seen: dict[str, Path] = {}
    for path, name in files:
        if name in seen:
            raise OptionError(
                f"{seen[name]} and {path} would both become {name}; upload them one by one, or "
                "their folder with --recursive"
            )
        seen[name] = path
