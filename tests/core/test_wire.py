"""What is signed is what goes on the wire, whatever a path looks like.

Every request that a server of ours receives is checked by a second reading of the rule, from the
raw bytes; and its path, decoded by hand, is the path that was meant.
"""

from __future__ import annotations

import ssl
import urllib.parse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adls_magic.core import errors
from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath, check_path
from adls_magic.core.secret import Secret
from adls_magic.core.service.client import Client
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import MemoryReader

from .conftest import KEY, QUICK, account_at
from .servers import ConnectProxy, RawServer, Received, answer, error
from .signing import decoded, is_signed

AWKWARD = " %+#&'()=;?,:@!$*[]\"<>|^`{}~-_.äßé日本🦆\u0301"


def is_path(text: str) -> bool:
    try:
        check_path(text)
    except errors.PathError:
        return False
    return True


SEGMENTS = st.one_of(
    st.text(AWKWARD + "aB0", min_size=1, max_size=12),
    st.text(min_size=1, max_size=6),
    st.text("aB0 %", min_size=1, max_size=5).map(lambda text: "." + text),
)
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join).filter(is_path)
LONGEST = "/".join(["🦆" * 200] * 5)[:1024]


def answering(got: Received) -> bytes:
    if got.method == "GET":
        return answer(200, body=b'{"paths":[]}')
    if got.method == "PUT":
        return answer(201, {"ETag": '"1"'})
    if got.method == "PATCH":
        return answer(202 if "append" in got.target else 200, {"ETag": '"1"'})
    return answer(200, {"ETag": '"1"'})


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with RawServer(answering) as started:
        yield started


def accounts(port: int) -> list[Account]:
    """Path style, where the account is in the URL as well, and host style."""
    path_style = account_at(port)
    host_style = replace(path_style, name="contoso", endpoint=f"http://127.0.0.1:{port}")
    return [path_style, host_style]


def body(data: bytes) -> PieceBody:
    return PieceBody(MemoryReader(data), 0, len(data), lambda count: None)


def every_call(client: Client, path: str, other: str) -> None:
    remote, target = RemotePath("fs", path), RemotePath("fs", other)
    client.create(remote, if_none_match="*", content_type="text/plain", metadata={"k": path})
    client.append(remote, 7, body(b"abc"))
    client.append(remote, 0, body(b"abc"), flush=True, content_type="text/csv")
    client.flush(remote, 3, close=True, if_match='"1"', content_md5="bPSrrsK++GHwuPJaqiwr0A==")
    client.find(remote)
    client.rename(remote, target, if_match='"1"', source_etag='"2"')
    list(client.list(remote, recursive=True, page_size=7))
    client.read(remote, start=2, end=5)
    client.delete(target, recursive=True)


@settings(max_examples=60, deadline=None)
@given(path=PATHS, other=PATHS)
@example(path=AWKWARD.strip(), other="a/.b/..c")
@example(path=LONGEST, other="%2e%2F+%00%zz")
@example(path="x" * 1024, other="a  b /  c")
@example(path="+", other="=")
@example(path="a?b#c", other="a%3Fb")
def test_every_request_arrives_as_it_was_signed(server: RawServer, path: str, other: str):
    for account in accounts(server.port):
        server.received.clear()
        with Client(account, policy=QUICK) as client:
            every_call(client, path, other)
        assert len(server.received) == 9
        for got in server.received:
            assert is_signed(got, account.name, KEY), got.line
        prefix = "/devstoreaccount1" if account.name == "devstoreaccount1" else ""
        check_places(server.received, prefix, path, other)


def check_places(received: list[Received], prefix: str, path: str, other: str) -> None:
    for number, got in enumerate(received):
        raw, _, query = got.target.partition("?")
        if number == 6:
            assert raw == f"{prefix}/fs"
            fields = dict(item.split("=") for item in query.split("&"))
            assert decoded(fields["directory"]) == path
            continue
        meant = other if number in (5, 8) else path
        assert decoded(raw) == f"{prefix}/fs/{meant}"
        assert raw.count("/") == f"{prefix}/fs/{meant}".count("/")  # / is never encoded
        assert set(raw) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/%"
        )
    source = received[5].header("x-ms-rename-source")
    assert source is not None and decoded(source) == f"/fs/{path}"


@settings(max_examples=40, deadline=None)
@given(token=st.text("abAB09+/=%& ~;", min_size=1, max_size=30))
@example(token="VBatt+T4hezeuJgBGE4YSXRhYwEwMURBAAAvZGlyWAAAA==")
def test_a_page_token_comes_back_as_it_was_given(server: RawServer, token: str):
    token = token.strip()  # blanks at the ends of a header are no part of its value
    if not token:
        return
    first = answer(200, {"x-ms-continuation": token}, b'{"paths":[]}')
    answers = [first, answer(200, body=b'{"paths":[]}')]
    server.received.clear()
    server.answering = lambda got: answers.pop(0)
    try:
        with Client(account_at(server.port), policy=QUICK) as client:
            assert list(client.list(RemotePath("fs", "dir"))) == []
    finally:
        server.answering = answering
    query = server.received[1].target.partition("?")[2]
    fields = dict(item.split("=") for item in query.split("&"))
    assert decoded(fields["continuation"]) == token and "+" not in query
    assert is_signed(server.received[1], "devstoreaccount1", KEY)


