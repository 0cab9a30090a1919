"""Whatever is put in, only our own errors come out, and they never repeat a secret."""

from __future__ import annotations

import base64
import os
import urllib.parse
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adls_magic.core.account.address import check_path, normalise_endpoint, parse_path
from adls_magic.core.account.cli_config import read_cli_config
from adls_magic.core.account.connect import connect
from adls_magic.core.account.connection_string import parse_connection_string
from adls_magic.core.account.environment import read_environment
from adls_magic.core.account.pasted import account_key
from adls_magic.core.account.profiles import profile_level, read_profiles
from adls_magic.core.account.sas import parse_sas, read_facts
from adls_magic.core.errors import AdlsError
from adls_magic.core.secret import Secret

from .made_up import KEY, SAS

SIGNATURE = urllib.parse.unquote(SAS.partition("sig=")[2])
SECRETS = (KEY, SAS, SIGNATURE)
PIECES = st.sampled_from(
    [
        *SECRETS,
        *(urllib.parse.quote(secret, safe="") for secret in SECRETS),
        "abfss://raw@contoso.dfs.core.windows.net/",
        "https://contoso.blob.core.windows.net/raw/",
        "http://127.0.0.1:10000/devstoreaccount1",
        "AccountName=contoso;",
        "AccountKey=",
        "SharedAccessSignature=",
        "DfsEndpoint=",
        "UseDevelopmentStorage=true",
        "DevelopmentStorageProxyUri=",
        "?",
        "&sig=",
        "/",
        "//",
        "..",
        "@",
        "[::1",
        "]",
        "%",
        "%2F",
        "=",
        ";",
        "\n",
        "\x00",
        "\udc80",
        "é",
        ":",
        "#",
        "\\",
        ".",
        " ",
        "true",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=8).map("".join),
)
quick = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def written(secret: str) -> set[str]:
    """Long pieces of a secret in all the shapes in which they could turn up."""
    whole = {
        secret,
        urllib.parse.quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode(),
        secret[::-1],
    }
    return {form[start : start + 24] for form in whole for start in range(0, len(form) - 23, 6)}


SHOWN = set().union(*(written(secret) for secret in (KEY, SIGNATURE)))


def said(act, *arguments, **named) -> None:
    """Call `act`; an error must be ours and must repeat no secret."""
    try:
        act(*arguments, **named)
    except AdlsError as error:
        text = f"{error} {error!r}"
        assert not [form for form in SHOWN if form in text]
        assert error.__cause__ is None
        assert error.__context__ is None or error.__suppress_context__
        assert len(text.splitlines()) <= 2


@quick
@given(TEXTS)
@example("https://[")
@example("https://contoso.dfs.core.windows.net:x/raw")
@example("abfss://@/")
@example("https://\u2100/x")
def test_paths_and_endpoints(text):
    said(parse_path, text)
    said(parse_path, text, filesystem="raw", one_lake=True)
    said(check_path, text)
    said(normalise_endpoint, text)
    said(normalise_endpoint, text, account="contoso")


@quick
@given(TEXTS)
@example(f"AccountName={KEY}")
@example(f"{KEY}=x;AccountName=a")
@example(f"AccountName=contoso;DfsEndpoint=https://{KEY}")
@example(f"AccountName=contoso;EndpointSuffix={KEY}")
@example("UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://[")
def test_pasted_secrets(text):
    said(parse_connection_string, text)
    said(account_key, text)
    said(parse_sas, text)
    said(connect, "contoso", credential=text)
    with suppress(AdlsError):
        token = parse_sas(text).token
        read_facts(token)
    read_facts(Secret(text.encode("utf-8", "replace").decode()))


@quick
@given(
    st.sampled_from(
        ["account", "account_name", "filesystem", "endpoint", "auth", "profile", "account_host"]
    ),
    TEXTS,
)
def test_arguments(name, text):
    said(connect, **{"account": "contoso", "account_key": KEY, name: text})


@quick
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "AZURE_STORAGE_ACCOUNT",
                "AZURE_STORAGE_KEY",
                "AZURE_STORAGE_ACCOUNT_KEY",
                "AZURE_STORAGE_SAS_TOKEN",
                "AZURE_STORAGE_CONNECTION_STRING",
                "AZURE_STORAGE_ENDPOINT",
                "AZURE_STORAGE_AUTH_MODE",
                "AZURE_STORAGE_ANON",
                "AZURE_STORAGE_USE_EMULATOR",
                "AZURE_CONTAINER_NAME",
                "AZURE_STORAGE_CLIENT_SECRET",
            ]
        ),
        TEXTS,
        max_size=4,
    )
)
def test_environments(environ):
    said(read_environment, environ)


LINES = st.lists(
    st.one_of(
        TEXTS,
        st.sampled_from(
            [
                "[default]",
                "[storage]",
                "[",
                "# remark",
                "account_name = contoso",
                "account = contoso",
                f"account_key = {KEY}",
                f"  {KEY}",
                f"sas_token = {SAS}",
                f"[{KEY}]",
                f"{KEY} = {KEY}",
                "auth = key",
                "auth_mode = login",
                "endpoint = https://contoso.dfs.core.windows.net",
            ]
        ),
    ),
    max_size=8,
).map("\n".join)


@quick
@given(LINES)
@example("[default]\n\ufeff")
@example("[default]\n=x")
@example("[]\n")
@example("[default]\nx")
@example("[default]\naccount_key\n")
@example(" indented\n[default]")
def test_config_files(tmp_path, text):
    path = tmp_path / "config.ini"
    data = text.encode("utf-8", "surrogateescape")
    path.write_bytes(data)
    path.chmod(0o600)
    said(read_cli_config, path)
    said(lambda: [profile_level(one) for one in read_profiles(os.environ).values()])


@quick
@given(st.binary(max_size=200))
def test_config_files_of_any_bytes(tmp_path, data):
    path = tmp_path / "config.ini"
    path.write_bytes(data)
    path.chmod(0o600)
    said(read_cli_config, path)
    said(read_profiles, os.environ)


def test_the_fuzz_would_see_a_secret():
    def leak():
        raise AdlsError(f"no: {KEY[10:50]}")

    with pytest.raises(AssertionError):
        said(leak)
