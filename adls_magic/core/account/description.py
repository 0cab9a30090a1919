"""An account in words: rows, and the text of `%adls_config --show`. Nothing secret is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from adls_magic.core.account.sas import SasFacts, read_facts, span
from adls_magic.core.text import table

if TYPE_CHECKING:
    from adls_magic.core.account.account import Account


class Row(NamedTuple):
    """A value of an account: its name, the value in words, where it came from ("" if unsaid)."""

    name: str
    value: str
    origin: str = ""


def rows(account: Account, *, now: datetime | None = None) -> list[Row]:
    """Return each value of an account with where it came from.

    Args:
        account: the account.
        now: the moment that expiry is counted from, by default this one.
    """
    origins = account.origins
    return [
        Row("account", account.name, origins.get("account", "")),
        Row("endpoint", account.endpoint, origins.get("endpoint", "")),
        Row("filesystem", account.filesystem or "not set", origins.get("filesystem", "")),
        Row("credential", _kind(account), origins.get("credential", "")),
        *_details(account, now or datetime.now(UTC)),
    ]


def describe(account: Account, *, now: datetime | None = None) -> str:
    """Return `rows` as a line each, in columns."""
    origin_in_brackets = [
        (row.name, row.value, f"({row.origin})" if row.origin else "")
        for row in rows(account, now=now)
    ]
    return table(origin_in_brackets)


def _kind(account: Account) -> str:
    if account.token_source is not None:
        return f"Entra ID, {account.token_source.name}"
    return {"key": "account key", "sas": "SAS"}.get(account.auth, "none, public access")


def _details(account: Account, now: datetime) -> list[Row]:
    if account.auth == "key":
        return [Row("permits", "everything on this account")]
    if account.auth == "sas" and account.secret is not None:
        return _sas(read_facts(account.secret), now)
    facts = account.token_source.facts if account.token_source else None
    if facts is None:
        return []
    tenant = [Row("tenant", facts.tenant)] if facts.tenant else []
    return [*tenant, Row("validity", _expiry(datetime.fromtimestamp(facts.expires_on, UTC), now))]


def _sas(facts: SasFacts, now: datetime) -> list[Row]:
    permits = ", ".join(facts.permissions) or "what its stored access policy says"
    found = [Row("permits", f"{permits}; on {facts.scope}")]
    if facts.expires is not None:
        found.append(Row("validity", _expiry(facts.expires, now)))
    if facts.starts is not None and facts.starts > now:
        found.append(Row("starts", f"in {span(facts.starts - now)}"))
    if facts.delegated:
        found.append(Row("signed by", "a user's key (Entra ID)"))
    if facts.policy:
        found.append(Row("policy", facts.policy))
    if facts.addresses:
        found.append(Row("only from", facts.addresses))
    return found


def _expiry(end: datetime, now: datetime) -> str:
    words = f"expires in {span(end - now)}" if end > now else f"expired {span(now - end)} ago"
    return f"{words} ({end:%Y-%m-%d %H:%M} UTC)"
