from __future__ import annotations

import urllib.parse

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adls_magic.core.account.address import (
    RemotePath,
    check_account,
    check_filesystem,
    check_path,
    display_url,
    names_endpoint,
    normalise_endpoint,
    parse_path,
    quote_path,
)
from adls_magic.core.account.endpoints import endpoint_of, is_loopback
from adls_magic.core.errors import AdlsError, ConfigurationError, PathError

CONTOSO = "https://contoso.dfs.core.windows.net"
PATHS = [
    ("dir/file.csv", "lake", "dir/file.csv", False),
    ("/dir/file.csv", "lake", "dir/file.csv", False),
    ("dir/sub/", "lake", "dir/sub", True),
    ("", "lake", "", True),
    ("/", "lake", "", True),
    ("a//b", "lake", "a/b", False),
    ("100%/a+b c#1?.txt", "lake", "100%/a+b c#1?.txt", False),
    (".hidden/..more", "lake", ".hidden/..more", False),
    ("a%20b", "lake", "a%20b", False),
    ("x/http://y", "lake", "x/http:/y", False),
    ("abfss://raw/dir/file", "raw", "dir/file", False),
    ("ABFSS://raw/dir/", "raw", "dir", True),
    ("abfs://$web/index.html", "$web", "index.html", False),
    ("abfss://raw", "raw", "", True),
]


@pytest.mark.parametrize(("text", "filesystem", "path", "is_directory"), PATHS)
def test_paths_of_the_configured_account(text, filesystem, path, is_directory):
    found = parse_path(text, filesystem="lake")
    assert found == RemotePath(filesystem, path, is_directory=is_directory)
    assert not names_endpoint(text)


FULL = [
    ("abfss://raw@contoso.dfs.core.windows.net/d/f", CONTOSO, "contoso", "d/f"),
    ("abfs://raw@contoso.dfs.core.windows.net/d/f", CONTOSO, "contoso", "d/f"),
    ("abfss://raw@contoso.blob.core.windows.net/a%20b", CONTOSO, "contoso", "a%20b"),
    ("abfss://raw@CONTOSO.dfs.core.windows.net/d", CONTOSO, "contoso", "d"),
    ("https://contoso.dfs.core.windows.net/raw/a%20b%2525", CONTOSO, "contoso", "a b%25"),
    ("https://contoso.blob.core.windows.net/raw/%C3%A9", CONTOSO, "contoso", "é"),
    ("https://contoso.dfs.core.windows.net:443/raw/x", CONTOSO, "contoso", "x"),
    (
        "https://contoso.dfs.core.chinacloudapi.cn/raw/x",
        "https://contoso.dfs.core.chinacloudapi.cn",
        "contoso",
        "x",
    ),
    (
        "abfss://raw@contoso.dfs.core.usgovcloudapi.net/x",
        "https://contoso.dfs.core.usgovcloudapi.net",
        "contoso",
        "x",
    ),
    (
        "abfss://raw@contoso.z17.dfs.storage.azure.net/x",
        "https://contoso.z17.dfs.storage.azure.net",
        "contoso",
        "x",
    ),
    (
        "https://contoso.z17.blob.storage.azure.net/raw/x",
        "https://contoso.z17.dfs.storage.azure.net",
        "contoso",
        "x",
    ),
    (
        "abfss://raw@contoso.privatelink.dfs.core.windows.net/x",
        "https://contoso.privatelink.dfs.core.windows.net",
        "contoso",
        "x",
    ),
    (
        "abfss://raw@contoso-dualstack.dfs.core.windows.net/x",
        "https://contoso-dualstack.dfs.core.windows.net",
        "contoso",
        "x",
    ),
    (
        "http://127.0.0.1:10000/devstoreaccount1/raw/a%2Bb",
        "http://127.0.0.1:10000/devstoreaccount1",
        "devstoreaccount1",
        "a+b",
    ),
    ("http://localhost:1/acct/raw/x", "http://localhost:1/acct", "acct", "x"),
    ("http://[::1]:8080/acct/raw/x", "http://[::1]:8080/acct", "acct", "x"),
    ("https://lake.contoso.com/raw/x", "https://lake.contoso.com", None, "x"),
]


