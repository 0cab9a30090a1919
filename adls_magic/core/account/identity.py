"""Entra ID: where bearer tokens come from. azure-identity is imported when a token is needed.

Tokens are kept by the source itself (azure-identity caches and renews them); here only the
tenant and the expiry of the last one are remembered, for `%adls_config --show`.
"""

from __future__ import annotations

import base64
import binascii
import inspect
import json
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, Protocol, runtime_checkable

from adls_magic.core.errors import ConfigurationError, CredentialError
from adls_magic.core.secret import Secret

STORAGE_SCOPE = "https://storage.azure.com/.default"
DEFAULT_IDENTITY = "DefaultAzureCredential"
_UNKNOWN_LIFE = 300  # seconds that a token without a readable expiry is taken to live


@runtime_checkable
class TokenCredential(Protocol):
    """What azure-identity's credentials have."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """Return an object with `token` (text) and `expires_on` (seconds since 1970)."""


class Token(NamedTuple):
    """A bearer token and its end in seconds since 1970, shaped as azure-core's AccessToken."""

    token: str
    expires_on: int

    def __repr__(self) -> str:
        return f"Token([redacted], expires_on={self.expires_on})"


class TokenFacts(NamedTuple):
    """What a token says about itself: tenant ("" when unknown) and end in seconds since 1970."""

    tenant: str
    expires_on: int


class TokenSource:
    """A credential that gives tokens, wrapped so that nothing of it can be copied or stored.

    Threads: `get_token` may be called from several; azure-identity's credentials allow that.

    Attributes:
        name: what it is, for messages, such as "DefaultAzureCredential".
        lasting: whether a profile can name it, because every process can make it anew.
    """

    __slots__ = ("__weakref__", "_credential", "_facts", "_make", "_same", "lasting", "name")

    def __init__(self, make: Callable[[], TokenCredential], name: str, *same: object) -> None:
        self._make = make
        self._same = (name, *same)  # sources are equal when these are
        self._credential: TokenCredential | None = None
        self._facts: TokenFacts | None = None
        self.name = name
        self.lasting = name == DEFAULT_IDENTITY

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """Return a token for `scopes` (default: Azure Storage), as the credential gives it.

        Raises:
            ConfigurationError: azure-identity is needed and not installed.
        """
        if self._credential is None:
            self._credential = self._make()
        token = self._credential.get_token(*(scopes or (STORAGE_SCOPE,)), **options)
        self._facts = _facts(token.token, int(token.expires_on))
        return token

    @property
    def facts(self) -> TokenFacts | None:
        """Tenant and expiry of the last token; None before the first. Asks nobody."""
        return self._facts

    def __repr__(self) -> str:
        return f"TokenSource({self.name})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenSource) and self._same == other._same

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a credential of adls_magic is not pickled or stored; connect again")

    def __copy__(self) -> TokenSource:
        return self

    def __deepcopy__(self, memo: object) -> TokenSource:
        return self


class StaticToken:
    """A bearer token that somebody else obtained; it is not renewed."""

    __slots__ = ("_secret",)

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def get_token(self, *scopes: str, **options: Any) -> Token:
        """Return the token, or raise CredentialError when it has expired."""
        text = self._secret.reveal()
        expires_on = _facts(text, int(time.time()) + _UNKNOWN_LIFE).expires_on
        if expires_on <= time.time():
            raise CredentialError("The bearer token has expired; get a new one and set it again.")
        return Token(text, expires_on)


class AsyncCredential:
    """A token source as adlfs wants it: with coroutines."""

    __slots__ = ("source",)

    def __init__(self, source: TokenSource) -> None:
        self.source = source

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        """Return a token, from the source's own cache where it is still good."""
        return self.source.get_token(*scopes, **options)

    async def close(self) -> None:
        """Do nothing: nothing is held open."""

    async def __aenter__(self) -> AsyncCredential:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def token_source(credential: object) -> TokenSource:
    """Wrap a user's object that has `get_token`.

    Raises:
        CredentialError: it has none, or an asynchronous one.
    """
    if isinstance(credential, AsyncCredential):  # out of our own storage_options
        return credential.source
    if isinstance(credential, TokenSource):
        return credential
    if isinstance(credential, type) or not isinstance(credential, TokenCredential):
        raise CredentialError(
            "A credential is an account key, a SAS or an object with get_token, such as "
            f"azure.identity.DefaultAzureCredential(); this is a {type(credential).__name__}."
        )
    if inspect.iscoroutinefunction(credential.get_token):
        raise CredentialError(
            "This credential is asynchronous; use the one of the same name from azure.identity."
        )
    return TokenSource(lambda: credential, type(credential).__name__, id(credential))


def static_token(secret: Secret) -> TokenSource:
    """Return the source of one given bearer token."""
    return TokenSource(lambda: StaticToken(secret), "bearer token", secret)


def default_identity() -> TokenSource:
    """Return azure-identity's DefaultAzureCredential, made when the first token is wanted."""
    return TokenSource(lambda: _make(DEFAULT_IDENTITY), DEFAULT_IDENTITY)


def client_secret_identity(
    *, tenant_id: str, client_id: str, client_secret: Secret, authority: str = ""
) -> TokenSource:
    """Return azure-identity's ClientSecretCredential, made when the first token is wanted.

    Args:
        tenant_id: the directory.
        client_id: the application.
        client_secret: its secret.
        authority: host of the sign-in service, "" for the public cloud's.
    """

    def make() -> TokenCredential:
        return _make(
            "ClientSecretCredential",
            tenant_id=tenant_id,
            client_id=client_id,
            client_secret=client_secret.reveal(),
            **({"authority": authority} if authority else {}),
        )

    same = (tenant_id, client_id, client_secret, authority)
    return TokenSource(make, "ClientSecretCredential", *same)


def _make(name: str, **arguments: str) -> TokenCredential:
    try:
        import azure.identity
    except ImportError:
        raise ConfigurationError(
            "Signing in by Entra ID needs azure-identity: run `pip install adls-magic[identity]`."
        ) from None
    # What it logs where nobody has set up logging would be printed: twenty lines that our own
    # error says in one.
    log = logging.getLogger("azure.identity")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    made: TokenCredential = getattr(azure.identity, name)(**arguments)
    return made


def _facts(token: str, expires_on: int) -> TokenFacts:
    """Read tenant and expiry from the token's claims, which are not encrypted (a JWT)."""
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return TokenFacts(str(claims.get("tid", "")), int(claims.get("exp", expires_on)))
    except (IndexError, ValueError, TypeError, AttributeError, OverflowError, binascii.Error):
        return TokenFacts("", expires_on)
