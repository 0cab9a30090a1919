"""The account as a value: compared, copied, described – and never giving its secret away."""

from __future__ import annotations

import atexit
import base64
import copy
import dataclasses
import json
import pickle
import subprocess
import sys
import threading
import urllib.parse
from datetime import UTC, datetime, timedelta

import pytest

from adls_magic.core.account import Account, session
from adls_magic.core.account.connect import connect
from adls_magic.core.account.description import describe
from adls_magic.core.account.identity import StaticToken, Token, default_identity, static_token
from adls_magic.core.errors import ConfigurationError, CredentialError, PathError
from adls_magic.core.secret import Secret

from .made_up import KEY, OTHER_KEY, SAS, sas

CONTOSO = "https://contoso.dfs.core.windows.net"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def forms(secret: str) -> list[str]:
    """The shapes in which a secret could turn up."""
    return [
        secret,
        urllib.parse.quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode()[:40],
        secret[::-1],
        repr(secret.encode())[2:-1],
    ]


def holds(text: str, secret: str) -> bool:
    return any(form in text for form in forms(secret))


def jwt(**claims) -> str:
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}.c2lnbmF0dXJl"


class Signer:
    """A credential as azure-identity's are, with a token of its own."""

    def __init__(self, token: str = "t", life: int = 3600):
        self.token, self.life, self.scopes = token, life, []

    def get_token(self, *scopes, **options):
        self.scopes.append(scopes)
        return Token(self.token, int(NOW.timestamp()) + self.life)


ACCOUNTS = {
    "key": lambda: (connect("contoso", account_key=KEY, filesystem="raw"), KEY),
    "sas": lambda: (connect("contoso", sas_token=SAS, filesystem="raw"), SAS),
    "token": lambda: (connect("contoso", credential=jwt(tid="t1")), jwt(tid="t1")),
    "client secret": lambda: (
        connect("contoso", client_id="c", client_secret="s3cr3t~99", tenant_id="t"),
        "s3cr3t~99",
    ),
    "object": lambda: (connect("contoso", credential=Signer("tok3n-of-mine")), "tok3n-of-mine"),
}


@pytest.mark.parametrize("made", ACCOUNTS.values(), ids=ACCOUNTS)
def test_nothing_that_shows_an_account_shows_its_secret(made):
    account, secret = made()
    shown = [
        repr(account),
        str(account),
        f"{account}",
        account.describe(),
        repr(dataclasses.asdict(account)),
        repr(dataclasses.astuple(account)),
        repr(dataclasses.replace(account, filesystem="other")),
        repr(account.secret),
        repr(account.token_source),
        repr([getattr(account, name) for name in account.__slots__]),
    ]
    assert not any(holds(text, secret) for text in shown)
    for value in (account, account.token_source, account.secret):
        if value is not None:
            with pytest.raises(TypeError):
                vars(value)


@pytest.mark.parametrize("made", ACCOUNTS.values(), ids=ACCOUNTS)
def test_pickling_is_refused_with_a_sentence(made):
    account, secret = made()
    for value in (account, {"a": [account]}, account.secret or account.token_source):
        with pytest.raises(TypeError, match="connect again") as caught:
            pickle.dumps(value)
        assert not holds(str(caught.value), secret)


@pytest.mark.parametrize("made", ACCOUNTS.values(), ids=ACCOUNTS)
def test_copies_are_the_same(made):
    account, _ = made()
    assert copy.copy(account) is account
    assert copy.deepcopy({"a": account})["a"] is account
    assert dataclasses.replace(account) == account


