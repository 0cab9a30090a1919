"""Stop on dead lines, nothing left behind, and which way the traffic goes."""

# ruff: noqa: SIM117 - what is expected to fail stands by itself
from __future__ import annotations

import contextlib
import os
import random
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from patience import AT_ONCE, LONG, PATIENCE, wait_until, wait_until_still

from adls_magic.core import errors
from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.secret import Secret
from adls_magic.core.service.client import Client
from adls_magic.core.service.request import Stopped
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import FileReader, MemoryReader

from .conftest import KEY, QUICK, Clock, account_at
from .servers import ConnectProxy, SilentServer, SocketServer, answer, error, script

X = RemotePath("fs", "x")
OK = answer(200, {"ETag": '"1"'})
FAKE = Account("somehost", "http://somehost.example/somehost", auth="anonymous")


def large(megabytes: int = 64) -> PieceBody:
    data = bytes(1_000_000)

    class Repeated(MemoryReader):
        def blocks(self, position, length):
            for _ in range(length // len(data)):
                yield data

    return PieceBody(Repeated(b""), 0, megabytes * len(data), lambda count: None)


@pytest.fixture(autouse=True)
def patient_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what ends one at once can be told from its time-out."""
    monkeypatch.setattr("adls_magic.core.service.connections.CONNECT_TIMEOUT", LONG)


def check_stop(client: Client, call: Callable[[], object], server: SocketServer | None) -> None:
    """Run `call` in a thread until it waits for the server, abort it, and see it end at once."""
    ended: list[BaseException | None] = []

    def work() -> None:
        try:
            call()
            ended.append(None)
        except BaseException as error:  # noqa: BLE001 - kept for the caller
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: server is None or server.connections)
    wait_until_still(thread)
    assert thread.is_alive(), ended
    began = time.monotonic()
    client.abort()
    thread.join(LONG)
    took = time.monotonic() - began
    assert isinstance(ended[0], Stopped), ended
    assert took < AT_ONCE


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    with SilentServer() as server:
        yield server


def test_stop_ends_a_send_that_nobody_reads(silent: SilentServer):
    with Client(account_at(silent.port)) as client:
        check_stop(client, lambda: client.append(X, 0, large()), silent)


def test_stop_ends_a_wait_for_an_answer(silent: SilentServer):
    with Client(account_at(silent.port)) as client:
        check_stop(client, lambda: client.find(X), silent)


def test_stop_ends_a_tls_handshake(silent: SilentServer):
    account = replace(account_at(silent.port), endpoint=f"https://127.0.0.1:{silent.port}/a")
    with Client(account) as client:
        check_stop(client, lambda: client.find(X), silent)


@pytest.mark.skipif(sys.platform != "linux", reason="fills a backlog as Linux does")
def test_stop_ends_a_connect():
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # nobody accepts: soon the next connect waits for ever
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        with Client(account_at(listener.getsockname()[1])) as client:
            check_stop(client, lambda: client.find(X), None)


def test_stop_ends_every_thread_at_once(silent: SilentServer):
    ended = []
    with Client(account_at(silent.port)) as client:

        def work() -> None:
            try:
                client.append(X, 0, large())
            except Stopped:
                ended.append(1)

        threads = [threading.Thread(target=work) for _ in range(12)]
        for thread in threads:
            thread.start()
        wait_until(lambda: silent.connections == 12)
        wait_until_still(*threads)
        began = time.monotonic()
        client.abort()
        for thread in threads:
            thread.join(LONG)
        assert time.monotonic() - began < AT_ONCE
    assert len(ended) == 12


def test_abort_twice_and_close_twice(serve):
    server = serve(lambda got: OK)
    client = Client(account_at(server.port))
    client.find(X)
    client.abort()
    client.abort()
    client.close()
    client.close()


def test_a_thread_that_has_ended_leaves_no_socket(serve):
    """The pool's threads end before the client is closed."""
    server = serve(lambda got: OK)
    with Client(account_at(server.port), policy=QUICK) as client:
        thread = threading.Thread(target=client.find, args=(X,))
        thread.start()
        thread.join()


# ---------------------------------------------------------------------------- the body's source


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_a_source_that_fails_is_no_broken_line(size: int, serve, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(size))
    reader = FileReader(path)
    path.write_bytes(bytes(size // 2))
    server = serve(lambda got: answer(202))
    with Client(account_at(server.port), policy=QUICK) as client, contextlib.closing(reader):
        with pytest.raises(errors.SourceError, match="shorter"):
            client.append(X, 0, PieceBody(reader, 0, size, lambda count: None))
        assert client.traffic.requests == 1
        client.append(X, 0, PieceBody(MemoryReader(b"abc"), 0, 3, lambda count: None))
    assert [got.body for got in server.received] == [b"abc"]


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_a_source_that_fails_while_it_is_sent_shows_no_request(size: int, serve):
    class Failing(MemoryReader):
        def blocks(self, position, length):
            raise errors.SourceError("gone")

    body = PieceBody(Failing(bytes(size)), 0, size, lambda count: None)
    body.checks = lambda is_over: {}  # type: ignore[method-assign]
    with Client(account_at(serve(lambda got: answer(202)).port)) as client:
        with pytest.raises(errors.SourceError) as caught:
            client.append(X, 0, body)
    shown = [entry.locals for entry in caught.traceback]
    assert not any(type(value) is bytes for names in shown[1:] for value in names.values())


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="no positioned reads")
@pytest.mark.parametrize("size", [1000, 60_000, 300_000])
def test_a_file_system_that_gives_little_at_a_time(
    size: int, serve, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    """As some in user space do: the blocks of one reader lie in the same memory."""
    data = random.Random(size).randbytes(size)
    path = tmp_path / "x"
    path.write_bytes(data)
    read = os.preadv

    def little(descriptor: int, buffers, position: int) -> int:
        return read(descriptor, [memoryview(buffers[0])[:700]], position)

    monkeypatch.setattr(os, "preadv", little)
    server = serve(lambda got: answer(202))
    with Client(account_at(server.port)) as client, contextlib.closing(FileReader(path)) as reader:
        client.append(X, 0, PieceBody(reader, 0, size, lambda count: None, is_whole=True))
    assert server.received[0].body == data


# -------------------------------------------------------------------------------------- proxies


@pytest.fixture
def proxied(serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ConnectProxy, object]]:
    server = serve(lambda got: OK)
    with ConnectProxy(server.port) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        yield proxy, server


@pytest.mark.parametrize(
    ("value", "said"), [("text/✓", "is not Latin-1"), ("text/a\r\nX: y", "has a line break")]
)
def test_a_header_that_cannot_be_sent_is_named_and_not_shown(value: str, said: str, serve):
    server = serve(lambda got: OK)
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.OptionError, match=f"x-ms-content-type {said}") as caught:
            client.create(X, content_type=value)
    assert "text/" not in str(caught.value) and server.received == []


LOOPBACK = ["127.0.0.1", "localhost", "LocalHost", "127.0.0.5", "azurite.localhost"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_a_proxy_never_sees_loopback(host: str, proxied):
    proxy, server = proxied
    account = replace(account_at(1), endpoint=f"http://{host}:{server.port}/devstoreaccount1")
    with contextlib.suppress(errors.ConnectionFailedError):  # not every system has them all
        with Client(account, policy=QUICK) as client:
            client.find(X)
    assert proxy.lines == []


def test_a_proxy_is_used_for_other_hosts(proxied):
    proxy, server = proxied
    with Client(FAKE, policy=QUICK) as client:
        client.find(RemotePath("fs", "a b%ü"))
        client.find(RemotePath("fs", "x"))
    first = "HEAD http://somehost.example/somehost/fs/a%20b%25%C3%BC HTTP/1.1"
    assert proxy.lines[0] == first
    assert server.received[0].target == "/somehost/fs/a%20b%25%C3%BC"
    assert server.received[0].header("Host") == "somehost.example"
    assert server.received[0].header("x-ms-version") == "2023-11-03"


def test_half_the_head_of_an_answer_is_none_behind_a_proxy(proxied):
    _, server = proxied
    head = answer(200, {"ETag": '"1"', "x-ms-resource-type": "file"})
    closing = answer(200, {"Connection": "close"})  # so that the connection ends here
    server.answering = script(closing[:-2] + b"ETag: ", head)
    with Client(FAKE, policy=QUICK) as client:
        assert client.properties(RemotePath("fs", "x")).etag == '"1"'
        assert client.traffic.retries == 1


def test_no_proxy_is_obeyed(proxied, monkeypatch: pytest.MonkeyPatch):
    proxy, _ = proxied
    monkeypatch.setenv("NO_PROXY", "somehost.example")

    def nowhere(*args, **given):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with Client(FAKE, policy=QUICK) as client:
        with pytest.raises(errors.ConnectionFailedError, match="name was not found"):
            client.find(X)
    assert proxy.lines == []


def test_a_key_never_goes_over_plain_http_to_another_host():
    for given in ({"auth": "key", "secret": Secret(KEY)}, {"auth": "sas", "secret": Secret("a=b")}):
        with pytest.raises(errors.ConfigurationError, match="plain http"):
            Account("somehost", "http://somehost.example/somehost", **given)


def test_a_proxy_that_is_not_there_is_said_soon(monkeypatch: pytest.MonkeyPatch, clock: Clock):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass-word@127.0.0.1:{port}")
    account = replace(FAKE, endpoint="https://somehost.example/somehost")
    with Client(account, stop=clock) as client:  # the default policy
        with pytest.raises(errors.ConnectionFailedError, match="HTTPS_PROXY") as caught:
            client.find(X)
    assert len(clock.waits) == 2 and sum(clock.waits) < 1
    assert "pass-word" not in str(caught.value)


def test_a_proxy_that_wants_a_login_is_said(serve, monkeypatch: pytest.MonkeyPatch):
    server = serve(lambda got: answer(407, {"Proxy-Authenticate": "Basic"}))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
    with Client(FAKE, policy=QUICK) as client:
        with pytest.raises(errors.AdlsError, match=r"user:password@host"):
            client.find(X)


def test_stop_ends_a_wait_behind_a_proxy(silent: SilentServer, monkeypatch):
    with ConnectProxy(silent.port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        with Client(FAKE) as client:
            check_stop(client, lambda: client.find(X), silent)


def test_stop_ends_a_send_behind_a_proxy(silent: SilentServer, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{silent.port}")
    with Client(FAKE) as client:
        check_stop(client, lambda: client.append(X, 0, large()), silent)


def test_stop_ends_a_wait_for_the_proxy_itself(silent: SilentServer, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.port}")
    with Client(replace(FAKE, endpoint="https://somehost.example/somehost")) as client:
        check_stop(client, lambda: client.find(X), silent)


def test_a_source_that_fails_is_no_broken_line_behind_a_proxy(proxied, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(1_000_000))
    reader = FileReader(path)
    path.write_bytes(bytes(500_000))
    with Client(FAKE, policy=QUICK) as client, contextlib.closing(reader):
        with pytest.raises(errors.SourceError, match="shorter"):
            client.append(X, 0, PieceBody(reader, 0, 1_000_000, lambda count: None))


@pytest.mark.parametrize("call", ["wait", "send"])
def test_stop_ends_what_is_inside_a_tls_tunnel(call: str, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[1]))
    with SilentServer(certificate[0]) as server, ConnectProxy(server.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        endpoint = "https://contoso.dfs.core.windows.net"
        with Client(Account("contoso", endpoint, auth="anonymous")) as client:
            calls = {"wait": lambda: client.find(X), "send": lambda: client.append(X, 0, large())}
            check_stop(client, calls[call], server)


# ------------------------------------------------------------------------------------------- TLS


@pytest.mark.parametrize("call", ["wait", "send"])
def test_stop_ends_what_is_inside_tls(call: str, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[1]))
    with SilentServer(certificate[0]) as server:
        account = replace(account_at(1), endpoint=f"https://127.0.0.1:{server.port}/a")
        with Client(account) as client:
            calls = {"wait": lambda: client.find(X), "send": lambda: client.append(X, 0, large())}
            check_stop(client, calls[call], server)


def test_an_early_refusal_is_heard_over_tls(certificate, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[1]))

    class Early(SocketServer):
        def _converse(self, wire: socket.socket, number: int) -> None:
            wire.recv(65536)
            wire.sendall(error(403, "AuthorizationFailure", Connection="close"))
            # As servers do that want to be heard: a close at once would destroy the answer.
            with contextlib.suppress(OSError):
                while wire.recv(65536):
                    pass

    with Early(certificate[0]) as server:
        account = replace(account_at(1), endpoint=f"https://127.0.0.1:{server.port}/a")
        with Client(account, policy=QUICK) as client:
            with pytest.raises(errors.PermissionDeniedError, match="network rules"):
                client.append(X, 0, large(20))


def test_a_line_that_dies_in_the_handshake_is_tried_again():
    class Curt(SocketServer):
        def _converse(self, wire: socket.socket, number: int) -> None:
            wire.recv(10)

    with Curt() as server:
        account = replace(account_at(server.port), endpoint=f"https://127.0.0.1:{server.port}/a")
        with Client(account, policy=QUICK) as client:
            with pytest.raises(errors.ConnectionFailedError):
                client.find(X)
            assert client.traffic.requests > 1


def test_certificates_are_checked_by_default(silent: SilentServer):
    account = replace(account_at(silent.port), endpoint=f"https://127.0.0.1:{silent.port}/a")
    with Client(account) as client:
        tls = client._transport._route.tls
        assert tls.verify_mode is ssl.CERT_REQUIRED and tls.check_hostname


def test_a_slow_line_lives_as_long_as_it_moves(monkeypatch: pytest.MonkeyPatch):
    """The time-out is for a block, not for a body."""
    monkeypatch.setattr("adls_magic.core.service.connections.BLOCK_TIMEOUT", 2.0)
    size = 40_000_000

    class Slow(SocketServer):
        def _converse(self, wire: socket.socket, number: int) -> None:
            slow_until = time.monotonic() + 2.5
            left = size
            while left > 0 and (data := wire.recv(65536)):
                left -= len(data)
                # Not to the end, which lies in buffers: the answer is due soon after it has left.
                if time.monotonic() < slow_until:
                    time.sleep(0.01)
            wire.sendall(answer(202))

    with Slow() as server, Client(account_at(server.port), policy=QUICK) as client:
        began = time.monotonic()
        client.append(X, 0, PieceBody(MemoryReader(bytes(size)), 0, size, lambda count: None))
        assert time.monotonic() - began > 2.4
        assert client.traffic.retries == 0


def test_a_line_that_stands_still_is_given_up(silent: SilentServer, monkeypatch):
    monkeypatch.setattr("adls_magic.core.service.connections.BLOCK_TIMEOUT", 0.2)
    with Client(account_at(silent.port), policy=QUICK) as client:
        with pytest.raises(errors.ConnectionFailedError, match="in time"):
            client.append(X, 0, large(8))
        assert client.traffic.throttled == client.traffic.requests


def test_an_answer_after_the_time_out_is_not_taken_for_the_next(serve, monkeypatch):
    monkeypatch.setattr("adls_magic.core.service.connections.BLOCK_TIMEOUT", 0.2)
    is_tried_again = threading.Event()

    def answering(got):
        if got.number == 1:  # its connection has its time-out already, the others have time
            monkeypatch.setattr("adls_magic.core.service.connections.BLOCK_TIMEOUT", PATIENCE)
            is_tried_again.wait(PATIENCE)
            return answer(200, body=b"late")
        is_tried_again.set()
        return answer(200, body=b"fresh")

    server = serve(answering)
    with Client(account_at(server.port), policy=QUICK) as client:
        assert client.read(X) == b"fresh"
        wait_until(lambda: not server._threads[0].is_alive())
        assert client.read(X) == b"fresh"
        assert client.traffic.retries == 1
