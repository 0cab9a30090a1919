"""The form in the kernel: what its messages do, against a running local lake."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from azure.storage.filedatalake import generate_directory_sas, generate_file_system_sas
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from kernels import reached_by_files
from patience import AT_ONCE, LONG, PATIENCE, wait_until

from adls_magic import form as form_module
from adls_magic.core.account import keyring_store, session
from adls_magic.core.account.address import check_account, check_filesystem
from adls_magic.core.account.connect import connect
from adls_magic.core.account.profiles import check_profile_name
from adls_magic.core.errors import AdlsError, ConnectionFailedError
from adls_magic.core.service.client import Client
from adls_magic.form import connect as form_connect
from adls_magic.form import dialog as dialog_module
from adls_magic.form.dialog import Form
from adls_magic.form.methods import FIELDS, FIXED
from adls_magic.lake import LocalLake
from adls_magic.lake.local import stop_all

NAME = "devstoreaccount1"
OTHER_KEY = "B" * 86 + "=="


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLake]:
    with LocalLake(tmp_path_factory.mktemp("lake"), filesystem="raw") as running:
        with Client(running.account) as client:
            client.create_filesystem("curated")
        yield running


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No account but what a test sets; nothing of this machine's own configuration."""
    for name in list(os.environ):
        if name.startswith(("AZURE_", "ADLS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ADLS_MAGIC_CONFIG", str(tmp_path / "config.ini"))
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path / "azure"))
    monkeypatch.setattr(keyring_store, "_keyring", lambda: None)
    session.forget()
    yield
    session.forget()


def key_of(lake: LocalLake) -> str:
    secret = lake.account.secret
    assert secret
    return secret.reveal()


@pytest.fixture(autouse=True)
def forms(clean: None) -> Iterator[list[Form]]:
    """The forms of a test, closed after it."""
    yield Dialog.forms
    while Dialog.forms:
        Dialog.forms.pop().close()


class Dialog:
    """The form, driven by the messages that a browser sends."""

    forms: ClassVar[list[Form]] = []

    def __init__(self, variables: dict[str, Any] | None = None) -> None:
        self.form = Form(variables or {})
        self.forms.append(self.form)
        self.form.refreshed()

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.form.widget.state
        return state

    @property
    def says(self) -> str:
        return f"{self.state['status']['kind']}: {self.state['status']['text']}"

    def send(self, do: str, secret: str = "", **values: str) -> None:
        buffers = [memoryview(secret.encode())] if secret else []
        self.form.widget._handle_custom_msg({"do": do, "values": values}, buffers)

    def connect(self, method: str, secret: str = "", **values: str) -> str:
        self.send("connect", secret, method=method, **values)
        self.wait()
        return self.says

    def wait(self) -> None:
        wait_until(lambda: not self.state["busy"])


@pytest.fixture
def dialog() -> Dialog:
    return Dialog()


def typed(lake: LocalLake, **texts: str) -> dict[str, str]:
    return {"account": NAME, "endpoint": lake.url, **texts}


# -- connecting ---------------------------------------------------------------------------------


def test_key_that_is_right(lake: LocalLake, dialog: Dialog) -> None:
    said = dialog.connect("key", key_of(lake), **typed(lake, filesystem="raw"))
    assert said == f"ok: Connected to {NAME}. The filesystem raw is there."
    account = session.current()
    assert account is not None
    assert (account.endpoint, account.filesystem) == (lake.url, "raw")
    assert dialog.state["card"]["title"] == f"In use: {NAME}"
    assert dialog.state["open"] is False
    assert dialog.state["suggestions"]["filesystem"] == ["curated", "raw"]


def test_key_pasted_with_blanks_and_newline(lake: LocalLake, dialog: Dialog) -> None:
    pasted = f"  {key_of(lake)}\r\n"
    assert dialog.connect("key", pasted, **typed(lake, filesystem="raw")).startswith("ok")


def test_wrong_key_changes_nothing(lake: LocalLake, dialog: Dialog) -> None:
    dialog.connect("key", key_of(lake), **typed(lake, filesystem="raw"))
    before = session.current()
    said = dialog.connect("key", OTHER_KEY, **typed(lake, filesystem="curated"))
    assert re.match(r"error: .*the key or SAS is wrong.*403 AuthenticationFailed", said)
    assert "%adls_config" not in said
    assert dialog.state["status"]["field"] == "secret"
    assert dialog.state["open"] is True
    assert session.current() == before


