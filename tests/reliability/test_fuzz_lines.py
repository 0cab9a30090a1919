"""Whatever stands on a magic's line or in a config file: a result or one of our errors, no secret.

Lines go through a real InteractiveShell with the extension, to a real local lake; config files,
environments and connection strings go all the way to an upload.

A long run: ADLS_FUZZ=5000 python -m pytest tests/reliability/test_fuzz_lines.py --timeout=3600
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
import socket
import sys
import traceback
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from shells import fresh_shell

import adls_magic as adls
from adls_magic.core.account import keyring_store, session
from adls_magic.core.errors import AdlsError
from adls_magic.core.transfer.upload import UploadResult
from adls_magic.lake import LocalLake, stop_all

EXAMPLES = int(os.environ.get("ADLS_FUZZ", "50"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def made_up(seed: int) -> str:
    """A key that opens nothing."""
    return base64.b64encode(bytes((seed * 7 + 251 * i) % 256 for i in range(64))).decode()


KEY, SIGNATURE = made_up(1), made_up(2)[:43] + "="
SAS = "sv=2023-11-03&sr=c&sp=rwl&se=2199-01-01T00%3A00%3A00Z&sig=" + urllib.parse.quote(
    SIGNATURE, safe=""
)


def shapes_of(secret: str) -> set[str]:
    """Long parts of a secret, in the shapes in which it may stand somewhere."""
    forms = {
        secret,
        urllib.parse.quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode(),
    }
    return {form[at : at + 24] for form in forms for at in range(0, len(form) - 23, 6)}


SHOWN = shapes_of(KEY) | shapes_of(SIGNATURE)


@pytest.fixture(scope="module", autouse=True)
def nothing_configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home, an empty working folder, no key ring, and no network but our own."""
    home, work = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("work")
    (work / "a.csv").write_text("a,b\n1,2\n")
    (work / "folder").mkdir()
    (work / "folder" / "b b.txt").write_text("text")
    resolve = socket.getaddrinfo

    def near(host: Any, *args: Any, **named: Any) -> Any:
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **named)

    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.upper().startswith(("AZURE_", "STORAGE_")) or name == "ADLS_MAGIC_CONFIG":
                patch.delenv(name)
        patch.setenv("ADLS_MAGIC_CONFIG", str(home / "config.ini"))
        patch.setenv("AZURE_CONFIG_DIR", str(home / "azure"))
        patch.setenv("HOME", str(home))
        patch.setenv("IPYTHONDIR", str(home / "ipython"))
        patch.setattr(keyring_store, "_keyring", lambda: None)
        patch.setattr(socket, "getaddrinfo", near)
        patch.setattr(sys, "stdin", io.StringIO())
        patch.chdir(work)
        yield home
        session.forget()
        stop_all()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLake]:
    with LocalLake(tmp_path_factory.mktemp("lake")) as running:
        yield running


@pytest.fixture(scope="module")
def shell(nothing_configured: Path) -> Iterator[InteractiveShell]:
    with fresh_shell() as made:
        made.run_line_magic("load_ext", "adls_magic")
        made.run_cell("await __import__('asyncio').sleep(0)")  # makes a loop, which stays
        made.user_ns.update(name="a.csv", value=[{"a": 1}], key=KEY, number=7)
        yield made


def tried(act: Callable[[], object], *, allowed: tuple[type[Exception], ...] = ()) -> None:
    """Let something happen; what it prints and raises must be ours and must hold no secret."""
    out, failure = io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            act()
        except Exception as error:  # noqa: BLE001 - that is what is looked at
            failure = error
    if failure is not None:
        assert isinstance(failure, (AdlsError, UsageError, *allowed)), repr(failure)
        told = str(failure)
        lines = told.splitlines()
        assert told and len(lines) <= 2 and len(told) < 1500, told
        assert "".join(lines).isprintable(), ascii(told)
        out.write(told + "".join(traceback.format_exception(failure)))
    shown = out.getvalue()
    assert not [part for part in SHOWN if part in shown], shown


# ------------------------------------------------------------------------------------------ lines

