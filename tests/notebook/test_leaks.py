"""No way out for a secret: whatever a notebook shows, stores or logs, it is not in there."""

from __future__ import annotations

import base64
import copy
import http.client
import io
import json
import logging
import os
import pickle
import secrets
import signal
import socket
import sys
import threading
import time
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from azure.storage.filedatalake import generate_file_system_sas
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from kernels import papermill
from leaks import find, shapes

import adls_magic
from adls_magic.core.account import Account, session
from adls_magic.core.account.connect import connect
from adls_magic.core.errors import AdlsError
from adls_magic.core.service.client import Client
from adls_magic.core.service.exchange import Exchange
from adls_magic.core.service.retry import RetryPolicy
from adls_magic.lake import LocalLake

Run = Callable[[str], Any]

NAME = "devstoreaccount1"


def random_key() -> str:
    return base64.b64encode(secrets.token_bytes(64)).decode()


def random_sas() -> str:
    signature = urllib.parse.quote(base64.b64encode(secrets.token_bytes(32)), safe="")
    return f"sv=2023-11-03&sr=c&sp=racwdl&se=2199-01-01T00%3A00%3A00Z&sig={signature}"


def core_of(secret: str) -> str:
    """The part of a secret that opens something: of a SAS its signature."""
    return urllib.parse.unquote(secret.rpartition("sig=")[2])


def assert_clean(secret: str, *shown: object) -> None:
    for text in map(str, shown):
        assert not find(core_of(secret), text), text


class Tokens:
    """Gives the same token for an hour, as azure-identity's credentials do."""

    def __init__(self, token: str) -> None:
        self.token = token

    def get_token(self, *scopes: str, **options: object) -> SimpleNamespace:
        return SimpleNamespace(token=self.token, expires_on=int(time.time()) + 3600)


def made_up(kind: str) -> str:
    """A secret that opens nothing."""
    if kind == "token":
        return f"eyJhbGciOiJub25lIn0.{secrets.token_urlsafe(60)}.{secrets.token_urlsafe(20)}"
    return random_key() if kind == "key" else random_sas()


def account_with(secret: str, endpoint: str, name: str = NAME) -> Account:
    if secret.startswith("ey"):
        return connect(name, endpoint=endpoint, credential=Tokens(secret), filesystem="lake")
    return connect(name, endpoint=endpoint, credential=secret, filesystem="lake")


@pytest.fixture
def secrets_of_each_kind() -> dict[str, str]:
    return {kind: made_up(kind) for kind in ("key", "sas", "token")}


