"""Which account is meant: every source, their order, their conflicts, and what never happens."""

from __future__ import annotations

import itertools

import pytest

from adls_magic.core.account import session
from adls_magic.core.account.address import parse_path
from adls_magic.core.account.connect import connect
from adls_magic.core.account.environment import origin_of
from adls_magic.core.account.options import AccountOptions
from adls_magic.core.account.resolve import locate, resolve
from adls_magic.core.errors import AdlsError, ConfigurationError, CredentialError, PathError
from adls_magic.core.secret import Secret

from .made_up import KEY, OTHER_KEY, OTHER_SAS, SAS, sas

CONTOSO = "https://contoso.dfs.core.windows.net"
STRING = f"AccountName=contoso;AccountKey={KEY}"
ACCOUNTS = ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME")
KEYS = (
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
)
SASES = ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY")


@pytest.fixture
def env(monkeypatch):
    def put(**values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return put


# ------------------------------------------------------------------ each source by itself

WAYS = [
    *(
        ({account: "contoso", key: KEY}, "key", KEY, key)
        for account, key in itertools.product(ACCOUNTS, KEYS)
    ),
    *(
        ({account: "contoso", name: SAS}, "sas", SAS, name)
        for account, name in itertools.product(ACCOUNTS, SASES)
    ),
    ({"AZURE_STORAGE_CONNECTION_STRING": STRING}, "key", KEY, "AZURE_STORAGE_CONNECTION_STRING"),
    (
        {"AZURE_STORAGE_SAS_TOKEN": f"{CONTOSO}/raw?{SAS}"},
        "sas",
        SAS,
        "AZURE_STORAGE_SAS_TOKEN",
    ),
    (
        {"AZURE_STORAGE_ACCOUNT": "contoso", "AZURE_STORAGE_AUTH_MODE": "login"},
        "identity",
        None,
        "AZURE_STORAGE_AUTH_MODE",
    ),
    (
        {
            "AZURE_STORAGE_ACCOUNT": "contoso",
            "AZURE_STORAGE_AUTH_MODE": "login",
            "AZURE_STORAGE_KEY": KEY,
        },
        "identity",
        None,
        "AZURE_STORAGE_AUTH_MODE",
    ),
    (
        {
            "AZURE_STORAGE_ACCOUNT": "contoso",
            "AZURE_STORAGE_AUTH_MODE": "key",
            "AZURE_STORAGE_KEY": KEY,
        },
        "key",
        KEY,
        "AZURE_STORAGE_KEY",
    ),
    (
        {"AZURE_STORAGE_ACCOUNT_NAME": "contoso", "AZURE_STORAGE_ANON": "True"},
        "anonymous",
        None,
        "AZURE_STORAGE_ANON",
    ),
    (
        {"AZURE_STORAGE_ACCOUNT": "contoso", "AZURE_STORAGE_TOKEN": "a.b.c"},
        "identity",
        None,
        "AZURE_STORAGE_TOKEN",
    ),
    (
        {
            "AZURE_STORAGE_ACCOUNT_NAME": "contoso",
            "AZURE_STORAGE_CLIENT_ID": "c",
            "AZURE_STORAGE_CLIENT_SECRET": "s",
            "AZURE_STORAGE_TENANT_ID": "t",
        },
        "identity",
        None,
        "AZURE_STORAGE_CLIENT_SECRET",
    ),
    (
        {
            "AZURE_STORAGE_ACCOUNT": "contoso",
            "AZURE_CLIENT_ID": "c",
            "AZURE_CLIENT_SECRET": "s",
            "AZURE_TENANT_ID": "t",
        },
        "identity",
        None,
        "AZURE_CLIENT_ID",
    ),
    (
        {
            "AZURE_STORAGE_ACCOUNT": "contoso",
            "AZURE_STORAGE_KEY": KEY,
            "AZURE_CLIENT_ID": "c",
            "AZURE_CLIENT_SECRET": "s",
            "AZURE_TENANT_ID": "t",
        },
        "key",
        KEY,
        "AZURE_STORAGE_KEY",
    ),
]


@pytest.mark.parametrize(("variables", "auth", "secret", "origin"), WAYS)
def test_ways_in_by_the_environment(env, variables, auth, secret, origin):
    env(**variables)
    account = resolve()
    assert (account.name, account.endpoint, account.auth) == ("contoso", CONTOSO, auth)
    assert account.secret == (Secret(secret) if secret else None)
    assert account.origins["credential"] == origin_of(origin)


@pytest.mark.parametrize(
    ("variables", "endpoint", "name"),
    [
        ({"AZURE_STORAGE_ENDPOINT": "https://contoso.blob.core.windows.net/"}, CONTOSO, "contoso"),
        ({"AZURE_ENDPOINT": "https://contoso.z1.dfs.storage.azure.net"}, None, "contoso"),
        ({"AZURE_STORAGE_SERVICE_ENDPOINT": CONTOSO}, CONTOSO, "contoso"),
        (
            {
                "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:10000",
                "AZURE_STORAGE_ACCOUNT_NAME": "acct",
            },
            "http://127.0.0.1:10000/acct",
            "acct",
        ),
        (
            {"AZURE_STORAGE_ENDPOINT": "https://lake.example.org", "AZURE_STORAGE_ACCOUNT": "acct"},
            "https://lake.example.org",
            "acct",
        ),
    ],
)
def test_endpoints_of_the_environment(env, variables, endpoint, name):
    env(AZURE_STORAGE_KEY=KEY, **variables)
    account = resolve()
    assert account.name == name
    assert account.endpoint == (endpoint or "https://contoso.z1.dfs.storage.azure.net")


@pytest.mark.parametrize("yes", ["true", "1", "True"])
def test_emulator_by_the_environment(env, yes):
    env(AZURE_STORAGE_USE_EMULATOR=yes)
    account = resolve()
    assert account.endpoint == "http://127.0.0.1:10000/devstoreaccount1"
    assert account.auth == "key"
    env(AZURE_STORAGE_ACCOUNT="contoso")
    with pytest.raises(ConfigurationError, match=r"AZURE_STORAGE_ACCOUNT and .*USE_EMULATOR"):
        resolve()


def test_emulator_at_another_port(env):
    env(AZURE_STORAGE_USE_EMULATOR="true", AZURE_ENDPOINT="http://localhost:5555")
    assert resolve().endpoint == "http://localhost:5555/devstoreaccount1"


def test_empty_variables_count_as_unset(env):
    env(AZURE_STORAGE_ACCOUNT=" ", AZURE_STORAGE_ACCOUNT_NAME="contoso", AZURE_STORAGE_KEY="")
    env(AZURE_STORAGE_SAS_TOKEN=SAS)
    assert resolve().auth == "sas"


CLI = [
    (f"account = contoso\nkey = {KEY}", "key", "key in "),
    (f"account = contoso\nsas_token = ?{SAS}", "sas", "sas_token in "),
    (f"connection_string = {STRING}", "key", "connection_string in "),
    ("account = contoso\nauth_mode = login", "identity", "auth_mode in "),
]


@pytest.mark.parametrize(("text", "auth", "origin"), CLI)
def test_az_clis_own_config_file(cli_config, text, auth, origin):
    path = cli_config(f"[cloud]\nname = AzureCloud\n\n[storage]\n{text}\n")
    account = resolve()
    assert (account.name, account.auth) == ("contoso", auth)
    assert account.origins["credential"] == f"{origin}{path}"


def test_az_clis_file_in_the_home_directory(monkeypatch, tmp_path):
    monkeypatch.delenv("AZURE_CONFIG_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / ".azure").mkdir()
    (tmp_path / ".azure" / "config").write_text(f"[storage]\naccount = contoso\nkey = {KEY}\n")
    assert resolve().name == "contoso"


def test_az_clis_file_without_a_storage_section(cli_config):
    cli_config("[cloud]\nname = AzureCloud\n")
    with pytest.raises(ConfigurationError, match="No account is configured"):
        resolve()


CONNECT = [
    ({"account_key": KEY}, "key", KEY),
    ({"account_key": Secret(f" {KEY}\n")}, "key", KEY),
    ({"sas_token": f"?{SAS}"}, "sas", SAS),
    ({"credential": KEY}, "key", KEY),
    ({"credential": SAS}, "sas", SAS),
    ({"credential": Secret(SAS)}, "sas", SAS),
    ({"credential": STRING}, "key", KEY),
    ({"credential": {"account_name": "contoso", "account_key": KEY}}, "key", KEY),
    ({"credential": "eyJhMQ.eyJiMg.c3"}, "identity", None),
    ({"connection_string": STRING}, "key", KEY),
    ({"connection_string": STRING, "auth": "connection-string"}, "key", KEY),
    ({"connection_string": STRING, "account_key": KEY}, "key", KEY),
    ({"auth": "identity"}, "identity", None),
    ({"auth": "anonymous"}, "anonymous", None),
    ({"anon": True}, "anonymous", None),
    ({"anon": False}, "identity", None),
    ({"client_id": "c", "client_secret": "s", "tenant_id": "t"}, "identity", None),
]


@pytest.mark.parametrize(("arguments", "auth", "secret"), CONNECT)
def test_ways_in_by_connect(arguments, auth, secret):
    account = connect("contoso", filesystem="raw", **arguments)
    assert (account.name, account.endpoint, account.auth) == ("contoso", CONTOSO, auth)
    assert account.secret == (Secret(secret) if secret else None)
    assert account.filesystem == "raw"


def test_objects_of_azure_core():
    from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

    by_key = connect(credential=AzureNamedKeyCredential("contoso", KEY))
    assert (by_key.name, by_key.secret) == ("contoso", Secret(KEY))
    assert connect("contoso", credential=AzureSasCredential(SAS)).secret == Secret(SAS)


def test_names_of_adlfs():
    account = connect(account_name="contoso", account_key=KEY)
    assert account.name == "contoso"
    sovereign = connect(
        account_name="contoso", account_key=KEY, account_host="contoso.blob.core.chinacloudapi.cn"
    )
    assert sovereign.endpoint == "https://contoso.dfs.core.chinacloudapi.cn"


def test_an_endpoint_alone_or_in_place_of_the_name():
    assert connect(endpoint=CONTOSO, account_key=KEY).name == "contoso"
    assert connect("https://contoso.blob.core.windows.net", account_key=KEY).endpoint == CONTOSO
    one_lake = connect(
        endpoint="https://onelake.dfs.fabric.microsoft.com",
        filesystem="My Workspace",
        auth="identity",
    )
    assert (one_lake.name, one_lake.filesystem) == ("onelake", "My Workspace")
    custom = connect("contoso", endpoint="https://lake.example.org", account_key=KEY)
    assert (custom.name, custom.endpoint) == ("contoso", "https://lake.example.org")


def test_a_sas_url_says_account_and_filesystem():
    account = connect(sas_token=f"https://contoso.blob.core.windows.net/raw/x?{SAS}")
    assert (account.name, account.endpoint, account.filesystem) == ("contoso", CONTOSO, "raw")
    with pytest.raises(ConfigurationError, match="argument account and argument sas_token"):
        connect("fabrikam", sas_token=f"https://contoso.blob.core.windows.net/raw?{SAS}")
    with pytest.raises(ConfigurationError, match=r"argument filesystem and argument sas_token"):
        connect(filesystem="other", sas_token=f"https://contoso.blob.core.windows.net/raw?{SAS}")


# ------------------------------------------------------------------ conflicts at one level

CONFLICTS = [
    {"AZURE_STORAGE_ACCOUNT": "contoso", "AZURE_STORAGE_ACCOUNT_NAME": "fabrikam"},
    *({"AZURE_STORAGE_KEY": KEY, name: OTHER_KEY} for name in KEYS[1:]),
    {"AZURE_STORAGE_SAS_TOKEN": SAS, "AZURE_STORAGE_SAS_KEY": OTHER_SAS},
    {"AZURE_STORAGE_ENDPOINT": CONTOSO, "AZURE_ENDPOINT": "https://contoso.dfs.core.example.org"},
    {"AZURE_STORAGE_KEY": OTHER_KEY, "AZURE_STORAGE_CONNECTION_STRING": STRING},
    {"AZURE_STORAGE_ACCOUNT": "fabrikam", "AZURE_STORAGE_CONNECTION_STRING": STRING},
    {"AZURE_STORAGE_ACCOUNT": "fabrikam", "AZURE_STORAGE_ENDPOINT": CONTOSO},
    {"AZURE_STORAGE_KEY": KEY, "AZURE_STORAGE_SAS_TOKEN": SAS},
    {"AZURE_STORAGE_KEY": KEY, "AZURE_STORAGE_ANON": "true"},
    {"AZURE_STORAGE_KEY": KEY, "AZURE_STORAGE_TOKEN": "abcdefg.h.i"},
]


@pytest.mark.parametrize("variables", CONFLICTS, ids=lambda v: "+".join(v))
def test_two_values_of_the_environment_that_differ(env, variables):
    env(**{"AZURE_STORAGE_ACCOUNT": "contoso", **variables})
    with pytest.raises(ConfigurationError) as caught:
        resolve()
    said = str(caught.value)
    assert all(name in said for name in variables)
    assert not any(value[:12] in said for value in (KEY, OTHER_KEY, SAS[-40:], OTHER_SAS[-40:]))


def test_equal_values_are_fine(env):
    env(**dict.fromkeys(ACCOUNTS, "contoso"), **dict.fromkeys(KEYS, KEY))
    env(AZURE_STORAGE_CONNECTION_STRING=STRING, AZURE_STORAGE_ENDPOINT=CONTOSO)
    account = resolve()
    assert (account.name, account.secret) == ("contoso", Secret(KEY))


def test_two_kinds_of_credential_are_settled_by_auth(env):
    env(AZURE_STORAGE_ACCOUNT="contoso", AZURE_STORAGE_KEY=KEY, AZURE_STORAGE_SAS_TOKEN=SAS)
    assert connect(auth="key").secret == Secret(KEY)
    assert connect(auth="sas").secret == Secret(SAS)
    assert connect(auth="identity").auth == "identity"
    assert connect(auth="anonymous").auth == "anonymous"
    with pytest.raises(ConfigurationError, match="no credential"):
        connect(auth="connection-string")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"account": "contoso", "account_name": "fabrikam", "account_key": KEY}, "account_name"),
        ({"account": "fabrikam", "connection_string": STRING}, "connection_string"),
        ({"account": "contoso", "account_key": KEY, "sas_token": SAS}, "account_key and .*sas"),
        ({"account": "contoso", "account_key": KEY, "anon": True}, "anon"),
        ({"account": "contoso", "account_key": KEY, "auth": "sas"}, "asks for sas"),
        ({"account": "contoso", "account_key": KEY, "auth": "identity"}, "asks for identity"),
        ({"account": "contoso", "account_key": KEY, "auth": "magic"}, "must be one of auto"),
        ({"account": "contoso", "client_secret": "s3cr3t99"}, "client_id"),
        ({"account": "Contoso", "account_key": KEY}, "argument account: 'Contoso'"),
        ({"account": "contoso", "filesystem": "A B", "account_key": KEY}, "argument filesystem"),
        ({"account": "", "account_key": KEY}, "not empty"),
        ({"account": "contoso", "filesystem": "", "account_key": KEY}, "not empty"),
        ({"endpoint": "https://lake.example.org", "account_key": KEY}, "does not tell"),
        ({"endpoint": f"{CONTOSO}/raw", "account_key": KEY}, "endpoint"),
    ],
)
def test_arguments_that_cannot_be(arguments, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        connect(**arguments)
    assert KEY[:20] not in str(caught.value)
    assert "s3cr3t99" not in str(caught.value)


@pytest.mark.parametrize("given", [{"account_key": ""}, {"sas_token": ""}, {"credential": ""}])
def test_an_empty_secret_is_no_secret(given):
    with pytest.raises(CredentialError):
        connect("contoso", **given)


def test_a_sas_in_place_of_the_name_is_refused():
    with pytest.raises(ConfigurationError) as caught:
        connect(f"https://contoso.dfs.core.windows.net/raw?{SAS}")
    assert SAS[-30:] not in str(caught.value)


# ------------------------------------------------------------------ order of the levels


def test_order_of_the_levels(env, config, cli_config):
    """Each source alone on top of all lower ones wins."""
    cli_config(f"[storage]\naccount = fromcli\nkey = {KEY}\n")
    assert resolve().name == "fromcli"
    config(
        f"[default]\naccount_name = fromdefault\naccount_key = {KEY}\n"
        f"[named]\naccount_name = fromnamed\naccount_key = {KEY}\n"
    )
    assert resolve().name == "fromdefault"
    env(AZURE_STORAGE_ACCOUNT="fromenv", AZURE_STORAGE_KEY=KEY)
    assert resolve().name == "fromenv"
    session.configure(connect("fromsession", account_key=OTHER_KEY))
    assert resolve().name == "fromsession"
    assert resolve(use_session=False).name == "fromenv"
    assert resolve(profile="named").name == "fromnamed"
    assert connect("fromargument", account_key=KEY).name == "fromargument"
    path = parse_path("abfss://raw@fromenv.dfs.core.windows.net/x")
    assert resolve(remote=path).name == "fromenv"


def test_values_are_merged_one_by_one(env, config):
    config("[default]\naccount_name = contoso\nfilesystem = fromprofile\n")
    env(AZURE_STORAGE_ACCOUNT="contoso", AZURE_STORAGE_KEY=KEY)
    account = resolve()
    assert (account.secret, account.filesystem) == (Secret(KEY), "fromprofile")
    assert connect(filesystem="mine").filesystem == "mine"
    env(AZURE_CONTAINER_NAME="fromenv")
    assert resolve().filesystem == "fromenv"
    session.configure(connect(filesystem="now"))
    assert resolve().filesystem == "now"


def test_a_key_without_an_account_of_its_own_goes_to_the_one_named(env):
    env(AZURE_STORAGE_KEY=KEY)
    assert connect("contoso").secret == Secret(KEY)
    with pytest.raises(ConfigurationError, match="No account is configured"):
        resolve()


def test_a_credential_is_not_used_for_another_account(env, config, cli_config):
    env(AZURE_STORAGE_ACCOUNT="contoso", AZURE_STORAGE_KEY=KEY)
    config(f"[default]\naccount_name = contoso\naccount_key = {KEY}\n")
    cli_config(f"[storage]\naccount = contoso\nkey = {KEY}\n")
    session.configure(connect("contoso", account_key=KEY))
    with pytest.raises(ConfigurationError, match=r"no credential for account fabrikam") as caught:
        connect("fabrikam")
    assert "contoso" in str(caught.value)


def test_filesystem_and_endpoint_of_another_account_are_not_used(env):
    env(AZURE_STORAGE_ENDPOINT=CONTOSO, AZURE_STORAGE_KEY=KEY, AZURE_CONTAINER_NAME="raw")
    account = connect("fabrikam", account_key=OTHER_KEY)
    assert account.endpoint == "https://fabrikam.dfs.core.windows.net"
    assert account.filesystem is None


def test_the_account_of_a_profile_and_of_an_option_must_be_one(config):
    config(f"[named]\naccount_name = contoso\naccount_key = {KEY}\n")
    assert connect("contoso", profile="named").secret == Secret(KEY)
    with pytest.raises(ConfigurationError, match="argument account and profile named"):
        connect("fabrikam", profile="named")


def test_another_profile_of_the_account_is_found(config):
    config(
        f"[default]\naccount_name = contoso\naccount_key = {KEY}\n"
        f"[other]\naccount_name = fabrikam\naccount_key = {OTHER_KEY}\n"
    )
    assert connect("fabrikam").secret == Secret(OTHER_KEY)


def test_two_other_profiles_of_the_account(config):
    config(
        f"[one]\naccount_name = fabrikam\naccount_key = {KEY}\n"
        f"[two]\naccount_name = fabrikam\nsas_token = {SAS}\n"
    )
    with pytest.raises(ConfigurationError, match=r"one, two.*--profile"):
        connect("fabrikam")
    assert connect("fabrikam", profile="two").auth == "sas"


def test_a_broken_environment_does_not_matter_when_all_is_said(env):
    env(AZURE_STORAGE_ACCOUNT="contoso", AZURE_STORAGE_ACCOUNT_NAME="fabrikam")
    account = connect("contoso", account_key=KEY, filesystem="raw")
    assert account.name == "contoso"


def test_nothing_configured_names_the_three_ways():
    with pytest.raises(ConfigurationError) as caught:
        resolve()
    for way in ("%adls_config", "AZURE_STORAGE_ACCOUNT", "--local"):
        assert way in str(caught.value)


def test_an_expired_sas_is_said_before_anything_is_sent(env):
    env(AZURE_STORAGE_ACCOUNT="contoso", AZURE_STORAGE_SAS_TOKEN=sas(se="2020-01-01T00:00:00Z"))
    with pytest.raises(CredentialError, match=r"AZURE_STORAGE_SAS_TOKEN.* expired .* days ago"):
        resolve()
    assert "expired" in resolve(expired_ok=True).describe()


# ------------------------------------------------------------------ paths that name an account


def test_a_full_path_of_the_configured_account(env):
    env(AZURE_STORAGE_ACCOUNT="contoso", AZURE_STORAGE_KEY=KEY)
    account, place = locate("https://contoso.blob.core.windows.net/raw/a%20b")
    assert account.secret == Secret(KEY)
    assert (place.filesystem, place.path) == ("raw", "a b")


@pytest.mark.parametrize(
    "path",
    [
        "abfss://raw@fabrikam.dfs.core.windows.net/x",
        "https://fabrikam.dfs.core.windows.net/raw/x",
        # The name is right, but the host is not the account's.
        "abfss://raw@contoso.dfs.core.windows.net.evil.example/x",
        "abfss://raw@contoso.dfs.evil.example/x",
        "https://contoso.dfs.core.windows.net:8443/raw/x",
        "http://contoso.dfs.core.windows.net/raw/x",
        "http://127.0.0.1:10000/contoso/raw/x",
        "https://lake.example.org/raw/x",
    ],
)
@pytest.mark.parametrize("auth", ["key", "identity"])
def test_a_path_never_takes_a_credential_elsewhere(env, config, cli_config, path, auth):
    extra = {"AZURE_STORAGE_AUTH_MODE": "login"} if auth == "identity" else {}
    env(AZURE_STORAGE_ACCOUNT="contoso", AZURE_STORAGE_KEY=KEY, **extra)
    config(f"[default]\naccount_name = contoso\naccount_key = {KEY}\n")
    cli_config(f"[storage]\naccount = contoso\nkey = {KEY}\n")
    session.configure(resolve())
    with pytest.raises(ConfigurationError, match="no credential is configured"):
        locate(path)


def test_a_path_never_takes_a_key_that_names_no_account(env):
    env(AZURE_STORAGE_KEY=KEY)
    with pytest.raises(ConfigurationError, match="no credential is configured"):
        locate("abfss://raw@fabrikam.dfs.core.windows.net/x")


def test_a_path_gets_the_credential_of_its_own_account(env, config):
    env(AZURE_STORAGE_ACCOUNT="fabrikam", AZURE_STORAGE_KEY=KEY)
    config(f"[third]\naccount_name = northwind\naccount_key = {OTHER_KEY}\n")
    session.configure(connect("contoso", sas_token=SAS, filesystem="raw"))
    assert locate("abfss://fs1@fabrikam.dfs.core.windows.net/x")[0].secret == Secret(KEY)
    assert locate("abfss://fs1@northwind.dfs.core.windows.net/x")[0].secret == Secret(OTHER_KEY)
    assert locate("abfss://fs1@contoso.dfs.core.windows.net/x")[0].secret == Secret(SAS)
    assert locate("x")[1].filesystem == "raw"


def test_a_path_of_a_path_style_endpoint_or_custom_domain():
    session.configure(
        connect(endpoint="http://127.0.0.1:5/acct", account_key="c2hvcnQ=", filesystem="lake")
    )
    account, place = locate("http://127.0.0.1:5/acct/lake/x")
    assert (account.name, place.path) == ("acct", "x")
    session.configure(connect("acct", endpoint="https://lake.example.org", account_key=KEY))
    assert locate("abfss://raw@lake.example.org/x")[0].name == "acct"
    with pytest.raises(ConfigurationError, match="no credential"):
        locate("http://127.0.0.1:6/acct/lake/x")


def test_a_profile_and_a_path_of_another_account(config):
    config(f"[named]\naccount_name = contoso\naccount_key = {KEY}\n")
    with pytest.raises(ConfigurationError, match="profile named is not sent there"):
        locate("abfss://raw@fabrikam.dfs.core.windows.net/x", profile="named")


def test_a_path_with_a_given_account():
    account = connect("contoso", account_key=KEY, filesystem="raw")
    same, place = locate("x/", account=account)
    assert same is account
    assert (place.filesystem, place.is_directory) == ("raw", True)
    assert locate("abfss://fs1@contoso.dfs.core.windows.net/x", account=account)[0] is account
    with pytest.raises(ConfigurationError, match="only sent to its own account"):
        locate("abfss://raw@fabrikam.dfs.core.windows.net/x", account=account)


def test_a_relative_path_without_filesystem():
    session.configure(connect("contoso", account_key=KEY))
    with pytest.raises(PathError, match="No filesystem"):
        locate("x")
    assert locate("abfss://raw/x")[1].filesystem == "raw"


# ------------------------------------------------------------------ plain http


@pytest.mark.parametrize(
    "credential", [{"account_key": KEY}, {"sas_token": SAS}, {"auth": "identity"}]
)
@pytest.mark.parametrize(
    "endpoint",
    [
        "http://contoso.dfs.core.windows.net",
        "http://10.0.0.7:10000/contoso",
        "http://azurite:10000/contoso",
        "http://127.0.0.1.evil.example:80/contoso",
    ],
)
def test_no_credential_over_plain_http(credential, endpoint):
    with pytest.raises(ConfigurationError, match="plain http"):
        connect("contoso", endpoint=endpoint, **credential)


def test_plain_http_to_this_machine_and_without_credential():
    assert connect(endpoint="http://localhost:1/contoso", account_key=KEY).auth == "key"
    assert connect(endpoint="http://[::1]:1/contoso", sas_token=SAS).auth == "sas"
    assert connect(endpoint="http://10.0.0.7:10000/contoso", anon=True).auth == "anonymous"


def test_a_connection_string_with_http():
    with pytest.raises(ConfigurationError, match="plain http"):
        connect(connection_string=f"DefaultEndpointsProtocol=http;{STRING}")


# ------------------------------------------------------------------ variables that are wrong


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"AZURE_STORAGE_ACCOUNT": "Contoso!"}, "AZURE_STORAGE_ACCOUNT"),
        ({"AZURE_STORAGE_ACCOUNT": KEY}, "AZURE_STORAGE_ACCOUNT"),
        ({"AZURE_STORAGE_ACCOUNT": "contoso", "AZURE_STORAGE_KEY": "nokey"}, "AZURE_STORAGE_KEY"),
        ({"AZURE_STORAGE_SAS_TOKEN": KEY}, "AZURE_STORAGE_SAS_TOKEN"),
        ({"AZURE_STORAGE_CONNECTION_STRING": "x;y"}, "AZURE_STORAGE_CONNECTION_STRING"),
        ({"AZURE_STORAGE_ENDPOINT": "::"}, "AZURE_STORAGE_ENDPOINT"),
        ({"AZURE_STORAGE_AUTH_MODE": "psychic"}, "AZURE_STORAGE_AUTH_MODE must be login or key"),
        ({"AZURE_STORAGE_ANON": "perhaps"}, "AZURE_STORAGE_ANON must be true or false"),
        ({"AZURE_STORAGE_CLIENT_SECRET": "s3cr3t99"}, "AZURE_STORAGE_TENANT_ID"),
        (
            {"AZURE_STORAGE_ACCOUNT": "contoso", "AZURE_CONTAINER_NAME": "A B"},
            "AZURE_CONTAINER_NAME",
        ),
    ],
)
def test_wrong_variables_are_named(env, variables, named):
    env(**{"AZURE_STORAGE_KEY": KEY, **variables} if "SAS" not in str(variables) else variables)
    with pytest.raises(AdlsError, match=named) as caught:
        resolve()
    assert not any(text in str(caught.value) for text in (KEY[:20], "s3cr3t99", "psychic"))


def test_options_show_nothing_secret():
    options = AccountOptions(account_key=Secret(KEY), prefix="--")
    assert KEY[:20] not in repr(options)
