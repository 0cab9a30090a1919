"""What an operation gets: the store, the request, and what the caller is allowed to do."""

from __future__ import annotations

from dataclasses import dataclass

from adls_magic.lake import volumes
from adls_magic.lake.access import Keyring
from adls_magic.lake.answers import Refusal, http_date, wrong_query
from adls_magic.lake.entries import Entry, Filesystem, seconds
from adls_magic.lake.locks import Key
from adls_magic.lake.request import Request, decimal
from adls_magic.lake.sas import Grant
from adls_magic.lake.store import Store

_FARTHEST = 209_715_200 * 1024 * 1024  # bytes: 50,000 pieces of 4,000 MiB


@dataclass(frozen=True, slots=True)
class Context:
    """One request on its way through the operations.

    Attributes:
        store: the lake's content.
        request: what is asked.
        grant: what the caller may do.
        keyring: the account, to check a second token in a header.
        key: filesystem and path; "" for what is not there.
        version: the x-ms-version to act by.
        buffer: the connection's own, for the body.
    """

    store: Store
    request: Request
    grant: Grant
    keyring: Keyring
    key: Key
    version: str
    buffer: bytearray

    def flag(self, name: str) -> bool:
        """Return a query parameter that is `true` or `false`.

        Raises:
            Refusal: anything else.
        """
        text = self.request.query.get(name, "false").lower()
        if text not in ("true", "false"):
            raise wrong_query(name, text)
        return text == "true"

    def position(self) -> int:
        """Return the query parameter `position`, in bytes.

        Raises:
            Refusal: missing, no number, or beyond the largest file.
        """
        text = self.request.query.get("position")
        if text is None:
            raise Refusal(
                "MissingRequiredQueryParameter", detail={"QueryParameterName": "position"}
            )
        position = decimal(text)
        if position is None:
            raise wrong_query("position", text)
        if position > _FARTHEST:
            detail = {"QueryParameterName": "position", "QueryParameterValue": text}
            raise Refusal("OutOfRangeQueryParameterValue", detail=detail)
        return position

    def require_length(self) -> int:
        """Return the body's length; PUT and PATCH must say it.

        Raises:
            Refusal: `MissingContentLengthHeader`.
        """
        if "content-length" not in self.request.headers:
            raise Refusal("MissingContentLengthHeader")
        return self.request.body.length

    def require_no_body(self) -> None:
        """Refuse a body where none belongs.

        Raises:
            Refusal: `MissingContentLengthHeader`, `ContentLengthMustBeZero`.
        """
        if self.require_length():
            raise Refusal("ContentLengthMustBeZero")

    def filesystem(self) -> Filesystem:
        """Return the filesystem that the request names.

        Raises:
            Refusal: `FilesystemNotFound`.
        """
        return volumes.require(self.store, self.key[0])

    def file(self) -> Entry:
        """Return the file that the request names.

        Raises:
            Refusal: there is none, or it is a directory.
        """
        self.filesystem()
        entry = self.store.find(self.key)
        if entry is None:
            raise Refusal("PathNotFound")
        if entry.is_directory:
            raise Refusal("ResourceTypeMismatch")
        return entry


def version_headers(entry: Entry) -> dict[str, str]:
    """Return ETag and Last-Modified."""
    return {"ETag": f'"{entry.etag}"', "Last-Modified": http_date(seconds(entry.modified))}
