"""Who and where: an account with its endpoint and credential, as a value. No network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NoReturn

from adls_magic.core.account import endpoints
from adls_magic.core.account.address import check_filesystem
from adls_magic.core.account.description import describe
from adls_magic.core.account.identity import TokenSource, token_source
from adls_magic.core.account.storage_options import storage_options
from adls_magic.core.errors import ConfigurationError
from adls_magic.core.secret import Secret

Auth = Literal["key", "sas", "identity", "anonymous"]
# How a user names a kind of credential; and for those that are a secret, the name of the secret as
# a profile, `connect` and adlfs's storage_options have it.
SECRET_NAMES = {"key": "account_key", "sas": "sas_token", "connection-string": "connection_string"}
AUTHS = ("auto", *SECRET_NAMES, "identity", "anonymous")
_NEEDS = {
    "key": "its key as `secret` and no `token_source`",
    "sas": "its SAS as `secret` and no `token_source`",
    "identity": "a `token_source` and no `secret`",
    "anonymous": "neither `secret` nor `token_source`",
}


@dataclass(frozen=True, slots=True, repr=False)
class Account:
    """A storage account that can be written to. A value: compare and copy it freely.

    It is not pickled or stored, as it holds a credential; hand `storage_options` to other
    libraries instead.

    Attributes:
        name: account name; for OneLake "onelake".
        endpoint: base URL that "/{filesystem}/{path}" is appended to, without slash at the end.
        auth: kind of credential.
        secret: the account key (base64) or the SAS (without "?"); None for other kinds.
        token_source: gives bearer tokens by `get_token` (any object that has it is wrapped);
            None unless `auth` is "identity".
        filesystem: the one that relative paths are in.
        origins: where each value came from, in words, by name of the value.
    """

    name: str
    endpoint: str
    auth: Auth = field(kw_only=True)
    secret: Secret | None = field(default=None, kw_only=True)
    token_source: TokenSource | None = field(default=None, kw_only=True)
    filesystem: str | None = field(default=None, kw_only=True)
    origins: Mapping[str, str] = field(default_factory=dict, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        """Refuse what must never be sent.

        Raises:
            ConfigurationError: a credential would go over plain http to another machine, or
                the credential does not fit `auth`.
        """
        object.__setattr__(self, "origins", dict(self.origins))
        if self.token_source is not None:
            object.__setattr__(self, "token_source", token_source(self.token_source))
        if self.auth not in _NEEDS:
            raise ConfigurationError(f"auth of an Account must be one of {', '.join(_NEEDS)}.")
        has_secret, has_source = self.secret is not None, self.token_source is not None
        wanted = (self.auth in ("key", "sas"), self.auth == "identity")
        if (has_secret, has_source) != wanted:
            raise ConfigurationError(
                f"An Account with auth {self.auth!r} needs {_NEEDS[self.auth]}; connect() makes "
                "one from whatever you have."
            )
        if self.auth != "anonymous":
            _refuse_plain_http(self.endpoint)

    def __repr__(self) -> str:
        where = f", filesystem={self.filesystem!r}" if self.filesystem else ""
        return f"Account({self.name!r}, {self.endpoint!r}{where}, auth={self.auth!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an account of adls_magic is not pickled or stored, as it holds a credential; "
            "connect again, or pass account.storage_options on"
        )

    def __copy__(self) -> Account:
        return self

    def __deepcopy__(self, memo: object) -> Account:
        return self

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show the long form as a cell's result in IPython."""
        printer.text(self.describe())

    @property
    def storage_options(self) -> dict[str, Any]:
        """The dict that adlfs, and through it pandas, polars and dask, understand.

        This is the only place that hands the secret out: do not print it.
        """
        return storage_options(self)

    def describe(self) -> str:
        """Return a line for each value with where it came from; no secret.

        For a SAS also what it permits and when it expires; for Entra ID tenant and expiry of
        the token, once there was one.
        """
        return describe(self)

    def with_filesystem(self, name: str, *, origin: str = "argument filesystem") -> Account:
        """Return the same account with another filesystem for relative paths.

        Args:
            name: of the filesystem.
            origin: where the name came from, for `describe`.

        Raises:
            PathError: the name breaks the service's rules.
        """
        check_filesystem(name, one_lake=endpoints.is_one_lake(self.endpoint))
        return replace(self, filesystem=name, origins={**self.origins, "filesystem": origin})


def _refuse_plain_http(endpoint: str) -> None:
    if not endpoint.startswith("https://") and not endpoints.is_loopback(endpoint):
        raise ConfigurationError(
            f"{endpoint} is plain http: a credential is only sent over https, "
            "or to an emulator on this machine."
        )
