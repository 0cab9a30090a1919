"""Front: `config`, which account and filesystem are used from now on.

A secret is asked for, or found in a variable, the environment or a profile; no option takes one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from adls_magic.arguments import ConfigArguments
from adls_magic.core.errors import AdlsError, ConfigurationError

if TYPE_CHECKING:
    from adls_magic.core.account import Account

_KINDS = {
    "key": "account key",
    "sas": "SAS",
    "identity": "Entra ID",
    "anonymous": "anonymous",
}
_DESCRIBING = ("account", "endpoint", "auth", "prompt", "credential", "profile")


@dataclass(frozen=True, slots=True)
class Asker:
    """How a front asks its user.

    Attributes:
        secret: shows a prompt, returns what is typed without showing it.
        consent: shows a question, returns whether the answer was yes.
        variables: by name, for `--credential`.
    """

    secret: Callable[[str], str]
    consent: Callable[[str], bool]
    variables: Mapping[str, Any] = field(default_factory=dict)


def configure(arguments: ConfigArguments, asker: Asker) -> str:
    """Do what a line of `config` with options says; return what to show.

    Raises:
        UsageError: options that exclude each other.
        AdlsError: the account cannot be like that; what was configured stays.
    """
    from adls_magic.core.account import session

    _check(arguments)
    if arguments.forget:
        session.forget()
        return "Forgotten: what was configured here. Environment and profiles are as they were."
    lines = []
    account = _wanted(arguments, asker)
    if account is not None:
        session.configure(account)
        lines.append(_using(account, arguments))
    if arguments.save:
        lines.append(_save(arguments.save, account or _present(), asker))
    if arguments.show:
        lines.append(show())
    return "\n".join(lines)


def show() -> str:
    """Return what is configured and where it came from; no secret."""
    from adls_magic.core.account.resolve import resolve

    try:
        return resolve(expired_ok=True).describe()
    except AdlsError as error:
        return str(error)


def _check(arguments: ConfigArguments) -> None:
    given = [name for name in _DESCRIBING if getattr(arguments, name)]
    if arguments.local is not None and given:
        raise UsageError(f"--local is an account of its own; leave --{given[0]} out")
    if arguments.forget and (given or arguments.local or arguments.filesystem or arguments.save):
        raise UsageError("--forget stands alone")
    if arguments.prompt and arguments.credential:
        raise UsageError("--prompt and --credential exclude each other")
    if arguments.prompt and arguments.auth in ("identity", "anonymous"):
        raise UsageError(f"--auth {arguments.auth} needs no secret; leave --prompt out")


def _present() -> Account:
    from adls_magic.core.account.resolve import resolve

    return resolve()


def _wanted(arguments: ConfigArguments, asker: Asker) -> Account | None:
    """Return the account that the options describe, None when they describe none."""
    if arguments.local is not None:
        from adls_magic.commands.lake import local_account

        return local_account(arguments.local, arguments.filesystem or "lake")
    if any(getattr(arguments, name) for name in _DESCRIBING):
        return _connected(arguments, asker)
    if not arguments.filesystem:
        return None
    return _present().with_filesystem(arguments.filesystem, origin="option --filesystem")


def _connected(arguments: ConfigArguments, asker: Asker) -> Account:
    from adls_magic.core.account.connect import connect

    named = {
        name: value
        for name in ("filesystem", "endpoint", "profile", "auth")
        if (value := getattr(arguments, name))
    }
    origin = "entered " if arguments.prompt else "option --"
    return connect(arguments.account, **named, **_credential(arguments, asker), origin=origin)


def _credential(arguments: ConfigArguments, asker: Asker) -> dict[str, Any]:
    if arguments.credential:
        if arguments.credential not in asker.variables:
            raise UsageError(f"--credential: {arguments.credential} is not defined")
        return {"credential": asker.variables[arguments.credential]}
    if not arguments.prompt:
        return {}
    from adls_magic.core.account.account import SECRET_NAMES

    whose = f" of {arguments.account}" if arguments.account else ""
    wanted = "key, SAS or connection string"
    if arguments.auth in SECRET_NAMES:
        wanted = {"key": "account key", "sas": "SAS"}.get(arguments.auth, "connection string")
    text = asker.secret(f"{wanted[0].upper()}{wanted[1:]}{whose} (not shown): ").strip()
    if not text:
        raise ConfigurationError("Nothing was entered, so nothing has changed.")
    return {SECRET_NAMES.get(arguments.auth or "", "credential"): text}


def _using(account: Account, arguments: ConfigArguments) -> str:
    from adls_magic.core.account.address import RemotePath, display_url

    kind = _KINDS[account.auth]
    if arguments.local is not None:
        kind = f"local lake in {arguments.local}"
    if account.filesystem is None:
        return (
            f"Using account {account.name} ({kind}); it has no filesystem yet: add "
            "--filesystem NAME, or write paths as abfss://FILESYSTEM/..."
        )
    root = RemotePath(account.filesystem, "", is_directory=True)
    return f"Using {display_url(account.endpoint, root)} ({kind})"


def _save(name: str, account: Account, asker: Asker) -> str:
    from adls_magic.core.account import profiles

    consent = False
    if account.secret is not None and profiles.place_for_secret() == "nowhere":
        consent = asker.consent(
            "There is no key ring. Write the secret into the config file, readable by you only? "
            "[y/N] "
        )
    return profiles.save_profile(name, account, secret_in_file=consent)
