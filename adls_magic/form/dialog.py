"""The form's life in the kernel: messages from the browser, the account that comes of them.

What the user does arrives as messages, on the kernel's main thread or, beside a running cell, on
a subshell's thread; the service is asked on a worker thread, so that neither waits. All changes
happen under one lock, and an answer counts only if nobody has stopped, forgotten, configured or
begun anew since it was asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from adls_magic.core.account import session
from adls_magic.core.errors import AdlsError, CredentialError
from adls_magic.core.secret import Secret
from adls_magic.form import state as states
from adls_magic.form.connect import (
    Filled,
    Outcome,
    account_from,
    ask_service,
    remember,
    with_filesystem,
)
from adls_magic.form.methods import SECRET_METHODS

if TYPE_CHECKING:
    from adls_magic.core.account import Account
    from adls_magic.core.service.client import Client

_PATIENCE = 12.0  # seconds; nobody looks at a busy form for longer
_PATIENCE_SIGNING_IN = 40.0  # seconds; az and managed identities are tried one after the other
_LATE = (
    "No answer within {:.0f} s. Is the account name right? "
    "Is the account behind a firewall or a private endpoint?"
)
_LATE_SIGNING_IN = "No answer within {:.0f} s. Does `az login` work on this machine?"
_KEPT = "set; type to replace it"
_MEANWHILE = "Something else was configured meanwhile, so this was not waited for."


class _Owner(NamedTuple):
    """What a secret was typed for."""

    method: str
    account: str
    endpoint: str


class _Pending(NamedTuple):
    """A secret that was not refused, but could not be used yet."""

    owner: _Owner
    secret: Secret


class Form:
    """The form's life in the kernel.

    Args:
        variables: the notebook's variables, one of which may hold a credential.
    """

    def __init__(self, variables: Mapping[str, Any]) -> None:
        from adls_magic.form.secret_field import FormWidget

        self._variables = variables
        self._lock = threading.RLock()
        self._attempt = 0  # number of the attempt whose answer counts
        self._client: Client | None = None
        self._pending: _Pending | None = None
        self._ours: tuple[_Owner, str] | None = None  # whose secret the session got, its endpoint
        self._changing = False  # the session is being changed by the form itself
        self.widget = FormWidget(self._receive, **states.first_state())
        self._unwatch = session.watch(self._session_changed)

    @property
    def closed(self) -> bool:
        """Whether the widget was closed, so that it can no longer be shown."""
        return self.widget.comm is None

    def close(self) -> None:
        """End what is under way, drop a pending secret, and close the widget."""
        self._unwatch()
        with self._lock:
            self._attempt += 1
            self._pending = None
            client, self._client = self._client, None
        if client is not None:
            client.abort()
        self.widget.close()

    def refreshed(self) -> str:
        """Take in what changed outside the form; return the widget's id for displaying."""
        found, saved = states.found_account(), states.profiles()
        with self._lock:
            account = self._followed()
            self.widget.methods = states.methods(found, saved)
            if not self.widget.values:
                self.widget.values = states.first_values(account, found, saved)
            self._show(
                card=states.card(account, found),
                kept=self._kept(),
                suggestions={**self.widget.state["suggestions"], "saved": saved},
            )
        return str(self.widget.model_id)

    # ------------------------------------------------------------------- session

    def _session_changed(self) -> None:
        """Show what `%adls_config` has set or forgotten, in a cell run later."""
        if self.closed:
            self._unwatch()
            return
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001 - who configures is not to suffer from a form
            self._show(status=states.status("error", states.words(error)))

    def _follow(self) -> None:
        with self._lock:
            if self._changing:
                return
            self._give_up("info", _MEANWHILE)
            account = self._followed()
            opened = self.widget.state["open"] or account is None
            if account is not None and not opened:
                self.widget.values = {**self.widget.values, **states.names(account)}
            told = self.widget.state["status"]
            self._show(
                card=states.card(account, states.found_account()),
                kept=self._kept(),
                open=opened,
                status=told if told["text"] == _MEANWHILE else states.status("info", ""),
            )

    def _followed(self) -> Account | None:
        """Return the session's account; without one, drop the secrets of the form as well."""
        account = session.current()
        if account is None:
            self._pending = self._ours = None
        return account

    def _set_session(self, account: Account | None) -> None:
        self._changing = True
        try:
            session.configure(account) if account else session.forget()
        finally:
            self._changing = False

    # ------------------------------------------------------------------ messages

    def _receive(self, message: Mapping[str, Any], secret: Secret | None) -> None:
        try:
            match message.get("do"):
                case "connect":
                    self._begin(message.get("values") or {}, secret)
                case "stop":
                    self._give_up("info", "Stopped. Nothing was changed.")
                case "change":
                    self._show(open=True, status=states.status("info", ""))
                case "forget":
                    self._forget()
        except Exception as error:  # noqa: BLE001 - what a callback raises is seen nowhere else
            self._show(busy=False, status=states.status("error", states.words(error)))

    def _begin(self, values: Filled, secret: Secret | None) -> None:
        filled = {"method": "", **values}
        with self._lock:
            if self.widget.state["busy"]:
                return
            self._attempt += 1
            self._show(busy=True, status=states.status("info", "Asking the service…"))
            attempt = self._attempt
        work = (attempt, filled, secret)
        threading.Thread(target=self._work, args=work, name="adls-form", daemon=True).start()

    def _give_up(self, kind: str, text: str, attempt: int | None = None) -> None:
        """Leave the attempt under way (only that one, when named): its answer counts no more."""
        with self._lock:
            if not self.widget.state["busy"] or attempt not in (None, self._attempt):
                return
            self._attempt += 1
            client = self._client
            self._show(busy=False, status=states.status(kind, text))
        if client:
            client.abort()

    def _forget(self) -> None:
        with self._lock:
            self._attempt += 1
            self._pending = self._ours = None
            self._set_session(None)
            text = "Forgotten: this notebook has no account now. Saved profiles stay."
            self._show(
                busy=False,
                open=True,
                card=states.card(None, states.found_account()),
                kept={},
                suggestions={"saved": states.profiles()},
                status=states.status("ok", text),
            )

    # -------------------------------------------------------------------- worker

    def _work(self, attempt: int, filled: Filled, secret: Secret | None) -> None:
        watch = threading.Timer(*self._patience(filled, attempt))
        watch.daemon = True
        watch.start()
        try:
            account = self._account(filled, secret)
            outcome = ask_service(account, lambda client: self._started(attempt, client))
            if outcome.account and attempt == self._attempt:
                outcome = _remembered(filled, outcome, outcome.account)
        except Exception as error:  # noqa: BLE001 - shown in the form, as nothing else is seen
            outcome = Outcome(None, "error", states.words(error), states.field_of(error))
        finally:
            watch.cancel()
        self._finish(attempt, filled, secret, outcome)

    def _patience(self, filled: Filled, attempt: int) -> tuple[float, Callable[[], None]]:
        """Return after how many seconds to do what."""
        signing_in = filled["method"] in ("identity", "variable")
        seconds = _PATIENCE_SIGNING_IN if signing_in else _PATIENCE
        text = (_LATE_SIGNING_IN if signing_in else _LATE).format(seconds)
        return seconds, lambda: self._give_up("error", text, attempt)

    def _started(self, attempt: int, client: Client) -> None:
        with self._lock:
            if attempt == self._attempt:
                self._client = client

    def _account(self, filled: Filled, secret: Secret | None) -> Account:
        """Return what is described, with the secret typed now or, for the same account, before."""
        if secret or filled["method"] not in SECRET_METHODS:
            return account_from(filled, secret, self._variables)
        with self._lock:
            owner, pending, ours = _owner(filled), self._pending, self._ours
            current = session.current()
        if pending and pending.owner == owner:
            return account_from(filled, pending.secret, self._variables)
        if current and ours == (owner, current.endpoint):
            wanted = filled.get("filesystem")
            return with_filesystem(current, wanted) if wanted else replace(current, filesystem=None)
        for other in filter(None, (pending and pending.owner, ours and ours[0])):
            if other.method == owner.method:
                raise CredentialError(
                    f"The secret that is set belongs to {other.account or 'another account'}: "
                    "type the one of this account."
                )
        return account_from(filled, None, self._variables)

    def _finish(
        self, attempt: int, filled: Filled, secret: Secret | None, outcome: Outcome
    ) -> None:
        with self._lock:
            if attempt != self._attempt:
                return
            self._client = None
            if outcome.account:
                self._set_session(outcome.account)
                self._ours = (_owner(filled), outcome.account.endpoint)
                self._pending = None
            elif secret:
                refused = outcome.field == "secret"
                self._pending = None if refused else _Pending(_owner(filled), secret)
            self._show_outcome(outcome)

    def _show_outcome(self, outcome: Outcome) -> None:
        saved = states.profiles()
        if outcome.account and outcome.account.filesystem:
            self.widget.values = {**self.widget.values, "filesystem": outcome.account.filesystem}
        self._show(
            busy=False,
            open=outcome.kind != "ok",
            card=states.card(session.current(), None),
            kept=self._kept(),
            suggestions={"filesystem": list(outcome.filesystems), "saved": saved},
            status=states.status(outcome.kind, outcome.text, outcome.field),
        )

    def _kept(self) -> dict[str, str]:
        """Return, by method, what the empty secret field says when a secret is set."""
        owners = (self._pending and self._pending.owner, self._ours and self._ours[0])
        return {owner.method: _KEPT for owner in owners if owner}

    def _show(self, **changes: Any) -> None:
        with self._lock:
            self.widget.state = {**self.widget.state, **changes}


def _owner(filled: Filled) -> _Owner:
    return _Owner(filled["method"], filled.get("account", ""), filled.get("endpoint", ""))


def _remembered(filled: Filled, outcome: Outcome, account: Account) -> Outcome:
    """Save the profile if that was ticked, and add what was stored where, or why not."""
    try:
        said = remember(filled, account)
    except AdlsError as error:
        return replace(outcome, kind="warning", text=f"{outcome.text}\n{states.words(error)}")
    return replace(outcome, text=f"{outcome.text}\n{said}".strip())
