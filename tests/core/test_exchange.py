"""Tries: signed anew, waited for as asked, bounded, and stopped at once."""

# ruff: noqa: SIM117 - what is expected to fail stands by itself
from __future__ import annotations

import email.utils
import socket
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import AT_ONCE, PATIENCE, wait_until, wait_until_still

from adls_magic.core import errors
from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.service.connections import _has_unread
from adls_magic.core.service.request import Stopped
from adls_magic.core.service.retry import RetryPolicy, is_retryable, retry_after
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import MemoryReader

from .conftest import KEY, QUICK, Clock, account_at
from .servers import (
    Drop,
    GarbageServer,
    Hang,
    RawServer,
    Received,
    Reset,
    SocketServer,
    answer,
    error,
    read_head,
    script,
)
from .signing import is_signed

X = RemotePath("fs", "x")
OK = answer(200, {"ETag": '"1"'})
CREATED = answer(201, {"ETag": '"1"'})


def piece(data: bytes) -> PieceBody:
    return PieceBody(MemoryReader(data), 0, len(data), lambda count: None)


def test_each_try_is_signed_anew(serve, monkeypatch: pytest.MonkeyPatch):
    clock = iter(range(1_800_000_000, 1_800_009_000, 600))
    monkeypatch.setattr("adls_magic.core.service.credential.http_date", lambda: str(next(clock)))
    server = serve(script(error(500, "InternalError"), error(503, "ServerBusy"), Drop, CREATED))
    with Client(account_at(server.port), policy=QUICK) as client:
        assert client.create(X) == '"1"'
        assert (client.traffic.requests, client.traffic.retries) == (4, 3)
        assert client.traffic.throttled == 1
    got = server.received
    assert all(is_signed(one, "devstoreaccount1", KEY) for one in got)
    for name in ("x-ms-date", "x-ms-client-request-id", "Authorization"):
        assert len({one.header(name) for one in got}) == 4, name
    assert len({one.target for one in got}) == 1


def test_each_try_sends_the_whole_body(serve):
    data = bytes(range(256)) * 1500  # more than goes out with the head
    accepted = answer(202)
    server = serve(script(error(500, "InternalError"), Reset, Drop, accepted))
    counted = []
    body = PieceBody(MemoryReader(data), 0, len(data), counted.append)
    with Client(account_at(server.port), policy=QUICK) as client:
        client.append(X, 0, body)
    assert [got.body for got in server.received] == [data] * 4
    assert sum(counted) == len(data)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_failures_are_tried_again(status: int, serve):
    server = serve(script(answer(status), CREATED))
    with Client(account_at(server.port), policy=QUICK) as client:
        client.create(X)
    assert len(server.received) == 2


@pytest.mark.parametrize(
    "status", [301, 302, 307, 400, 401, 403, 404, 409, 411, 412, 413, 501, 505]
)
def test_refusals_are_final(status: int, serve):
    server = serve(lambda got: answer(status, {"Location": "http://127.0.0.1:1/elsewhere"}))
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.AdlsError):
            client.create(X)
    assert len(server.received) == 1


def test_conflicts_that_pass_by_themselves_are_waited_for(serve):
    server = serve(script(error(409, "FilesystemBeingDeleted"), CREATED))
    with Client(account_at(server.port), policy=QUICK) as client:
        client.create_filesystem("fs1")
    assert len(server.received) == 2


def test_a_damaged_body_is_sent_again(serve):
    server = serve(script(error(400, "Md5Mismatch"), answer(202)))
    with Client(account_at(server.port), policy=QUICK) as client:
        client.append(X, 0, piece(b"abc"))
    assert len(server.received) == 2


# --------------------------------------------------------------------------------------- waiting


def test_retry_after_in_seconds_is_honoured(serve, clock: Clock):
    server = serve(script(answer(503, {"Retry-After": "0.3"}), OK))
    with Client(account_at(server.port), policy=QUICK, stop=clock) as client:
        client.find(X)
    assert clock.waits == [0.3]