@pytest.fixture
def silent() -> Iterator[str]:
    """The endpoint of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/{NAME}"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, at DEBUG, urllib3's and asyncio's and all the others' as well."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    loggers = [root, logging.getLogger("urllib3"), logging.getLogger("urllib3.connectionpool")]
    levels = [logger.level for logger in loggers]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def test_the_search_finds_a_secret_in_every_shape() -> None:
    secret = random_key()
    for name, form in shapes(secret).items():
        with pytest.raises(AssertionError):
            assert_clean(secret, f"before {form.decode('latin-1')} after")
        assert name in find(secret, form)
    with pytest.raises(AssertionError):
        assert_clean(secret, base64.b64encode(f"x{secret}y".encode()).decode())
    assert_clean(secret, random_key())


# ── failures ─────────────────────────────────────────────────────────────────────────────────

# What goes wrong → cells, the last of which fails. {0} is a made-up secret.
ON_THE_LINE = {
    "an option for a secret": "%adls_config --account contoso --account-key {0}",
    "a misspelt one": "%adls_config --acount-key={0}",
    "a value not among the choices": "%adls_config --auth {0}",
    "as the account": "%adls_config --account {0} --auth identity",
    "as the endpoint": "%adls_config --account contoso --endpoint {0}",
    "as the endpoint's port": "%adls_config --endpoint https://contoso.dfs.core.windows.net:{0}/",
    "as the endpoint's user": "%adls_config --endpoint https://me:{0}@contoso.dfs.core.windows.net",
    "as a variable's name": "%adls_config --credential {0}",
    "as the profile": "%adls_config --account contoso --profile {0}",
    "in a path": "%adls_ls https://contoso.dfs.core.windows.net/raw/x?{0}",
    "in a path to write to": "%%adls_write https://contoso.dfs.core.windows.net/raw/x?{0}\n1",
    "as a size": "%adls_upload a.csv b/ --chunk-size {0}",
    "as a number": "%adls_upload a.csv b/ --workers {0}",
    "as a word too many": "%adls_config {0}",
    "expanded": "%adls_config --account contoso --account-key {{held}}",
    "expanded as a variable's name": "%adls_config --account contoso --credential $held",
}


@pytest.mark.parametrize("cell", ON_THE_LINE.values(), ids=ON_THE_LINE)
def test_a_secret_on_the_line_is_refused_and_not_repeated(
    run: Run, shell: InteractiveShell, secrets_of_each_kind: dict[str, str], cell: str
) -> None:
    run("%xmode Verbose")
    for secret in secrets_of_each_kind.values():
        shell.user_ns["held"] = secret
        ran = run(cell.format(secret))
        assert isinstance(ran.error, (AdlsError, UsageError)), ran
        assert_clean(secret, ran.out, ran.err)


REFUSED = {
    "list": "%adls_ls",
    "upload": "%adls_upload a.csv d/",
    "upload a folder": "%adls_upload -r folder d/",
    "write": "%%adls_write d/x.txt\nprint(1)",
    "write a stream": "%%adls_write d/x.txt --from stdout\nprint(1)",
    "Python": "import adls_magic; adls_magic.upload('a.csv', 'd/a.csv')",
    "Python list": "import adls_magic; list(adls_magic.ls('d'))",
    "Python writer": "import adls_magic\nwith adls_magic.open('d/x', 'w') as f: print(1, file=f)",
}


@pytest.mark.parametrize("cell", REFUSED.values(), ids=REFUSED)
def test_verbose_traceback_of_a_refusal_or_a_dead_line(
    run: Run,
    lake: LocalLake,
    secrets_of_each_kind: dict[str, str],
    cell: str,
    logged: io.StringIO,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The dead line is also that of a SAS in a URL that ends in a connection error."""
    (place / "a.csv").write_text("a")
    (place / "folder").mkdir()
    (place / "folder/b.csv").write_text("b")
    once = RetryPolicy(tries=1)
    monkeypatch.setattr("adls_magic.core.service.calls.RetryPolicy", lambda **given: once)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/{NAME}"
    run("%xmode Verbose")
    for secret in secrets_of_each_kind.values():
        for endpoint in (lake.url, nobody):
            session.configure(account_with(secret, endpoint))
            ran = run(cell)
            assert isinstance(ran.error, AdlsError), ran
            assert_clean(secret, ran.out, ran.err, repr(ran.error), ran.error.args)
            assert_clean(secret, vars(ran.error), ran.error.__cause__, ran.error.__context__)
            assert_clean(secret, logged.getvalue())


