"""The bar: what a terminal shows, never past its end, and at its end at the end."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from patience import PATIENCE, wait_until
from tqdm import tqdm

from adls_magic.core import errors
from adls_magic.core.transfer import lease, progress
from adls_magic.core.transfer.progress import Bar, Counter, open_progress
from adls_magic.core.transfer.upload import UploadJob, UploadOptions, open_writer, upload_all

from .conftest import account_at
from .servers import Between, Fault, Forwarded, answer

CHUNK = 1000
PERCENT = re.compile(r"(\d+)%")


class Terminal(io.StringIO):
    """What a terminal's stream says of itself."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    @property
    def states(self) -> list[str]:
        return [state for state in re.split(r"[\r\n]", self.getvalue()) if state.strip()]

    @property
    def percents(self) -> list[int]:
        return [int(found[1]) for state in self.states if (found := PERCENT.search(state))]


def see(monkeypatch: pytest.MonkeyPatch, screen: io.StringIO | None) -> None:
    """Let the module have this for its stderr; pytest puts its own in the real place."""
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=screen, modules=sys.modules))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    see(monkeypatch, made)
    monkeypatch.setattr(progress, "_kernel_display", lambda: None)
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    return made


# --------------------------------------------------------------------------------------- counting


def test_a_counter_counts_from_every_thread():
    counter = Counter()

    def work() -> None:
        for _ in range(2000):
            counter.count(3)
            counter.count(-1)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counter.expect(5), counter.draw(), counter.close()
    assert counter.sent == 6 * 2000 * 2


# ---------------------------------------------------------------------------------------- the bar


def test_a_bar_from_its_start_to_its_end(terminal: Terminal):
    bar = Bar("sales.csv", terminal)
    bar.expect(4 * 1024 * 1024)
    for _ in range(4):
        bar.count(1024 * 1024)
        bar.draw()
        time.sleep(0.11)
    bar.close()
    bar.close()
    last = terminal.states[-1]
    assert "sales.csv" in last and "100%" in last and "4.00M/4.00M" in last and "B/s" in last
    assert terminal.percents == sorted(terminal.percents) and len(terminal.percents) > 2


def test_a_try_that_is_taken_back(terminal: Terminal):
    bar = Bar("x", terminal)
    bar.expect(100)
    for sent in (60, -60, 60, -60, 100):
        bar.count(sent)
        time.sleep(0.11)
        bar.draw()
    bar.close()
    assert max(terminal.percents) == 100 == terminal.percents[-1]


def test_a_bar_without_a_total(terminal: Terminal):
    bar = Bar("x", terminal)
    bar.expect(None)
    for _ in range(3):
        bar.count(2048)
        time.sleep(0.11)
        bar.draw()
    bar.expect(6144)
    bar.close()
    assert "6.00k" in terminal.getvalue().lower()


def test_a_bar_that_never_began(terminal: Terminal):
    bar = Bar("x", terminal)
    bar.count(3)
    bar.draw()
    bar.close()
    assert terminal.getvalue() == ""


def test_what_ends_soon_needs_no_bar(monkeypatch: pytest.MonkeyPatch, terminal: Terminal):
    monkeypatch.setattr(progress, "_DELAY", 0.3)
    bar = Bar("x", terminal)
    bar.expect(100)
    bar.count(100)
    bar.draw()
    bar.close()
    assert terminal.states == []


def test_the_bar_starts_no_thread(terminal: Terminal):
    before = threading.active_count()
    bar = Bar("x", terminal)
    bar.expect(10)
    assert threading.active_count() == before
    bar.close()


# ------------------------------------------------------------------------------- who gets a bar


