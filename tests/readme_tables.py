"""The tables in the README that repeat what the code says: options, and names in the environment.

python tests/readme_tables.py      # writes them into README.md
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from adls_magic.arguments import Front, parser
from adls_magic.core.account import environment
from adls_magic.options import CONFIG, LAKE, LS, UPLOAD, WRITE, Command

README = Path(__file__).resolve().parents[1] / "README.md"
_BLOCK = "<!-- {0}: written by tests/readme_tables.py -->\n{1}\n<!-- end -->"


def options_of(command: Command, front: Front) -> str:
    """Return the options of a command as a table in Markdown."""
    command_parser = parser(command, front)
    return _table(
        ("option", "meaning"),
        (
            (_written(action), _meaning(command_parser, action))
            for action in command_parser._actions
            if action.option_strings != ["--help"]
        ),
    )


def _table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"| {left} | {right} |" for left, right in (head, ("---", "---"), *rows))


def _written(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar}`"
    value = f" [{action.metavar}]" if action.nargs == "?" else f" {action.metavar}"
    return f"`{', '.join(action.option_strings)}{'' if action.nargs == 0 else value}`"


def _meaning(command_parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = (action.help or "") % {"prog": command_parser.prog}
    marked = re.sub(r"(?<![`\w])(%{1,2}\w+|--[a-z][\w-]*|abfss://\S*)", r"`\1`", text)
    return marked.replace("|", r"\|")


def variables() -> str:
    """Return the environment variables that are read, by what they say."""
    service_principal = (
        environment.CLIENT_ID,
        environment.CLIENT_SECRET,
        *environment.TENANT_ID,
        *environment.AUTHORITY_HOST,
    )
    rows = {
        "account": environment.ACCOUNT,
        "account key": environment.KEY,
        "SAS": environment.SAS,
        "connection string": environment.CONNECTION_STRING,
        "filesystem": environment.FILESYSTEM,
        "endpoint": environment.ENDPOINT,
        "service principal": service_principal,
        "token": environment.TOKEN,
        "`login` for Entra ID": (environment.AUTH_MODE,),
        "`true` for public access": (environment.ANONYMOUS,),
        "`true` for an emulator": (environment.EMULATOR,),
    }
    return _table(
        ("value", "environment"),
        ((value, ", ".join(f"`{name}`" for name in names)) for value, names in rows.items()),
    )


TABLES: dict[str, Callable[[], str]] = {
    "%adls_upload": partial(options_of, UPLOAD, "notebook"),
    "%%adls_write": partial(options_of, WRITE, "notebook"),
    "%adls_config": partial(options_of, CONFIG, "notebook"),
    "%adls_ls": partial(options_of, LS, "notebook"),
    "adls-magic lake": partial(options_of, LAKE, "terminal"),
    "environment": variables,
}


def block(name: str) -> str:
    """Return a table with the marks around it."""
    return _BLOCK.format(name, TABLES[name]())


def main() -> None:
    """Put every table between its marks."""
    text = README.read_text(encoding="utf-8")
    for name in TABLES:
        new = block(name)
        head, mark, rest = text.partition(new.partition("\n")[0])
        _, end, tail = rest.partition("<!-- end -->")
        if not (mark and end):
            raise SystemExit(f"README.md has no place for {name}")
        text = head + new + tail
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
