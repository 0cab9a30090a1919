"""Names and addresses in a lake: what a user writes, as filesystem, path and endpoint, and back.

Pure functions over text: no network, no environment, no state. `endpoints.py` knows the hosts.

Rules of names:
https://learn.microsoft.com/rest/api/storageservices/Naming-and-Referencing-Containers--Blobs--and-Metadata
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import KW_ONLY, dataclass, replace

from adls_magic.core.account.endpoints import (
    check_account,
    endpoint_of,
    host_of,
    is_one_lake,
    is_path_style,
    normalise_endpoint,
    read_endpoint,
    refuse_secret,
    shown,
)
from adls_magic.core.errors import PathError

__all__ = [
    "RemotePath",
    "check_account",
    "check_filesystem",
    "check_path",
    "display_url",
    "endpoint_of",
    "normalise_endpoint",
    "parse_path",
    "quote_path",
]

_FILESYSTEM = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", re.ASCII)
_DOLLAR_FILESYSTEMS = frozenset({"$web", "$root", "$logs"})
_WORKSPACE = re.compile(r"[^/\\@:?#%\x00-\x1f\x7f]{1,256}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_FULL = re.compile(r"(?i)https?://|abfss?://[^/]*@")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Control characters and code points that the service documents as unsafe or refuses.
_BAD_CHARACTER = re.compile("[\x00-\x1f\x7f\x81\ud800-\udfff\ue000-\uf8ff\ufffe\uffff]")
_LONGEST_PATH = 1024  # characters
_MOST_SEGMENTS = 254


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A place in a lake.

    Attributes:
        filesystem: the filesystem (container; in OneLake the workspace).
        path: from the filesystem's root, decoded, no slash at either end; "" is the root.
        is_directory: written with a "/" at the end, or the root.
        endpoint: base URL, only when the text named it in full.
        account: account name, only when the text named it in full.
    """

    filesystem: str
    path: str
    _: KW_ONLY
    is_directory: bool = False
    endpoint: str | None = None
    account: str | None = None

    @property
    def name(self) -> str:
        """The last part of the path, "" for the root."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> RemotePath:
        """The directory that holds it; the root's parent is the root."""
        return replace(self, path=self.path.rpartition("/")[0], is_directory=True)

    def child(self, name: str) -> RemotePath:
        """Return the path of `name` (it may hold slashes; one at the end means a directory)."""
        below = name.strip("/")
        path = f"{self.path}/{below}".strip("/")
        return replace(self, path=path, is_directory=name.endswith("/") or not path)


def parse_path(text: str, *, filesystem: str | None = None, one_lake: bool = False) -> RemotePath:
    """Return the place in a lake that `text` names.

    Args:
        text: `dir/file`, `/dir/file`, `abfss://fs/dir/file`, `abfss://fs@host/dir/file`,
            `https://account.dfs.core.windows.net/fs/dir/file` or
            `http://127.0.0.1:PORT/account/fs/dir/file`. Only the URLs with http are
            percent-decoded, once. Slashes in a row count as one.
        filesystem: the configured one, for text that names none.
        one_lake: the configured account is OneLake, whose workspaces have freer names.

    Raises:
        PathError: the text names no place, names no filesystem when none is configured, or
            holds a credential. A credential is not repeated in the message.
    """
    refuse_secret(text, "The lake path")
    match = _SCHEME.match(text)
    if match is None:
        return _in_filesystem(filesystem, text)
    scheme, rest = match[1].lower(), text[match.end() :]
    if scheme in ("abfs", "abfss"):
        return _parse_abfs(rest, one_lake=one_lake)
    if scheme in ("http", "https"):
        return _parse_url(text)
    raise PathError(
        f"A lake path starts with abfss:// or https://, not {shown(scheme + '://')}: "
        "write abfss://FILESYSTEM/dir/file, or dir/file in the configured filesystem."
    )


def names_endpoint(text: str) -> bool:
    """Tell whether a lake path names its account in full, and not only the filesystem."""
    return _FULL.match(text) is not None


def check_filesystem(name: str, *, one_lake: bool = False) -> str:
    """Return the name of a filesystem, or raise PathError with the rule it breaks.

    Args:
        name: the filesystem, or the workspace when `one_lake`.
        one_lake: workspaces may be called nearly anything, also by their GUID.
    """
    refuse_secret(name, "The filesystem")
    if one_lake:
        if not _WORKSPACE.fullmatch(name) or name != name.strip():
            raise PathError(f"{shown(name)} is no name or GUID of a OneLake workspace.")
    elif name not in _DOLLAR_FILESYSTEMS and not _FILESYSTEM.fullmatch(name):
        raise PathError(
            f"{shown(name)} is no filesystem name: 3 to 63 lower-case letters, digits and single "
            "hyphens, with a letter or digit at both ends."
        )
    return name