@settings(max_examples=25, deadline=None)
@given(values=st.dictionaries(st.sampled_from("abc"), st.text(max_size=20), min_size=1))
def test_metadata_arrives_decodable(server: RawServer, values: dict[str, str]):
    from adls_magic.core.service.response import decode_metadata

    server.received.clear()
    with Client(account_at(server.port), policy=QUICK) as client:
        client.create(RemotePath("fs", "x"), metadata=values)
    header = server.received[0].header("x-ms-properties")
    assert header is not None and decode_metadata(header) == values
    assert is_signed(server.received[0], "devstoreaccount1", KEY)


def test_each_request_says_what_every_request_must(server: RawServer):
    server.received.clear()
    with Client(account_at(server.port), policy=QUICK) as client:
        every_call(client, "a/b", "c")
    ids = [got.header("x-ms-client-request-id") for got in server.received]
    assert len(set(ids)) == len(ids) and None not in ids
    for got in server.received:
        assert got.header("x-ms-version") == "2023-11-03"
        assert got.header("Host") == f"127.0.0.1:{server.port}"
        assert got.header("Transfer-Encoding") is None and got.header("Date") is None
        if got.method in ("PUT", "PATCH"):
            assert got.header("Content-Length") == str(len(got.body))
    append = server.received[1]
    assert append.header("Content-Type") == "application/octet-stream" and append.body == b"abc"
    assert append.header("If-Match") is None and append.header("If-None-Match") is None
    assert server.received[2].header("Content-Type") == "text/csv"


def test_a_sas_is_on_every_url_and_inside_the_rename_source(server: RawServer):
    token = "sv=2023-11-03&se=2099-01-01T00%3A00%3A00Z&sp=rwdm&sig=a%2Bb%2Fc%3D"
    account = Account(
        "contoso", f"http://127.0.0.1:{server.port}/contoso", auth="sas", secret=Secret(token)
    )
    server.received.clear()
    with Client(account, policy=QUICK) as client:
        every_call(client, "a b", "c")
    for got in server.received:
        assert got.target.count(token) == 1 and got.target.endswith(token)
        assert got.header("Authorization") is None
    assert server.received[5].header("x-ms-rename-source") == f"/fs/a%20b?{token}"


def test_a_sas_is_in_no_error(server: RawServer):
    token = "sv=2023-11-03&sp=rw&sig=ZmFrZXNpZ25hdHVyZQ%3D%3D"
    account = Account(
        "contoso", f"http://127.0.0.1:{server.port}/contoso", auth="sas", secret=Secret(token)
    )
    server.answering = lambda got: error(403, "AuthenticationFailed", f"The URL was {got.target}")
    try:
        with Client(account, policy=QUICK) as client:
            for call in (client.find, client.create, client.read, client.delete):
                with pytest.raises(errors.PermissionDeniedError) as caught:
                    call(RemotePath("fs", "x"))
                assert "ZmFrZXNpZ25h" not in str(caught.value)
    finally:
        server.answering = answering


# ------------------------------------------------------------------------- TLS, through a proxy


@pytest.fixture
def tls_server(certificate: tuple[ssl.SSLContext, Path]) -> Iterator[RawServer]:
    with RawServer(answering, certificate[0]) as started:
        yield started


CLOUD = Account("contoso", "https://contoso.dfs.core.windows.net", auth="key", secret=Secret(KEY))


def test_over_tls(tls_server, certificate, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[1]))
    account = replace(CLOUD, endpoint=f"https://127.0.0.1:{tls_server.port}/contoso")
    with Client(account, policy=QUICK) as client:
        every_call(client, AWKWARD.strip(), "c")
    assert len(tls_server.received) == 9 and tls_server.connections == 1
    assert all(is_signed(got, "contoso", KEY) for got in tls_server.received)


def test_an_untrusted_certificate_is_final(tls_server):
    account = replace(CLOUD, endpoint=f"https://127.0.0.1:{tls_server.port}/contoso")
    with Client(account, policy=QUICK) as client:
        with pytest.raises(errors.ConnectionFailedError, match=r"not trusted.*REQUESTS_CA_BUNDLE"):
            client.find(RemotePath("fs", "x"))
        assert client.traffic.requests == 1
    assert tls_server.received == []


@pytest.mark.parametrize("path", [AWKWARD.strip(), "a/..b/~c/%41", LONGEST])
def test_through_a_proxy_too_it_arrives_as_it_was_signed(
    tls_server, certificate, monkeypatch: pytest.MonkeyPatch, path: str
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[1]))
    with ConnectProxy(tls_server.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with Client(CLOUD, policy=QUICK) as client:
            every_call(client, path, "c")
        assert proxy.lines == ["CONNECT contoso.dfs.core.windows.net:443 HTTP/1.0"] or [
            line.rpartition(" ")[0] for line in proxy.lines
        ] == ["CONNECT contoso.dfs.core.windows.net:443"]
        assert all(k.lower() != b"authorization" for head in proxy.heads for k, _ in head)
    assert len(tls_server.received) == 9
    for got in tls_server.received:
        assert is_signed(got, "contoso", KEY), got.line
        assert got.header("Transfer-Encoding") is None
    check_places(tls_server.received, "", path, "c")


def test_the_decoder_of_these_tests():
    assert decoded("a%20%C3%BC+") == "a ü+" == urllib.parse.unquote("a%20%C3%BC+")