def test_malformed_key_is_said_before_anything_is_sent(dialog: Dialog) -> None:
    said = dialog.connect("key", "not-a-key", account="contoso")
    assert said.startswith("error: ") and "88 characters" in said
    assert "not-a-key" not in said
    assert dialog.state["status"]["field"] == "secret"


def test_empty_key(dialog: Dialog) -> None:
    assert "secret field is empty" in dialog.connect("key", account="contoso")


def test_missing_filesystem_names_those_that_exist(lake: LocalLake, dialog: Dialog) -> None:
    said = dialog.connect("key", key_of(lake), **typed(lake, filesystem="rwa"))
    assert said == f"error: {NAME} has no filesystem rwa. It has: curated, raw."
    assert dialog.state["status"]["field"] == "filesystem"
    assert session.current() is None


def test_without_filesystem_one_is_to_be_chosen_and_the_key_is_still_there(
    lake: LocalLake, dialog: Dialog
) -> None:
    said = dialog.connect("key", key_of(lake), **typed(lake))
    assert said == f"warning: Connected to {NAME}. Now choose a filesystem: curated, raw."
    assert dialog.state["kept"]["key"]
    assert dialog.connect("key", **typed(lake, filesystem="curated")).startswith("ok")
    account = session.current()
    assert account is not None and account.filesystem == "curated"


def test_the_only_filesystem_is_taken(dialog: Dialog, tmp_path: Path) -> None:
    with LocalLake(tmp_path / "one", filesystem="single") as lake:
        said = dialog.connect("key", key_of(lake), **typed(lake))
    assert said == f"ok: Connected to {NAME}. Its only filesystem is single."
    assert dialog.form.widget.values["filesystem"] == "single"


def test_a_kept_key_is_not_used_for_another_account(lake: LocalLake, dialog: Dialog) -> None:
    dialog.connect("key", key_of(lake), **typed(lake, filesystem="raw"))
    said = dialog.connect("key", account="contoso")
    assert said == (
        f"error: The secret that is set belongs to {NAME}: type the one of this account."
    )


def test_forget_by_the_magic_leaves_no_key_in_the_form(lake: LocalLake, dialog: Dialog) -> None:
    dialog.connect("key", key_of(lake), **typed(lake, filesystem="raw"))
    session.forget()
    assert dialog.connect("key", **typed(lake, filesystem="raw")).startswith("error")
    assert session.current() is None