def test_in_ipython(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.history_manager.enabled = False
    try:
        shell.push({"acc": connect("contoso", account_key=KEY, filesystem="raw")})
        shell.run_cell("%whos")
        shell.run_cell("acc")
        shell.run_cell("%xmode Verbose\nlen(acc)")
        shell.run_cell("acc.nothing")
    finally:
        shell.atexit_operations()
        atexit.unregister(shell.atexit_operations)
    shown = "".join(capsys.readouterr())
    assert "Account('contoso'" in shown
    assert "account key" in shown
    assert "TypeError" in shown
    assert not holds(shown, KEY)


def test_equality_is_of_all_but_the_origins(monkeypatch):
    account = connect("contoso", account_key=KEY)
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    assert connect("contoso") == account
    assert hash(connect("contoso")) == hash(account)
    assert connect("contoso", account_key=OTHER_KEY) != account
    assert connect("contoso", account_key=KEY, filesystem="raw") != account
    signer = Signer()
    assert connect("contoso", credential=signer) == connect("contoso", credential=signer)
    assert connect("contoso", credential=signer) != connect("contoso", credential=Signer())
    assert connect("contoso", auth="identity") == connect("contoso", auth="identity")


def test_an_account_cannot_be_changed():
    account = connect("contoso", account_key=KEY)
    with pytest.raises(dataclasses.FrozenInstanceError):
        account.endpoint = "https://evil.example"
    origins = {"account": "a"}
    account = Account("contoso", CONTOSO, auth="anonymous", origins=origins)
    origins["account"] = "b"
    assert account.origins == {"account": "a"}


def test_another_filesystem():
    account = connect("contoso", account_key=KEY, filesystem="raw")
    other = account.with_filesystem("curated")
    assert (other.filesystem, account.filesystem, other.secret) == ("curated", "raw", Secret(KEY))
    with pytest.raises(PathError, match="lower-case"):
        account.with_filesystem("Raw")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"auth": "key"}, "needs its key as `secret`"),
        ({"auth": "sas"}, "needs its SAS as `secret`"),
        ({"auth": "identity"}, "needs a `token_source`"),
        ({"auth": "anonymous", "secret": Secret("x" * 20)}, "needs neither"),
        (
            {"auth": "key", "secret": Secret("x" * 20), "token_source": Signer()},
            "no `token_source`",
        ),
        ({"auth": "token"}, "must be one of key, sas, identity, anonymous"),
    ],
)
def test_kind_and_credential_must_fit(fields, said):
    with pytest.raises(ConfigurationError, match=said):
        Account("contoso", CONTOSO, **fields)


def test_no_account_with_a_credential_over_plain_http_can_be_built():
    with pytest.raises(ConfigurationError, match="plain http"):
        Account("contoso", "http://contoso.dfs.core.windows.net", auth="key", secret=Secret(KEY))


# ------------------------------------------------------------------ describe


def test_describe_a_key(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "contoso")
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    lines = connect(filesystem="raw").describe().splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "account contoso (environment AZURE_STORAGE_ACCOUNT)",
        f"endpoint {CONTOSO} (from the account's name)",
        "filesystem raw (argument filesystem)",
        "credential account key (environment AZURE_STORAGE_KEY)",
        "permits everything on this account",
    ]
    assert (
        len({line.index(word) for line, word in zip(lines, ("contoso", "https"), strict=False)})
        == 1
    )


def test_describe_a_sas():
    end = NOW + timedelta(hours=3, minutes=20)
    token = sas(sp="rwl", se=end.strftime("%Y-%m-%dT%H:%M:%SZ"))
    account = Account("contoso", CONTOSO, auth="sas", secret=Secret(token))
    text = describe(account, now=NOW)
    assert "read, write, list; on a filesystem" in text
    assert "expires in 3 h (2026-11-22 15:20 UTC)" in text
    assert "not set" in text
    assert "expired 40 min ago" in describe(account, now=end + timedelta(minutes=40))


def test_describe_a_token_asks_nobody_and_tells_what_is_known():
    signer = Signer(jwt(tid="my-tenant", exp=int(NOW.timestamp()) + 3000))
    account = connect("contoso", credential=signer)
    assert "Entra ID, Signer" in account.describe()
    assert "expires" not in account.describe()
    assert signer.scopes == []
    assert account.token_source.get_token().token == signer.token
    assert signer.scopes == [("https://storage.azure.com/.default",)]
    text = describe(account, now=NOW)
    assert "my-tenant" in text
    assert "expires in 50 min" in text
    assert not holds(text, signer.token)