def test_retry_after_as_a_date_is_honoured(serve, clock: Clock):
    def answering(got):
        if got.number > 1:
            return OK
        when = email.utils.formatdate(int(time.time()) + 55, usegmt=True)
        return answer(503, {"Retry-After": when})

    server = serve(answering)
    with Client(account_at(server.port), policy=QUICK, stop=clock) as client:
        client.find(X)
    assert len(clock.waits) == 1 and 55 - AT_ONCE < clock.waits[0] <= 55


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("7", 7),
        ("-3", 0),
        ("soon", None),
        ("nan", 0),
        ("inf", float("inf")),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_forms_of_retry_after(text: str, seconds: float | None):
    assert retry_after({"Retry-After": text}) == seconds


@given(st.integers(1, 60), st.one_of(st.none(), st.floats(0, allow_infinity=True)))
def test_waits_stay_in_their_bounds(failures: int, asked: float | None):
    policy = RetryPolicy()
    wait = policy.wait(failures, asked)
    most = policy.longest_wait if asked is None else min(asked, 60)
    assert 0 <= wait <= most
    if asked is None:
        assert wait <= policy.first_wait * 2 ** (failures - 1)


def test_a_transient_fault_costs_well_under_a_second(serve, clock: Clock):
    server = serve(script(OK, Drop, OK, error(503, "ServerBusy"), OK))
    with Client(account_at(server.port), stop=clock) as client:  # the default policy
        for _ in range(3):
            client.find(X)
    assert len(clock.waits) == 2
    assert clock.waits[0] == 0  # a kept connection that was closed
    assert clock.waits[1] < 0.5


# ----------------------------------------------------------------------------------- giving up


def test_gives_up_with_the_last_refusal(serve):
    server = serve(lambda got: error(503, "ServerBusy"))
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.ServiceError, match="limits") as caught:
            client.find(X)
    assert (caught.value.status, caught.value.code) == (503, "ServerBusy")
    assert caught.value.request_id == "made-up-request-id"
    assert len(server.received) == QUICK.tries


def test_gives_up_on_a_line_that_keeps_breaking(serve):
    server = serve(script(OK, Drop))
    with Client(account_at(server.port), policy=QUICK) as client:
        client.find(X)
        with pytest.raises(errors.ConnectionFailedError, match=r"the connection broke .4 tries"):
            client.find(X)


def test_patience_ends_it_though_tries_are_left(serve, clock: Clock):
    server = serve(lambda got: answer(503, {"Retry-After": "0.2"}))
    policy = RetryPolicy(tries=1000, patience=0.5)
    with Client(account_at(server.port), policy=policy, stop=clock) as client:
        with pytest.raises(errors.ServiceError):
            client.find(X)
    assert clock.waits == [0.2, 0.2] and len(server.received) == 3


def test_no_try_begins_after_the_patience_has_ended(serve, clock: Clock):
    server = serve(lambda got: answer(503, {"Retry-After": "30"}))
    policy = replace(QUICK, patience=2)
    with Client(account_at(server.port), policy=policy, stop=clock) as client:
        with pytest.raises(errors.ServiceError):
            client.find(X)
    assert clock.waits == []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def test_a_refused_connection_is_said_soon(clock: Clock):
    with Client(account_at(free_port()), stop=clock) as client:  # the default policy
        with pytest.raises(errors.ConnectionFailedError, match=r"refused.*server running"):
            client.find(X)
    assert len(clock.waits) == 2 and sum(clock.waits) < 1


def test_a_name_that_is_not_found_is_said_soon(monkeypatch: pytest.MonkeyPatch, clock: Clock):
    def unknown(*args, **given):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # there is no name service here to ask
    account = Account("nosuch", "https://nosuch.dfs.core.windows.net", auth="anonymous")
    with Client(account, stop=clock) as client:
        with pytest.raises(errors.ConnectionFailedError, match="name was not found"):
            client.find(X)
    assert len(clock.waits) == 2 and sum(clock.waits) < 1