# No text of chance has a slash, dot or tilde in it: what it names is in the working folder.
TEXT = st.text(
    st.one_of(
        st.characters(exclude_characters="/\\.~", exclude_categories=["Cs"]),
        st.sampled_from("'\"{}$#=-* \t\x00\x1b\u2028é,;"),
    ),
    max_size=12,
)
PATHS = st.sampled_from(
    [
        "a.csv", "new/b.csv", "folder", "folder/", "nosuch", "*.csv", "**/*.txt",
        "'folder/b b.txt'",
        "folder/b\\ b.txt", "$name", "{name}", "{nosuch}", "$nosuch", "{1/0}", "{number:03d}",
        "$web/x",
        "abfss://lake/x.csv", "abfss://nosuch/x", "abfss://raw@contoso.dfs.core.windows.net/x",
        "abfss://@/", "abfss://", "https://contoso.dfs.core.windows.net/raw/x", "https://[::1",
        "https://contoso.blob.core.windows.net/raw/x?" + SAS, "wasbs://raw@contoso/x", "x?y#z",
        "http://127.0.0.1:1/devstoreaccount1/raw/x", "a/../b", "a//b", "ü/日本", "x" * 300,
        "%2e%2e/x",
        "a:b", "value", "name", "key", "number", "df.parquet", "x.json", "x.xlsx", "x.gz", KEY,
    ]
)  # fmt: skip
OPTIONS = [
    "--local", "--local=a.csv", "--local='\0'", "--local=~nobody",
    "--overwrite", "--skip-existing", "--recursive", "-r", "-q", "--quiet", "--md5", "--in-place",
    "--dry-run", "--var", "--workers", "-j", "-j2", "-j0", "--workers=x", "--chunk-size",
    "--chunk-size=7",
    "--chunk-size=0", "--chunk-size=9EiB", "--content-type", "--content-type=a/b",
    "--content-type=é/b",
    "--metadata", "--metadata=a=b", "--metadata=a=é", "--metadata==", "--profile", "--profile=x",
    "--out", "-o", "-o r", "-o class", "--nosuch", "-x", "--", "-", "--overwrit", "--help", "-rq",
    "--allow-empty", "--tee", "--from", "--from=result", "--from=stdout", "--from=source",
    "--from=x",
    "--format", "--format=csv", "--format=nosuch", "-l", "--long", "--show", "--account",
    "--endpoint",
    "--account=contoso", "--filesystem=lake", "--filesystem=X",
    "--endpoint=https://contoso.example",
    "--endpoint=http://127.0.0.1:1/a", "--auth", "--auth=key", "--auth=sas", "--auth=anonymous",
    "--auth=connection-string", "--credential", "--credential=key", "--credential=value",
    "--prompt",
    "--save", "--save=x", f"--account-key={KEY}", f"--sas={SAS}", "--key", KEY, SAS,
]  # fmt: skip
WORDS = st.one_of(st.sampled_from(OPTIONS), PATHS, PATHS, TEXT)
LINES = st.lists(WORDS, max_size=6).map(" ".join)
CELLS = st.sampled_from(
    ["1 + 1", "print('x')", "", "value", "1/0", "b'abc'", "def f(:", "await x", "print('x'); value"]
)


@fuzz
@given(st.sampled_from(["adls_upload", "adls_upload", "adls_ls", "adls_config"]), LINES)
@example("adls_upload", f"a.csv x --account-key={KEY}")
@example("adls_upload", "a.csv x/\x1b[31m")
@example("adls_upload", "a.csv 'x\u2028y'")
@example("adls_upload", "--var value x.json --out r")
@example("adls_ls", f"https://contoso.dfs.core.windows.net/raw?{SAS}")
@example("adls_config", f"--credential {KEY}")
def test_lines(shell: InteractiveShell, lake: LocalLake, magic: str, line: str):
    session.configure(lake.account)
    if magic == "adls_config" and not line.strip():
        return  # the form
    tried(lambda: shell.run_line_magic(magic, line))
    if "--local" in line:
        stop_all()


@fuzz
@given(LINES, CELLS)
@example(f"x.csv --opt {KEY}", "1 + 1")
@example("x.nosuch --from result", "value")
def test_cells(shell: InteractiveShell, lake: LocalLake, line: str, cell: str):
    session.configure(lake.account)
    allowed = (ZeroDivisionError, SyntaxError, NameError)  # of the cell itself
    tried(lambda: shell.run_cell_magic("adls_write", line, cell), allowed=allowed)


# ------------------------------------------------------------------------------------- lake paths


@fuzz
@given(st.lists(st.one_of(PATHS, TEXT, st.sampled_from(["/", "//", "..", "~", "\\"]))).map("".join))
@example("abfss://lake/\x00")
@example("a\ud800b")
def test_lake_paths(lake: LocalLake, path: str):
    """From the text to a file in the lake and back."""
    account = lake.account
    tried(lambda: list(adls.ls(path, account=account)))

    def there_and_back() -> None:
        result = adls.upload(b"abc", path, account=account, overwrite=True)
        assert isinstance(result, UploadResult) and result.size == 3
        with adls.open(path, "wb", account=account) as file:
            file.write(b"more")

    tried(there_and_back)


# ------------------------------------------------- config files, environments, connection strings

