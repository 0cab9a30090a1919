"""What the form shows, as the values that its widget takes: methods, head, status line.

Everything here is text for the browser and so for the saved notebook: names and origins, and
never a secret.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from adls_magic.core.account import Account
from adls_magic.core.account.description import Row, rows
from adls_magic.core.account.profile_file import config_file
from adls_magic.core.account.profiles import list_profiles, place_for_secret
from adls_magic.core.account.resolve import resolve
from adls_magic.core.errors import AdlsError, ConnectionFailedError, CredentialError
from adls_magic.core.secret import redact
from adls_magic.form.connect import ORIGIN
from adls_magic.form.methods import FIXED, FOUND, PROFILE, Method, fields_trait, method_trait

_CREDENTIALS = {
    "key": "account key",
    "sas": "SAS",
    "identity": "Microsoft Entra ID",
    "anonymous": "none",
}
# What only fits a command, not a form.
_COMMAND_HINT = ": set it again with %adls_config --prompt"


def first_state() -> dict[str, Any]:
    """Return the widget's traits before anything has happened."""
    return {
        "fields": fields_trait(),
        "methods": [method_trait(method) for method in FIXED],
        "values": {},
        "state": {
            "busy": False,
            "open": True,
            "card": card(None, None),
            "kept": {},
            "suggestions": {},
            "status": status("info", ""),
        },
    }


def status(kind: str, text: str, field: str = "") -> dict[str, str]:
    """Return the status line: kind is info, ok, warning or error; field is where to go on."""
    return {"kind": kind, "text": text, "field": field}


def card(session_account: Account | None, found: Account | None) -> dict[str, Any]:
    """Return the form's head: which account is in use, and where each of its values came from.

    Args:
        session_account: what form or `%adls_config` have set, which can be forgotten.
        found: what environment and files offer; in use when nothing is set.
    """
    account = session_account or found
    if account is None:
        return {"title": "No account is set up", "lines": [], "forget": False}
    return {
        "title": f"In use: {account.name}",
        "lines": [_line(row) for row in rows(account)],
        "forget": session_account is not None,
    }


def _line(row: Row) -> list[str]:
    return [row.name, row.value, "typed here" if row.origin.startswith(ORIGIN) else row.origin]


def words(error: Exception) -> str:
    """Return what went wrong, without secrets."""
    if isinstance(error, AdlsError):
        return str(error).replace(_COMMAND_HINT, "")
    return redact(f"Something unexpected went wrong: {type(error).__name__}: {error}")


def field_of(error: Exception) -> str:
    """Return the field that has to be mended after an error, "" when that is not known."""
    if isinstance(error, CredentialError) or getattr(error, "code", "") == "AuthenticationFailed":
        return "secret"
    return "account" if isinstance(error, ConnectionFailedError) else ""


def profiles() -> list[str]:
    """Return the names of the saved profiles; none when their file cannot be read."""
    try:
        return list_profiles()
    except AdlsError:
        return []


def methods(found: Account | None, saved: list[str]) -> list[dict[str, Any]]:
    """Return the ways to connect, those first that need no typing.

    Args:
        found: what environment and files offer without being asked.
        saved: names of the profiles.
    """
    offered = []
    if found is not None:
        offered.append(_found_method(found))
    if saved:
        offered.append(method_trait(PROFILE))
    return offered + [method_trait(method, **_remembering(method)) for method in FIXED]


def found_account() -> Account | None:
    """Return what environment and files configure, None when they do not."""
    try:
        return resolve(use_session=False)
    except AdlsError:
        return None


def first_values(
    account: Account | None, found: Account | None, saved: list[str]
) -> dict[str, str]:
    """Return what the fields begin with; the method is the least work that leads to an account.

    Args:
        account: the one in use, whose names are offered again.
        found: what environment and files configure.
        saved: names of the profiles.
    """
    method = "found" if found else "saved" if saved else "identity" if _identity_there() else "key"
    known = account or found
    profile = {"saved": saved[0]} if saved else {}
    first = {"method": method, "folder": "adls-lake", "profile": "default"} | profile
    return first | (names(known) if known else {})


def names(account: Account) -> dict[str, str]:
    """Return the fields that name an account."""
    return {"account": account.name, "filesystem": account.filesystem or ""}


def _identity_there() -> bool:
    try:
        return importlib.util.find_spec("azure.identity") is not None
    except ModuleNotFoundError:
        return False


def _found_method(found: Account) -> dict[str, Any]:
    kind = _CREDENTIALS[found.auth]
    where = {name: found.origins.get(name, "") for name in ("account", "credential")}
    note = f"Account {found.name} ({where['account']}), credential: {kind} ({where['credential']})."
    return method_trait(FOUND, hint=f"{found.name}, {kind}", note=note)


def _remembering(method: Method) -> dict[str, str]:
    """What «Remember as profile» would store where, and the consent that it needs."""
    if not method.keeps:
        return {}
    names = f"Account, filesystem and endpoint go to {config_file(os.environ)}"
    if method.secret is None:
        return {"remember": f"{names}; there is nothing secret to keep."}
    if place_for_secret() == "key ring":
        return {"remember": f"{names}, the {method.keeps} goes to the system's key ring."}
    return {
        "remember": f"{names}. There is no key ring for the {method.keeps} here.",
        "consent": f"Write the {method.keeps} into that file too, readable by you only",
    }
