"""Hosts of the service: which account a URL belongs to, and the base URL of its dfs endpoint.

Pure functions over text. Host forms: public and sovereign clouds, private links, Azure DNS zones,
OneLake, custom domains, and path style for emulators
(https://learn.microsoft.com/azure/storage/common/storage-account-overview).
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from dataclasses import dataclass

from adls_magic.core.errors import ConfigurationError, PathError

PUBLIC_SUFFIX = "core.windows.net"
ONE_LAKE_ACCOUNT = "onelake"
_ONE_LAKE_DOMAIN = ".fabric.microsoft.com"
_STORAGE_DOMAINS = (
    ".core.windows.net",
    ".core.chinacloudapi.cn",
    ".core.usgovcloudapi.net",
    ".storage.azure.net",
)
_OTHER_SERVICES = frozenset({"file", "queue", "table", "web"})
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}", re.ASCII)
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.ASCII
)
_SUFFIX = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+", re.ASCII)
# Names that stand in front of the same account's host; the first one can only be read from.
_READ_ONLY = "-secondary"
_SAME_ACCOUNT = ("-ipv6", "-dualstack")
_SECRET = re.compile(r"(?i)[?&]sig=|AccountKey\s*=|SharedAccessSignature\s*=|[A-Za-z0-9+/]{86}==")
# What keys and signatures consist of, also percent-encoded; with both cases it may be one.
_RUN = re.compile(r"[A-Za-z0-9+/%=_-]{20,}")
_LONGEST_SHOWN = 60  # characters of a name in a message


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A base URL that "/{filesystem}/{path}" is appended to.

    Attributes:
        url: scheme, host and port, in path style also the account; no slash at the end.
        account: name of the account, "" where the host does not tell (a custom domain).
    """

    url: str
    account: str


def shown(text: str) -> str:
    """Return `text` quoted for a message; without it when it is long or may be a secret."""
    mixed = any(run.lower() != run != run.upper() for run in _RUN.findall(text))
    if mixed or len(text) > _LONGEST_SHOWN:
        return f"a name of {len(text)} characters (not shown)"
    return repr(text)


def refuse_secret(text: str, what: str) -> None:
    """Raise PathError when `text` holds what looks like a key, a SAS or a connection string."""
    if _SECRET.search(text):
        raise PathError(
            f"{what} holds what looks like a credential, so it was not used. "
            "Give a key or SAS by `%adls_config --prompt` or the environment, "
            "and the path without it."
        )


def check_account(name: str) -> str:
    """Return the account name, or raise PathError with the rule it breaks."""
    refuse_secret(name, "The account name")
    if not _ACCOUNT.fullmatch(name):
        raise PathError(
            f"{shown(name)} is no storage account name: "
            "3 to 24 characters, only lower-case letters and digits."
        )
    return name


def endpoint_of(account: str, suffix: str = PUBLIC_SUFFIX) -> str:
    """Return the dfs endpoint of an account in the cloud with that suffix.

    Raises:
        PathError: the account name breaks the rules.
        ConfigurationError: the suffix is no host name.
    """
    suffix = suffix.strip().strip(".").lower()
    if not _SUFFIX.fullmatch(suffix):
        raise ConfigurationError(
            "The endpoint suffix must be a domain such as core.windows.net or "
            "core.chinacloudapi.cn."
        )
    return f"https://{check_account(account)}.dfs.{suffix}"


def normalise_endpoint(url: str, *, account: str = "") -> tuple[str, str]:
    """Return the base URL and the account name ("" for a custom domain) of an endpoint.

    `.blob.` becomes `.dfs.`; a missing scheme is https.

    Args:
        url: as written.
        account: for path style, the account when the URL does not go on with it.

    Raises:
        ConfigurationError: it is not an endpoint; the message does not repeat it.
    """
    try:
        full = url if "://" in url else f"https://{url.strip()}"
        endpoint, rest = read_endpoint(full, account=account)
    except PathError as error:
        raise ConfigurationError(str(error)) from None
    if rest:
        raise ConfigurationError(
            "The endpoint has a path behind the account; give the base URL only, such as "
            "https://contoso.dfs.core.windows.net, and the filesystem on its own."
        )
    return endpoint.url, endpoint.account


def host_of(url: str) -> str:
    """Return host and port of a base URL, as written in it."""
    return url.split("://", 1)[-1].split("/", 1)[0]


