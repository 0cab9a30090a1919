"""Signatures against cases made by the official SDK and by the written rule."""

from __future__ import annotations

import base64
import hmac
import json
import time
import traceback
import urllib.parse
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from adls_magic.core.account import Account
from adls_magic.core.account.identity import StaticToken
from adls_magic.core.errors import AdlsError, CredentialError
from adls_magic.core.secret import Secret
from adls_magic.core.service.bearer import Bearer
from adls_magic.core.service.credential import (
    Anonymous,
    Sas,
    SharedKey,
    authorization,
    string_to_sign,
)

from .conftest import KEY
from .servers import RawServer, answer
from .signing import is_signed

DATA = Path(__file__).parents[1] / "data" / "sharedkey.json"
CASES = json.loads(DATA.read_text(encoding="utf-8"))["cases"]
TESTED = [case for case in CASES if case["prefer"] != "avoid"]
SIG = "c2lnbmF0dXJlb2ZvdXJvd24%3D"
LATER = "2099-01-01T00%3A00%3A00Z"


def target_of(url: str) -> str:
    """The request line's part of a URL; a client sends `/` where the path is empty."""
    rest = url.partition("://")[2]
    slash, question = rest.find("/"), rest.find("?")
    if slash < 0 or (0 <= question < slash):
        return "/" + (rest[question:] if question >= 0 else "")
    return rest[slash:]


def expected(case: dict, what: str) -> str:
    return case[("written_" if case["prefer"] == "written" else "expected_") + what]


def test_the_data_is_whole():
    assert len(CASES) == 131
    assert {case["prefer"] for case in CASES} == {"both", "written", "sdk", "avoid"}
    assert len(TESTED) == 125


@pytest.mark.parametrize("case", TESTED, ids=lambda case: case["name"])
def test_string_to_sign(case: dict):
    text = string_to_sign(case["method"], target_of(case["url"]), case["headers"], case["account"])
    assert text == expected(case, "string_to_sign")


@pytest.mark.parametrize("case", TESTED, ids=lambda case: case["name"])
def test_authorization(case: dict, monkeypatch: pytest.MonkeyPatch):
    headers = dict(case["headers"])
    if "x-ms-date" in headers:
        date = headers.pop("x-ms-date")
        monkeypatch.setattr("adls_magic.core.service.credential.http_date", lambda: date)
        target = target_of(case["url"])
        sent = SharedKey(case["account"], case["key"]).apply(case["method"], target, headers)
        assert sent == target
        assert headers["Authorization"] == expected(case, "authorization")
    else:  # we never send such a request; its text is right all the same
        text = expected(case, "string_to_sign")
        digest = hmac.digest(base64.b64decode(case["key"]), text.encode(), "sha256")
        signature = base64.b64encode(digest).decode()
        assert expected(case, "authorization").endswith(f":{signature}")


TARGETS = st.text("abcXYZ019/-._~%20+=&?,;:@", min_size=0, max_size=30).map(lambda t: "/" + t)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Content-Length",
            "Content-Type",
            "If-Match",
            "If-None-Match",
            "Range",
            "Content-MD5",
            "x-ms-version",
            "x-ms-properties",
            "x-ms-rename-source",
            "x-ms-content-type",
        ]
    ),
    st.text('abc019=/",* ', max_size=10).map(str.strip),
)


@given(TARGETS, HEADERS, st.randoms())
def test_order_and_case_of_headers_do_not_matter(target, headers, random):
    shuffled = list(headers.items())
    random.shuffle(shuffled)
    again = {(k.upper() if random.random() < 0.5 else k.lower()): v for k, v in shuffled}
    first = string_to_sign("PUT", target, headers, "contoso")
    assert string_to_sign("PUT", target, again, "contoso") == first


@given(TARGETS, HEADERS)
def test_every_signed_part_changes_the_signature(target, headers):
    text = string_to_sign("PUT", target, headers, "contoso")
    others = [
        string_to_sign("PATCH", target, headers, "contoso"),
        string_to_sign("PUT", target, headers, "contosa"),
        string_to_sign("PUT", target.replace("/", "/x", 1), headers, "contoso"),
        string_to_sign("PUT", target, {**headers, "x-ms-more": "1"}, "contoso"),
        string_to_sign("PUT", target, {**headers, "Content-Length": "77"}, "contoso"),
        string_to_sign("PUT", target, {**headers, "If-Match": "other"}, "contoso"),
    ]
    assert text not in others


