"""Why a local file or folder cannot be uploaded: one wording, whoever meets it first."""

from __future__ import annotations

from pathlib import Path

from adls_magic.core.errors import SourceError, SourceNotFoundError

_MOST_SHOWN = 200  # characters of what may be no path at all, but a text


def unreadable(path: Path, error: OSError | ValueError) -> SourceError:
    """Return what to raise when the system refuses to open or look at a path.

    Args:
        path: as it was given.
        error: what the system has raised.
    """
    shown = str(path)[:_MOST_SHOWN]
    shown = shown if shown.isprintable() else repr(shown)
    if isinstance(error, ValueError):
        return SourceError(f"{shown} cannot be read: this is no name of a file.")
    if isinstance(error, FileNotFoundError):
        if path.is_symlink():
            return SourceNotFoundError(f"{shown} is a link to something that does not exist.")
        where = "" if path.is_absolute() else f" (looked in {Path.cwd()})"
        return SourceNotFoundError(f"{shown} does not exist{where}.")
    return SourceError(f"{shown} cannot be read: {(error.strerror or 'error').lower()}.")


def is_folder(path: str | Path) -> SourceError:
    """Return what to raise for a folder where only files are taken."""
    return SourceError(f"{path} is a folder; add --recursive (-r) to upload what is in it.")