def test_where_somebody_is_looking(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    assert isinstance(open_progress(None, "x"), Bar)
    assert isinstance(open_progress(True, "x"), Bar)
    assert type(open_progress(False, "x")) is Counter
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert type(open_progress(None, "x")) is Counter
    monkeypatch.delenv("TQDM_DISABLE")
    see(monkeypatch, io.StringIO())
    assert type(open_progress(None, "x")) is Counter
    assert isinstance(open_progress(True, "x"), Bar)
    see(monkeypatch, None)  # as under pythonw
    assert type(open_progress(None, "x")) is Counter


def test_without_a_stderr_at_all(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    see(monkeypatch, None)
    monkeypatch.setattr(sys, "stderr", None)
    bar = open_progress(True, "x")
    bar.expect(10)
    bar.count(10)
    bar.draw()
    bar.close()


class Display:
    """Stands for IPython's `display` in a kernel: keeps every state that it was given."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def __call__(self, bundle: dict[str, str], **given: Any) -> Display:
        assert given == {"raw": True, "display_id": True}
        self.update(bundle, raw=True)
        return self

    def update(self, bundle: dict[str, str], **given: Any) -> None:
        assert list(bundle) in (["text/plain"], []) and given == {"raw": True}
        self.states.append(bundle.get("text/plain", ""))


@pytest.mark.parametrize("in_a_loop_of_the_users", [False, True])
def test_in_a_notebook_it_is_one_output_that_ends_at_100(
    in_a_loop_of_the_users: bool, monkeypatch: pytest.MonkeyPatch
):
    shown = Display()
    monkeypatch.setattr(progress, "_kernel_display", lambda: shown)
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    with contextlib.ExitStack() as open_bars:
        if in_a_loop_of_the_users:
            monkeypatch.setattr(tqdm, "monitor_interval", 0)
            open_bars.enter_context(tqdm(total=3, file=io.StringIO()))
        run_to_its_end(open_progress(None, "x"))
    assert "100%" in shown.states[-1] and len(shown.states) > 2
    for state in shown.states:
        assert not {"\r", "\n", "\x1b"} & set(state), state


def run_to_its_end(bar: Counter) -> None:
    bar.expect(100)
    for _ in range(4):
        bar.count(25)
        time.sleep(0.11)
        bar.draw()
    bar.close()


# --------------------------------------------------------------------------------- whole uploads


@pytest.fixture
def slow(between: Between) -> Iterator[Between]:
    """Each append takes a while, and every third is answered by a failure at first."""
    seen: set[str] = set()

    def fault(got: Forwarded) -> Fault | None:
        if "append" not in got.target:
            return None
        is_first = got.target not in seen
        seen.add(got.target)
        if is_first and len(seen) % 3 == 0:
            return Fault(delay=0.05, swapped=answer(503))
        return Fault(delay=0.05)

    between.faults = fault
    yield between


def run(account, source, target, **options: Any) -> None:
    given = UploadOptions(chunk_size=CHUNK, workers=2, **options)
    upload_all(account, [UploadJob(source, target)], given, progress=True)


def test_an_upload_with_retries_never_passes_its_end(slow, place, terminal, quick):
    run(account_at(slow.port), bytes(20 * CHUNK), place.child("x.bin"))
    assert terminal.percents == [p for p in terminal.percents if p <= 100]
    assert "100%" in terminal.states[-1] and "x.bin" in terminal.states[-1]
    assert len(terminal.percents) > 2
    assert "19.5k/19.5k" in terminal.states[-1]


def test_a_small_upload_ends_at_100(slow, place, terminal, quick):
    run(account_at(slow.port), bytes(CHUNK), place.child("x.bin"))
    assert terminal.states == [] or terminal.percents[-1] == 100


def test_an_upload_of_a_stream_shows_what_was_sent(slow, place, terminal, quick):
    parts: Callable[[], Iterator[bytes]] = lambda: (bytes(CHUNK) for _ in range(20))  # noqa: E731
    with open_writer(
        account_at(slow.port), place.child("x"), UploadOptions(chunk_size=CHUNK), progress=True
    ) as writer:
        for part in parts():
            writer.write(part)
    assert "19.5k" in terminal.states[-1]


def test_several_files_with_some_skipped_end_at_100(slow, client, place, tmp_path, terminal, quick):
    jobs = []
    for number in range(4):
        path = tmp_path / str(number)
        path.write_bytes(bytes(4 * CHUNK))
        jobs.append(UploadJob(path, place.child(path.name)))
    client.create(jobs[0].target)
    client.create(jobs[2].target)
    options = UploadOptions(chunk_size=CHUNK, workers=2, if_exists="skip")
    results = upload_all(account_at(slow.port), jobs, options, progress=True)
    assert [result.skipped for result in results] == [True, False, True, False]
    assert "100%" in terminal.states[-1] and "4 files" in terminal.states[-1]


def test_a_failed_upload_leaves_no_full_bar(between, place, terminal, quick):
    between.faults = lambda got: (
        Fault(delay=0.1, swapped=answer(400)) if "append" in got.target else None
    )
    with contextlib.suppress(errors.AdlsError):
        run(account_at(between.port), bytes(20 * CHUNK), place.child("x.bin"))
    assert 100 not in terminal.percents


class Gone(Terminal):
    """A terminal that goes away."""

    kind: type[Exception] | None = None

    def write(self, text: str) -> int:
        if self.kind is not None:
            raise self.kind
        return super().write(text)


@pytest.mark.parametrize("kind", [BrokenPipeError, ValueError])
@pytest.mark.parametrize("at", [0, 5])
def test_an_upload_goes_on_without_its_bar(between, client, place, monkeypatch, kind, at):
    screen = Gone()
    see(monkeypatch, screen)
    monkeypatch.setattr(progress, "_kernel_display", lambda: None)
    monkeypatch.setattr(progress, "_DELAY", 0.0)

    def fault(got: Forwarded) -> Fault:
        if between.count("action=append") >= at:
            screen.kind = kind
        return Fault(delay=0.05)

    between.faults = fault
    run(account_at(between.port), bytes(20 * CHUNK), place.child("x.bin"))
    assert screen.kind is not None and client.read(place.child("x.bin")) == bytes(20 * CHUNK)


def test_a_bar_that_fails_hides_no_clean_up(between, place, monkeypatch, names_in):
    close = Bar.close
    monkeypatch.setattr(Bar, "close", lambda self: close(self) or 1 / 0)
    between.faults = lambda got: (
        Fault(swapped=answer(400)) if "position=5000" in got.target else None
    )
    with pytest.raises(ZeroDivisionError):
        run(account_at(between.port), iter([bytes(20 * CHUNK)]), place.child("x.bin"))
    assert names_in() == []


# ------------------------------------------------------------------------ waiting for a lease


@pytest.fixture
def waiting(between: Between, client, place, monkeypatch) -> Callable[..., None]:
    """Appends to a file that is leased to somebody else, until something has happened."""
    monkeypatch.setattr(lease, "_UNNOTICED", 0.0)
    monkeypatch.setattr(lease, "_LONGEST_WAIT", 0.1)
    target, theirs = place.child("log.txt"), "11111111-2222-3333-4444-555555555555"

    def append(size: int, until: Callable[[], bool] | None, progress: bool = True) -> None:
        def release() -> None:
            if until is not None:
                wait_until(until)
                client.release_lease(target, theirs)

        client.create(target)
        client.acquire_lease(target, theirs, seconds=60)
        other = threading.Thread(target=release)
        other.start()
        given = UploadOptions(if_exists="append", chunk_size=CHUNK, patience=PATIENCE)
        try:
            with open_writer(account_at(between.port), target, given, progress=progress) as writer:
                for _ in range(0, size, 100):
                    writer.write(bytes(100))
        finally:
            other.join()

    return append


def test_what_is_waited_for_is_shown_and_leaves_no_trace(waiting, terminal):
    waiting(100, until=lambda: "waiting: another writer holds a lease" in terminal.getvalue())
    assert "\n" not in terminal.getvalue()
    *_, over, end = terminal.getvalue().split("\r")
    assert not over.strip() and len(over) >= len(terminal.states[-1].rstrip()) and end == ""


def test_also_when_it_has_failed(waiting, between, terminal):
    between.faults = lambda got: (
        Fault(swapped=answer(400)) if "waiting" in terminal.getvalue() else None
    )
    with pytest.raises(errors.AdlsError) as caught:
        waiting(100, until=None)
    assert caught.value.status == 400
    assert "\n" not in terminal.getvalue()
    assert not terminal.getvalue().rpartition("\r")[0].rpartition("\r")[2].strip()


def test_the_bar_of_what_is_more_stays(waiting, terminal):
    waiting(20 * CHUNK, until=lambda: "waiting" in terminal.getvalue())
    assert "waiting" not in terminal.states[-1] and "19.5k" in terminal.states[-1]
    assert terminal.getvalue().endswith("\n")


def test_in_a_notebook_it_leaves_no_trace(waiting, monkeypatch):
    shown = Display()
    monkeypatch.setattr(progress, "_kernel_display", lambda: shown)
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    waiting(100, until=lambda: "waiting: another writer" in "".join(shown.states))
    assert "log.txt" in shown.states[1] and shown.states[-1] == ""


def test_nobody_waits_in_sight_of_nobody(waiting, between, terminal):
    waiting(100, until=lambda: between.count("POST") > 10, progress=False)
    assert terminal.getvalue() == ""
