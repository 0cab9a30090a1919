"""An account in words: the text of `%adls_config --show`. Nothing secret is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from adls_magic.core.account.sas import SasFacts, read_facts, span

if TYPE_CHECKING:
    from adls_magic.core.account.account import Account

Row = tuple[str, str, str]  # name of the value, the value, where it came from


def describe(account: Account, *, now: datetime | None = None) -> str:
    """Return a line for each value of an account: what it is and where it came from.

    Args:
        account: the account.
        now: the moment that expiry is counted from, by default this one.
    """
    origins = account.origins
    rows: list[Row] = [
        ("account", account.name, origins.get("account", "")),
        ("endpoint", account.endpoint, origins.get("endpoint", "")),
        ("filesystem", account.filesystem or "not set", origins.get("filesystem", "")),
        ("credential", _kind(account), origins.get("credential", "")),
        *_details(account, now or datetime.now(UTC)),
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(
        f"{name:{widths[0]}}  {value:{widths[1]}}  {f'({origin})' if origin else ''}".rstrip()
        for name, value, origin in rows
    )


def _kind(account: Account) -> str:
    if account.token_source is not None:
        return f"Entra ID, {account.token_source.name}"
    return {"key": "account key", "sas": "SAS"}.get(account.auth, "none, public access")


def _details(account: Account, now: datetime) -> list[Row]:
    if account.auth == "key":
        return [("permits", "everything on this account", "")]
    if account.auth == "sas" and account.secret is not None:
        return _sas(read_facts(account.secret), now)
    facts = account.token_source.facts if account.token_source else None
    if facts is None:
        return []
    tenant: list[Row] = [("tenant", facts.tenant, "")] if facts.tenant else []
    return [*tenant, ("validity", _expiry(datetime.fromtimestamp(facts.expires_on, UTC), now), "")]


def _sas(facts: SasFacts, now: datetime) -> list[Row]:
    permits = ", ".join(facts.permissions) or "what its stored access policy says"
    rows: list[Row] = [("permits", f"{permits}; on {facts.scope}", "")]
    if facts.expires is not None:
        rows.append(("validity", _expiry(facts.expires, now), ""))
    if facts.starts is not None and facts.starts > now:
        rows.append(("starts", f"in {span(facts.starts - now)}", ""))
    if facts.delegated:
        rows.append(("signed by", "a user's key (Entra ID)", ""))
    if facts.policy:
        rows.append(("policy", facts.policy, ""))
    if facts.addresses:
        rows.append(("only from", facts.addresses, ""))
    return rows


def _expiry(end: datetime, now: datetime) -> str:
    words = f"expires in {span(end - now)}" if end > now else f"expired {span(now - end)} ago"
    return f"{words} ({end:%Y-%m-%d %H:%M} UTC)"
