"""Profiles: the file, the key ring, and what is refused."""

from __future__ import annotations

import configparser
import os
import stat
import sys
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.errors
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adls_magic.core.account import keyring_store, profile_file
from adls_magic.core.account.connect import connect
from adls_magic.core.account.identity import default_identity
from adls_magic.core.account.profiles import (
    delete_profile,
    list_profiles,
    place_for_secret,
    save_profile,
)
from adls_magic.core.account.resolve import resolve
from adls_magic.core.errors import AdlsError, ConfigurationError
from adls_magic.core.secret import Secret

from .made_up import KEY, OTHER_KEY, SAS

posix = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
_real_keyring = keyring_store._keyring


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A key ring that lasts as long as the test."""

    priority = 5

    def __init__(self):
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def _open(self):
        if self.locked:
            raise keyring.errors.KeyringLocked("locked, and it held " + KEY)

    def get_password(self, service, username):
        self._open()
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self._open()
        self.kept[service, username] = password

    def delete_password(self, service, username):
        self._open()
        del self.kept[service, username]


@pytest.fixture
def ring(monkeypatch):
    """The real `keyring` module with a backend of ours."""
    monkeypatch.setattr(keyring_store, "_keyring", _real_keyring)
    before = keyring.get_keyring()
    memory = MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def contoso(**more):
    return connect("contoso", account_key=KEY, **more)


# ------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("lines", "auth", "secret"),
    [
        (f"account_name = contoso\naccount_key = {KEY}", "key", KEY),
        (f"Account_Name = contoso\nACCOUNT_KEY = {KEY}", "key", KEY),
        (f'account_name = "contoso"\naccount_key = "{KEY}"', "key", KEY),
        (f"account_name: contoso\naccount_key: {KEY}", "key", KEY),
        (f"account_name = contoso\nsas_token = ?{SAS}", "sas", SAS),
        (f"sas_token = https://contoso.dfs.core.windows.net/raw?{SAS}", "sas", SAS),
        (f"connection_string = AccountName=contoso;AccountKey={KEY}", "key", KEY),
        (f"endpoint = https://contoso.blob.core.windows.net\naccount_key = {KEY}", "key", KEY),
        ("account_name = contoso\nauth = identity", "identity", None),
        ("account_name = contoso\nauth = anonymous", "anonymous", None),
        (f"account_name = contoso\nauth = auto\naccount_key = {KEY}", "key", KEY),
        (f"account_name = contoso\nauth = sas\naccount_key = {KEY}\nsas_token = {SAS}", "sas", SAS),
    ],
)
def test_a_profile_with_everything_in_the_file(config, lines, auth, secret):
    path = config(f"# mine\n[default]\n{lines}\n")
    account = resolve()
    assert (account.name, account.auth) == ("contoso", auth)
    assert account.secret == (Secret(secret) if secret else None)
    assert str(path) in account.origins["credential"]


def test_values_may_hold_percent_signs(config):
    config(f"[default]\naccount_name = contoso\nsas_token = {SAS}\nfilesystem = raw\n")
    assert "%" in SAS
    assert resolve().filesystem == "raw"


def test_a_profile_by_name(config):
    config("[a]\naccount_name = contoso\nauth = identity\n[b]\naccount_name = fabrikam\n")
    assert resolve(profile="a").name == "contoso"
    assert list_profiles() == ["a", "b"]
    with pytest.raises(ConfigurationError, match=r"no profile 'c'; there are: a, b"):
        resolve(profile="c")
    with pytest.raises(ConfigurationError, match="1 to 40 letters"):
        resolve(profile="no such/name")


def test_no_file_is_no_profile():
    assert list_profiles() == []
    with pytest.raises(ConfigurationError, match="none yet"):
        resolve(profile="a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("account_name = x\n", "line 1: it stands before"),
        ("[default]\naccount_name = x\naccount_name = y\n", "line 3: it sets a key"),
        ("[default]\n[other]\n[default]\n", "line 3: it starts a section"),
        (f"[default]\naccount_name = contoso\n{KEY[:80]}\n", "line 3: it is neither"),
        ("[default]\nacount_name = contoso\n", "section 'default': 'acount_name' is no key"),
        (f"[default]\n{KEY} = x\n", "a name of 86 characters"),
        (f"[{KEY}]\n", "a section whose name"),
        ("[default]\nauth = psychic\n", "auth must be one of auto, key"),
        ("[default]\naccount_name = contoso\n  and more\n", "account_name goes on"),
        ("[default]\naccount_name = Contoso\n", "account_name of profile default in"),
        (
            "[default]\naccount_name = contoso\naccount_key = zzz\n",
            "account_key of profile default",
        ),
        (
            "[default]\naccount_name = contoso\nconnection_string = AccountName=other\n",
            "account_name of profile default .* and connection_string of profile default",
        ),
    ],
)
def test_wrong_files_name_file_and_place_and_no_value(config, text, message):
    path = config(text)
    with pytest.raises(AdlsError, match=message) as caught:
        resolve()
    assert str(path) in str(caught.value)
    assert KEY[:20] not in str(caught.value)
    assert "psychic" not in str(caught.value)


def test_a_file_that_is_no_text(config):
    path = config("")
    path.write_bytes(b"[default]\naccount_name = \xff\xfe\n")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        resolve()
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        resolve()


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
@pytest.mark.parametrize("secret", [f"account_key = {KEY}", f"connection_string = x;{KEY}"])
def test_a_secret_that_others_can_read_is_refused(config, mode, secret):
    path = config(f"[default]\naccount_name = contoso\n{secret}\n", mode)
    with pytest.raises(ConfigurationError, match=f"chmod 600 {path}") as caught:
        resolve()
    assert KEY[:20] not in str(caught.value)


@posix
def test_without_a_secret_others_may_read(config):
    config("[default]\naccount_name = contoso\nauth = identity\n", 0o644)
    assert resolve().auth == "identity"


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {}, "~/.config"),
        ("linux", {"XDG_CONFIG_HOME": "/xdg"}, "/xdg"),
        ("linux", {"XDG_CONFIG_HOME": "relative"}, "~/.config"),
        ("darwin", {"XDG_CONFIG_HOME": "/xdg"}, "~/Library/Application Support"),
        ("win32", {"APPDATA": "/roaming"}, "/roaming"),
        ("win32", {}, "~/AppData/Roaming"),
    ],
)
def test_where_the_file_is(monkeypatch, platform, environ, folder):
    monkeypatch.setattr(sys, "platform", platform)
    expected = Path(folder).expanduser() / "adls-magic" / "config.ini"
    assert profile_file.config_file(environ) == expected
    assert profile_file.config_file({**environ, "ADLS_MAGIC_CONFIG": "/x/y"}) == Path("/x/y")


# ------------------------------------------------------------------ writing


@posix
def test_saving_into_the_file_needs_consent_and_is_private(tmp_path):
    path = tmp_path / "config.ini"
    with pytest.raises(ConfigurationError, match="no key ring"):
        save_profile("mine", contoso())
    assert not path.exists()
    assert place_for_secret() == "nowhere"
    assert place_for_secret(secret_in_file=True) == "file"
    said = save_profile("mine", contoso(filesystem="raw"), secret_in_file=True)
    assert str(path) in said
    assert KEY not in said
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = resolve(profile="mine")
    assert again == contoso(filesystem="raw")


@posix
def test_a_secret_makes_a_public_file_private(config):
    path = config("[other]\naccount_name = other\n", 0o644)
    save_profile("mine", contoso(), secret_in_file=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "account",
    [
        lambda: connect("contoso", auth="identity", filesystem="raw"),
        lambda: connect("contoso", anon=True),
        lambda: connect("contoso", sas_token=SAS),
        lambda: connect(endpoint="https://contoso.dfs.core.chinacloudapi.cn", account_key=KEY),
        lambda: connect("contoso", endpoint="https://lake.example.org", account_key=KEY),
        lambda: connect(endpoint="http://127.0.0.1:7/acct", account_key="c2hvcnQ="),
        lambda: connect(connection_string="UseDevelopmentStorage=true"),
        lambda: connect(
            endpoint="https://onelake.dfs.fabric.microsoft.com",
            filesystem="My Workspace",
            auth="identity",
        ),
    ],
)
@pytest.mark.parametrize("with_ring", [False, True])
def test_what_is_saved_comes_back(request, account, with_ring):
    if with_ring:
        request.getfixturevalue("ring")
    wanted = account()
    save_profile("mine", wanted, secret_in_file=not with_ring)
    assert resolve(profile="mine") == wanted


def test_secrets_go_to_the_key_ring(ring, tmp_path):
    said = save_profile("mine", contoso())
    assert "key ring" in said
    assert place_for_secret(secret_in_file=True) == "key ring"
    assert KEY not in (tmp_path / "config.ini").read_text()
    assert list(ring.kept.values()) == [KEY]
    account = resolve(profile="mine")
    assert account.secret == Secret(KEY)
    assert account.origins["credential"] == "key ring, profile mine"
    delete_profile("mine")
    assert ring.kept == {}


def test_the_key_ring_is_not_asked_when_a_higher_level_has_a_credential(ring, monkeypatch):
    save_profile("default", contoso(filesystem="raw"))
    ring.locked = True
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "contoso")
    monkeypatch.setenv("AZURE_STORAGE_KEY", OTHER_KEY)
    account = resolve()
    assert (account.secret, account.filesystem) == (Secret(OTHER_KEY), "raw")


def test_a_profile_that_was_changed_to_lead_elsewhere_has_no_secret(ring, tmp_path):
    save_profile("mine", contoso())
    path = tmp_path / "config.ini"
    text = path.read_text()
    path.write_text(text.replace("contoso", "fabrikam"))
    with pytest.raises(ConfigurationError, match="no credential for account fabrikam"):
        resolve(profile="mine")
    path.write_text(text + "endpoint = https://contoso.dfs.evil.example\n")
    with pytest.raises(ConfigurationError, match="no credential for account contoso"):
        resolve(profile="mine")


def test_a_profile_whose_key_ring_is_elsewhere_takes_the_key_of_the_environment(
    config, monkeypatch
):
    config("[mine]\naccount_name = contoso\nfilesystem = raw\nauth = key\n")
    with pytest.raises(ConfigurationError, match="no credential for account contoso"):
        resolve(profile="mine")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "contoso")
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    assert resolve(profile="mine").secret == Secret(KEY)


def test_saving_anew_leaves_no_old_secret_in_the_key_ring(ring):
    save_profile("mine", contoso())
    save_profile("mine", connect("contoso", sas_token=SAS))
    assert list(ring.kept.values()) == [SAS]
    save_profile("mine", connect("fabrikam", sas_token=SAS))
    assert len(ring.kept) == 1
    save_profile("mine", connect("fabrikam", auth="identity"))
    assert ring.kept == {}


def test_a_locked_key_ring_is_said_without_its_words(ring):
    save_profile("mine", contoso())
    ring.locked = True
    for act in (
        lambda: resolve(profile="mine"),
        lambda: save_profile("mine", contoso()),
        lambda: delete_profile("mine"),
    ):
        with pytest.raises(ConfigurationError, match="Is it locked") as caught:
            act()
        assert KEY[:20] not in str(caught.value)
        assert caught.value.__suppress_context__


def test_a_backend_that_keeps_nothing_safely_is_no_key_ring(ring):
    keyring.set_keyring(keyring.backends.fail.Keyring())
    assert place_for_secret() == "nowhere"


def test_what_cannot_be_kept():
    class Mine:
        def get_token(self, *scopes, **options):
            raise AssertionError("nobody asks")

    with pytest.raises(ConfigurationError, match="A Mine cannot be kept"):
        save_profile("mine", connect("contoso", credential=Mine()))
    with pytest.raises(ConfigurationError, match="1 to 40"):
        save_profile("a/b", contoso(), secret_in_file=True)
    assert default_identity().lasting


AROUND = (
    "# About this file\n"
    "; by hand\n"
    "\n"
    "[before]\n"
    "auth : identity\n"
    "account_name=before\n"
    "\n"
    "# about mine\n"
    "[mine]\n"
    "# a remark inside\n"
    "account_name = old\n"
    "filesystem = old\n"
    "\n"
    "# about after\n"
    "[after]\n"
    "account_name = after\n"
)


def test_other_sections_and_comments_stay_as_they_are(config):
    path = config(AROUND)
    save_profile("mine", connect("contoso", auth="identity"))
    text = path.read_text()
    new = "[mine]\naccount_name = contoso\nauth = identity\n# a remark inside\n"
    assert text == AROUND.replace(
        "[mine]\n# a remark inside\naccount_name = old\nfilesystem = old\n", new
    )
    delete_profile("mine")
    # A remark right before the next section could be about that one, so it stays.
    assert path.read_text() == (
        AROUND[: AROUND.index("[mine]")]
        + "# a remark inside\n"
        + AROUND[AROUND.index("\n# about after") :]
    )
    assert list_profiles() == ["before", "after"]


def test_a_new_profile_goes_to_the_end(config):
    path = config("[before]\naccount_name = before")
    save_profile("mine", connect("contoso", auth="identity"))
    assert path.read_text() == (
        "[before]\naccount_name = before\n\n[mine]\naccount_name = contoso\nauth = identity\n"
    )


def test_line_ends_of_windows_stay(config):
    path = config("")
    path.write_bytes(b"[before]\r\naccount_name = before\r\n")
    save_profile("mine", connect("contoso", auth="identity"))
    lines = path.read_bytes().split(b"\r\n")
    assert b"auth = identity" in lines
    assert all(b"\n" not in line for line in lines)


@posix
def test_a_failed_write_leaves_the_old_file(config, monkeypatch):
    path = config(AROUND)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ConfigurationError, match="cannot be written: No space left"):
        save_profile("mine", connect("contoso", auth="identity"))
    assert path.read_text() == AROUND
    assert list(path.parent.iterdir()) == [path]


@posix
def test_a_symbolic_link_stays_one(config, tmp_path, monkeypatch):
    path = config(AROUND)
    link = tmp_path / "link.ini"
    link.symlink_to(path)
    monkeypatch.setenv("ADLS_MAGIC_CONFIG", str(link))
    save_profile("mine", connect("contoso", auth="identity"))
    assert link.is_symlink()
    assert "contoso" in path.read_text()


def test_an_odd_layout_is_left_alone(config):
    # An indented header is one for configparser only where no value goes on.
    text = "[before]\n  [mine]\nauth = identity\n"
    path = config(text)
    assert list_profiles() == ["before", "mine"]
    with pytest.raises(ConfigurationError):
        save_profile("mine", connect("contoso", auth="identity"))
    with pytest.raises(ConfigurationError):
        delete_profile("before")
    assert path.read_text() == text


def test_deleting_what_is_not_there(config):
    config(AROUND)
    with pytest.raises(ConfigurationError, match="there are: before, mine, after"):
        delete_profile("other")


NAMES = st.sampled_from(["default", "a", "b", "c.d"])
BODIES = st.lists(
    st.sampled_from(
        ["# remark", "; other", "", "account_name = x", "filesystem : y", "   ", "auth = identity"]
    ),
    max_size=6,
    unique=True,
)


@settings(max_examples=150, deadline=None)
@given(sections=st.dictionaries(NAMES, BODIES, max_size=4), top=BODIES, name=NAMES)
def test_changing_a_section_changes_no_other(sections, top, name):
    remarks = [line for line in top if not line.strip() or line[0] in "#;"]
    lines = remarks + [line for key, body in sections.items() for line in [f"[{key}]", *body]]
    text = "\n".join(lines)

    def values(source):
        parser = configparser.ConfigParser(interpolation=None, default_section="\0")
        parser.read_string(source)
        return {section: dict(parser[section]) for section in parser.sections()}

    before = values(text)
    changed = profile_file.replace_section(text, name, ["account_name = new"])
    assert values(changed) == {**before, name: {"account_name": "new"}}
    removed = profile_file.replace_section(text, name, None)
    assert values(removed) == {key: value for key, value in before.items() if key != name}
    kept = [line for line in lines if line.startswith(("#", ";"))]
    assert [line for line in changed.splitlines() if line.startswith(("#", ";"))] == kept