@pytest.mark.parametrize("cell", ["%adls_ls", "import adls_magic; list(adls_magic.ls('d'))"])
@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_verbose_traceback_of_a_stop_while_the_service_is_silent(
    run: Run,
    silent: str,
    secrets_of_each_kind: dict[str, str],
    cell: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The request is under way, so it is a variable of the frames that the traceback shows."""
    sent = Exchange._try
    stops: list[threading.Timer] = []

    def stopped_in_a_moment(*arguments: Any) -> Any:
        if not stops:  # once for a cell: a second one would hit whatever comes after it
            stops.append(threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)))
            stops[0].start()
        return sent(*arguments)

    monkeypatch.setattr(Exchange, "_try", stopped_in_a_moment)
    run("%xmode Verbose")
    for kind in ("sas", "token"):
        session.configure(account_with(secrets_of_each_kind[kind], silent))
        stops.clear()
        ran = run(cell)
        assert isinstance(ran.error, KeyboardInterrupt)
        assert_clean(secrets_of_each_kind[kind], ran.out, ran.err)


@pytest.mark.parametrize("cell", [REFUSED["list"], REFUSED["upload"], REFUSED["write"]])
def test_verbose_traceback_of_what_nobody_expected(
    run: Run,
    lake: LocalLake,
    secrets_of_each_kind: dict[str, str],
    cell: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault of our own, deep down, with the secret in its text and in every frame."""
    (place / "a.csv").write_text("a")
    run("%xmode Verbose")
    for secret in secrets_of_each_kind.values():

        def broken(self: Exchange, request: Any, failures: int, secret: str = secret) -> None:
            headers: dict[str, str] = {}
            target = self._authorization.apply(request.method, request.target, headers)
            raise LookupError(f"broken by {target} {headers} {secret}")

        monkeypatch.setattr(Exchange, "_try", broken)
        session.configure(account_with(secret, lake.url))
        ran = run(cell)
        assert "broken by" in ran.out + ran.err
        assert_clean(secret, ran.out, ran.err)


@pytest.mark.parametrize(
    "text",
    ["{0}\n", "{0}\x7f", "{0}ü", '"{0}', "AccountKey={0};", "AccountName=a b;AccountKey={0}"],
)
def test_a_secret_that_cannot_be_right(
    run: Run, shell: InteractiveShell, secrets_of_each_kind: dict[str, str], text: str
) -> None:
    """Also what would make a header invalid, whose complaint in requests quotes it."""
    run("%xmode Verbose")
    for secret in secrets_of_each_kind.values():
        shell.user_ns["pasted"] = text.format(secret)
        ran = run("%adls_config --account contoso --filesystem raw --credential pasted")
        assert_clean(secret, ran.out, ran.err)
        for way in ("account_key", "sas_token", "connection_string", "credential"):
            ran = run(f"import adls_magic; adls_magic.connect('contoso', {way}=pasted)")
            assert_clean(secret, ran.out, ran.err)


@pytest.mark.parametrize("token", ["{0}\n", "{0}ü", "{0}\r\nX: y"])
def test_a_token_that_is_no_header(run: Run, lake: LocalLake, token: str) -> None:
    token_text = secrets.token_urlsafe(60)
    session.configure(
        connect(
            NAME, endpoint=lake.url, credential=Tokens(token.format(token_text)), filesystem="lake"
        )
    )
    run("%xmode Verbose")
    ran = run("%adls_ls")
    assert isinstance(ran.error, AdlsError)
    assert_clean(token_text, ran.out, ran.err)


def test_a_credential_that_fails_with_its_own_secret_in_the_text(run: Run, lake: LocalLake) -> None:
    token_text = secrets.token_urlsafe(60)

    class Broken:
        def get_token(self, *scopes: str) -> None:
            raise RuntimeError(f"sent Bearer {token_text}") from KeyError(f"sig={token_text}")

    session.configure(connect(NAME, endpoint=lake.url, credential=Broken(), filesystem="lake"))
    run("%xmode Verbose")
    ran = run("%adls_ls")
    assert isinstance(ran.error, AdlsError)
    assert_clean(token_text, ran.out, ran.err)


# ── what shows and stores values ─────────────────────────────────────────────────────────────

SHOWING = (
    "account",
    "%adls_config --show",
    "%adls_config",
    "%whos",
    "%config AdlsMagics",
    "%config",
    "account?",
    "account??",
    "print(account, f'{account}', [account], account.secret, account.token_source)",
    "from IPython.display import display; display(account, account.secret)",
    "import dataclasses; dataclasses.asdict(account)",
    "[getattr(account, name) for name in dir(account) if name != 'storage_options']",
    "[getattr(account.secret, name) for name in dir(account.secret) if name != 'reveal']",
    "import copy; copy.copy(account), copy.deepcopy([account, account.secret])",
    "import pprint; pprint.pprint(account)",
    "%pdoc account",
    "len(account)",
    "vars(account)",
    "vars(account.secret)",
    "import pickle; pickle.dumps(account)",
    "import json; json.dumps(account)",
)


@pytest.mark.parametrize("kind", ["key", "sas", "token"])
def test_what_shows_values_shows_no_secret(
    run: Run, shell: InteractiveShell, lake: LocalLake, kind: str
) -> None:
    secret = made_up(kind)
    account = account_with(secret, lake.url)
    session.configure(account)
    shell.user_ns["account"] = account
    run("%xmode Verbose")
    for cell in SHOWING:
        ran = run(cell)
        assert_clean(secret, ran.out, ran.err)
        if cell.startswith("%"):
            assert ran.error is None, cell


def test_storing_is_refused_with_a_sentence(
    run: Run, shell: InteractiveShell, secrets_of_each_kind: dict[str, str], tmp_path: Path
) -> None:
    run("%load_ext storemagic")
    run("%xmode Verbose")
    for secret in secrets_of_each_kind.values():
        account = account_with(secret, f"http://127.0.0.1:9/{NAME}")
        shell.user_ns.update(account=account, inner=account.secret or account.token_source)
        for name in ("account", "inner"):
            ran = run(f"%store {name}")
            assert isinstance(ran.error, TypeError)
            assert "connect again" in ran.out.strip().splitlines()[-1]
            assert_clean(secret, ran.out, ran.err)
        for file in (path for path in tmp_path.rglob("*") if path.is_file()):
            assert not find(core_of(secret), file.read_bytes()), file
        with pytest.raises(TypeError, match="connect again"):
            pickle.dumps(account)
        assert copy.deepcopy(account) is account


# ── an upload that goes well ─────────────────────────────────────────────────────────────────


def working(lake: LocalLake, kind: str) -> tuple[Account, str]:
    """An account that works, by key or SAS, and its secret."""
    assert lake.account.secret is not None
    key = lake.account.secret.reveal()
    if kind == "key":
        return lake.account, key
    end = datetime.now(UTC) + timedelta(hours=1)
    sas = generate_file_system_sas(NAME, "lake", key, permission="racwdlm", expiry=end)
    return connect(NAME, endpoint=lake.url, sas_token=sas, filesystem="lake"), sas


@pytest.mark.parametrize("kind", ["key", "sas"])
def test_results_progress_warnings_and_logs(
    run: Run,
    shell: InteractiveShell,
    lake: LocalLake,
    kind: str,
    place: Path,
    logged: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account, secret = working(lake, kind)
    session.configure(account)
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    monkeypatch.setattr("adls_magic.core.transfer.progress._DELAY", 0.0)
    (place / "a.bin").write_bytes(bytes(3 * 2**20))
    run("%config AdlsMagics.progress = True")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        sent = run("%adls_upload a.bin d/ --chunk-size 1MiB --md5 --metadata a=b -o result")
        over = run("%adls_upload a.bin d/ --overwrite -o again")
        run("%%adls_write d/x.txt -o written\nprint(1)")
        shown = [
            run(cell) for cell in ("result", "again", "written", "vars(type(result))", "%whos")
        ]
    assert sent.error is None and over.error is None
    result = shell.user_ns["result"]
    assert result.size == 3 * 2**20
    for ran in (sent, over, *shown):
        assert_clean(secret, ran.out, ran.err)
    assert_clean(secret, repr(result), result.url, pickle.dumps(result).decode("latin-1"))
    assert_clean(secret, logged.getvalue(), *[str(one.message) for one in warned])


def test_exceptions_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = random_sas()
    said: list[str] = []
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    bad = account_with(secret, f"http://127.0.0.1:9/{NAME}")

    def fail() -> None:
        said.append("began")
        adls_magic.upload(b"x", "d/x", account=bad)

    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join(30)
    assert said and "No answer from" in stream.getvalue()
    assert_clean(secret, stream.getvalue())


def test_behind_a_proxy_logs_and_debuglevel_show_no_sas(
    logged: io.StringIO, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There requests and urllib3 carry the traffic, with their logs and their ways of printing."""
    secret = random_sas()
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    for name in ("NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with Answering() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        endpoint = "https://contoso.dfs.core.windows.net"
        account = connect("contoso", endpoint=endpoint, sas_token=secret, filesystem="raw")
        # Plain http lets the proxy's side be a few lines; a credential is else never sent so.
        object.__setattr__(account, "endpoint", "http://contoso.dfs.core.windows.net")
        with Client(account) as client:
            list(client.list_filesystems())
    assert find(core_of(secret), urllib.parse.unquote(proxy.asked))  # it did go that way
    out, err = capsys.readouterr()
    assert '"GET http://contoso' in logged.getvalue()
    assert_clean(secret, out, err, logged.getvalue(), urllib.parse.unquote(logged.getvalue()))


class Answering:
    """Answers one request with an empty listing."""

    asked = ""

    def __enter__(self) -> Answering:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()
        return self

    def _answer(self) -> None:
        wire, _ = self._listener.accept()
        with wire:
            self.asked = wire.recv(65536).decode("latin-1")
            body = b'{"filesystems":[]}'
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            wire.sendall(head.encode() + body)

    def __exit__(self, *exc: object) -> None:
        self._thread.join(10)
        self._listener.close()


# ── executed notebooks ───────────────────────────────────────────────────────────────────────

CELLS = (
    "%load_ext adls_magic\n%xmode Verbose",
    "import logging; logging.basicConfig(level=logging.DEBUG)",
    "%adls_config --filesystem lake",
    "%adls_config",
    "%adls_config --show",
    "%%adls_write x.txt -o result\nprint(1)",
    "result",
    "import adls_magic; adls_magic.connect()",
    "%whos",
    "%config AdlsMagics",
    "import os; [name for name in os.environ if name.startswith('AZURE_')]",
)


def test_a_notebook_executed_by_papermill(
    lake: LocalLake, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log, its file and a failure's file; nbclient's own run is in test_kernel.py."""
    assert lake.account.secret is not None
    secret = lake.account.secret.reveal()
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"AccountName={NAME};AccountKey={secret};DfsEndpoint={lake.url}",
    )
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    cells = [nbformat.v4.new_code_cell(cell) for cell in (*CELLS, "%adls_ls nothing")]
    done = papermill(cells, place, "--log-output", "--log-level", "DEBUG")
    assert done.returncode == 1, done.stderr
    assert "PathNotFoundError" in done.stderr
    assert (lake.root / "lake/x.txt").read_text() == "1\n"
    saved = (place / "out.ipynb").read_text("utf-8")
    assert "Wrote 2 B" in saved
    assert_clean(secret, done.stdout, done.stderr, saved, json.dumps(json.loads(saved)))
