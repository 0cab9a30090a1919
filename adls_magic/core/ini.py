"""Reading INI files with errors that name file, line and key and never a value."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from adls_magic.core.errors import ConfigurationError

_HARMLESS = re.compile(r"[A-Za-z][A-Za-z_ .-]{0,39}", re.ASCII)


def read_text(path: Path) -> str | None:
    """Return the text of a file with its line ends, None when it does not exist.

    Raises:
        ConfigurationError: it exists and cannot be read as UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is no text in UTF-8; save it as such.") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None


def parse(text: str, path: Path) -> configparser.ConfigParser:
    """Return the sections of an INI text; no section has a special meaning.

    Raises:
        ConfigurationError: with the number of the line that is wrong.
    """
    parser = configparser.ConfigParser(
        interpolation=None, default_section="\0", empty_lines_in_values=False
    )
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError as error:
        raise _wrong(path, error.lineno, "stands before the first [section]") from None
    except configparser.DuplicateSectionError as error:
        raise _wrong(path, error.lineno, "starts a section that is there already") from None
    except configparser.DuplicateOptionError as error:
        raise _wrong(path, error.lineno, "sets a key that its section has set already") from None
    except configparser.ParsingError as error:
        raise _wrong(path, error.errors[0][0], "is neither `key = value` nor [section]") from None
    except (configparser.Error, ValueError, AttributeError):
        raise ConfigurationError(f"{path} is no INI file.") from None
    return parser


def harmless(name: str) -> str:
    """Return a section's or key's name for a message, or words where it might be a secret."""
    return repr(name) if _HARMLESS.fullmatch(name) else "a name that is not shown"


def _wrong(path: Path, line: int | None, what: str) -> ConfigurationError:
    return ConfigurationError(f"{path}, line {line}: it {what}.")