class Curt(SocketServer):
    """Answers as soon as anything comes in, whatever it is."""

    def _converse(self, wire: socket.socket, number: int) -> None:
        wire.recv(65536)
        wire.sendall(answer(400, {"Connection": "close"}))


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_the_wrong_scheme_is_said(scheme: str):
    class Alert(Curt):
        def _converse(self, wire: socket.socket, number: int) -> None:
            wire.recv(65536)
            wire.sendall(b"\x15\x03\x01\x00\x02\x02\x16")

    with (Curt if scheme == "https" else Alert)() as server:
        account = replace(account_at(server.port), endpoint=f"{scheme}://127.0.0.1:{server.port}/a")
        with Client(account, policy=QUICK) as client:
            with pytest.raises(errors.ConnectionFailedError, match="https or http"):
                client.find(X)


# --------------------------------------------------------------------------------------- stopping


@pytest.mark.parametrize("raw", [answer(503, {"Retry-After": "60"}), Hang])
def test_stop_ends_a_wait_at_once(raw, serve):
    server = serve(script(raw))
    with Client(account_at(server.port)) as client:
        calling, ended = threading.current_thread(), []

        def stop() -> None:
            wait_until(lambda: server.received)
            wait_until_still(calling)
            ended.append(time.monotonic())
            client.abort()

        stopping = threading.Thread(target=stop)
        stopping.start()
        with pytest.raises(Stopped):
            client.find(X)
        ended.append(time.monotonic())
        stopping.join()
    assert 0 < ended[1] - ended[0] < AT_ONCE


def test_after_a_stop_nothing_is_sent(serve):
    server = serve(lambda got: OK)
    with Client(account_at(server.port)) as client:
        client.abort()
        with pytest.raises(Stopped):
            client.find(X)
    assert server.received == []


# ------------------------------------------------------------------------------ credentials, 401


class Source:
    """Gives another token each time."""

    def __init__(self) -> None:
        self.calls = 0

    def get_token(self, *scopes: str, **options: object) -> SimpleNamespace:
        self.calls += 1
        return SimpleNamespace(token=f"token{self.calls}", expires_on=int(time.time()) + 3600)


def with_token(port: int) -> Account:
    endpoint = f"http://127.0.0.1:{port}/contoso"
    return Account("contoso", endpoint, auth="identity", token_source=Source())


def test_a_refused_token_is_renewed_once(serve):
    server = serve(script(error(401, "InvalidAuthenticationInfo"), OK))
    with Client(with_token(server.port), policy=QUICK) as client:
        client.find(X)
    sent = [got.header("Authorization") for got in server.received]
    assert sent == ["Bearer token1", "Bearer token2"]


def test_a_token_refused_twice_is_an_error(serve):
    server = serve(lambda got: error(401, "InvalidAuthenticationInfo"))
    with Client(with_token(server.port), policy=QUICK) as client:
        with pytest.raises(errors.PermissionDeniedError, match="az login"):
            client.create(X)
    assert len(server.received) == 2


def test_a_renewed_token_is_no_lost_try(serve):
    """The refused try did nothing, so what the next one says is the truth."""
    server = serve(script(error(401, "InvalidAuthenticationInfo"), error(404, "PathNotFound")))
    with Client(with_token(server.port), policy=QUICK) as client:
        with pytest.raises(errors.PathNotFoundError):
            client.delete(X)


def test_a_busy_service_is_no_lost_try(serve):
    server = serve(script(error(503, "ServerBusy"), error(404, "PathNotFound")))
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.PathNotFoundError):
            client.delete(X)


