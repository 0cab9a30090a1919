"""The calls that take and give back a lease: the right to be the only one who changes a file.

Whoever holds a lease names it by an id of their own in every write; writes without it are
refused. A lease of a fixed time ends by itself unless it is renewed.
"""

from __future__ import annotations

from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.calls import Calls


class LeaseCalls(Calls):
    """The lease operations of the dfs endpoint.

    https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/lease
    """

    def acquire_lease(self, remote: RemotePath, lease_id: str, *, seconds: int) -> None:
        """Take the lease on a file for so many seconds (15 to 60).

        Harmless to repeat: who holds the lease with this id already only has it for longer.

        Raises:
            ConflictError: somebody else holds it (code `LeaseAlreadyPresent`).
            PathNotFoundError: there is no such file.
        """
        headers = {"x-ms-proposed-lease-id": lease_id, "x-ms-lease-duration": str(seconds)}
        self._lease("acquire", remote, headers, 201)

    def renew_lease(self, remote: RemotePath, lease_id: str) -> None:
        """Let one's lease last its whole time again.

        Also when its time is over, as long as nobody has leased or changed the file since.

        Raises:
            ConflictError: it is not ours any more.
        """
        self._lease("renew", remote, {"x-ms-lease-id": lease_id}, 200)

    def release_lease(self, remote: RemotePath, lease_id: str) -> None:
        """Give one's lease back, so that the next can have it at once.

        Raises:
            ConflictError: it was not ours any more.
        """
        self._lease("release", remote, {"x-ms-lease-id": lease_id}, 200)

    def _lease(self, action: str, remote: RemotePath, headers: dict[str, str], status: int) -> None:
        answer, lost = self.call("POST", remote, "", {"x-ms-lease-action": action, **headers})
        if action == "release" and lost and answer.status in (404, 409):
            return  # the first try has released it
        self.check(answer, (status,), f"{action} the lease on", remote)
