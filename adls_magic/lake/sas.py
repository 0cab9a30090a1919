"""Shared access signatures, account and service: checked from the query as it was sent.

Rules: https://learn.microsoft.com/rest/api/storageservices/create-account-sas and
https://learn.microsoft.com/rest/api/storageservices/create-service-sas. Tokens that refer to a
stored access policy or to a user delegation key cannot be checked here and are refused.
"""

from __future__ import annotations

import datetime
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from adls_magic.lake.answers import Refusal
from adls_magic.lake.request import decimal
from adls_magic.lake.signature import sign

_OLDEST = "2018-11-09"
_OVERRIDES = ("rscc", "rscd", "rsce", "rscl", "rsct")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a credential allows.

    Attributes:
        permissions: letters of `sp`; None: everything (the account's key).
        types: letters of `srt` of an account SAS; None: of another credential.
        overrides: answer headers that a service SAS prescribes for reads.
    """

    permissions: str | None = None
    types: str | None = None
    service: bool = False
    overrides: tuple[tuple[str, str], ...] = ()

    def require(self, letters: str, kind: str) -> None:
        """Refuse unless one of `letters` is allowed on a resource of a kind.

        Args:
            letters: permissions, each of which is enough.
            kind: `s` service (the account), `c` container (filesystem), `o` object (path).

        Raises:
            Refusal: `AuthorizationResourceTypeMismatch`, `AuthorizationPermissionMismatch`.
        """
        if self.permissions is None:
            return
        if self.types is not None and kind not in self.types:
            raise Refusal("AuthorizationResourceTypeMismatch")
        if self.service and kind != "o":
            raise Refusal("AuthorizationResourceTypeMismatch")
        if not set(letters) & set(self.permissions):
            raise Refusal("AuthorizationPermissionMismatch")

    def allows(self, letters: str) -> bool:
        """Whether one of `letters` is allowed."""
        return self.permissions is None or bool(set(letters) & set(self.permissions))


@dataclass(frozen=True, slots=True)
class Resource:
    """What a request is about: filesystem and decoded path, "" for what is above."""

    filesystem: str
    path: str


def check_sas(
    token: Mapping[str, str],
    resource: Resource,
    *,
    account: str,
    key: bytes,
    client: str,
    now: float,
) -> Grant:
    """Accept a SAS and return what it allows.

    Args:
        token: the query's parameters, decoded.
        resource: what the request is about.
        account: the account's name.
        key: the account's key, decoded.
        client: the client's IP address.
        now: seconds since 1970.

    Raises:
        Refusal: `AuthenticationFailed`, or an `Authorization…Mismatch`.
    """
    if not token.get("sv", "") >= _OLDEST or "skoid" in token or "si" in token:
        raise Refusal("AuthenticationFailed")
    grant = _account_grant if "srt" in token else _service_grant
    found = grant(token, resource, account, key)
    _check_time(token, now)
    _check_place(token, client)
    if not token.get("sp"):
        raise Refusal("AuthenticationFailed")
    return found


def _fits(text: str, key: bytes, token: Mapping[str, str]) -> bool:
    return hmac.compare_digest(sign(text, key).encode(), token["sig"].encode())


def _account_grant(token: Mapping[str, str], resource: Resource, account: str, key: bytes) -> Grant:
    names = ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"]
    names += ["ses"] if token["sv"] >= "2020-12-06" else []
    text = "".join(f"{value}\n" for value in (account, *(token.get(name, "") for name in names)))
    if not _fits(text, key, token):
        raise Refusal("AuthenticationFailed")
    if "b" not in token.get("ss", ""):
        raise Refusal("AuthorizationServiceMismatch")
    return Grant(token.get("sp", ""), token["srt"])


def _service_grant(token: Mapping[str, str], resource: Resource, account: str, key: bytes) -> Grant:
    path = _signed_path(token, resource)
    newest = ["ses"] if token["sv"] >= "2020-12-06" else []
    front = [token.get(name, "") for name in ("sp", "st", "se")]
    middle = ("si", "sip", "spr", "sv", "sr", "snapshot", *newest, *_OVERRIDES)
    values = [*front, f"/blob/{account}/{path}", *(token.get(name, "") for name in middle)]
    if not _fits("\n".join(values), key, token):
        raise Refusal("AuthenticationFailed")
    overrides = tuple((name, token[name]) for name in _OVERRIDES if token.get(name))
    return Grant(token.get("sp", ""), service=True, overrides=overrides)


def _signed_path(token: Mapping[str, str], resource: Resource) -> str:
    """Return the resource that the token must have been made for, from what the request asks."""
    kind = token.get("sr", "")
    if kind == "c" and resource.filesystem:
        return resource.filesystem
    if kind == "b" and resource.path:
        return f"{resource.filesystem}/{resource.path}"
    depth = decimal(token.get("sdd", ""))
    segments = [segment for segment in resource.path.split("/") if segment]
    if kind == "d" and depth is not None and depth <= len(segments):
        return f"{resource.filesystem}/{'/'.join(segments[:depth])}"
    raise Refusal("AuthenticationFailed")


def _check_time(token: Mapping[str, str], now: float) -> None:
    start, end = _moment(token.get("st", "")), _moment(token.get("se", ""))
    if end is None or now >= end or (start is not None and now < start):
        raise Refusal("AuthenticationFailed")


def _moment(text: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise Refusal("AuthenticationFailed") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()


def _check_place(token: Mapping[str, str], client: str) -> None:
    if token.get("spr", "http").split(",") == ["https"]:
        raise Refusal("AuthorizationProtocolMismatch")
    allowed = token.get("sip", "")
    if not allowed:
        return
    first, _, last = allowed.partition("-")
    try:
        low, high = ipaddress.IPv4Address(first), ipaddress.IPv4Address(last or first)
        inside = low <= ipaddress.IPv4Address(client) <= high
    except ValueError:
        raise Refusal("AuthenticationFailed") from None
    if not inside:
        raise Refusal("AuthorizationSourceIPMismatch")
