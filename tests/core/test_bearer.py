"""Tokens of Entra ID: fetched once, renewed in time, asked for again as the service wants it.

Whole uploads go through `Gate`, which takes bearer tokens in front of a lake that knows keys only.
"""

# ruff: noqa: SIM117 - what is expected to fail stands by itself
from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.account.connect import connect
from adls_magic.core.errors import ConfigurationError, CredentialError, PermissionDeniedError
from adls_magic.core.service import bearer as bearer_module
from adls_magic.core.service.bearer import Bearer
from adls_magic.core.service.client import Client
from adls_magic.core.service.credential import Sas, SharedKey
from adls_magic.core.transfer.upload import UploadJob, UploadOptions, UploadResult, upload_all
from adls_magic.lake import LocalLake

from .conftest import KEY, QUICK, lake_port
from .servers import Between, Fault, Forwarded, error

CHUNK = 1000
NAME = "devstoreaccount1"
TENANT = "11111111-2222-3333-4444-555555555555"
CHALLENGE = (
    f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}/oauth2/authorize "
    "resource_id=https://storage.azure.com"
)


class Gate(Between):
    """Takes the bearer tokens that `accepts` says, and signs with the lake's key behind."""

    def __init__(self, backend: int, accepts: Callable[[str], bool]) -> None:
        super().__init__(backend, self._judge)
        self.accepts = accepts
        self.tokens: list[str] = []
        self.refused: list[str] = []
        self.patches = 0
        self.on_patch: Callable[[], None] = lambda: None

    def _judge(self, got: Forwarded) -> Fault | None:
        kind, _, token = (got.header("authorization") or "").partition(" ")
        with self._lock:
            self.tokens.append(token)
            good = kind == "Bearer" and self.accepts(token)
            if not good:
                self.refused.append(token)
                header = {"WWW_Authenticate": CHALLENGE}
                return Fault(instead=error(401, "InvalidAuthenticationInfo", **header))
            self.patches += got.method == "PATCH"
            if got.method == "PATCH":
                self.on_patch()
        return None

    def _pass_on(self, wire, behind, stream, line: bytes, got: Forwarded, fault: Fault) -> bool:
        plain = {name.decode(): value.decode("latin-1") for name, value in got.headers}
        plain.pop("Authorization", None)
        SharedKey(NAME, KEY).apply(got.method, got.target, plain)
        got.headers = [(name.encode(), value.encode("latin-1")) for name, value in plain.items()]
        return super()._pass_on(wire, behind, stream, line, got, fault)


@pytest.fixture
def gate(lake: LocalLake) -> Iterator[Gate]:
    with Gate(lake_port(lake), lambda token: True) as running:
        yield running


def account_behind(gate: Gate, credential: object) -> Account:
    endpoint = f"http://127.0.0.1:{gate.port}/{NAME}"
    return connect(NAME, endpoint=endpoint, credential=credential, filesystem="lake")


def send(account: Account, place: RemotePath, chunks: int = 12) -> UploadResult:
    job = UploadJob(os.urandom(chunks * CHUNK), place.child("x.bin"))
    options = UploadOptions(chunk_size=CHUNK, workers=2)
    return upload_all(account, [job], options, progress=False)[0]


class Source:
    def __init__(self, life: float = 3600, token: str = "made.up.token") -> None:
        self.calls: list[tuple[str, ...]] = []
        self.life, self.token = life, token

    def get_token(self, *scopes: str, **options: object) -> SimpleNamespace:
        self.calls.append(scopes)
        time.sleep(0.01)
        return SimpleNamespace(token=self.token, expires_on=int(time.time() + self.life))


def test_a_token_is_fetched_once_for_all_threads():
    source = Source()
    bearer, seen = Bearer(source), []

    def use() -> None:
        headers: dict[str, str] = {}
        assert bearer.apply("GET", "/fs/x", headers) == "/fs/x"
        seen.append(headers["Authorization"])

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["Bearer made.up.token"] * 8
    assert source.calls == [("https://storage.azure.com/.default",)]


def test_a_token_near_its_end_is_fetched_again():
    source = Source(life=60)
    bearer = Bearer(source)
    bearer.apply("GET", "/", {})
    bearer.apply("GET", "/", {})
    assert len(source.calls) == 2


def test_a_refused_token_is_fetched_again():
    source = Source()
    bearer = Bearer(source)
    bearer.apply("GET", "/", {})
    assert bearer.renew()
    bearer.apply("GET", "/", {})
    assert len(source.calls) == 2
    assert not SharedKey("contoso", KEY).renew() and not Sas("sig=x").renew()


@pytest.mark.parametrize("failure", [RuntimeError("no login\nmore"), KeyError(), ValueError("")])
def test_a_source_that_fails_is_our_own_error(failure: Exception):
    class Broken:
        def get_token(self, *scopes: str) -> None:
            raise failure

    with pytest.raises(CredentialError, match="No token could be had") as caught:
        Bearer(Broken()).apply("GET", "/", {})
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------- whole uploads


