"""Notebook front: Tab in the lines of our magics: options, local paths, names in the lake.

Only our own lines are completed, and only there other completers are kept from adding Python
names. The lake is asked on a thread with a short patience; whatever goes wrong offers nothing.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adls_magic.arguments import CONFIG, LS, UPLOAD, WRITE, Command, parser

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell


_LINE = re.compile(r"\s*(%{1,2})adls_(\w+)[ \t]")
_COMMANDS = {
    ("%", "upload"): UPLOAD,
    ("%%", "write"): WRITE,
    ("%", "ls"): LS,
    ("%", "config"): CONFIG,
}
_SPECIAL = re.compile(r"[\s()\[\]{}?=|;:'#*\"^&$\\]")  # as in `line`
_ESCAPED = re.compile(r"([\s'\"#{}$]|\\(?=[\s()\[\]{}?=|;:'#*\"^&$\\]))")
_PATIENCE = 1.0  # seconds that the lake has to answer
_MOST = 500  # names offered
_IDENTIFIER = "adls_magic"


@dataclass(frozen=True, slots=True)
class Word:
    """The word that the cursor stands in.

    Attributes:
        before: the words before it.
        written: as it stands there, with backslashes and an open quote.
        text: what it means so far.
        quote: the quote that is open, or "".
    """

    before: tuple[str, ...]
    written: str
    text: str
    quote: str


def register(shell: InteractiveShell) -> None:
    """Add the matcher, where IPython has matchers of that kind (8.6)."""
    matchers = getattr(shell.Completer, "custom_matchers", None)
    if matchers is None:
        return
    from IPython.core.completer import context_matcher

    def complete_adls_magics(context: CompletionContext) -> SimpleMatcherResult:
        return complete(context, shell.user_ns)

    matchers.append(context_matcher(identifier=_IDENTIFIER)(complete_adls_magics))


def unregister(shell: InteractiveShell) -> None:
    """Remove the matcher."""
    matchers = getattr(shell.Completer, "custom_matchers", [])
    matchers[:] = [
        one for one in matchers if getattr(one, "matcher_identifier", None) != _IDENTIFIER
    ]


def complete(context: CompletionContext, variables: dict[str, Any]) -> SimpleMatcherResult:
    """Return what can stand at the cursor; nothing, and no suppression, outside our lines."""
    from IPython.core.completer import SimpleCompletion

    found = _LINE.match(context.text_until_cursor)
    command = _COMMANDS.get((found[1], found[2])) if found else None
    if found is None or command is None or (command is WRITE and context.cursor_line > 0):
        return {"completions": [], "suppress": False}
    word = word_at(context.text_until_cursor[found.end() :])
    offered = [
        SimpleCompletion(text, type=kind)
        for _, (text, kind) in zip(range(_MOST), _offered(command, word, variables), strict=False)
    ]
    return {
        "completions": offered,
        "suppress": bool(offered),
        "matched_fragment": word.written,
        "ordered": True,
    }


def word_at(text: str) -> Word:
    """Return the last word of a line that ends at the cursor, by the rules of `line`."""
    before: list[str] = []
    start, meaning, quote, place = 0, "", "", 0
    while place < len(text):
        character = text[place]
        if quote:
            quote, meaning = ("", meaning) if character == quote else (quote, meaning + character)
        elif character.isspace():
            if place > start:
                before.append(meaning)
            start, meaning = place + 1, ""
        elif character in "'\"":
            quote = character
        elif character == "\\" and _SPECIAL.match(text[place + 1 : place + 2] or "x"):
            place += 1
            meaning += text[place]
        else:
            meaning += character
        place += 1
    return Word(tuple(before), text[start:], meaning, quote)


def _offered(command: Command, word: Word, variables: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (text, kind) of everything that fits."""
    options = parser(command, "notebook")
    last = word.before[-1] if word.before else ""
    if last in options.option_strings() and options.takes(last) != 0:
        if last in ("-o", "--out", "--credential"):
            yield from _names(word, variables)
        elif last == "--local":
            yield from _local_paths(word, folders_only=True)
        elif last in ("--profile", "--save"):
            yield from _quietly(lambda: _profiles(word))
        return
    if word.text.startswith("-"):
        for option in options.option_strings():
            if option.startswith(word.text) and option.startswith("--"):
                yield option, "param"
        return
    if "{" in word.text or command is CONFIG:
        return
    if command is UPLOAD and "--var" in word.before:
        yield from _names(word, variables)
    elif command is UPLOAD and "://" not in word.text:
        yield from _local_paths(word)
    if command is not UPLOAD or any(not one.startswith("-") for one in word.before):
        yield from _quietly(lambda: list(_lake_paths(word)))


def _names(word: Word, variables: dict[str, Any]) -> Iterator[tuple[str, str]]:
    hidden = word.text.startswith("_")
    for name in sorted(variables):
        if name.startswith(word.text) and (hidden or not name.startswith("_")):
            yield name, "instance"


def _profiles(word: Word) -> list[tuple[str, str]]:
    from adls_magic.core.account.profiles import list_profiles

    return [(name, "text") for name in list_profiles() if name.startswith(word.text)]


def _local_paths(word: Word, *, folders_only: bool = False) -> Iterator[tuple[str, str]]:
    cut = max(word.text.rfind("/"), word.text.rfind(os.sep)) + 1
    typed, start = word.text[:cut], word.text[cut:]
    try:
        entries = sorted(
            os.scandir(os.path.expanduser(typed) or "."),  # noqa: PTH111 - keeps the slash
            key=lambda entry: entry.name,
        )
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith(start) or (entry.name[0] == "." and start[:1] != "."):
            continue
        if _is_folder(entry):
            yield as_written(f"{typed}{entry.name}/", word), "path"
        elif not folders_only:
            yield as_written(f"{typed}{entry.name}", word), "path"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _lake_paths(word: Word) -> Iterator[tuple[str, str]]:
    cut = word.text.rfind("/") + 1
    typed, start = word.text[:cut], word.text[cut:]
    if typed.endswith("://"):
        return
    for name in _asked_of_lake(typed or "/"):
        if name.startswith(start):
            yield as_written(f"{typed}{name}", word), "path"


def _asked_of_lake(directory: str) -> list[str]:
    """Return the names in a directory of the lake, or none after a second."""
    answer: list[str] = []
    clients: list[Client] = []

    # Before the clock starts: the first import may take a good part of a second.
    from adls_magic.core.account.resolve import locate
    from adls_magic.core.service.client import Client

    def ask() -> None:
        account, remote = locate(directory)
        with Client(account) as client:
            clients.append(client)
            names = []
            for item in client.list(remote, page_size=_MOST):
                names.append(item.name.rpartition("/")[2] + "/" * item.is_directory)
                if len(names) == _MOST:
                    break
            answer.extend(names)

    thread = threading.Thread(
        target=lambda: _quietly(ask), name="adls_magic completion", daemon=True
    )
    thread.start()
    thread.join(_PATIENCE)
    for client in clients:
        client.abort()
    return list(answer)


def _quietly(call: Callable[[], Any]) -> Any:
    """Return what a call returns, and nothing when it fails: Tab never shows an error."""
    try:
        return call() or ()
    except Exception:  # noqa: BLE001 - see above
        return ()


def as_written(text: str, word: Word) -> str:
    """Return a name as it has to stand on the line, going on in the user's own quoting."""
    if word.quote:
        return f"{word.quote}{text}"
    return _ESCAPED.sub(r"\\\1", text)
