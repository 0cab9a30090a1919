"""Who and where: accounts, addresses, and the places that they come from."""

from adls_magic.core.account.account import AUTH_KINDS, Account, Auth

__all__ = ["AUTH_KINDS", "Account", "Auth"]