@pytest.mark.parametrize(("text", "endpoint", "account", "path"), FULL)
def test_full_paths(text, endpoint, account, path):
    found = parse_path(text, filesystem="other")
    assert found == RemotePath("raw", path, endpoint=endpoint, account=account)
    assert names_endpoint(text)


@pytest.mark.parametrize(
    ("workspace", "written"),
    [
        ("My Workspace", "abfss://My Workspace@onelake.dfs.fabric.microsoft.com/{}"),
        ("My Workspace", "https://onelake.dfs.fabric.microsoft.com/My%20Workspace/{}"),
        (
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            "abfss://0f8fad5b-d9cb-469f-a165-70867728950e@onelake.blob.fabric.microsoft.com/{}",
        ),
        ("Sales", "https://westeurope-onelake.dfs.fabric.microsoft.com/Sales/{}"),
    ],
)
def test_one_lake(workspace, written):
    found = parse_path(written.format("lh.Lakehouse/Files/x.csv"))
    assert (found.filesystem, found.path) == (workspace, "lh.Lakehouse/Files/x.csv")
    assert found.account == "onelake"
    assert ".dfs.fabric.microsoft.com" in found.endpoint


def test_a_one_lake_workspace_of_the_configured_account():
    found = parse_path("abfss://My Workspace/lh.Lakehouse/Files/x", one_lake=True)
    assert found.filesystem == "My Workspace"
    with pytest.raises(PathError, match="lower-case"):
        parse_path("abfss://My Workspace/lh.Lakehouse/Files/x")


