"""Who and where: accounts, addresses, and the places that they come from."""

from adls_magic.core.account.account import Account, Auth

__all__ = ["Account", "Auth"]
