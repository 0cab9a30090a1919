"""Front: the argparse parser of one command, whose messages never repeat what the user typed.

argparse echoes words in several of its messages, and a word may be a key: so options are looked
through here before argparse sees them, and values are judged by types that do not quote them.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import NoReturn, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser, argument

from adls_magic.core.secret import redact
from adls_magic.core.text import count

Parsed = TypeVar("Parsed", bound=argparse.Namespace)

_WIDTH = 88  # characters; fixed, because the text becomes a docstring at import
_NAME = re.compile(r"--[a-z][a-z-]{0,30}|-[a-zA-Z]")
_NUMBER = re.compile(r"-\d+(\.\d+)?")
_SECRET_WORDS = ("key", "sas", "token", "secret", "pass", "pwd", "connection", "credential")


class HelpWanted(Exception):  # noqa: N818 - not an error
    """The words hold `--help`; `str` of it is the text to show."""


class LineParser(MagicArgumentParser):
    """The parser of one command in one front.

    Args:
        invocation: how the command is called there: `%adls_upload`, `adls-magic upload`.
        about: what `?` and `--help` begin with: one sentence, examples, rules.
        arguments: the declarations, in the order in which they are shown.
        secret_hint: how a secret is given in that front.
    """

    def __init__(
        self, invocation: str, about: str, arguments: Sequence[argument], *, secret_hint: str
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            prog=invocation, description=about, formatter_class=_formatter
        )
        self.allow_abbrev = False  # --over must not mean --overwrite
        self.color = False  # Python 3.14 would put ANSI codes into the docstring
        self._secret_hint = secret_hint
        for declaration in arguments:
            declaration.add_to_parser(self, None)
        self.add_argument("--help", action="store_true", help="show this text")

    def read(self, words: Sequence[str], into: Parsed) -> Parsed:
        """Return `into` with what the words say.

        Raises:
            UsageError: an option or a number of names that the command does not take.
            HelpWanted: `--help` is among the words.
        """
        options, names = self._sorted_out(words)
        if "" in words:
            self.error("an empty '' stands where a name or value is expected")
        _, rest = self.parse_known_args([*options, *(["--", *names] if names else [])], into)
        if names and not self._get_positional_actions():
            self.error("it takes options only, no name beside them")
        if rest:
            self.error(f"{count(len(rest), 'word')} too many; a name with blanks needs quotes")
        return into

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with the message and where to look further."""
        message = message.removeprefix("argument ").replace("expected one", "it needs an")
        raise UsageError(redact(f"{self.prog}: {message} (see {self.prog} --help)"))

    def format_help(self) -> str:
        """Return the `?` page: what it does with examples, then usage and options."""
        formatter = self._get_formatter()
        formatter.add_text(self.description)
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        for group in self._action_groups:
            formatter.start_section(group.title)
            formatter.add_arguments(group._group_actions)
            formatter.end_section()
        return formatter.format_help()

    def option_strings(self) -> list[str]:
        """Return every way to write an option."""
        return list(self._option_string_actions)

    def takes(self, option: str) -> str | int | None:
        """Return argparse's `nargs` of an option: None for a value, 0 for none, "?" for maybe."""
        return self._option_string_actions[option].nargs

    def _sorted_out(self, words: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the words of options and the other ones, which may stand in any order."""
        options: list[str] = []
        names: list[str] = []
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word == "--":
                return options, [*names, *rest]
            if word == "--help":
                raise HelpWanted(self.format_help())
            if not word.startswith("-") or word == "-" or _NUMBER.fullmatch(word):
                names.append(word)
                continue
            options.append(word)
            takes = self._known_option(word)
            if rest and (takes is None or (takes == "?" and not rest[0].startswith("-"))):
                options.append(rest.pop(0))
        return options, names

    def _known_option(self, word: str) -> str | int | None:
        """Refuse an unknown option; return what it takes from the next word, as `nargs`."""
        name, equals, _ = word.partition("=")
        if not word.startswith("--"):
            return self._known_letters(word)
        if name not in self._option_string_actions:
            self._refuse(name)
        if equals and self.takes(name) == 0:
            self.error(f"{name} takes no value")
        return 0 if equals else self.takes(name)

    def _known_letters(self, word: str) -> str | int | None:
        """Look through `-r`, `-rq`, `-j4`, `-rj 4`."""
        for place, letter in enumerate(word[1:], start=2):
            if f"-{letter}" not in self._option_string_actions:
                self._refuse(f"-{letter}" if place == 2 else "")
            if self.takes(f"-{letter}") != 0:
                return None if place == len(word) else 0
        return 0

    def _refuse(self, name: str) -> NoReturn:
        """Name an unknown option only as far as it can be no secret."""
        if not _NAME.fullmatch(name):
            self.error("one of the options is unknown; a name that begins with - is written ./-…")
        if any(part in name for part in _SECRET_WORDS):
            self.error(
                f"there is no option {name}; a secret is never given on the line: "
                f"{self._secret_hint}"
            )
        import difflib

        known = self.option_strings()
        close = [option for option in known if option.startswith(name)]
        close = close or difflib.get_close_matches(name, known, n=1)
        self.error(f"there is no option {name}{f'; did you mean {close[0]}?' if close else ''}")


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=28, width=_WIDTH)
