r"""Notebook front: a magic's line → the words on it.

IPython has expanded `{expr}` and `$name` before a magic sees its line, or, when a single name is
missing, silently nothing at all (https://github.com/ipython/ipython/issues/8492). So what looks
unexpanded here is a mistake to be told, except for the filesystems that begin with a dollar.

Rules of a line:

* blanks separate words; inside '…' or "…" every character stands for itself;
* outside quotes a backslash makes a blank, quote, bracket or other special character ordinary,
  as Tab completion writes them; before anything else it is an ordinary character, so that
  `C:\data\new.csv` is a path;
* a word that begins with # starts a comment.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
from collections.abc import Mapping

from IPython.core.error import UsageError

from adls_magic.core.errors import printable

# What Tab completion of IPython escapes, and the dollar of an expansion.
_SPECIAL = frozenset(" ()[]{}?=|;:'#*\"^&$\t")
_BRACES = re.compile(r"(?<!\\)\{([^{}]*)\}")
# As in IPython, a $ between single quotes is an ordinary character.
_DOLLAR = re.compile(r"(?<![\\$])\$([A-Za-z_][\w.]*)(?=([^']*'[^']*')*[^']*$)")
_FILESYSTEMS = frozenset({"web", "root", "logs"})  # $web, $root and $logs exist in Azure


def split_line(line: str, *, windows: bool = os.name == "nt") -> list[str]:
    r"""Return the words of a line.

    Args:
        line: what follows the magic's name.
        windows: also take `\\server\share` as it is; elsewhere two backslashes are one.

    Raises:
        UsageError: a quote is not closed.
    """
    special = _SPECIAL if windows else _SPECIAL | {"\\"}
    words: list[str] = []
    word: str | None = None  # None between words; "" is a word that is empty so far
    place = 0
    while place < len(line):
        character = line[place]
        if character.isspace():
            words += [] if word is None else [word]
            word = None
        elif character == "#" and word is None:
            break
        elif character in "'\"":
            end = line.find(character, place + 1)
            if end < 0:
                raise UsageError(
                    f"The quote {character} is not closed; write \\{character} for one in a name."
                )
            word = (word or "") + line[place + 1 : end]
            place = end
        elif character == "\\" and line[place + 1 : place + 2] in special:
            place += 1
            word = (word or "") + line[place]
        else:
            word = (word or "") + character
        place += 1
    return words if word is None else [*words, word]


def expanded(line: str, namespace: Mapping[str, object]) -> str:
    """Return the line when all of it is expanded, or expand it around `$web`, `$root`, `$logs`.

    Args:
        line: as IPython hands it to the magic.
        namespace: the user's variables, global and local.

    Raises:
        UsageError: something was not expanded; the message names what is missing.
    """
    left_over = _left_over(line)
    if not left_over:
        return line
    if _expand(line, namespace) is not None:
        return line  # all of it can be expanded, so it was: the rest was written {{…}} or $$…
    if _DOLLAR.search(line):
        again = _expand(_DOLLAR.sub(_keep_filesystem, line), namespace)
        if again is not None:
            return again
    shown = [(printable(written), expression) for written, expression in left_over]
    raise _explained(shown, namespace)


def _explained(left_over: list[tuple[str, str]], namespace: Mapping[str, object]) -> UsageError:
    for written, expression in left_over:
        missing = _undefined(expression, namespace)
        if missing:
            return UsageError(
                f"{missing} is not defined, so IPython expanded nothing on this line (for a "
                f"{written[0]} in a name write \\{written[0]})."
            )
    return UsageError(_unexpandable(*left_over[0]))


def _left_over(line: str) -> list[tuple[str, str]]:
    """Return what looks unexpanded, as (text as written, its expression)."""
    line = _without_comment(line)
    found = [(match.start(), match[0], match[1]) for match in _BRACES.finditer(line)]
    found += [
        (match.start(), match[0], match[1])
        for match in _DOLLAR.finditer(line)
        if match[1] not in _FILESYSTEMS
    ]
    return [(written, expression) for _, written, expression in sorted(found)]


def _without_comment(line: str) -> str:
    for match in re.finditer(r"(?:^|(?<=\s))#", line):
        before = line[: match.start()]
        if before.count("'") % 2 == 0 and before.count('"') % 2 == 0:
            return before
    return line


def _keep_filesystem(match: re.Match[str]) -> str:
    return f"${match[0]}" if match[1] in _FILESYSTEMS else match[0]


def _expand(line: str, namespace: Mapping[str, object]) -> str | None:
    from IPython.utils.text import DollarFormatter

    try:
        return DollarFormatter().vformat(line, args=[], kwargs=dict(namespace))
    except Exception:  # noqa: BLE001 - the user's expression may raise anything
        return None


def _undefined(expression: str, namespace: Mapping[str, object]) -> str | None:
    """Return the first name in an expression that means nothing."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError:
        # `{day:%Y}`: IPython evaluates the whole of it; the name may still be what is missing.
        match = re.match(r"\s*([A-Za-z_]\w*)", expression)
        names = [match[1]] if match else []
    else:
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        bound = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
        names = [node.id for node in nodes if node.id not in bound]
    return next(
        (name for name in names if name not in namespace and not hasattr(builtins, name)), None
    )


def _unexpandable(written: str, expression: str) -> str:
    if written.startswith("$") and "." in expression:
        name, _, rest = expression.partition(".")
        return f"${expression} means the attribute {rest} of {name}; write {{{name}}}.{rest}"
    if re.fullmatch(r"\s*\w+\s*:[^:]+", expression):
        return (
            f"{written} has a format after the colon, which IPython does not know here; write "
            "the value into a variable first, or {format(value, 'spec')}."
        )
    return f"{written} cannot be evaluated, so IPython expanded nothing on this line."