WRONG = [
    ("a/../b", r"no '\.\.'"),
    ("./a", r"no '\.'"),
    ("https://contoso.dfs.core.windows.net/raw/%2e%2e/x", r"no '\.\.'"),
    ("dir\\file", "separated by /"),
    ("a./b", "ends in a dot"),
    ("a\nb", r"U\+000A"),
    ("a\x81", r"U\+0081"),
    ("a\ue000", r"U\+E000"),
    ("a\udc80", r"U\+DC80"),
    ("x" * 1025, "at most 1024"),
    ("a/" * 300 + "b", "300? levels|301 levels"),
    ("s3://bucket/x", "abfss://"),
    ("wasbs://fs@contoso.blob.core.windows.net/x", "abfss://"),
    ("abfss://Raw/x", "lower-case"),
    ("abfss://a--b/x", "single hyphens"),
    ("abfss://-ab/x", "letter or digit at both ends"),
    ("abfss://ab/x", "3 to 63"),
    ("abfss:///x", "3 to 63"),
    ("abfss://raw@contoso/x", "whole host"),
    ("abfss://raw@127.0.0.1:10000/acct/x", "path-style|emulator"),
    ("abfss://raw@Con_toso.dfs.core.windows.net/x", "3 to 24"),
    ("abfss://raw@contoso-secondary.dfs.core.windows.net/x", "secondary host"),
    ("https://contoso.file.core.windows.net/raw/x", r"\.file\."),
    ("https://contoso.dfs.core.windows.net/", "names no filesystem"),
    ("https://contoso.dfs.core.windows.net/raw/x?restype=container", "query"),
    ("https://contoso.dfs.core.windows.net/raw/x#top", "fragment"),
    ("https://user:pw@contoso.dfs.core.windows.net/raw/x", "user or password"),
    ("https://contoso.dfs.core.windows.net:99999/raw/x", "port"),
    ("https://contoso.dfs.core.windows.net/raw/50%", "hex digits"),
    ("https://contoso.dfs.core.windows.net/raw/%FF", "UTF-8"),
    ("https:///raw/x", "no host"),
    ("http://127.0.0.1:10000/", "account"),
    ("http://127.0.0.1:10000/UPPER/raw/x", "3 to 24"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_wrong_paths_name_the_rule(text, message):
    with pytest.raises(PathError, match=message):
        parse_path(text, filesystem="lake")


def test_a_relative_path_without_a_filesystem():
    with pytest.raises(PathError, match="--filesystem NAME"):
        parse_path("dir/file")


@pytest.mark.parametrize(
    "text",
    [
        "https://contoso.dfs.core.windows.net/raw/x?sv=1&sig=TOPSECRETxyz",
        "abfss://raw@contoso.dfs.core.windows.net/x?sv=1&sig=TOPSECRETxyz",
        "dir/x?sig=TOPSECRETxyz",
        "AccountName=contoso;AccountKey=TOPSECRETxyz",
        "https://u:TOPSECRETxyz@contoso.dfs.core.windows.net/raw/x",
        "https://contoso.dfs.core.windows.net/raw/x#TOPSECRETxyz",
    ],
)
def test_a_credential_in_a_path_is_refused_and_not_repeated(text):
    with pytest.raises(PathError) as caught:
        parse_path(text, filesystem="lake")
    assert "TOPSECRET" not in str(caught.value)
    assert "%adls_config" in str(caught.value) or "password" in str(caught.value)


def test_parts_of_a_path():
    place = parse_path("a/b/c.csv", filesystem="raw")
    assert place.name == "c.csv"
    assert place.parent == RemotePath("raw", "a/b", is_directory=True)
    assert place.parent.child("d/") == RemotePath("raw", "a/b/d", is_directory=True)
    root = RemotePath("raw", "", is_directory=True)
    assert (root.name, root.parent, root.child("x").path) == ("", root, "x")
    full = parse_path("abfss://raw@contoso.dfs.core.windows.net/a/b")
    assert full.parent.child("c").endpoint == CONTOSO


@pytest.mark.parametrize("name", ["abc", "a1b2c3", "x" * 24])
def test_account_names(name):
    assert check_account(name) == name


@pytest.mark.parametrize("name", ["ab", "x" * 25, "Abc", "a-b-c", "a_b", "", "äbc", "abc\n", "١٢٣"])
def test_wrong_account_names(name):
    with pytest.raises(PathError, match="3 to 24"):
        check_account(name)


@pytest.mark.parametrize("name", ["$web", "$root", "$logs", "abc", "a-b", "0" * 63])
def test_filesystem_names(name):
    assert check_filesystem(name) == name


@pytest.mark.parametrize("name", ["$other", "ab", "a--b", "A-b", "a-", "0" * 64, "a b", "abc\n"])
def test_wrong_filesystem_names(name):
    with pytest.raises(PathError, match="3 to 63"):
        check_filesystem(name)


def test_check_path_returns_the_path_without_outer_slashes():
    assert check_path("/a/b/") == "a/b"
    assert check_path("") == ""
    with pytest.raises(PathError, match="two slashes"):
        check_path("a//b")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://contoso.blob.core.windows.net/", (CONTOSO, "contoso")),
        ("contoso.dfs.core.windows.net", (CONTOSO, "contoso")),
        ("HTTPS://Contoso.DFS.core.windows.net:443", (CONTOSO, "contoso")),
        ("http://127.0.0.1:5/acct/", ("http://127.0.0.1:5/acct", "acct")),
        ("http://azurite:10000/acct", ("http://azurite:10000/acct", "acct")),
        ("http://acct.blob.localhost:10000", ("http://acct.dfs.localhost:10000", "acct")),
        ("https://lake.contoso.com", ("https://lake.contoso.com", "")),
        (
            "https://onelake.blob.fabric.microsoft.com",
            ("https://onelake.dfs.fabric.microsoft.com", "onelake"),
        ),
    ],
)
def test_endpoints(url, expected):
    assert normalise_endpoint(url) == expected


def test_a_path_style_endpoint_takes_the_account_that_is_known():
    found = normalise_endpoint("http://127.0.0.1:10000", account="acct")
    assert found == ("http://127.0.0.1:10000/acct", "acct")


@pytest.mark.parametrize(
    "url",
    [
        "https://contoso.dfs.core.windows.net/raw",
        "https://contoso.dfs.core.windows.net?sig=TOPSECRET",
        "ftp://contoso.dfs.core.windows.net",
        "https://con toso.dfs.core.windows.net",
        "https://",
        "http://127.0.0.1:5",
        "https://[::1",
        "https://contoso.queue.core.windows.net",
    ],
)
def test_wrong_endpoints(url):
    with pytest.raises(ConfigurationError) as caught:
        normalise_endpoint(url)
    assert "TOPSECRET" not in str(caught.value)