def check_path(path: str) -> str:
    """Return a decoded path without slashes at its ends, or raise PathError with the rule.

    Existing files that break a rule can still be listed and read: only what a user writes
    is checked.
    """
    refuse_secret(path, "The lake path")
    path = path.strip("/")
    if len(path) > _LONGEST_PATH:
        raise PathError(f"The path has {len(path)} characters; at most {_LONGEST_PATH} are taken.")
    segments = path.split("/")
    if len(segments) > _MOST_SEGMENTS:
        raise PathError(f"The path is {len(segments)} levels deep; at most {_MOST_SEGMENTS} are.")
    if path:
        for segment in segments:
            _check_segment(segment)
    return path


def quote_path(path: str) -> str:
    """Return a path as it goes on the wire: UTF-8, percent-encoded but for A-Za-z0-9-._~ and /.

    This is the only place that encodes a path, so that what is signed is what is sent.

    Raises:
        PathError: the path holds half of a surrogate pair, which has no bytes.
    """
    try:
        return urllib.parse.quote(path, safe="/~")
    except UnicodeEncodeError:
        raise PathError(
            "The path holds characters that cannot be sent (undecodable bytes)."
        ) from None


def display_url(endpoint: str, remote: RemotePath) -> str:
    """Return the URL of a place as a user reads it and `parse_path` takes it.

    Args:
        endpoint: base URL of the account.
        remote: the place.
    """
    slash = "/" if remote.is_directory and remote.path else ""
    if is_path_style(endpoint):
        where = "/".join(filter(None, (quote_path(remote.filesystem), quote_path(remote.path))))
        return f"{endpoint}/{where}{slash or ('' if remote.path else '/')}"
    return f"abfss://{remote.filesystem}@{host_of(endpoint)}/{remote.path}{slash}"


def _in_filesystem(filesystem: str | None, path: str) -> RemotePath:
    if not filesystem:
        raise PathError(
            "No filesystem is configured: write abfss://FILESYSTEM/dir/file, or set one by "
            "`%adls_config --filesystem NAME`."
        )
    return _place(filesystem, path)


def _place(
    filesystem: str, path: str, *, endpoint: str | None = None, account: str | None = None
) -> RemotePath:
    """Build the value from a decoded path; slashes in a row are one, as in every file system."""
    path = re.sub("/{2,}", "/", path)
    checked = check_path(path)
    return RemotePath(
        filesystem,
        checked,
        is_directory=path.endswith("/") or not checked,
        endpoint=endpoint,
        account=account or None,
    )


def _parse_abfs(rest: str, *, one_lake: bool) -> RemotePath:
    authority, _, path = rest.partition("/")
    filesystem, at, host = authority.rpartition("@")
    if not at:
        return _place(check_filesystem(authority, one_lake=one_lake), path)
    if "." not in host or host.startswith("["):
        raise PathError(
            "After the @ comes the account's whole host: abfss://fs@account.dfs.core.windows.net/. "
            "An emulator is written http://127.0.0.1:PORT/account/fs/."
        )
    found, _ = read_endpoint(f"https://{host}")
    check_filesystem(filesystem, one_lake=is_one_lake(found.url))
    return _place(filesystem, path, endpoint=found.url, account=found.account)


def _parse_url(text: str) -> RemotePath:
    found, rest = read_endpoint(text)
    encoded, _, path = rest.partition("/")
    filesystem = _decode(encoded)
    if not filesystem:
        raise PathError("The URL names no filesystem: it goes on with /FILESYSTEM/dir/file.")
    check_filesystem(filesystem, one_lake=is_one_lake(found.url))
    return _place(filesystem, _decode(path), endpoint=found.url, account=found.account)


def _decode(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise PathError("A % in a URL is followed by two hex digits; a % of the name is %25.")
    try:
        return urllib.parse.unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise PathError("The %-escapes in the URL are not UTF-8.") from None


def _check_segment(segment: str) -> None:
    if not segment:
        raise PathError("The path has two slashes in a row.")
    if segment in (".", ".."):
        raise PathError(
            f"A lake path has no {segment!r} in it; write it from the filesystem's root."
        )
    if "\\" in segment:
        raise PathError(f"{shown(segment)}: folders of a lake path are separated by /, not by \\.")
    if segment.endswith("."):
        raise PathError(f"{shown(segment)} ends in a dot, which the service does not keep.")
    found = _BAD_CHARACTER.search(segment)
    if found is not None:
        raise PathError(
            f"{shown(segment)} holds the character U+{ord(found[0]):04X}, which the service "
            "refuses."
        )