def test_length_zero_and_no_length_are_the_same():
    bare = string_to_sign("PUT", "/fs/x", {}, "contoso")
    assert string_to_sign("PUT", "/fs/x", {"Content-Length": "0"}, "contoso") == bare
    assert string_to_sign("PUT", "/fs/x", {"Content-Length": "10"}, "contoso") != bare


@given(st.text(max_size=20), st.text(max_size=20))
def test_query_values_are_signed_decoded_and_the_path_is_not(name, value):
    path = "/fs/" + urllib.parse.quote(name, safe="")
    target = f"{path}?directory={urllib.parse.quote(value, safe='')}&recursive=true"
    text = string_to_sign("GET", target, {}, "contoso")
    assert text.endswith(f"/contoso{path}\ndirectory:{value}\nrecursive:true")


def test_each_try_carries_its_own_date(monkeypatch: pytest.MonkeyPatch):
    signer, headers = SharedKey("contoso", KEY), {"x-ms-version": "1"}
    signer.apply("GET", "/fs/x", headers)
    first = dict(headers)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    signer.apply("GET", "/fs/x", headers)
    assert headers["x-ms-date"] == "Wed, 18 May 2033 03:33:20 GMT" != first["x-ms-date"]
    assert headers["Authorization"] != first["Authorization"]


@pytest.mark.parametrize("key", ["not base64!", KEY[:-1], KEY + "\n!", "ключ" * 22, "a"])
def test_a_malformed_key_is_refused_and_not_shown(key: str):
    with pytest.raises(CredentialError) as caught:
        SharedKey("contoso", key)
    shown = "".join(traceback.format_exception(caught.value))
    assert "malformed" in str(caught.value)
    assert len(key) < 6 or key not in shown


def test_a_key_is_in_no_view_of_the_signer():
    signer = SharedKey("contoso", KEY)
    seen = f"{signer!r}{signer}{vars(signer)}{signer.__dict__}"
    assert KEY not in seen and repr(base64.b64decode(KEY))[2:20] not in seen


def test_signs_for_requests_too():
    """`requests` prepares, our credential signs: what arrives is what was signed."""
    with RawServer(lambda got: answer(200)) as server, requests.Session() as session:
        url = f"http://127.0.0.1:{server.port}/devstoreaccount1/fs/a%20b%2B%C3%BC?x=1%2B2"
        headers = {"x-ms-version": "2023-11-03"}
        signer = SharedKey("devstoreaccount1", KEY)
        session.put(url, data=b"abc", headers=headers, auth=signer, timeout=60)
        assert is_signed(server.received[0], "devstoreaccount1", KEY)


# ---------------------------------------------------------------------------------- SAS, tokens


def test_a_sas_goes_on_the_wire_as_it_was_given():
    token = f"sv=2023-11-03&se={LATER}&sp=rw&sig={SIG}"
    for given_as in (token, "?" + token, f"  {token}\n"):
        sas, headers = Sas(given_as), {}
        assert sas.apply("GET", "/fs/x", headers) == f"/fs/x?{token}"
        assert sas.apply("GET", "/fs/x?a=b", headers) == f"/fs/x?a=b&{token}"
        assert sas.rename_source("/fs/old") == f"/fs/old?{token}"
        assert "Authorization" not in headers
        assert SIG not in f"{sas!r}{vars(sas)}"


@pytest.mark.parametrize("end", ["2020-01-01T00%3A00%3A00Z", "2020-01-01", "2020-01-01T00:00Z"])
def test_an_expired_sas_is_said_before_anything_is_sent(end: str):
    sas = Sas(f"sv=1&se={end}&sig={SIG}")
    with pytest.raises(CredentialError, match="expired on 2020-01-01") as caught:
        sas.apply("GET", "/fs/x", {})
    assert SIG not in str(caught.value)


@given(st.text(max_size=60))
def test_any_sas_text_gives_a_target_or_our_own_error(text: str):
    try:
        target = Sas(text).apply("GET", "/fs/x", {})
    except AdlsError:
        return
    assert target.startswith("/fs/x?")


def test_the_kind_of_credential_follows_the_account():
    def made(**given: object):
        return authorization(Account("contoso", "https://contoso.dfs.core.windows.net", **given))

    assert isinstance(made(auth="key", secret=Secret(KEY)), SharedKey)
    assert isinstance(made(auth="sas", secret=Secret(f"se={LATER}&sig={SIG}")), Sas)
    assert isinstance(made(auth="identity", token_source=StaticToken(Secret("opaque"))), Bearer)
    assert isinstance(made(auth="anonymous"), Anonymous)
