"""Terminal front: `adls-magic upload|write|ls|config|lake`, also `python -m adls_magic`.

The parsers and texts are those of the magics. Errors are a line or two on standard error; the
exit status is 0, 1 when something failed or was stopped, and 2 for a wrong command line.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from IPython.core.error import UsageError

from adls_magic import arguments as parsing
from adls_magic.commands import Defaults, Done
from adls_magic.core.errors import AdlsError, ConfigurationError, UploadStopped
from adls_magic.core.secret import redact
from adls_magic.line_parser import HelpWanted

_USAGE = """\
Put data into Azure Data Lake Storage Gen2.

    adls-magic upload SOURCE [SOURCE ...] DEST    files and folders
    adls-magic write DEST                         standard input
    adls-magic ls [PATH]                          a directory of the lake
    adls-magic config                             the account: what is configured, profiles
    adls-magic lake DIR                           serve a folder as a lake, no Azure needed

`adls-magic COMMAND --help` tells the options of each."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    Args:
        words: the command line without the program's name; the process's by default.
    """
    try:
        status = _answered(list(sys.argv[1:] if words is None else words))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does; Python must not write to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _answered(words: Sequence[str]) -> int:
    if words in ([], ["--help"], ["-h"], ["help"]):
        print(_USAGE)
        return 0 if words else 2
    if words == ["--version"]:
        from importlib.metadata import version

        print(f"adls-magic {version('adls-magic')}")
        return 0
    with _terminable():
        return _guarded(words)


def _guarded(words: Sequence[str]) -> int:
    try:
        return _run(words[0], words[1:])
    except HelpWanted as wanted:
        print(wanted)
        return 0
    except UsageError as error:
        return _fail(error, 2)
    except (AdlsError, UploadStopped) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("Stopped.", 1)


def _fail(error: object, status: int) -> int:
    print(_for_terminal(redact(str(error))), file=sys.stderr)
    return status


# What a text for the notebook says → what does the same here, where only a profile lasts.
_COMMANDS = {
    "%adls_config --local": "adls-magic lake adls-lake",
    "%adls_config --prompt": "adls-magic config --prompt --save default",
    "%adls_config --auth identity": "adls-magic config --auth identity --save default",
    "%adls_config --filesystem sets": "adls-magic config --filesystem NAME --save default sets",
    "%adls_config": "adls-magic config",
}


def _for_terminal(text: str) -> str:
    """Name the commands of the terminal where a text names the magics."""
    for magic, command in _COMMANDS.items():
        text = text.replace(magic, command)
    return text


def _run(command: str, words: Sequence[str]) -> int:
    run = {"upload": _upload, "write": _write, "ls": _list, "config": _config, "lake": _lake}.get(
        command
    )
    if run is None:
        raise UsageError("adls-magic: the command is one of upload, write, ls, config, lake")
    return run(list(words))


def _upload(words: list[str]) -> int:
    options = parsing.read_upload(words, "terminal")
    from adls_magic.commands.upload import upload

    return _finish(options, upload(options, Defaults()))


def _write(words: list[str]) -> int:
    options = parsing.read_write(words, "terminal")
    from adls_magic.commands.write import write_stream

    tee = sys.stdout.buffer if options.tee else None
    done = write_stream(options, Defaults(), sys.stdin.buffer, tee)
    # With --tee standard output belongs to the data.
    return _finish(options, done, file=sys.stderr if options.tee else sys.stdout)


def _finish(options: parsing.TransferArguments, done: Done, file: Any = None) -> int:
    if not options.quiet:
        print(done.text, file=file)
    return 0


def _list(words: list[str]) -> int:
    options = parsing.read_list(words, "terminal")
    from adls_magic.commands.list import list_text

    print(list_text(options, Defaults()))
    return 0


def _config(words: list[str]) -> int:
    options = parsing.read_config(words, "terminal")
    from adls_magic.commands.config import Asker, configure, show

    if not any(vars(options).values()):
        print(_for_terminal(show()))
        return 0
    if not (options.save or options.show):
        raise UsageError(
            "adls-magic config: what is said here ends with this process; add --save PROFILE to "
            "keep it, or --show to look at it"
        )
    asker = Asker(secret=_ask_secret, consent=_ask_consent)
    print(_for_terminal(configure(options, asker)))
    return 0


def _ask_secret(prompt: str) -> str:
    import getpass

    _check_somebody_there()
    return getpass.getpass(prompt)


def _ask_consent(question: str) -> bool:
    _check_somebody_there()
    return input(question).strip().lower() in ("y", "yes")


def _check_somebody_there() -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "Nobody can be asked here, as standard input is no terminal. Set "
            "AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY instead."
        )


def _lake(words: list[str]) -> int:
    options = parsing.read_lake(words)
    from adls_magic.commands.lake import serve

    serve(options, lambda text: print(text, flush=True))
    return 0


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM end a command as Ctrl-C does: the target unchanged, nothing left running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
