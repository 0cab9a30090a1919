"""What the form's Connect does: what was filled in → an account → the service's answer in words.

No widgets here. Runs on the form's worker thread; nothing but the service is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from adls_magic.core.account import Account
from adls_magic.core.account.account import SECRET_NAMES
from adls_magic.core.account.address import RemotePath
from adls_magic.core.account.options import AccountOptions
from adls_magic.core.account.profiles import save_profile
from adls_magic.core.account.resolve import resolve
from adls_magic.core.account.sas import read_facts
from adls_magic.core.errors import ConfigurationError, CredentialError, PermissionDeniedError
from adls_magic.core.secret import Secret
from adls_magic.core.service.client import Client
from adls_magic.core.service.retry import RetryPolicy

# A person waits: two tries, and no long pauses between them.
_POLICY = RetryPolicy(tries=2, patience=5.0, tries_unconnected=1)
ORIGIN = "form: "  # stands before a field's name where messages say where a value came from
_MOST_FILESYSTEMS = 500  # offered in the list
_MOST_NAMED = 8  # in a message
# Refusals that say: the credential is right, but not for what was asked.
_KNOWN_BUT_REFUSED = frozenset(
    {
        "AuthorizationPermissionMismatch",
        "AuthorizationResourceTypeMismatch",
        "InsufficientAccountPermissions",
    }
)

Filled = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the service said.

    Attributes:
        account: what to use from now on; None when it cannot be used.
        kind: "ok", "warning" or "error".
        text: what is right or wrong, in a sentence or two.
        field: name of the field that has to be mended or filled in, "" for none.
        filesystems: names to choose from; empty when the account may not list them.
    """

    account: Account | None
    kind: str
    text: str
    field: str = ""
    filesystems: Sequence[str] = ()


def account_from(filled: Filled, secret: Secret | None, variables: Mapping[str, Any]) -> Account:
    """Build the account that the filled-in form describes. Asks no service.

    Args:
        filled: the texts of the fields by name, with the method as "method".
        secret: what the secret field held.
        variables: the notebook's variables, for the method that takes one.

    Raises:
        AdlsError: something is missing or wrong; the text says what.
    """
    filesystem = filled.get("filesystem") or None
    match filled["method"]:
        case "local":
            from adls_magic.commands.lake import local_account

            return local_account(filled.get("folder") or "adls-lake", filesystem or "lake")
        case "found" | "saved" as method:
            profile = filled.get("saved") if method == "saved" else None
            account = resolve(profile=profile, use_session=False)
            return with_filesystem(account, filesystem) if filesystem else account
        case "variable":
            given = {"credential": _variable(filled.get("variable", ""), variables)}
        case "identity" | "anonymous" as auth:
            given = {"auth": auth}
        case method:
            given = {SECRET_NAMES[method]: _needed(secret)}
    return resolve(options=_options(filled, filesystem=filesystem, **given), use_session=False)


def _options(filled: Filled, **given: Any) -> AccountOptions:
    def named(name: str) -> tuple[tuple[str, str], ...]:
        return ((name, filled[name]),) if filled.get(name) else ()

    return AccountOptions(
        accounts=named("account"), endpoints=named("endpoint"), prefix=ORIGIN, **given
    )


def _needed(secret: Secret | None) -> Secret:
    if secret is None:
        raise CredentialError("The secret field is empty: paste or type what is asked for there.")
    return secret


def _variable(name: str, variables: Mapping[str, Any]) -> Any:
    if name not in variables:
        raise ConfigurationError(f"There is no variable {name!r} in this notebook.")
    return variables[name]


def with_filesystem(account: Account, name: str) -> Account:
    """Return the account with the filesystem that was typed into the form."""
    return account.with_filesystem(name, origin=f"{ORIGIN}filesystem")


def remember(filled: Filled, account: Account) -> str:
    """Save `account` as a profile when the form says so; return a sentence that says what is where.

    Raises:
        ConfigurationError: it cannot be kept, or may not be without consent.
    """
    if not filled.get("profile"):
        return ""
    return save_profile(filled["profile"], account, secret_in_file=bool(filled.get("consent")))


def ask_service(account: Account, started: Callable[[Client], None]) -> Outcome:
    """Ask the service whether `account` works, and for its filesystems.

    Args:
        account: who asks.
        started: is given the client before the first call, so that another thread may end it.

    Raises:
        AdlsError: the service refuses, or gives no answer; the text says why.
    """
    told = _told_by_sas(account)
    if told is not None:
        return told
    with Client(account, policy=_POLICY) as client:
        started(client)
        try:
            names = sorted(islice(client.list_filesystems(), _MOST_FILESYSTEMS))
        except PermissionDeniedError as refusal:
            return _without_list(client, refusal)
        wanted = account.filesystem
        if wanted is None:
            return _to_choose(account, names)
        if wanted in names or client.filesystem_exists(wanted):
            text = f"Connected to {account.name}. The filesystem {wanted} is there."
            return Outcome(account, "ok", text, filesystems=names)
    text = f"{account.name} has no filesystem {wanted}. It has: {_named(names)}."
    return Outcome(None, "error", text, "filesystem", names)


def _told_by_sas(account: Account) -> Outcome | None:
    """What follows from the SAS alone: one for less than the account cannot be asked for a list."""
    if account.auth != "sas" or account.secret is None:
        return None
    scope = read_facts(account.secret).scope
    if scope != "the account" and account.filesystem is None:
        text = f"This SAS is for {scope}: type the name of the filesystem."
        return Outcome(None, "error", text, "filesystem")
    if scope in ("a directory", "one file"):
        text = f"This SAS is for {scope}, so only an upload there can show it right."
        return Outcome(account, "warning", text)
    return None


def _to_choose(account: Account, names: Sequence[str]) -> Outcome:
    if len(names) == 1:
        text = f"Connected to {account.name}. Its only filesystem is {names[0]}."
        only = account.with_filesystem(names[0], origin="the account's only one")
        return Outcome(only, "ok", text, filesystems=names)
    if not names:
        text = f"Connected to {account.name}, which has no filesystem yet: make one in the portal."
        return Outcome(account, "warning", text)
    text = f"Connected to {account.name}. Now choose a filesystem: {_named(names)}."
    return Outcome(account, "warning", text, "filesystem", names)


def _without_list(client: Client, refusal: PermissionDeniedError) -> Outcome:
    """The account may not list its filesystems: its word on the wanted one counts."""
    account = client.account
    if account.auth == "key":
        raise refusal  # a key that is right may do everything
    if account.filesystem is None:
        if refusal.code not in _KNOWN_BUT_REFUSED:
            raise refusal
        text = "The credential is right, but may not list filesystems: type the name of yours."
        return Outcome(account, "warning", text, "filesystem")
    try:
        next(client.list(RemotePath(account.filesystem, ""), page_size=1), None)
    except PermissionDeniedError as refused:
        if refused.code not in _KNOWN_BUT_REFUSED:
            raise
        text = "The credential is right, but may not list. An upload will show if it may write."
        return Outcome(account, "warning", text)
    return Outcome(account, "ok", f"Connected to {account.name}, filesystem {account.filesystem}.")


def _named(names: Sequence[str]) -> str:
    if not names:
        return "none yet"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