def test_redirects_are_not_followed(serve):
    elsewhere = serve(lambda got: OK)
    location = {"Location": f"http://127.0.0.1:{elsewhere.port}/fs/x"}
    server = serve(lambda got: answer(307, location))
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.ServiceError, match="redirect"):
            client.create(X)
    assert elsewhere.received == [] and elsewhere.connections == 0


# ------------------------------------------------------------------------------------ connections


def test_a_connection_is_kept(serve):
    server = serve(lambda got: OK)
    with Client(account_at(server.port), policy=QUICK) as client:
        for _ in range(5):
            client.find(X)
    assert server.connections == 1 and len(server.received) == 5


def test_connection_close_is_obeyed(serve):
    server = serve(lambda got: answer(200, {"Connection": "close"}))
    with Client(account_at(server.port), policy=QUICK) as client:
        for _ in range(3):
            client.find(X)
        assert client.traffic.retries == 0
    assert server.connections == 3


def test_a_kept_connection_that_was_closed_is_no_failure(serve, clock: Clock):
    closed = []

    def answering(got):
        if got.number == 2 and not closed:
            closed.append(1)
            raise Drop
        return OK

    server = serve(answering)
    policy = replace(QUICK, first_wait=5)
    with Client(account_at(server.port), policy=policy, stop=clock) as client:
        client.find(X)
        client.find(X)
        assert clock.waits == [0]  # it did not wait
        assert (client.traffic.requests, client.traffic.retries) == (3, 1)


def has_unread(client: Client) -> bool:
    """True when something has come over the connection that this thread keeps, or its end."""
    return _has_unread(client._transport._connections._local.sock)


def test_a_connection_closed_while_idle_costs_no_try():
    with GarbageServer(OK) as server, Client(account_at(server.port), policy=QUICK) as client:
        for _ in range(3):
            client.find(X)
            wait_until(lambda: has_unread(client))
        assert client.traffic.retries == 0


def test_each_thread_has_its_connection(serve):
    meet = threading.Barrier(4, timeout=PATIENCE)

    def answering(got):
        meet.wait()
        return OK

    server = serve(answering)
    with Client(account_at(server.port), policy=QUICK) as client:
        threads = [threading.Thread(target=client.find, args=(X,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert server.connections == 4


# --------------------------------------------------------------------------------- odd HTTP answers


def chunked(body: bytes, size: int = 7) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    lines = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in parts)
    return answer(200, {"Transfer-Encoding": "chunked"}) + lines + b"0\r\nTrailer: x\r\n\r\n"


def test_chunked_answers(serve):
    server = serve(lambda got: chunked(b"some bytes of a file" * 9))
    with Client(account_at(server.port), policy=QUICK) as client:
        assert client.read(X) == b"some bytes of a file" * 9
        assert client.read(X) == b"some bytes of a file" * 9
    assert server.connections == 1


def test_100_continue_is_passed_over(serve):
    server = serve(lambda got: b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200, body=b"abc"))
    with Client(account_at(server.port), policy=QUICK) as client:
        assert client.read(X) == b"abc"


def test_an_answer_nobody_asked_for_is_not_taken_for_the_next(serve):
    server = serve(
        script(answer(200, body=b"one") + answer(200, body=b"stray"), answer(200, body=b"two"))
    )
    with Client(account_at(server.port), policy=QUICK) as client:
        assert client.read(X) == b"one"
        assert client.read(X) == b"two"


def test_nor_is_one_that_comes_later():
    read = threading.Event()

    class Talkative(SocketServer):
        def _converse(self, wire: socket.socket, number: int) -> None:
            with wire.makefile("rb") as stream:
                while read_head(stream) is not None:
                    wire.sendall(answer(200, body=b"%d" % number))
                    assert read.wait(PATIENCE)
                    if number == 1:
                        wire.sendall(answer(200, body=b"stray"))

    with Talkative() as server, Client(account_at(server.port), policy=QUICK) as client:
        assert client.read(X) == b"1"
        read.set()
        wait_until(lambda: has_unread(client))
        assert client.read(X) == b"2"


def test_half_an_answer_is_tried_again(serve):
    half = answer(200, {"Connection": "close"}, b"half", length=8)
    server = serve(script(half, answer(200, body=b"halfhalf")))
    with Client(account_at(server.port), policy=QUICK) as client:
        assert client.read(X) == b"halfhalf"


class CutShort(SocketServer):
    """Ends its first answer, and the connection with it, after some bytes of it."""

    def __init__(self, raw: bytes, length: int) -> None:
        self._answers = [raw[:length], raw]
        super().__init__()

    def _converse(self, wire: socket.socket, number: int) -> None:
        with wire.makefile("rb") as stream:
            while read_head(stream) is not None:
                wire.sendall(self._answers[min(number, 2) - 1])
                if number == 1:
                    return


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_an_answer_cut_off_at_any_byte_is_tried_again(method: str):
    """Also inside its head, where a length, an etag or a code would be missing."""
    properties = {"x-ms-resource-type": "file", "ETag": '"0x8D1234"', "Content-Length": "3"}
    raw = answer(200, properties, b"" if method == "HEAD" else b"abc")
    for length in range(0, len(raw), 3):
        with CutShort(raw, length) as server, Client(account_at(server.port), policy=QUICK) as one:
            if method == "HEAD":
                found = one.properties(X)
                assert (found.size, found.etag) == (3, '"0x8D1234"'), length
            else:
                assert one.read(X) == b"abc", length
            assert one.traffic.retries == 1, length


def test_an_early_refusal_is_heard_while_a_large_body_is_sent():
    """A server that refuses and closes before it has read the body."""

    class Early(RawServer):
        def _read(self, stream, number):
            head = read_head(stream)
            return Received(head[0], (), b"", number, number) if head else None

    raw = error(403, "AuthorizationFailure", Connection="close")
    with Early(lambda got: raw) as server, Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.PermissionDeniedError, match="network rules"):
            client.append(X, 0, piece(bytes(20_000_000)))