def test_a_key_typed_when_nobody_answered_is_not_to_be_typed_again(
    lake: LocalLake, dialog: Dialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(*_: object) -> None:
        raise ConnectionFailedError("No answer.")

    with monkeypatch.context() as patch:
        patch.setattr(dialog_module, "ask_service", no_answer)
        assert dialog.connect("key", key_of(lake), **typed(lake)) == "error: No answer."
    assert dialog.connect("key", **typed(lake, filesystem="raw")).startswith("ok")
    assert dialog.form._pending is None


def test_connection_string(lake: LocalLake, dialog: Dialog) -> None:
    text = f"DfsEndpoint={lake.url};AccountName={NAME};AccountKey={key_of(lake)}"
    assert dialog.connect("connection-string", text, filesystem="raw").startswith("ok")


END = datetime.now(UTC) + timedelta(hours=1)


def test_sas_of_one_filesystem_that_may_not_list_the_account(
    lake: LocalLake, dialog: Dialog
) -> None:
    sas = generate_file_system_sas(NAME, "raw", key_of(lake), permission="rwl", expiry=END)
    said = dialog.connect("sas", f"?{sas}", **typed(lake))
    assert said == "error: This SAS is for a filesystem: type the name of the filesystem."
    said = dialog.connect("sas", **typed(lake, filesystem="raw"))
    assert said == f"ok: Connected to {NAME}, filesystem raw."
    facts = {name: value for name, value, _ in dialog.state["card"]["lines"]}
    assert facts["permits"] == "read, write, list; on a filesystem"
    assert facts["validity"].startswith("expires in ")


def test_sas_that_may_only_write(lake: LocalLake, dialog: Dialog) -> None:
    sas = generate_file_system_sas(NAME, "raw", key_of(lake), permission="cw", expiry=END)
    said = dialog.connect("sas", sas, **typed(lake, filesystem="raw"))
    assert said.startswith("warning: The credential is right, but may not list.")
    assert session.current() is not None


def test_sas_of_one_directory(lake: LocalLake, dialog: Dialog) -> None:
    sas = generate_directory_sas(NAME, "raw", "a", key_of(lake), permission="cw", expiry=END)
    said = dialog.connect("sas", sas, **typed(lake, filesystem="raw"))
    assert said.startswith("warning: This SAS is for a directory, so only an upload there")


def test_sas_that_has_expired(lake: LocalLake, dialog: Dialog) -> None:
    past = datetime.now(UTC) - timedelta(hours=3, minutes=1)
    sas = generate_file_system_sas(NAME, "raw", key_of(lake), permission="rwl", expiry=past)
    said = dialog.connect("sas", sas, **typed(lake, filesystem="raw"))
    assert "expired 3 h ago" in said
    assert dialog.state["status"]["field"] == "secret"


def test_variable_of_the_notebook(lake: LocalLake) -> None:
    dialog = Dialog({"my_key": key_of(lake)})
    said = dialog.connect("variable", variable="my_key", **typed(lake, filesystem="raw"))
    assert said.startswith("ok")
    missing = dialog.connect("variable", variable="mine", **typed(lake))
    assert missing == "error: There is no variable 'mine' in this notebook."


def test_local_lake(dialog: Dialog, tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    try:
        said = dialog.connect("local", folder=str(folder), filesystem="mine")
    finally:
        stop_all()
    assert said == f"ok: Connected to {NAME}. The filesystem mine is there."


def test_nobody_answers(dialog: Dialog) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/contoso"
    said = dialog.connect("key", OTHER_KEY, account="contoso", endpoint=url)
    assert said.startswith(f"error: No answer from {url}: the connection was refused")


# -- what is there already ----------------------------------------------------------------------


def test_what_the_environment_offers_comes_first(
    lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = f"DfsEndpoint={lake.url};AccountName={NAME};AccountKey={key_of(lake)}"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
    dialog = Dialog()
    first = dialog.form.widget.methods[0]
    assert (first["name"], first["hint"]) == ("found", f"{NAME}, account key")
    assert "AZURE_STORAGE_CONNECTION_STRING" in first["note"]
    assert dialog.form.widget.values["method"] == "found"
    assert dialog.state["card"]["title"] == f"In use: {NAME}"
    assert dialog.state["card"]["forget"] is False
    assert dialog.connect("found", filesystem="raw").startswith("ok")


def test_remembered_as_profile_and_used_again(
    lake: LocalLake, dialog: Dialog, tmp_path: Path
) -> None:
    texts = typed(lake, filesystem="raw", profile="mine")
    assert "no key ring" in dialog.connect("key", key_of(lake), **texts)
    assert session.current() is not None
    assert not (tmp_path / "config.ini").exists()
    said = dialog.connect("key", consent="yes", **texts)
    assert "Saved profile mine with its secret in" in said
    assert key_of(lake) in (tmp_path / "config.ini").read_text()

    later = Dialog()
    session.forget()
    assert "saved" in [method["name"] for method in later.form.widget.methods]
    assert later.state["suggestions"]["saved"] == ["mine"]
    assert later.connect("saved", saved="mine").startswith("ok")


def test_what_is_stored_where_is_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def words() -> dict[str, Any]:
        methods = Dialog().form.widget.methods
        return next(method for method in methods if method["name"] == "key")

    assert "no key ring" in words()["remember"]
    assert words()["consent"] == "Write the key into that file too, readable by you only"
    monkeypatch.setattr(keyring_store, "usable", lambda: True)
    assert "the key goes to the system's key ring" in words()["remember"]
    assert "consent" not in words()


def test_forget(lake: LocalLake, dialog: Dialog) -> None:
    dialog.connect("key", key_of(lake), **typed(lake, filesystem="raw"))
    dialog.send("forget")
    assert session.current() is None
    assert dialog.state["kept"] == {}
    assert dialog.state["card"] == {"title": "No account is set up", "lines": [], "forget": False}
    assert "secret field is empty" in dialog.connect("key", **typed(lake))


# -- what is configured beside the form ---------------------------------------------------------


def test_a_form_on_the_screen_follows_what_a_later_cell_configures(
    lake: LocalLake, dialog: Dialog
) -> None:
    session.configure(lake.account)
    assert dialog.state["card"]["title"] == f"In use: {NAME}"
    assert dialog.state["card"]["forget"] is True
    session.configure(connect("contoso", account_key=OTHER_KEY, filesystem="raw"))
    assert dialog.state["card"]["title"] == "In use: contoso"
    assert dialog.state["card"]["lines"][0] == ["account", "contoso", "argument account"]
    session.forget()
    assert dialog.state["card"]["title"] == "No account is set up"


def test_a_folded_form_names_the_account_that_a_later_cell_configures(
    lake: LocalLake, dialog: Dialog
) -> None:
    dialog.connect("key", key_of(lake), **typed(lake, filesystem="raw"))
    assert dialog.state["open"] is False
    session.configure(connect("contoso", account_key=OTHER_KEY, filesystem="curated"))
    assert dialog.state["open"] is False
    assert dialog.says == "info: "  # no word on the earlier account
    values = dialog.form.widget.values
    assert (values["account"], values["filesystem"]) == ("contoso", "curated")
    session.forget()
    assert dialog.state["open"] is True
    assert dialog.state["kept"] == {}
    assert dialog.form._ours is None


def test_what_is_being_typed_stays_when_a_cell_configures(lake: LocalLake, dialog: Dialog) -> None:
    dialog.form.widget.values = {"method": "key", "account": "half", "filesystem": "typed"}
    session.configure(lake.account)
    assert dialog.form.widget.values["account"] == "half"
    assert dialog.state["open"] is True


@pytest.mark.parametrize("later", ["configure", "forget"])
def test_a_cell_that_configures_wins_over_an_answer_still_awaited(
    silent: str, lake: LocalLake, dialog: Dialog, later: str
) -> None:
    dialog.send("connect", OTHER_KEY, method="key", account="contoso", endpoint=silent)
    wait_until(lambda: dialog.form._client)
    session.configure(lake.account) if later == "configure" else session.forget()
    assert dialog.state["busy"] is False
    assert "configured meanwhile" in dialog.says
    wait_until(lambda: not any(one.name == "adls-form" for one in threading.enumerate()))
    assert session.current() == (lake.account if later == "configure" else None)


def test_a_closed_form_follows_no_longer(lake: LocalLake, dialog: Dialog) -> None:
    dialog.form.widget.close()
    session.configure(lake.account)
    assert dialog.state["card"]["lines"] == []
    assert dialog.form._session_changed not in session._watchers


# -- time, threads, trouble ---------------------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[str]:
    """The endpoint of a server that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/contoso"


def test_stop_ends_the_wait_at_once(
    silent: str, dialog: Dialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialog_module, "_PATIENCE", LONG)
    dialog.send("connect", OTHER_KEY, method="key", account="contoso", endpoint=silent)
    wait_until(lambda: dialog.form._client)
    started = time.monotonic()
    dialog.send("stop")
    assert time.monotonic() - started < AT_ONCE
    assert dialog.says == "info: Stopped. Nothing was changed."
    assert session.current() is None


def test_silence_is_told_in_time(
    silent: str, dialog: Dialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialog_module, "_PATIENCE", 0.2)
    said = dialog.connect("key", OTHER_KEY, account="contoso", endpoint=silent)
    assert said.startswith("error: No answer within")


def test_a_second_connect_while_busy_is_passed_over(
    silent: str, lake: LocalLake, dialog: Dialog
) -> None:
    dialog.send("connect", OTHER_KEY, method="key", account="contoso", endpoint=silent)
    dialog.send("connect", key_of(lake), method="key", **typed(lake, filesystem="raw"))
    assert dialog.state["busy"]
    assert session.current() is None
    dialog.send("stop")


def test_an_answer_after_forget_does_not_count(
    lake: LocalLake, dialog: Dialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = form_connect.ask_service
    workers: list[threading.Thread] = []

    def forget_meanwhile(*arguments: Any) -> Any:
        workers.append(threading.current_thread())
        dialog.send("forget")
        return asked(*arguments)

    monkeypatch.setattr(dialog_module, "ask_service", forget_meanwhile)
    dialog.connect("key", key_of(lake), **typed(lake, filesystem="raw"))
    workers[0].join(PATIENCE)
    assert not workers[0].is_alive()
    assert session.current() is None
    assert dialog.state["kept"] == {}


def test_the_unexpected_is_shown_without_secrets(
    lake: LocalLake, dialog: Dialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"broken with {key_of(lake)}")

    monkeypatch.setattr(dialog_module, "ask_service", fail)
    said = dialog.connect("key", key_of(lake), **typed(lake))
    assert said == ("error: Something unexpected went wrong: RuntimeError: broken with [redacted]")


@pytest.mark.parametrize(
    "message", [{}, {"do": "what"}, {"do": "connect"}, {"do": "connect", "values": 3}]
)
def test_a_message_that_makes_no_sense_leaves_the_form_usable(
    message: dict[str, Any], dialog: Dialog
) -> None:
    dialog.form.widget._handle_custom_msg(message, [])
    dialog.wait()
    assert "empty" in dialog.connect("key", account="contoso")


def test_in_a_terminal_a_text_says_how_to_do_without(capsys: pytest.CaptureFixture[str]) -> None:
    shell = InteractiveShell()
    form_module.show(shell)
    text = capsys.readouterr().out
    assert text.startswith("No account is configured.")
    assert "%adls_config --account NAME --filesystem NAME --prompt" in text


def test_what_is_configured_is_in_the_text(
    lake: LocalLake, dialog: Dialog, capsys: pytest.CaptureFixture[str]
) -> None:
    dialog.connect("key", key_of(lake), **typed(lake, filesystem="raw"))
    form_module.show(InteractiveShell())
    text = capsys.readouterr().out
    assert lake.url in text and "account key" in text
    assert key_of(lake) not in text


def test_an_executed_notebook_holds_the_text_and_no_secret(lake: LocalLake, tmp_path: Path) -> None:
    import nbclient
    import nbformat

    key_file = tmp_path / "key"
    key_file.write_text(key_of(lake))
    lines = [
        "import time, pathlib",
        "from adls_magic import form",
        "form.show()",
        f"key = pathlib.Path({str(key_file)!r}).read_bytes()",
        f"values = {{'method': 'key', **{typed(lake, filesystem='raw')}}}",
        "widget = form._form.widget",
        "widget._handle_custom_msg({'do': 'connect', 'values': values}, [memoryview(key)])",
        "while widget.state['busy']: time.sleep(0.01)",
        "print(widget.state['status']['text'])",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("\n".join(lines))])
    nbclient.NotebookClient(
        notebook, timeout=60, store_widget_state=True, config=reached_by_files()
    ).execute()
    shown, printed = notebook.cells[0].outputs
    assert "%adls_config --local" in shown["data"]["text/plain"]
    assert printed["text"].startswith("Connected to")
    saved = nbformat.writes(notebook)
    assert "FormWidget" in saved or "AnyModel" in saved
    assert key_of(lake) not in saved


def test_two_places_show_one_form_until_it_is_closed() -> None:
    shell = InteractiveShell()
    first = form_module._form_of(shell)
    assert form_module._form_of(shell) is first
    first.widget.close()
    assert form_module._form_of(shell) is not first


# -- secrets ------------------------------------------------------------------------------------


def test_no_secret_in_anything_that_a_notebook_saves(lake: LocalLake, dialog: Dialog) -> None:
    for secret, method in ((key_of(lake), "key"), (OTHER_KEY, "key")):
        dialog.connect(method, secret, **typed(lake, filesystem="raw"))
        saved = json.dumps(dialog.form.widget.get_state(), default=str)
        assert secret not in saved
        assert secret not in repr(dialog.form.widget) + repr(vars(dialog.form))


# -- rules --------------------------------------------------------------------------------------

_RULES = {"account": check_account, "filesystem": check_filesystem, "profile": check_profile_name}
_NAMES = st.one_of(
    st.text(max_size=70),
    st.text("abz09-$AZ_.", max_size=70),
    st.text("a0-", min_size=1, max_size=66),
    st.sampled_from(["$web", "$root", "$logs", "$weba", "a--b", "-ab", "ab-", "abc\n"]),
)


def allowed(check: Callable[[str], object], name: str) -> bool:
    try:
        check(name)
    except AdlsError:
        return False
    return True


@pytest.mark.parametrize("field", _RULES)
@given(name=_NAMES)
@settings(max_examples=200, deadline=None)
def test_the_browser_checks_by_the_rules_of_the_service(field: str, name: str) -> None:
    accepted = re.fullmatch(FIELDS[field].pattern, name) is not None
    assert accepted == allowed(_RULES[field], name)


@pytest.mark.parametrize("field", ["account", "filesystem", "endpoint"])
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_good_name_is_not_called_wrong_while_it_is_typed(field: str, data: st.DataObject) -> None:
    rule = FIELDS[field]
    name = data.draw(st.from_regex(rf"\A(?:{rule.pattern})\Z"))
    for length in range(1, len(name) + 1):
        assert re.fullmatch(rule.characters, name[:length])


def test_no_rule_takes_a_secret_for_a_name(lake: LocalLake) -> None:
    sas = "sv=2023-11-03&sr=c&sig=abcdefghijkl%3D"
    for field in FIELDS.values():
        for secret in (key_of(lake), OTHER_KEY, sas, f"https://a.dfs.core.windows.net/?{sas}"):
            assert not (field.pattern and re.fullmatch(field.pattern, secret)), field.label


def test_methods_without_a_secret_come_first() -> None:
    with_secret = [method.secret is not None for method in FIXED]
    assert with_secret == sorted(with_secret)