def test_describe_the_rest():
    assert "none, public access" in connect("contoso", anon=True).describe()
    assert "DefaultAzureCredential" in connect("contoso", auth="identity").describe()


# ------------------------------------------------------------------ storage_options


@pytest.mark.parametrize(
    "arguments",
    [
        {"account": "contoso", "account_key": KEY},
        {"account": "contoso", "sas_token": SAS},
        {"account": "contoso", "auth": "identity"},
        {"account": "contoso", "credential": Signer()},
        {"account": "contoso", "anon": True},
        {"endpoint": "https://contoso.dfs.core.usgovcloudapi.net", "account_key": KEY},
        {"endpoint": "http://127.0.0.1:7/acct", "account_key": "c2hvcnQ="},
        {"endpoint": "http://127.0.0.1:7/acct", "sas_token": SAS},
    ],
)
def test_storage_options_lead_back_to_the_account(arguments):
    account = connect(**arguments)
    assert connect(**account.storage_options) == account


def test_storage_options_in_adlfs_words():
    key = connect("contoso", account_key=KEY, filesystem="raw").storage_options
    assert key == {"account_name": "contoso", "account_key": KEY}
    sovereign = connect(endpoint="https://contoso.dfs.core.chinacloudapi.cn", anon=True)
    assert sovereign.storage_options == {
        "account_name": "contoso",
        "anon": True,
        "account_host": "contoso.blob.core.chinacloudapi.cn",
    }


# ------------------------------------------------------------------ identity


def test_without_azure_identity_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    source = connect("contoso", auth="identity").token_source
    with pytest.raises(ConfigurationError, match=r"pip install adls-magic\[identity\]"):
        source.get_token()


def test_azure_identity_is_made_once_and_only_when_needed(monkeypatch):
    made = []

    class DefaultAzureCredential(Signer):
        def __init__(self):
            super().__init__()
            made.append(self)

    module = type(sys)("azure.identity")
    module.DefaultAzureCredential = DefaultAzureCredential
    monkeypatch.setitem(sys.modules, "azure.identity", module)
    import azure

    monkeypatch.setattr(azure, "identity", module, raising=False)
    account = connect("contoso", auth="identity")
    account.describe()
    assert made == []
    account.token_source.get_token()
    account.token_source.get_token()
    assert len(made) == 1
    assert default_identity() == account.token_source


class Async:
    async def get_token(self, *scopes, **options):
        raise AssertionError


@pytest.mark.parametrize("given", [object(), 42, Signer, Async(), b"bytes"])
def test_what_is_no_credential(given):
    with pytest.raises(CredentialError, match=r"get_token|asynchronous"):
        connect("contoso", credential=given)


def test_a_given_token_that_has_expired_is_said():
    with pytest.raises(CredentialError, match="has expired"):
        StaticToken(Secret(jwt(exp=1_000_000_000))).get_token()
    later = int(datetime.now(UTC).timestamp()) + 100
    assert static_token(Secret(jwt(exp=later))).get_token().expires_on == later
    opaque = StaticToken(Secret("opaque-token")).get_token()
    assert opaque.expires_on > later
    assert "opaque" not in repr(opaque)


# ------------------------------------------------------------------ session and import


def test_session_from_several_threads():
    first = connect("contoso", account_key=KEY)
    second = connect("fabrikam", sas_token=SAS)
    seen, stop = set(), threading.Event()

    def look():
        while not stop.is_set():
            account = session.current()
            seen.add((account.name, account.auth) if account else None)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        session.configure(first)
        session.configure(second)
        session.forget()
    stop.set()
    for thread in threads:
        thread.join()
    assert seen <= {None, ("contoso", "key"), ("fabrikam", "sas")}
    assert session.current() is None


def test_importing_brings_nothing_heavy():
    code = (
        "import sys; import adls_magic.core.account.resolve, adls_magic.core.account.connect, "
        "adls_magic.core.account.profiles; "
        "print(*{'requests', 'IPython', 'keyring', 'azure', 'msal', 'tqdm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
