"""Shared access signatures: taking them in, and reading what they permit. No network.

A SAS is kept byte for byte: it is encoded already, and encoding it again would break it.
Fields: https://learn.microsoft.com/rest/api/storageservices/create-service-sas
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from adls_magic.core.account.endpoints import read_endpoint
from adls_magic.core.account.pasted import clean, refuse_other_kind
from adls_magic.core.errors import CredentialError, PathError
from adls_magic.core.secret import Secret

PERMISSIONS = {
    "r": "read",
    "a": "add",
    "c": "create",
    "w": "write",
    "d": "delete",
    "l": "list",
    "m": "move",
    "e": "execute",
    "o": "change owner",
    "p": "change permissions",
    "x": "delete versions",
    "y": "delete for good",
    "t": "tags",
    "f": "find by tags",
    "i": "immutability",
    "u": "update",
}
_SCOPES = {"b": "one file", "c": "a filesystem", "d": "a directory", "bs": "a snapshot"}
_SENDABLE = re.compile(r"[\x21-\x7e]+")
_SKEW = timedelta(minutes=15)  # clocks may differ by so much; the service allows as much


@dataclass(frozen=True, slots=True)
class Sas:
    """A SAS and, when it was pasted as a URL, where it is for.

    Attributes:
        token: the SAS without "?".
        endpoint: base URL of the account, None when only the token was given.
        account: account name, None likewise or for a custom domain.
        filesystem: the first part of the URL's path, None when there is none.
    """

    token: Secret
    endpoint: str | None = None
    account: str | None = None
    filesystem: str | None = None


@dataclass(frozen=True, slots=True)
class SasFacts:
    """What a SAS says about itself; nothing of it is secret.

    Attributes:
        scope: "the account", "a filesystem", "a directory" or "one file".
        permissions: in words, in the order of the SAS.
        starts: from when on it is valid, None when it does not say.
        expires: until when, None when a stored access policy says so.
        delegated: signed with a user's key (Entra ID) instead of the account's.
        policy: name of the stored access policy, "" for none.
        addresses: the IP addresses it is limited to, "" for none.
    """

    scope: str
    permissions: tuple[str, ...]
    starts: datetime | None
    expires: datetime | None
    delegated: bool
    policy: str
    addresses: str


def parse_sas(text: str, *, origin: str = "sas_token") -> Sas:
    """Take in a SAS: with or without "?", or as a whole URL.

    Args:
        text: as pasted.
        origin: where it came from, for messages.

    Raises:
        CredentialError: it is no SAS, or its URL is no URL of a lake. Nothing of it is repeated.
    """
    text = clean(text)
    refuse_other_kind(text, "sas", origin=origin)
    url, mark, token = text.partition("?")
    if not mark:
        url, token = "", text
    token = token.strip("?&").strip()
    fields = urllib.parse.parse_qs(token)
    if not ({"sig"} <= fields.keys() and fields.keys() & {"sv", "si"}):
        raise CredentialError(
            f"{origin}: a SAS holds at least the fields `sv` and `sig`; this does not. "
            "Copy it again."
        )
    if not _SENDABLE.fullmatch(token) or "#" in token:
        raise CredentialError(
            f"{origin}: the SAS has blanks, line breaks or # in it. Copy it again."
        )
    return _placed(url, Secret(token), origin)


def read_facts(token: Secret) -> SasFacts:
    """Return what a SAS says about itself."""
    fields = {name: values[0] for name, values in _fields(token).items()}
    scope = "the account" if "ss" in fields else _SCOPES.get(fields.get("sr", ""), "the account")
    return SasFacts(
        scope=scope,
        permissions=tuple(PERMISSIONS.get(letter, letter) for letter in _letters(fields)),
        starts=_moment(fields.get("st")),
        expires=_moment(fields.get("se")),
        delegated="skoid" in fields,
        policy=_harmless(fields.get("si", "")),
        addresses=_harmless(fields.get("sip", "")),
    )


def check_in_time(token: Secret, *, origin: str, now: datetime | None = None) -> None:
    """Raise CredentialError when a SAS has expired or is not valid yet.

    Args:
        token: the SAS.
        origin: where it came from, for the message.
        now: the moment to compare with, by default this one.
    """
    now = now or datetime.now(UTC)
    facts = read_facts(token)
    if facts.expires is not None and facts.expires <= now:
        raise CredentialError(
            f"The SAS ({origin}) expired {span(now - facts.expires)} ago. Get a new one and give "
            "it by `%adls_config --auth sas --prompt`."
        )
    if facts.starts is not None and facts.starts - _SKEW > now:
        raise CredentialError(
            f"The SAS ({origin}) is not valid before {facts.starts:%Y-%m-%d %H:%M} UTC, "
            f"in {span(facts.starts - now)}. Is the clock of this machine right?"
        )


def span(length: timedelta) -> str:
    """Return a length of time in its largest unit: "3 h", "20 min", "12 days"."""
    seconds = int(length.total_seconds())
    for size, unit in ((2 * 86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // (86400 if unit == 'days' else size)} {unit}"
    return f"{max(seconds, 0)} s"


def _placed(url: str, token: Secret, origin: str) -> Sas:
    if not url:
        return Sas(token)
    try:
        endpoint, path = read_endpoint(url)
        filesystem = urllib.parse.unquote(path.partition("/")[0], errors="strict")
    except (PathError, UnicodeDecodeError):
        raise CredentialError(
            f"{origin}: what stands before the ? of this SAS is no URL of a storage account."
        ) from None
    return Sas(token, endpoint.url, endpoint.account or None, filesystem or None)


def _fields(token: Secret) -> dict[str, list[str]]:
    return urllib.parse.parse_qs(token.reveal())


def _letters(fields: dict[str, str]) -> str:
    letters = fields.get("sp", "")
    return letters if re.fullmatch("[a-z]{0,20}", letters) else ""


def _harmless(text: str) -> str:
    return text if re.fullmatch(r"[\w.:-]{0,64}", text, re.ASCII) else "given"


def _moment(text: str | None) -> datetime | None:
    """Return a SAS's date or time in UTC, None when it cannot be read."""
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
