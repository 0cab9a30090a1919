"""Front: what the values of options are, as types of argparse. None of them quotes its value."""

from __future__ import annotations

import argparse
import ast
import keyword
import re
import warnings
from collections.abc import Callable

from adls_magic.core.errors import OptionError
from adls_magic.core.text import parse_size


def size(text: str) -> int:
    """Type of argparse: a size in bytes, such as `8MiB`."""
    try:
        return parse_size(text)
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def pair(text: str) -> tuple[str, str]:
    """Type of argparse: `K=V`."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier() or not key.isascii():
        raise argparse.ArgumentTypeError("it is written NAME=VALUE, NAME of letters, digits and _")
    return key, value


def literal(text: str) -> tuple[str, object]:
    r"""Type of argparse: `name=value`, the value a Python literal where it is one, else text.

    Text that is an escape as a whole, such as `\t`, is what it stands for. What begins with a
    bracket is no text: it would be a list that somebody mistyped.
    """
    name, value = pair(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a backslash that a string need not have
            return name, ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    if value.startswith(("[", "(", "{")):
        raise argparse.ArgumentTypeError(
            "a value that begins with a bracket must be a Python literal, such as ['a', 'b'] or "
            "{'quality': 90}; text is quoted twice: \"NAME='(text)'\""
        )
    if re.fullmatch(r"(?:\\[tnr])+", value):
        value = value.replace(r"\t", "\t").replace(r"\n", "\n").replace(r"\r", "\r")
    return name, value


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return a type of argparse: a whole number from `low` to `high`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,9}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"a whole number from {low} to {high} is expected")
        return int(text)

    return read


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a type of argparse: one of these words."""

    def read(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"it must be one of {', '.join(choices)}")
        return text

    return read


def identifier(text: str) -> str:
    """Type of argparse: the name of a variable."""
    if not text.isidentifier() or keyword.iskeyword(text):
        raise argparse.ArgumentTypeError("the name of a variable is expected")
    return text
