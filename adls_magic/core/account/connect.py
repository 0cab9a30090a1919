"""`adls.connect`: an account from Python, in the names of this package and of adlfs."""

from __future__ import annotations

from typing import Any

from adls_magic.core.account.account import Account
from adls_magic.core.account.options import AccountOptions
from adls_magic.core.account.pasted import as_secret
from adls_magic.core.account.resolve import resolve
from adls_magic.core.secret import Secret


def connect(
    account: str | None = None,
    *,
    account_name: str | None = None,
    filesystem: str | None = None,
    endpoint: str | None = None,
    account_key: str | Secret | None = None,
    sas_token: str | Secret | None = None,
    connection_string: str | Secret | None = None,
    credential: Any = None,
    profile: str | None = None,
    auth: str = "auto",
    anon: bool | None = None,
    account_host: str | None = None,
    client_id: str | None = None,
    client_secret: str | Secret | None = None,
    tenant_id: str | None = None,
    origin: str = "argument ",
) -> Account:
    """Return the account to read and write; asks no service.

    What is not said here is looked for where the magics look: `%adls_config`, environment,
    profiles, az CLI's config file. A credential found there is only used for its own account.

        connect("contoso", filesystem="raw")            # key from environment, profile or key ring
        connect("contoso", credential=DefaultAzureCredential())
        connect(connection_string="DefaultEndpointsProtocol=https;AccountName=…")
        connect(sas_token="https://contoso.dfs.core.windows.net/raw?sv=…")

    Args:
        account: name of the storage account, or its base URL.
        account_name: the same, as adlfs calls it.
        filesystem: the one that relative paths are in.
        endpoint: base URL that `/{filesystem}/{path}` is appended to, for private links,
            sovereign clouds, OneLake and emulators.
        account_key: account key.
        sas_token: SAS with or without "?", or a whole URL with one.
        connection_string: connection string.
        credential: a key, a SAS, or any object with `get_token`.
        profile: name of a profile in the config file.
        auth: "auto", "key", "sas", "connection-string", "identity" (azure-identity's
            DefaultAzureCredential) or "anonymous".
        anon: True for public access.
        account_host: the host, as adlfs calls it.
        client_id: of a service principal, with `client_secret` and `tenant_id`.
        client_secret: its secret.
        tenant_id: its directory.
        origin: what stands before an argument's name where messages and `describe` name it.

    Raises:
        ConfigurationError: something is missing, wrong or contradictory.
        CredentialError: a key, SAS or connection string cannot be right, or has expired.
    """
    accounts = (("account", account), ("account_name", account_name))
    hosts = (("endpoint", endpoint), ("account_host", account_host))
    options = AccountOptions(
        accounts=tuple((name, value) for name, value in accounts if value is not None),
        endpoints=tuple((name, value) for name, value in hosts if value is not None),
        filesystem=filesystem,
        auth=auth,
        account_key=_secret(account_key, f"{origin}account_key"),
        sas_token=_secret(sas_token, f"{origin}sas_token"),
        connection_string=_secret(connection_string, f"{origin}connection_string"),
        credential=credential,
        client_id=client_id,
        client_secret=_secret(client_secret, f"{origin}client_secret"),
        tenant_id=tenant_id,
        anon=anon,
        prefix=origin,
    )
    return resolve(options=options, profile=profile)


def _secret(given: str | Secret | None, origin: str) -> Secret | None:
    if given is None or isinstance(given, Secret):
        return given
    return as_secret(str(given), origin=origin)