def is_one_lake(url: str) -> bool:
    """Tell whether a base URL is OneLake's, where other rules of names hold."""
    return host_of(url).split(":", 1)[0].endswith(_ONE_LAKE_DOMAIN)


def is_path_style(url: str) -> bool:
    """Tell whether a base URL ends in the account, as emulators want it."""
    return "/" in url.split("://", 1)[-1]


def is_loopback(url: str) -> bool:
    """Tell whether a base URL leads to this machine, so that plain http shows nothing to others."""
    host = urllib.parse.urlsplit(url).hostname or ""
    address = _ip(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def is_emulator(url: str) -> bool:
    """Tell whether a base URL is an emulator's, whose keys may have any length."""
    return is_path_style(url) or is_loopback(url)


def read_endpoint(url: str, *, account: str = "") -> tuple[Endpoint, str]:
    """Split a URL into its endpoint and the rest of its path, still encoded.

    Args:
        url: with its scheme.
        account: for path style, the account when the URL does not go on with it.

    Raises:
        PathError: the URL cannot be one of the service; the message does not repeat it.
    """
    scheme, host, port, path = _split(url.strip())
    if _wants_path_style(scheme, host, port):
        return _path_style(_base(scheme, host, port), path if path.strip("/") else account)
    dfs_host = ".".join("dfs" if label == "blob" else label for label in _labels(host))
    return Endpoint(_base(scheme, dfs_host, port), _account_in(host)), path.lstrip("/")


def _base(scheme: str, host: str, port: int | None) -> str:
    in_url = f"[{host}]" if ":" in host else host
    return f"{scheme}://{in_url}" + (f":{port}" if port else "")


def _path_style(base: str, path: str) -> tuple[Endpoint, str]:
    account, _, rest = path.lstrip("/").partition("/")
    if not account:
        raise PathError("A path-style URL goes on with the account: http://127.0.0.1:PORT/account.")
    return Endpoint(f"{base}/{check_account(account)}", account), rest.lstrip("/")


def _split(url: str) -> tuple[str, str, int | None, str]:
    """Return scheme, host, port (None for the scheme's own) and path, or raise PathError."""
    if re.search(r"[\x00-\x20\x7f\\]", url.split("://", 1)[-1].split("/", 1)[0]):
        raise PathError("The host of a URL has no blanks, backslashes or control characters.")
    refuse_secret(url, "The URL")
    if "?" in url or "#" in url:
        raise PathError(
            "A URL with a query (?) or fragment (#) is not taken. Give a SAS by "
            "`%adls_config --prompt`, and write ? and # of a name as %3F and %23."
        )
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise PathError("The host or port of the URL cannot be read.") from None
    if "@" in parts.netloc:
        raise PathError("A URL with a user or password in it is not taken.")
    if parts.scheme not in ("http", "https"):
        raise PathError("An endpoint starts with https:// (or http:// for an emulator).")
    if _ip(host) is None and not _HOST.fullmatch(host):
        raise PathError("The URL has no host that could be right.")
    return parts.scheme, host, None if port == _own_port(parts.scheme) else port, parts.path


def _own_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _labels(host: str) -> list[str]:
    return host.split(".")


def _names_service(host: str) -> bool:
    return bool({"dfs", "blob"}.intersection(_labels(host)[1:]))


def _wants_path_style(scheme: str, host: str, port: int | None) -> bool:
    """Emulators: an address, a bare name (localhost, a container's), or a port of its own."""
    if _ip(host) is not None:
        return True
    if _names_service(host):
        return False
    return "." not in host or port is not None or scheme == "http"


def _account_in(host: str) -> str:
    """Return the account that a virtual host names, "" for a custom domain."""
    if host.endswith(_ONE_LAKE_DOMAIN):
        return ONE_LAKE_ACCOUNT
    first = _labels(host)[0]
    if not _names_service(host):
        _refuse_other_service(host)
        return ""
    if first.endswith(_READ_ONLY):
        raise PathError(
            "This is the account's secondary host, which can only be read from; "
            f"write its name without {_READ_ONLY}."
        )
    for ending in _SAME_ACCOUNT:
        first = first.removesuffix(ending)
    return check_account(first)


def _refuse_other_service(host: str) -> None:
    """Name the mistake when the host is the same account's, but for files, queues or tables."""
    other = _OTHER_SERVICES.intersection(_labels(host)[1:])
    if other and host.endswith(_STORAGE_DOMAINS):
        raise PathError(
            f"This is the account's .{min(other)}. endpoint; the lake is at its .dfs. endpoint."
        )
