"""Why there was no answer: certificates, proxies, names – each told with what mends it."""

from __future__ import annotations

import http.client
import importlib.util
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from adls_magic.core import errors
from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.secret import Secret
from adls_magic.core.service.client import Client
from adls_magic.core.service.no_answer import connection_error
from adls_magic.core.service.request import TransportError

from .conftest import KEY, QUICK
from .servers import ConnectProxy, RawServer, answer

X = RemotePath("fs", "x")
CLOUD = Account("contoso", "https://contoso.dfs.core.windows.net", auth="key", secret=Secret(KEY))
WHERE = "https://contoso.dfs.core.windows.net:8443/x"


def told(cause: BaseException) -> str:
    return str(connection_error(TransportError(cause), WHERE, 1))


def untrusted(why: str) -> ssl.SSLCertVerificationError:
    text = f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {why} (_ssl.c:1006)"
    return ssl.SSLCertVerificationError(1, text)


@pytest.mark.parametrize(
    ("cause", "what", "cure"),
    [
        (untrusted("self-signed certificate"), "not trusted", "set REQUESTS_CA_BUNDLE to"),
        (untrusted("unable to get local issuer certificate"), "not trusted", "REQUESTS_CA_BUNDLE"),
        (
            untrusted("Hostname mismatch, certificate is not valid for 'x'."),
            "another host's",
            "endpoint right",
        ),
        (untrusted("certificate has expired"), "not valid at this time", "clock right"),
        (untrusted("certificate is not yet valid"), "not valid at this time", "clock right"),
        (socket.gaierror(-2, "unknown"), "name was not found", "behind a private endpoint"),
        (ConnectionRefusedError(), "refused", "server running"),
        (http.client.RemoteDisconnected(), "broke", "run it again"),
        (TimeoutError(), "in time", "firewall"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), "not be understood", "https or http"),
        (OSError("Cannot connect to proxy"), "the proxy refused", "check HTTPS_PROXY and"),
        (OSError(113, "No route to host"), "broke", "check the network"),
    ],
)
def test_each_cause_is_told_with_its_cure(cause: BaseException, what: str, cure: str):
    text = told(cause)
    assert text.startswith(f"No answer from {WHERE}: ")
    assert what in text and cure in text.partition(" To mend it: ")[2]
    assert "{" not in text and "\n" not in text


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_the_variable_that_names_the_proxy_is_named(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(name, "http://user:pass-word@127.0.0.1:9")
    text = told(OSError("Cannot connect to proxy"))
    assert f"check {name}, or name contoso.dfs.core.windows.net in NO_PROXY." in text
    assert "pass-word" not in text


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), ("no certificate", "holds no certificate")]
)
@pytest.mark.parametrize("host", ["contoso.dfs.core.windows.net", "127.0.0.1:9/contoso"])
def test_a_certificate_file_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    content: str | None,
    why: str,
    host: str,
):
    bundle = tmp_path / "company.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv(name, str(bundle))
    with pytest.raises(errors.ConfigurationError, match=f"{name} .*company.pem.*{why}"):
        Client(replace(CLOUD, endpoint=f"https://{host}"))


def test_a_folder_of_certificates_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    Client(CLOUD).close()


def test_another_hosts_certificate(certificate, monkeypatch: pytest.MonkeyPatch):
    """As when a private link is reached by its own name; here by an address it is not for."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[1]))
    with RawServer(lambda got: answer(), certificate[0]) as server, ConnectProxy(server.port) as by:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{by.port}")
        elsewhere = replace(CLOUD, endpoint="https://contoso.privatelink.dfs.core.windows.net")
        with Client(elsewhere, policy=QUICK) as client:
            with pytest.raises(errors.ConnectionFailedError, match="certificate is another host's"):
                client.find(X)
            assert client.traffic.requests == 1
        assert server.received == []  # and so no signature


def test_a_socks_proxy_without_its_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("HTTPS_PROXY", "socks5h://user:pass-word@127.0.0.1:9")
    with pytest.raises(
        errors.ConfigurationError, match=r"HTTPS_PROXY.*pip install pysocks"
    ) as said:
        Client(CLOUD)
    assert "pass-word" not in str(said.value)