def test_endpoint_of_sovereign_clouds():
    assert endpoint_of("contoso") == CONTOSO
    china = endpoint_of("contoso", ".core.chinacloudapi.cn")
    assert china == "https://contoso.dfs.core.chinacloudapi.cn"
    with pytest.raises(ConfigurationError, match="suffix"):
        endpoint_of("contoso", "evil/x")


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:1/a", True),
        ("http://127.9.9.9/a", True),
        ("http://[::1]:1/a", True),
        ("http://localhost/a", True),
        ("http://acct.dfs.localhost:1", True),
        ("http://127.0.0.1.evil.com", False),
        ("http://localhost.evil.com", False),
        ("http://10.0.0.1/a", False),
    ],
)
def test_loopback(url, loopback):
    assert is_loopback(url) is loopback


ACCOUNTS = st.from_regex(r"[a-z0-9]{3,24}", fullmatch=True)
FILESYSTEMS = st.from_regex(r"[a-z0-9]([a-z0-9]|-(?=[a-z0-9])){1,61}[a-z0-9]", fullmatch=True)
SEGMENTS = st.text(
    st.one_of(
        st.sampled_from("a0 %+#&'()=.~-_?:;@!$,[]{}|^`é中😀"),
        st.characters(exclude_categories=("Cs", "Cc", "Co", "Cn"), exclude_characters="/\\"),
    ),
    min_size=1,
    max_size=20,
).filter(lambda s: not s.endswith(".") and s not in (".", ".."))
ENDPOINTS = st.one_of(
    ACCOUNTS.map(lambda a: (f"https://{a}.dfs.core.windows.net", a)),
    ACCOUNTS.map(lambda a: (f"https://{a}.z01.dfs.storage.azure.net", a)),
    ACCOUNTS.map(lambda a: (f"https://{a}.dfs.core.usgovcloudapi.net", a)),
    st.tuples(ACCOUNTS, st.integers(1, 65535)).map(
        lambda x: (
            f"http://127.0.0.1:{x[1]}/{x[0]}" if x[1] != 80 else f"http://[::1]/{x[0]}",
            x[0],
        )
    ),
)
PLACES = st.lists(SEGMENTS, max_size=6).map("/".join)


def _acceptable(path: str) -> bool:
    try:
        return check_path(path) == path
    except AdlsError:
        return False


@settings(max_examples=300, deadline=None)
@given(endpoint=ENDPOINTS, filesystem=FILESYSTEMS, path=PLACES, directory=st.booleans())
def test_what_is_displayed_can_be_parsed(endpoint, filesystem, path, directory):
    assume(_acceptable(path))
    url, account = endpoint
    place = RemotePath(
        filesystem, path, is_directory=directory or not path, endpoint=url, account=account
    )
    assert parse_path(display_url(url, place)) == place


@settings(max_examples=200, deadline=None)
@given(filesystem=FILESYSTEMS, path=PLACES)
def test_an_https_url_is_decoded_once(filesystem, path):
    assume(_acceptable(path))
    found = parse_path(f"{CONTOSO}/{filesystem}/{quote_path(path)}")
    assert (found.filesystem, found.path) == (filesystem, path)


@settings(max_examples=200, deadline=None)
@given(path=PLACES)
def test_quoting_keeps_only_unreserved_characters_and_slashes(path):
    quoted = quote_path(path)
    assert urllib.parse.unquote(quoted) == path
    assert set(quoted) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/%"
    )
    assert quoted.count("/") == path.count("/")


def test_quoting_what_has_no_bytes():
    with pytest.raises(PathError, match="cannot be sent"):
        quote_path("a\udc80b")


def test_a_character_that_the_service_refuses_is_told_with_its_name():
    with pytest.raises(PathError, match=r"^'a\\tb\.csv' holds the character U\+0009"):
        check_path("many/a\tb.csv")
