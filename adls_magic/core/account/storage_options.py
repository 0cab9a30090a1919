"""An account in the words of adlfs, for pandas, polars, dask and pyarrow.

https://github.com/fsspec/adlfs#readme lists the keys. adlfs talks to the blob endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adls_magic.core.account.endpoints import endpoint_of, host_of, is_path_style
from adls_magic.core.account.identity import AsyncCredential

if TYPE_CHECKING:
    from adls_magic.core.account.account import Account


def storage_options(account: Account) -> dict[str, Any]:
    """Return what adlfs needs to reach the account. The secret is in it, in plain text."""
    if is_path_style(account.endpoint):
        return {"connection_string": _connection_string(account)}
    options: dict[str, Any] = {"account_name": account.name, **_credential(account)}
    if account.endpoint != endpoint_of(account.name):
        options["account_host"] = host_of(account.endpoint).replace(".dfs.", ".blob.", 1)
    return options


def _credential(account: Account) -> dict[str, Any]:
    if account.token_source is not None:
        # adlfs builds azure-identity's default by itself, with its own asynchronous classes.
        source = account.token_source
        return {"anon": False} if source.lasting else {"credential": AsyncCredential(source)}
    if account.secret is None:
        return {"anon": True}
    name = "account_key" if account.auth == "key" else "sas_token"
    return {name: account.secret.reveal()}


def _connection_string(account: Account) -> str:
    """Return the only form in which adlfs takes a path-style endpoint."""
    fields = {
        "DefaultEndpointsProtocol": account.endpoint.split(":", 1)[0],
        "AccountName": account.name,
        "BlobEndpoint": account.endpoint,
    }
    if account.secret is not None:
        name = "AccountKey" if account.auth == "key" else "SharedAccessSignature"
        fields[name] = account.secret.reveal()
    return ";".join(f"{name}={value}" for name, value in fields.items())