class Clock:
    """The time that `Bearer` sees, and tokens that live for an hour of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000.0
        self.issued = 0
        monkeypatch.setattr(bearer_module, "time", SimpleNamespace(time=lambda: self.now))

    def get_token(self, *scopes: str, **options: object) -> SimpleNamespace:
        self.issued += 1
        end = int(self.now) + 3600
        return SimpleNamespace(token=f"token.{self.issued}.{end}", expires_on=end)

    def is_good(self, token: str) -> bool:
        return float(token.rpartition(".")[2]) > self.now


def test_tokens_are_renewed_in_the_middle_of_an_upload_of_hours(
    gate: Gate, place: RemotePath, monkeypatch: pytest.MonkeyPatch
):
    clock = Clock(monkeypatch)
    gate.accepts = clock.is_good

    def a_minute_passes() -> None:
        clock.now += 60

    gate.on_patch = a_minute_passes
    result = send(account_behind(gate, clock), place, 130)
    assert result.size == 130 * CHUNK
    assert gate.refused == []
    assert clock.issued == 3  # two hours and some minutes


def test_a_renewal_that_fails_in_good_time_harms_nothing(
    gate: Gate, place: RemotePath, monkeypatch: pytest.MonkeyPatch
):
    clock = Clock(monkeypatch)
    gate.accepts = clock.is_good

    def twenty_seconds_pass() -> None:
        clock.now += 20

    class Flaky(Clock):
        def __init__(self) -> None:
            self.asked = 0

        def get_token(self, *scopes: str, **options: object) -> SimpleNamespace:
            self.asked += 1
            if self.asked in (2, 3):
                raise OSError("the sign-in service is away")
            token = clock.get_token()
            if self.asked == 1:
                token.expires_on -= 3360  # 240 seconds are left: time to renew
            return token

    flaky = Flaky()
    gate.on_patch = twenty_seconds_pass
    assert send(account_behind(gate, flaky), place, 8).size == 8 * CHUNK
    assert flaky.asked == 4


def test_a_token_that_runs_out_and_is_not_renewed_is_an_error(monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch)

    class Once:
        def get_token(self, *scopes: str) -> SimpleNamespace:
            if clock.issued:
                raise OSError("the sign-in service is away")
            return clock.get_token()

    bearer = Bearer(Once())
    bearer.apply("GET", "/", {})
    clock.now += 3400
    bearer.apply("GET", "/", {})
    clock.now += 195
    with pytest.raises(CredentialError, match="No token could be had from Once: the sign-in"):
        bearer.apply("GET", "/", {})


def test_a_refused_token_is_asked_for_once_more_in_the_accounts_tenant(
    gate: Gate, place: RemotePath
):
    """azure-identity gives a token that it has kept again, unless it is told of the tenant."""

    class Kept:
        def __init__(self) -> None:
            self.options: list[dict[str, object]] = []

        def get_token(self, *scopes: str, **options: object) -> SimpleNamespace:
            self.options.append(options)
            token = f"of-{options.get('tenant_id', 'home')}"
            return SimpleNamespace(token=token, expires_on=time.time() + 3600)

    kept = Kept()
    gate.accepts = lambda token: token == f"of-{TENANT}"
    assert send(account_behind(gate, kept), place).size == 12 * CHUNK
    assert kept.options == [{}, {"tenant_id": TENANT}]
    assert gate.refused == ["of-home"]


def test_a_credential_that_takes_the_scope_only_is_asked_for_that(gate: Gate, place: RemotePath):
    class Plain:
        calls = 0

        def get_token(self, scope: str) -> SimpleNamespace:
            self.calls += 1
            return SimpleNamespace(token=f"t{self.calls}", expires_on=time.time() + 3600)

    gate.accepts = lambda token: token != "t1"
    assert send(account_behind(gate, Plain()), place).size == 12 * CHUNK
    assert gate.refused == ["t1"]


def test_a_token_refused_to_many_threads_is_fetched_again_once():
    source = Source()
    bearer = Bearer(source)
    start = threading.Barrier(6)

    def use() -> None:
        bearer.apply("GET", "/", {})
        start.wait(60)
        bearer.renew(CHALLENGE)
        bearer.apply("GET", "/", {})

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(source.calls) == 2


CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'
ENCODED = base64.b64encode(CLAIMS.encode()).decode()


@pytest.mark.parametrize(
    ("challenge", "options"),
    [
        (None, {}),
        ("", {}),
        ("Bearer resource_id=https://storage.azure.com", {}),
        (CHALLENGE, {"tenant_id": TENANT}),
        (f'Bearer authorization_uri="https://login.example/{TENANT}"', {"tenant_id": TENANT}),
        ("Bearer authorization_uri=https://login.example/a;b/oauth2", {}),
        (f'Bearer error="insufficient_claims", claims="{ENCODED}"', {"claims": CLAIMS}),
        ('Bearer claims="@@@"', {}),
        ('Bearer claims="////"', {}),
    ],
)
def test_what_a_challenge_asks_for(challenge: str | None, options: dict[str, str]):
    asked = []

    class Asked(Source):
        def get_token(self, *scopes: str, **given: object) -> SimpleNamespace:
            asked.append(given)
            return super().get_token(*scopes)

    bearer = Bearer(Asked())
    bearer.apply("GET", "/", {})
    bearer.renew(challenge)
    bearer.apply("GET", "/", {})
    assert asked == [{}, options]


# ------------------------------------------------------------------------------ azure-identity

NOT_BY = (
    *("environment", "workload_identity", "managed_identity", "shared_token_cache"),
    *("visual_studio_code", "developer_cli", "powershell", "broker", "cli"),
)


def default_credential(*, but: str):
    """azure-identity's own chain with one way in only, so that nobody is asked on a network."""
    from azure import identity

    left_out = {f"exclude_{name}_credential": True for name in NOT_BY if name != but}
    return identity.DefaultAzureCredential(**left_out)


