"""For every test of the core: a clean environment, and no thread or socket left behind."""

from __future__ import annotations

import contextlib
import datetime
import gc
import ipaddress
import os
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from patience import PATIENCE, wait_until

from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.secret import Secret
from adls_magic.core.service.client import Client
from adls_magic.core.service.retry import RetryPolicy
from adls_magic.lake import LocalLake

from .servers import Answering, Between, RawServer

# Made up; 64 bytes, as a real one.
KEY = (
    "bWFkZSB1cCBrZXkgb2Ygc2l4dHktZm91ciBieXRl"
    "cyBmb3IgdGhlIHRlc3RzIG9mIHRoZSBjb3JlIC0gbm8gc2VjcmV0IQ=="
)
QUICK = RetryPolicy(tries=4, first_wait=0.01, longest_wait=0.02, patience=PATIENCE)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AZURE_", "ADLS_MAGIC")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "TQDM_DISABLE"):
        monkeypatch.delenv(name, raising=False)


def _threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def _sockets() -> set[str]:
    """The inodes of all open sockets of this process; empty where there is no /proc."""
    if sys.platform != "linux":
        return set()
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            target = str(entry.readlink())
            if target.startswith("socket:"):
                found.add(target)
    return found


@pytest.fixture(autouse=True)
def nothing_is_left(clean_environment: None) -> Iterator[None]:
    threads, sockets = _threads(), _sockets()
    yield

    def is_left() -> bool:
        return bool(_threads() - threads or _sockets() - sockets)

    deadline = time.monotonic() + 2  # the lake's own side of a closed connection ends a bit later
    while is_left() and time.monotonic() < deadline:
        time.sleep(0.01)
    if _sockets() - sockets:
        gc.collect()  # only then: it takes longer than most tests here
    with contextlib.suppress(AssertionError):  # said better below
        wait_until(lambda: not is_left())
    assert not _threads() - threads, "threads are left"
    assert not _sockets() - sockets, "sockets are left"


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLake]:
    with LocalLake(tmp_path_factory.mktemp("lake"), key=KEY) as started:
        yield started


@pytest.fixture
def place(lake: LocalLake, request: pytest.FixtureRequest) -> RemotePath:
    """A directory of the lake that no other test uses."""
    global _places
    _places += 1
    return RemotePath("lake", f"t{_places}", is_directory=True)


_places = 0


@pytest.fixture
def client(lake: LocalLake) -> Iterator[Client]:
    with Client(lake.account, policy=QUICK) as opened:
        yield opened


@pytest.fixture
def names_in(client: Client, place: RemotePath) -> Callable[[], list[str]]:
    """List what is in the test's directory, by name."""

    def names() -> list[str]:
        if client.find(place) is None:
            return []
        return sorted(item.name.removeprefix(place.path + "/") for item in client.list(place))

    return names


@pytest.fixture
def between(lake: LocalLake) -> Iterator[Between]:
    """A server in front of the lake, where faults are made."""
    with Between(lake_port(lake)) as server:
        yield server


def lake_port(lake: LocalLake) -> int:
    return int(lake.url.rpartition(":")[2].partition("/")[0])


def account_at(port: int, *, name: str = "devstoreaccount1", auth: str = "key") -> Account:
    """An account whose endpoint is a server of the tests, in path style."""
    secret = Secret(KEY) if auth == "key" else None
    return Account(name, f"http://127.0.0.1:{port}/{name}", auth=auth, secret=secret)


@pytest.fixture
def serve() -> Iterator[Callable[[Answering], RawServer]]:
    """Start raw servers that end with the test."""
    started: list[RawServer] = []

    def start(answering: Answering) -> RawServer:
        started.append(RawServer(answering))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> RetryPolicy:
    """Let uploads give up as soon as `QUICK` says."""
    monkeypatch.setattr("adls_magic.core.service.calls.RetryPolicy", lambda **given: QUICK)
    return QUICK


class Clock(threading.Event):
    """A client's stop and its clock: waits are noted and take no time but by this clock."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        return self.is_set()

    def monotonic(self) -> float:
        return sum(self.waits)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("adls_magic.core.service.exchange.time", made)
    return made


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for the names below, and the file that makes it trusted."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "made up")])
    now = datetime.datetime.now(datetime.UTC)
    names = [
        x509.DNSName("contoso.dfs.core.windows.net"),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    trusted, private = folder / "cert.pem", folder / "key.pem"
    trusted.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted
