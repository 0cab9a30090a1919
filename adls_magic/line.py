r"""Notebook front: a magic's line → the words on it.

`{expr}` and `$name` are expanded here, by IPython's own rules. IPython itself would expand
silently nothing at all when a single name is missing
(https://github.com/ipython/ipython/issues/8492), and could tell no dict from a `{name}`; so our
magics ask it to leave their lines alone.

Rules of a line:

* blanks separate words; inside '…' or "…" every character stands for itself;
* outside quotes a backslash makes a blank, quote, bracket or other special character ordinary,
  as Tab completion writes them; before anything else it is an ordinary character, so that
  `C:\data\new.csv` is a path;
* the value of `--opt NAME=VALUE` is as in Python when it begins with a bracket, with the quotes
  and blanks in it;
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
_ESCAPED = re.compile(r"(?<!\\)((?:\\\\)*)\\([${}])")
_STAND_INS = {"$": "\ue0f0", "{": "\ue0f1", "}": "\ue0f2"}  # of private use, so in no name
_FILESYSTEMS = frozenset({"web", "root", "logs"})  # $web, $root and $logs exist in Azure
_OPT = re.compile(r"(?:^|(?<=\s))--opt(?:=|\s+)(?P<quote>['\"]?)[A-Za-z_]\w*=(?=(?P<value>.?))")
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_CLOSING = {"[": "]", "(": ")", "{": "}"}


def split_line(line: str, *, windows: bool = os.name == "nt") -> list[str]:
    r"""Return the words of a line.

    Args:
        line: what follows the magic's name.
        windows: also take `\\server\share` as it is; elsewhere two backslashes are one.

    Raises:
        UsageError: a quote is not closed.
    """
    special = _SPECIAL if windows else _SPECIAL | {"\\"}
    values = [match.start("value") for match in _OPT.finditer(line)]
    quoted = {match.start("quote"): match.start("value") for match in _OPT.finditer(line)}
    words: list[str] = []
    word: str | None = None  # None between words; "" is a word that is empty so far
    place = 0
    while place < len(line):
        character = line[place]
        if place in values and (end := _end_of_value(line, place)):
            word = (word or "") + line[place:end]
            place = end
            continue
        if character.isspace():
            words += [] if word is None else [word]
            word = None
        elif character == "#" and word is None:
            break
        elif character in "'\"":
            end = _end_of_quoted(line, place, quoted.get(place))
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


def _end_of_value(line: str, start: int) -> int:
    """Return where a value of `--opt` ends that is taken as it is; 0 for any other."""
    end = _end_of_bracket(line, start) if line[start] in _CLOSING else 0
    return end if _ends_a_word(line, end) else 0


def _end_of_quoted(line: str, start: int, value: int | None) -> int:
    """Return where a quote is closed, -1 for nowhere; brackets of a value may hold such quotes."""
    if value is not None and line[value : value + 1] in _CLOSING:
        end = _end_of_bracket(line, value)
        if end and line[end : end + 1] == line[start] and _ends_a_word(line, end + 1):
            return end
    return line.find(line[start], start + 1)


def _end_of_bracket(line: str, start: int) -> int:
    """Return the place after the bracket that closes the one at `start`, 0 when none does."""
    closing: list[str] = []
    place = start
    while place < len(line):
        character = line[place]
        if character in _CLOSING:
            closing.append(_CLOSING[character])
        elif closing and character == closing[-1]:
            closing.pop()
            if not closing:
                return place + 1
        elif character in "'\"" and (string := _STRING.match(line, place)):
            place = string.end() - 1
        place += 1
    return 0


def _ends_a_word(line: str, place: int) -> bool:
    return place > 0 and (place >= len(line) or line[place].isspace())


def expanded(line: str, namespace: Mapping[str, object]) -> str:
    """Return the line with `{expr}` and `$name` expanded, but for `$web`, `$root`, `$logs`.

    A dict as (or in) the value of an `--opt` is no expansion, but may name variables.

    Args:
        line: what follows the magic's name, as it was written.
        namespace: the user's variables, global and local.

    Raises:
        UsageError: something cannot be expanded; the message names what is missing.
    """
    line, comment = _without_comment(line)
    line, dicts = _without_dicts(line, namespace)
    names = {**namespace, **dicts}

    def keep(match: re.Match[str]) -> str:
        is_filesystem = match[1] in _FILESYSTEMS and match[1] not in names
        return f"${match[0]}" if is_filesystem else match[0]

    text = _expand(_DOLLAR.sub(keep, line), names)
    if text is not None:
        return text + comment
    if left_over := [found for found in _left_over(line) if found[1] not in dicts]:
        shown = [(printable(written), expression) for written, expression in left_over]
        raise _explained(shown, namespace)
    for name, value in dicts.items():
        line = line.replace(f"{{{name}}}", value)
    return line + comment


def _without_dicts(line: str, namespace: Mapping[str, object]) -> tuple[str, dict[str, str]]:
    """Put a name for each value of `--opt` that is or holds a dict; return their texts, too."""
    texts: dict[str, str] = {}
    pieces: list[str] = []
    done = 0
    for match in _OPT.finditer(line):
        start = match.start("value")
        end = _end_of_bracket(line, start) if match["value"] in _CLOSING else 0
        if start < done or (text := _dict_in(line[start:end], namespace)) is None:
            continue
        name = f"_value_{len(texts)}"
        texts[name] = text
        pieces += [line[done:start], f"{{{name}}}"]
        done = end
    return "".join([*pieces, line[done:]]), texts


def _dict_in(source: str, namespace: Mapping[str, object]) -> str | None:
    """Return the text of the value of an expression with a dict in it, None for any other."""
    try:
        tree = ast.parse(source, mode="eval")
        if not any(isinstance(node, ast.Dict | ast.DictComp) for node in ast.walk(tree)):
            return None
        # As IPython evaluates what stands in braces on the line of any magic.
        return repr(eval(compile(tree, "<line>", "eval"), dict(namespace)))  # noqa: S307
    except Exception:  # noqa: BLE001 - the user's expression may raise anything
        return None


def _explained(left_over: list[tuple[str, str]], namespace: Mapping[str, object]) -> UsageError:
    for written, expression in left_over:
        missing = _undefined(expression, namespace)
        if missing:
            return UsageError(
                f"{missing} is not defined, so nothing on this line was expanded (for a "
                f"{written[0]} in a name write \\{written[0]})."
            )
    return UsageError(_unexpandable(*left_over[0]))


def _left_over(line: str) -> list[tuple[str, str]]:
    """Return what is to be expanded, as (text as written, its expression)."""
    found = [(match.start(), match[0], match[1]) for match in _BRACES.finditer(line)]
    found += [
        (match.start(), match[0], match[1])
        for match in _DOLLAR.finditer(line)
        if match[1] not in _FILESYSTEMS
    ]
    return [(written, expression) for _, written, expression in sorted(found)]


def _without_comment(line: str) -> tuple[str, str]:
    for match in re.finditer(r"(?:^|(?<=\s))#", line):
        before = line[: match.start()]
        if before.count("'") % 2 == 0 and before.count('"') % 2 == 0:
            return before, line[match.start() :]
    return line, ""


def _expand(line: str, namespace: Mapping[str, object]) -> str | None:
    from IPython.utils.text import DollarFormatter

    # IPython knows no backslash before these, which Tab writes and `split_line` takes away.
    escaped = _ESCAPED.sub(lambda found: found[1] + _STAND_INS[found[2]], line)
    try:
        text = DollarFormatter().vformat(escaped, args=[], kwargs=dict(namespace))
    except Exception:  # noqa: BLE001 - the user's expression may raise anything
        return None
    for character, stand_in in _STAND_INS.items():
        text = text.replace(stand_in, f"\\{character}")
    return text


def _undefined(expression: str, namespace: Mapping[str, object]) -> str | None:
    """Return the first name in an expression that means nothing."""
    try:
        tree = _parsed(expression.strip())
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


def _parsed(expression: str) -> ast.Expression:
    """Parse what stands in braces; these may be those of a dict."""
    try:
        return ast.parse(expression, mode="eval")
    except SyntaxError:
        if not expression.startswith(("'", '"')):
            raise
        return ast.parse(f"{{{expression}}}", mode="eval")


def _unexpandable(written: str, expression: str) -> str:
    if written.startswith("$") and "." in expression:
        name, _, rest = expression.partition(".")
        return f"${expression} means the attribute {rest} of {name}; write {{{name}}}.{rest}"
    if re.fullmatch(r"\s*\w+\s*:[^:]+", expression):
        return (
            f"{written} has a format after the colon, which IPython does not know here; write "
            "the value into a variable first, or {format(value, 'spec')}."
        )
    return (
        f"{written} cannot be evaluated, so nothing on this line was expanded (for a "
        f"{written[0]} in a name write \\{written[0]}; a dict is for --opt NAME={{…}})."
    )
