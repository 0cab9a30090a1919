"""The lake's own reading of SharedKey, against the recorded cases and over the wire."""

from __future__ import annotations

import base64
import email.utils
import json
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adls_magic.lake.answers import Refusal
from adls_magic.lake.request import Body, Request, build_request
from adls_magic.lake.signature import check_shared_key

from .wire import Wire

CASES = json.loads((Path(__file__).parents[1] / "data" / "sharedkey.json").read_text("utf-8"))[
    "cases"
]
TESTED = [case for case in CASES if case["prefer"] != "avoid"]


def as_received(case: dict[str, Any], authorization: str) -> Request:
    url = urlsplit(case["url"])
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    headers = {**case["headers"], "Authorization": authorization}
    if case["content_length"] is not None:
        headers["Content-Length"] = str(case["content_length"])
    lines = [f"{case['method']} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]

    def no_body(length: int, _: dict[str, str]) -> Body:
        return Body(socket.socket(), b"", length, before=lambda: None)

    return build_request("\r\n".join(lines).encode("latin-1"), no_body, "127.0.0.1")


def moment(case: dict[str, Any]) -> float:
    low = {name.lower(): value for name, value in case["headers"].items()}
    return email.utils.parsedate_to_datetime(low.get("x-ms-date") or low["date"]).timestamp()


def accepts(case: dict[str, Any], authorization: str, *, now: float | None = None) -> bool:
    request = as_received(case, authorization)
    request.body._wire.close()
    try:
        check_shared_key(
            request,
            account=case["account"],
            key=base64.b64decode(case["key"]),
            now=moment(case) if now is None else now,
        )
    except Refusal as refusal:
        assert refusal.code == "AuthenticationFailed"
        return False
    return True


@pytest.mark.parametrize("case", TESTED, ids=lambda case: case["name"])
def test_recorded_cases(case: dict[str, Any]) -> None:
    kind = "written" if case["prefer"] == "written" else "expected"
    right = case[f"{kind}_authorization"]
    assert accepts(case, right)
    damaged = right[:-5] + ("AAAA=" if right[-5:] != "AAAA=" else "BBBB=")
    assert not accepts(case, damaged)
    # The same signature for any other path, verb or account is worth nothing.
    assert not accepts({**case, "method": "TRACE"}, right)
    assert not accepts({**case, "url": case["url"].replace("fs1", "fs2", 1)}, right) or (
        "fs1" not in case["url"]
    )


def test_enough_cases() -> None:
    assert len(TESTED) == 125


def test_changed_header_is_noticed() -> None:
    case = next(case for case in CASES if case["name"] == "append_crc64")
    headers = {**case["headers"], "x-ms-content-crc64": "AAAAAAAAAAA="}
    assert not accepts({**case, "headers": headers}, case["expected_authorization"])


@pytest.mark.parametrize(("minutes", "fits"), [(-14, True), (14, True), (-16, False), (16, False)])
def test_clock(minutes: int, fits: bool) -> None:
    case = CASES[0]
    now = moment(case) + minutes * 60
    assert accepts(case, case["expected_authorization"], now=now) is fits


def test_skewed_clock_over_the_wire(wire: Wire) -> None:
    late = email.utils.formatdate(time.time() - 20 * 60, usegmt=True)
    reply = wire.send("HEAD", "/lake/x", x_ms_date=late)
    assert (reply.status, reply.code, reply.body) == (403, "AuthenticationFailed", b"")
    server = email.utils.parsedate_to_datetime(reply.headers["date"]).timestamp()
    assert abs(server - time.time()) < 5


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": "SharedKey other:AAAA"}, 403, "AuthenticationFailed"),
        ({"Authorization": "SharedKey devstoreaccount1"}, 403, "AuthenticationFailed"),
        ({"Authorization": "Bearer abc"}, 401, "InvalidAuthenticationInfo"),
        ({"Authorization": ""}, 401, "NoAuthenticationInformation"),
        ({"x-ms-date": "yesterday"}, 403, "AuthenticationFailed"),
        ({"x-ms-date": None}, 403, "AuthenticationFailed"),
        ({"x-ms-version": "2031-01-01"}, 400, "InvalidHeaderValue"),
        ({"x-ms-version": None}, 400, "MissingRequiredHeader"),
    ],
)
def test_refused_credentials(wire: Wire, headers: dict[str, Any], status: int, code: str) -> None:
    reply = wire.send("GET", "/lake/x", **headers)
    assert (reply.status, reply.code) == (status, code)
    assert reply.json["error"]["code"] == code
    if code == "InvalidHeaderValue":
        detail = {"HeaderName": "x-ms-version", "HeaderValue": "2031-01-01"}
        assert reply.json["error"]["detail"] == detail
    if status == 401:
        assert reply.headers["www-authenticate"].startswith("Bearer ")


NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Co"], exclude_characters="/\x81"), min_size=1
).filter(lambda name: not name.endswith("."))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(segments=st.lists(NAMES.filter(lambda n: len(n) < 200), min_size=1, max_size=3))
def test_every_name_makes_the_round_trip(wire: Wire, segments: list[str]) -> None:
    from urllib.parse import quote

    path = "/lake/names/" + "/".join(quote(segment, safe="~") for segment in segments)
    assert wire.create(path).status == 201
    reply = wire.get("/lake?resource=filesystem&recursive=true&directory=names")
    listed = [item["name"] for item in reply.json["paths"]]
    assert "names/" + "/".join(segments) in listed
    assert wire.head(path).headers["x-ms-resource-type"] == "file"
    assert wire.send("DELETE", "/lake/names?recursive=true").status == 200