def test_nobody_signed_in_is_told_in_a_sentence(gate: Gate):
    account = account_behind(gate, default_credential(but="environment"))
    with Client(account, policy=QUICK) as client:
        with pytest.raises(CredentialError, match=r"nobody is signed in here\. Run `az login`"):
            client.find(RemotePath("lake", "x"))
    assert gate.tokens == []


def test_what_azure_identity_logs_is_not_printed():
    """Only where nobody has set up logging: Python would print it, twenty lines of it."""
    code = (
        "from azure.identity import DefaultAzureCredential as Real; import azure.identity\n"
        f"left_out = {{f'exclude_{{n}}_credential': True for n in {NOT_BY[1:]}}}\n"
        "azure.identity.DefaultAzureCredential = lambda: Real(**left_out)\n"
        "from adls_magic.core.account.identity import default_identity\n"
        "from adls_magic.core.service.bearer import Bearer\n"
        "try: Bearer(default_identity()).apply('GET', '/', {})\n"
        "except Exception as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("No token could be had from DefaultAzureCredential: nobody")
    assert done.stderr == ""


def test_a_missing_package_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    account = connect("contoso", auth="identity")
    with Client(account, policy=QUICK) as client:
        with pytest.raises(ConfigurationError, match=r"pip install adls-magic\[identity\]"):
            client.find(RemotePath("lake", "x"))


def test_a_word_of_entra_id_is_passed_on():
    class Broken:
        def get_token(self, *scopes: str) -> None:
            raise RuntimeError(
                "DefaultAzureCredential failed to retrieve a token from the included credentials."
                "\nAttempted credentials:\n\tEnvironmentCredential: Authentication failed: "
                "AADSTS7000215: Invalid client secret provided."
            )

    with pytest.raises(CredentialError, match="AADSTS7000215: Invalid client secret"):
        Bearer(Broken()).apply("GET", "/", {})


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `az` that gives tokens and notes what it was asked; the folder of its notes."""
    if sys.platform == "win32":
        pytest.skip("the made-up az is a shell script")
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "az"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib, sys, time\n"
        f"notes = pathlib.Path({str(tmp_path / 'asked')!r})\n"
        "with notes.open('a') as out: print(*sys.argv[1:], file=out)\n"
        "number = len(notes.read_text().splitlines())\n"
        "end = time.strftime('%Y-%m-%d %H:%M:%S.000000', time.localtime(time.time() + 3000))\n"
        "print(json.dumps({'accessToken': f'az-token-{number}', 'expiresOn': end,\n"
        "                  'expires_on': int(time.time()) + 3000, 'tenant': 't'}))\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "asked"


def test_az_login_by_azure_identity(gate: Gate, place: RemotePath, az: Path):
    """A real credential of azure-identity, which asks `az`, here with a made-up one behind it."""
    account = account_behind(gate, default_credential(but="cli"))
    assert send(account, place).size == 12 * CHUNK
    assert set(gate.tokens) == {"az-token-1"}
    (asked,) = az.read_text().splitlines()
    assert "https://storage.azure.com" in asked
    text = account.describe()
    assert "Entra ID, DefaultAzureCredential" in text
    assert "expires in 4" in text  # minutes
    assert "az-token" not in text


def test_az_is_asked_for_the_accounts_tenant_after_a_refusal(
    gate: Gate, place: RemotePath, az: Path
):
    gate.accepts = lambda token: token != "az-token-1"
    assert send(account_behind(gate, default_credential(but="cli")), place).size == 12 * CHUNK
    first, second = az.read_text().splitlines()
    assert "--tenant" not in first
    assert f"--tenant {TENANT}" in second
    assert set(gate.refused) == {"az-token-1"}


def test_a_token_refused_twice_is_told(gate: Gate, place: RemotePath, az: Path):
    gate.accepts = lambda token: False
    with pytest.raises(PermissionDeniedError, match=r"sign in again \(az login\)") as caught:
        send(account_behind(gate, default_credential(but="cli")), place)
    assert caught.value.status == 401
    assert len(gate.refused) == 2
    assert "az-token" not in str(caught.value)
