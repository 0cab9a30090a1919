"""The config file of profiles as a file: where it is, who may read it, changing one section.

A section is replaced as text, so that comments and what others wrote stay as they are.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from adls_magic.core.account import ini
from adls_magic.core.errors import ConfigurationError

VARIABLE = "ADLS_MAGIC_CONFIG"
_HEADER = re.compile(r"\[(?P<name>.+)\]")
_OURS_TO_READ = 0o077  # bits that let group and others in


def config_file(environ: Mapping[str, str]) -> Path:
    """Return the path of the config file; it need not exist."""
    given = environ.get(VARIABLE)
    if given:
        return _expanded(given)
    return _config_folder(environ, sys.platform) / "adls-magic" / "config.ini"


def _expanded(path: str) -> Path:
    """Replace a leading ~; where nobody knows a home (a container's user), it stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - pathlib's raises there


def _config_folder(environ: Mapping[str, str], platform: str) -> Path:
    if platform == "win32":
        roaming = environ.get("APPDATA")
        return Path(roaming) if roaming else _expanded("~") / "AppData" / "Roaming"
    if platform == "darwin":
        return _expanded("~") / "Library" / "Application Support"
    folder = environ.get("XDG_CONFIG_HOME", "")
    # A relative path is to be ignored: https://specifications.freedesktop.org/basedir-spec/
    return Path(folder) if Path(folder).is_absolute() else _expanded("~") / ".config"


def refuse_readable_by_others(path: Path) -> None:
    """Raise ConfigurationError when a file that holds a secret can be read by others (POSIX)."""
    if os.name == "posix" and path.exists() and path.stat().st_mode & _OURS_TO_READ:
        raise ConfigurationError(
            f"{path} holds a secret and other users can read it. "
            f"Run: chmod 600 {shlex.quote(str(path))}"
        )


def replace_section(text: str, name: str, lines: list[str] | None) -> str:
    """Return an INI text with a section's keys replaced, or the section removed.

    Args:
        text: the whole file.
        name: of the section; added at the end when it is not there.
        lines: `key = value` lines without line ends; None removes the section.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    old = text.splitlines(keepends=True)
    start, end = _section(old, name)
    if lines is None:
        return "".join(old[:start] + old[end:])
    new = [line + newline for line in (f"[{name}]", *lines)]
    if start == len(old):
        new = _gap(old, newline) + new
    else:
        new += _comments(old[start + 1 : end])
    return "".join(old[:start] + new + old[end:])


def write_atomically(path: Path, text: str, *, private: bool) -> None:
    """Replace a file in one step; its readers see the old text or the new one.

    Args:
        path: the file; a symbolic link stays one.
        text: the whole of it, with its line ends.
        private: make it readable by its owner only; else it keeps its mode.

    Raises:
        ConfigurationError: the file cannot be written; the old one is unchanged.
    """
    try:
        _replace(path.resolve(), text, private=private)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from None


def _replace(path: Path, text: str, *, private: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if not private and path.exists():
            Path(name).chmod(stat.S_IMODE(path.stat().st_mode))
        Path(name).replace(path)
    finally:
        with contextlib.suppress(OSError):  # gone, when it has taken the place of the other
            Path(name).unlink()


def _section(lines: list[str], name: str) -> tuple[int, int]:
    """Return the lines of a section, header included; an empty range at the end for none."""
    headers = _headers(lines)
    start = next((number for number, header in headers if header == name), None)
    if start is None:
        return len(lines), len(lines)
    following = next((number for number, _ in headers if number > start), len(lines))
    return start, _own_end(lines, start, following)


def _headers(lines: list[str]) -> list[tuple[int, str]]:
    # As configparser sees them: at the start of a line, as an indented one continues a value.
    matches = ((number, _HEADER.match(line)) for number, line in enumerate(lines))
    return [(number, match["name"]) for number, match in matches if match is not None]


def _own_end(lines: list[str], start: int, end: int) -> int:
    """Leave blank lines and comments right before the next section to that section."""
    while end > start + 1 and end < len(lines) and _is_remark(lines[end - 1]):
        end -= 1
    return end


def _is_remark(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith(("#", ";"))


def _comments(lines: list[str]) -> list[str]:
    return [line for line in lines if line.strip() and _is_remark(line)]


def _gap(lines: list[str], newline: str) -> list[str]:
    """What has to stand between the old end of the file and a new section."""
    if not lines:
        return []
    ended = lines[-1].endswith(("\n", "\r"))
    blank = not lines[-1].strip()
    return ["" if ended else newline, "" if blank else newline]


def read(path: Path) -> str:
    """Return the file's text, "" when there is none."""
    return ini.read_text(path) or ""
