"""Reading INI files with errors that name file, line and key and never a value."""

from __future__ import annotations

import configparser
from pathlib import Path

from adls_magic.core.errors import ConfigurationError


class _AsWritten(configparser.ConfigParser):
    """Keeps the case of keys: one that is a secret by mistake must be recognisable as such."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


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
    parser = _AsWritten(interpolation=None, default_section="\0", empty_lines_in_values=False)
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError as error:
        raise _wrong(path, error.lineno, "stands before the first [section]") from None
    except configparser.DuplicateSectionError as error:
        raise _wrong(path, error.lineno, "starts a section that is there already") from None
    except configparser.DuplicateOptionError as error:
        raise _wrong(path, error.lineno, "sets a key that its section has set already") from None
    except configparser.ParsingError as error:
        raise _wrong(path, _line(error), "is neither `key = value` nor [section]") from None
    except (configparser.Error, ValueError, AttributeError):
        raise ConfigurationError(f"{path} is no INI file.") from None
    return parser


def _line(error: configparser.ParsingError) -> int | None:
    # Python 3.13 has a subclass that has `lineno` instead.
    errors = getattr(error, "errors", None)
    return errors[0][0] if errors else getattr(error, "lineno", None)


def _wrong(path: Path, line: int | None, what: str) -> ConfigurationError:
    return ConfigurationError(f"{path}, line {line}: it {what}.")
