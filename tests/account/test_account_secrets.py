"""Keys, SAS and connection strings as people paste them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adls_magic.core.account.connection_string import EMULATOR_KEY, parse_connection_string
from adls_magic.core.account.pasted import account_key, kind_of
from adls_magic.core.account.sas import check_in_time, parse_sas, read_facts, span
from adls_magic.core.errors import AdlsError, ConfigurationError, CredentialError
from adls_magic.core.secret import Secret

from .made_up import KEY, OTHER_KEY, OTHER_SAS, SAS, sas

CONTOSO = "https://contoso.dfs.core.windows.net"
JWT = "eyJhbGciOiJub25lIn0.eyJ0aWQiOiJ0In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "pasted",
    [
        KEY,
        f" {KEY}\n",
        f'"{KEY}"',
        f"'{KEY}' ",
        f"“{KEY}”",
        f"\ufeff{KEY}",
        f"{KEY[:40]}\n{KEY[40:]}",
    ],
)
def test_a_key_is_freed_from_what_pasting_adds(pasted):
    assert account_key(pasted) == Secret(KEY)


@pytest.mark.parametrize(
    ("pasted", "message"),
    [
        ("", "empty"),
        (KEY[:-1], "no account key"),
        (KEY[:40], "64 bytes, this one 30"),
        (KEY.replace("A", "!"), "no account key"),
        (f"AccountName=contoso;AccountKey={KEY}", "this is a connection string"),
        (f"AccountKey={KEY}", "this is a connection string"),
        (SAS, "this is a SAS"),
        (f"?{SAS}", "this is a SAS"),
        (f"https://contoso.blob.core.windows.net/raw?{SAS}", "this is a SAS"),
        (JWT, "this is a bearer token"),
        ("Contoso's key", "no account key"),
    ],
)
def test_what_is_no_key(pasted, message):
    with pytest.raises(CredentialError, match=message) as caught:
        account_key(pasted)
    assert KEY[:30] not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_emulators_have_keys_of_any_length():
    assert account_key("c2hvcnQ=", any_length=True) == Secret("c2hvcnQ=")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (KEY, "key"),
        (SAS, "sas"),
        (f"?{SAS}", "sas"),
        ("BlobEndpoint=https://x;SharedAccessSignature=sv=1", "connection string"),
        ("UseDevelopmentStorage=true", "connection string"),
        (JWT, "token"),
        ("hello world!", "unknown"),
    ],
)
def test_kinds(text, kind):
    assert kind_of(text) == kind


@pytest.mark.parametrize("pasted", [SAS, f"?{SAS}", f" {SAS}\n", f"'{SAS}'", f"&{SAS}"])
def test_a_sas_is_kept_byte_for_byte(pasted):
    found = parse_sas(pasted)
    assert found.token.reveal() == SAS
    assert (found.endpoint, found.account, found.filesystem) == (None, None, None)


@pytest.mark.parametrize(
    ("url", "endpoint", "account", "filesystem"),
    [
        ("https://contoso.blob.core.windows.net/", CONTOSO, "contoso", None),
        ("https://contoso.dfs.core.windows.net", CONTOSO, "contoso", None),
        ("https://contoso.blob.core.windows.net/raw", CONTOSO, "contoso", "raw"),
        ("https://contoso.blob.core.windows.net/raw/dir/f%20g.csv", CONTOSO, "contoso", "raw"),
        ("http://127.0.0.1:1/acct/raw", "http://127.0.0.1:1/acct", "acct", "raw"),
        ("https://lake.contoso.com/raw", "https://lake.contoso.com", None, "raw"),
    ],
)
def test_a_sas_as_a_whole_url_says_where_it_is_for(url, endpoint, account, filesystem):
    found = parse_sas(f"{url}?{SAS}")
    assert found.token.reveal() == SAS
    assert (found.endpoint, found.account, found.filesystem) == (endpoint, account, filesystem)


@pytest.mark.parametrize(
    ("pasted", "message"),
    [
        ("", "`sv` and `sig`"),
        ("sv=2023-11-03&se=2030-01-01", "`sv` and `sig`"),
        ("sig=abc", "`sv` and `sig`"),
        (f"{SAS} trailing words", "blanks"),
        (f"{SAS[:20]}\n{SAS[20:]}", "blanks"),
        (f"{SAS}#x", "#"),
        (KEY, "this is an account key"),
        (f"AccountName=contoso;SharedAccessSignature={SAS}", "this is a connection string"),
        (f"ftp://contoso/raw?{SAS}", "no URL of a storage account"),
    ],
)
def test_what_is_no_sas(pasted, message):
    with pytest.raises(CredentialError, match=message) as caught:
        parse_sas(pasted)
    assert SAS[-20:] not in str(caught.value)
    assert KEY[:30] not in str(caught.value)


def test_what_a_sas_says():
    token = Secret(sas(sp="racwdlmeop", sr="d", se="2030-01-01T00:00:00Z") + "&sdd=2&st=2020-01-01")
    facts = read_facts(token)
    assert facts.scope == "a directory"
    assert facts.permissions[:3] == ("read", "add", "create")
    assert "move" in facts.permissions
    assert facts.expires == datetime(2030, 1, 1, tzinfo=UTC)
    assert facts.starts == datetime(2020, 1, 1, tzinfo=UTC)
    assert not facts.delegated
    of_account = read_facts(Secret("sv=1&ss=bf&srt=sco&sp=rwl&sip=1.2.3.4-1.2.3.9&sig=x&skoid=y"))
    assert (of_account.scope, of_account.addresses) == ("the account", "1.2.3.4-1.2.3.9")
    assert of_account.delegated
    assert read_facts(Secret("sv=1&sr=c&si=writers&sig=x")).policy == "writers"


@pytest.mark.parametrize(
    "se",
    ["2026-01-02T03:04:05Z", "2026-01-02T03:04Z", "2026-01-02", "2026-01-02T03:04:05.1234567Z"],
)
def test_forms_of_expiry(se):
    expires = read_facts(Secret(sas(se=se))).expires
    assert expires is not None
    assert expires.date().isoformat() == "2026-01-02"


def test_an_expired_sas_is_said_with_the_time_since():
    now = datetime(2026, 1, 2, 6, 30, tzinfo=UTC)
    token = Secret(sas(se="2026-01-02T03:04:05Z"))
    with pytest.raises(CredentialError, match=r"\(environment X\) expired 3 h ago"):
        check_in_time(token, origin="environment X", now=now)
    check_in_time(token, origin="environment X", now=now - timedelta(hours=4))


def test_a_sas_of_the_future_is_said_but_a_skewed_clock_forgiven():
    token = Secret(sas() + "&st=2026-01-02T12:00:00Z")
    start = datetime(2026, 1, 2, 12, tzinfo=UTC)
    with pytest.raises(CredentialError, match="in 2 h"):
        check_in_time(token, origin="x", now=start - timedelta(hours=2, minutes=1))
    check_in_time(token, origin="x", now=start - timedelta(minutes=10))


def test_a_time_of_another_zone_is_told_in_utc():
    token = Secret(sas() + "&st=2026-01-02T12:00:00%2B02:00")
    with pytest.raises(CredentialError, match="not valid before 2026-01-02 10:00 UTC, in 2 h"):
        check_in_time(token, origin="x", now=datetime(2026, 1, 2, 7, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=3, seconds=59), "3 min"),
        (timedelta(hours=3, minutes=59), "3 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=12, hours=5), "12 days"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_spans(length, text):
    assert span(length) == text


STRINGS = [
    (f"DefaultEndpointsProtocol=https;AccountName=contoso;AccountKey={KEY}", CONTOSO),
    (f"AccountName=contoso;AccountKey={KEY};", CONTOSO),
    (f" accountname=contoso ; ACCOUNTKEY={KEY} ;; ", CONTOSO),
    (f'"AccountName=contoso;AccountKey={KEY}"\n', CONTOSO),
    (
        f"AccountName=contoso;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn",
        "https://contoso.dfs.core.chinacloudapi.cn",
    ),
    (
        f"AccountName=contoso;AccountKey={KEY};BlobEndpoint=https://contoso.blob.core.windows.net/",
        CONTOSO,
    ),
    (
        "BlobEndpoint=https://contoso.z1.blob.storage.azure.net;"
        f"DfsEndpoint=https://contoso.privatelink.dfs.core.windows.net;AccountKey={KEY}",
        "https://contoso.privatelink.dfs.core.windows.net",
    ),
    (
        f"AccountName=contoso;AccountKey={KEY};BlobEndpoint=https://lake.example.org",
        "https://lake.example.org",
    ),
    (
        f"AccountName=contoso;AccountKey={KEY};SharedAccessSignature={SAS};"
        "QueueEndpoint=https://contoso.queue.core.windows.net;SomethingNew=1",
        CONTOSO,
    ),
]


@pytest.mark.parametrize(("text", "endpoint"), STRINGS)
def test_connection_strings_with_a_key(text, endpoint):
    found = parse_connection_string(text)
    assert (found.account, found.endpoint) == ("contoso", endpoint)
    assert found.key == Secret(KEY)
    assert found.sas is None


def test_connection_string_with_a_sas_as_the_portal_makes_it():
    found = parse_connection_string(
        "BlobEndpoint=https://contoso.blob.core.windows.net/;"
        "QueueEndpoint=https://contoso.queue.core.windows.net/;"
        f"SharedAccessSignature={SAS}"
    )
    assert (found.account, found.endpoint) == ("contoso", CONTOSO)
    assert (found.key, found.sas) == (None, Secret(SAS))


def test_connection_string_of_a_path_style_emulator():
    found = parse_connection_string(
        "DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=c2hvcnQ=;"
        "BlobEndpoint=http://127.0.0.1:10000/acct;"
    )
    assert found.endpoint == "http://127.0.0.1:10000/acct"
    assert found.key == Secret("c2hvcnQ=")


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("UseDevelopmentStorage=true", "http://127.0.0.1:10000/devstoreaccount1"),
        ("usedevelopmentstorage=TRUE;", "http://127.0.0.1:10000/devstoreaccount1"),
        (
            f"UseDevelopmentStorage=true;AccountName=contoso;AccountKey={KEY}",
            "http://127.0.0.1:10000/devstoreaccount1",
        ),
        (
            "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://azurite",
            "http://azurite:10000/devstoreaccount1",
        ),
    ],
)
def test_development_storage_wins_over_everything(text, endpoint):
    found = parse_connection_string(text)
    assert (found.account, found.endpoint) == ("devstoreaccount1", endpoint)
    assert found.key == Secret(EMULATOR_KEY)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", CredentialError, "empty"),
        (KEY, CredentialError, "this is an account key"),
        (f"AccountName=contoso;{KEY.rstrip('=')}", CredentialError, "part 2"),
        (f"AccountKey={KEY}", ConfigurationError, "AccountName"),
        (f"AccountName=Contoso;AccountKey={KEY}", ConfigurationError, "3 to 24"),
        ("AccountName=contoso;AccountKey=zzz", CredentialError, "AccountKey: this is no account"),
        (f"AccountName=contoso;AccountKey={SAS}", CredentialError, "this is a SAS"),
        ("AccountName=contoso;SharedAccessSignature=xyz", CredentialError, "SharedAccessSig"),
        (
            f"AccountName=contoso;AccountKey={KEY};AccountKey={OTHER_KEY}",
            CredentialError,
            "part 3 .* second time",
        ),
        (
            f"BlobSecondaryEndpoint=https://contoso-secondary.blob.core.windows.net;AccountKey={KEY}",
            ConfigurationError,
            "secondary",
        ),
        (
            f"AccountName=other;AccountKey={KEY};BlobEndpoint=https://contoso.blob.core.windows.net",
            ConfigurationError,
            "different accounts",
        ),
        (
            f"AccountName=contoso;AccountKey={KEY};DefaultEndpointsProtocol=ftp",
            ConfigurationError,
            "https",
        ),
        (
            f"AccountName=contoso;BlobEndpoint=https://contoso.blob.core.windows.net/?{OTHER_SAS}",
            ConfigurationError,
            "credential",
        ),
    ],
)
def test_wrong_connection_strings(text, kind, message):
    with pytest.raises(kind, match=message) as caught:
        parse_connection_string(text, origin="environment X")
    said = str(caught.value)
    assert isinstance(caught.value, AdlsError)
    assert not any(
        piece in said for piece in (KEY[:20], OTHER_KEY[:20], SAS[-20:], OTHER_SAS[-20:])
    )


def test_a_missing_secret_leaves_account_and_endpoint():
    found = parse_connection_string("AccountName=contoso;EndpointSuffix=core.windows.net")
    assert (found.account, found.endpoint, found.key, found.sas) == ("contoso", CONTOSO, None, None)