def test_a_body_that_was_cut_off_has_not_arrived_whatever_is_answered():
    class Early(RawServer):
        def _read(self, stream, number):
            head = read_head(stream)
            return Received(head[0], (), b"", number, number) if head else None

    raw = answer(202, {"Connection": "close"})
    with Early(lambda got: raw) as server, Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.ConnectionFailedError, match="broke"):
            client.append(X, 0, piece(bytes(20_000_000)))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1",
        b"HELLO\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
        answer(200, {"Transfer-Encoding": "chunked"}) + b"zz\r\n",
    ],
)
def test_garbage_is_one_of_our_errors(raw: bytes):
    with GarbageServer(raw) as server, Client(account_at(server.port), policy=QUICK) as client:
        began = time.monotonic()
        with pytest.raises(errors.ConnectionFailedError) as caught:
            client.read(X)
        assert time.monotonic() - began < AT_ONCE
    assert "\n" not in str(caught.value) and KEY not in str(caught.value)


def test_what_is_retryable_is_a_matter_of_status_and_code():
    for status in range(100, 1000):
        wanted = status in (408, 429) or (status >= 500 and status not in (501, 505))
        assert is_retryable(status, None) is wanted is is_retryable(status, "InternalError")
    assert is_retryable(409, "SourcePathIsBeingDeleted") and not is_retryable(409, "PathConflict")


@pytest.mark.parametrize("value", ["a\r\nx-injected: 1", "a\nb", "ü日本"])
def test_a_header_that_cannot_be_sent_is_said_without_a_try(value: str, serve):
    server = serve(lambda got: CREATED)
    with Client(account_at(server.port), policy=QUICK) as client:
        with pytest.raises(errors.AdlsError) as caught:
            client.create(X, content_type=value)
        assert not isinstance(caught.value, errors.ConnectionFailedError)
    assert server.received == []