PIECES = st.sampled_from(
    [
        KEY, SAS, SIGNATURE, "contoso", "lake", "https://contoso.dfs.core.windows.net",
        "http://127.0.0.1:1/devstoreaccount1", "https://[", "key", "sas", "identity", "anonymous",
        "connection-string", "auto", "true", "%", "%(x)s", "${x}", "\x00", "\x1b[31m", "é", "",
        " ", "=",
        f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};"
        "DfsEndpoint=http://127.0.0.1:1/devstoreaccount1", f"AccountName=contoso;AccountKey={KEY}",
        "UseDevelopmentStorage=true", f"AccountKey={KEY}", ";;", "AccountName=;", f"?{SAS}",
        f"BlobEndpoint=https://contoso.blob.core.windows.net;SharedAccessSignature={SAS}",
    ]
)  # fmt: skip
VALUES = st.one_of(
    PIECES,
    st.lists(PIECES, max_size=3).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
KEYS = ["account_name", "account_key", "sas_token", "connection_string", "filesystem", "endpoint"]
KEYS += ["auth", "client_id", "tenant_id", "nosuch", "account", KEY, "", "[", "#"]
SECTIONS = ["[default]", "[x]", "[", "[]", f"[{KEY}]", "[storage]", "default", "# x", "\ufeff"]


@st.composite
def config_files(draw: st.DrawFn) -> bytes:
    lines = []
    for _ in range(draw(st.integers(0, 8))):
        if draw(st.booleans()):
            lines.append(draw(st.sampled_from(SECTIONS)))
        else:
            equals = draw(st.sampled_from([" = ", "=", ": ", ""]))
            lines.append(draw(st.sampled_from(KEYS)) + equals + draw(VALUES))
    data = "\n".join(lines).encode("utf-8", "surrogateescape")
    place = draw(st.integers(0, len(data)))
    return draw(st.sampled_from([data, data, data, data[:place], data[:place] + b"\xff\xfe"]))


def use_what_is_configured(profile: str | None) -> None:
    """Connect and upload, as far as it goes."""
    account = adls.connect(profile=profile) if profile is not None else None
    adls.upload(b"abc", "lake/x.txt", account=account, overwrite=True)


@fuzz
@given(config_files(), st.sampled_from(["default", "x", "nosuch", KEY, "", "[", "a\nb"]))
@example(b"[default]\naccount_name = contoso\naccount_key = " + KEY.encode() + b"\n\x00", "default")
@example(b"[default]\naccount_name = \x1b[31m", "default")
def test_config_files(nothing_configured: Path, shell: InteractiveShell, data: bytes, profile: str):
    session.forget()
    path = nothing_configured / "config.ini"
    path.write_bytes(data)
    path.chmod(0o600)
    try:
        tried(lambda: use_what_is_configured(profile))
        tried(lambda: use_what_is_configured(None))
        tried(lambda: shell.run_line_magic("adls_config", "--show"))
        tried(lambda: shell.run_line_magic("adls_config", "--account contoso --save x"))
        tried(lambda: shell.run_line_magic("adls_ls", "--profile x"))
    finally:
        path.unlink()
        session.forget()


NAMES = ["connection_string", "sas_token", "account_key", "endpoint"]
VARIABLES = [
    "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ENDPOINT",
    "AZURE_STORAGE_AUTH_MODE", "AZURE_STORAGE_ANON", "AZURE_STORAGE_USE_EMULATOR",
    "AZURE_CONTAINER_NAME",
    "ADLS_MAGIC_CONFIG", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE",
]  # fmt: skip


@fuzz
@given(
    st.dictionaries(
        st.sampled_from(VARIABLES), VALUES.filter(lambda text: "\0" not in text), max_size=4
    )
)
@example({"HTTPS_PROXY": f"http://user:{KEY}@127.0.0.1:1", "AZURE_STORAGE_ACCOUNT": "contoso"})
@example({"HTTP_PROXY": "http://[", "AZURE_STORAGE_USE_EMULATOR": "true"})
@example({"ADLS_MAGIC_CONFIG": "/dev/null"})
@example({"ADLS_MAGIC_CONFIG": "~nobody/x"})
def test_environments(shell: InteractiveShell, environ: dict[str, str]):
    session.forget()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        tried(lambda: use_what_is_configured(None))
        tried(lambda: shell.run_line_magic("adls_config", "--show"))


@fuzz
@given(VALUES, st.sampled_from(NAMES))
@example(f"AccountName=a1a;AccountKey={KEY[:-4]};DfsEndpoint=http://127.0.0.1:1/a", NAMES[0])
def test_what_is_given_to_connect(text: str, name: str):
    words = {name: text} if name == NAMES[0] else {"account_name": "contoso", name: text}

    def act() -> None:
        account = adls.connect(filesystem="lake", **words)
        assert not [part for part in SHOWN if part in repr(account)]
        adls.upload(b"abc", "x", account=account)

    tried(act)


def test_the_fuzz_would_see_a_secret():
    def leak() -> None:
        print(f"using {KEY[10:50]}")

    with pytest.raises(AssertionError):
        tried(leak)

    def fail() -> None:
        raise ValueError

    with pytest.raises(AssertionError):
        tried(fail)
