"""Ctrl-C at any moment: hundreds of them, at times that nobody has chosen."""

from __future__ import annotations

import random
import signal
import threading
import time
import traceback
from pathlib import Path

import pytest
from patience import LONG, wait_until
from stops import ctrl_c_once

from adls_magic.core import errors
from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.transfer.upload import UploadJob, UploadOptions, upload_all

from .conftest import account_at
from .servers import Between, Fault, Forwarded

CHUNK = 1000
pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="sends a signal")


class Interrupter:
    """Sends the signal of Ctrl-C once, after a while, unless it is called off."""

    def __init__(self, seconds: float) -> None:
        self._main = threading.main_thread().ident
        self._off = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(seconds,))
        self._thread.start()

    def start(self) -> None:
        """Let the time run from now on."""
        self._begun.set()

    def _work(self, seconds: float) -> None:
        self._begun.wait()
        if not self._off.wait(seconds):
            signal.pthread_kill(self._main, signal.SIGINT)

    def call_off(self) -> None:
        """Afterwards nothing comes any more; what came just now is swallowed."""
        self._off.set()
        self._begun.set()
        try:
            self._thread.join()
            time.sleep(0.001)
        except KeyboardInterrupt:
            self._thread.join()


def attempt(account, source, target: RemotePath, seconds: float, **given) -> bool:
    """Upload and interrupt; True when the upload was through before."""
    options = UploadOptions(chunk_size=CHUNK, if_exists="overwrite", **given)
    interrupter = Interrupter(seconds)
    returned = False
    try:
        try:
            interrupter.start()
            upload_all(account, [UploadJob(source, target)], options, progress=False)
            returned = True
        finally:
            interrupter.call_off()
    except errors.UploadStopped:
        return False
    except KeyboardInterrupt as interrupt:
        frames = traceback.extract_tb(interrupt.__traceback__)
        inside = [frame for frame in frames if "adls_magic/core" in Path(frame.filename).as_posix()]
        assert returned or not inside, "a bare KeyboardInterrupt came out of the upload"
    return True


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("size", [700, 20 * CHUNK])
def test_stop_at_any_moment(size: int, seed: int, lake, client: Client, place, tmp_path, names_in):
    chance = random.Random(seed)
    longest = 0.02 if size < CHUNK else 0.12
    for number in range(25):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(data := chance.randbytes(size))
        target = place.child(path.name)
        for _ in range(3):
            workers = chance.choice([1, 3, 6])
            if attempt(lake.account, path, target, chance.random() * longest, workers=workers):
                break
            # One whose start was interrupted may come up later, and ends by itself then.
            wait_until(
                lambda: (
                    not any(
                        thread.name.startswith("adls-") and not thread.name.startswith("adls-lake")
                        for thread in threading.enumerate()
                    )
                )
            )
            found = client.find(target)
            assert found is None or client.read(target) in (b"", data)
        upload_all(
            lake.account,
            [UploadJob(path, target)],
            UploadOptions(chunk_size=CHUNK, if_exists="overwrite"),
            progress=False,
        )
        assert client.read(target) == data
    assert names_in() == sorted(f"{number}.bin" for number in range(25))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("step", "size"),
    [("resource=file", 700), ("resource=file", 20 * CHUNK), ("append", 20 * CHUNK)],
)
def test_a_stop_leaves_no_stub(
    step: str, size: int, in_place: bool, between: Between, place, names_in
):
    """Also when the service has made the file, and its answer was cut off."""
    target = place.child("x")
    stop_in(between, step, bytes(size), target, in_place=in_place)
    assert names_in() == []


@pytest.mark.parametrize(("step", "size"), [("resource=file", 0), ("append", 700)])
def test_a_stop_in_the_last_request(step: str, size: int, between: Between, client, place):
    """What the service had done by then is whole, or it is removed."""
    target = place.child("x")
    stop_in(between, step, bytes(size), target)
    found = client.find(target)
    assert found is None or client.read(target) == bytes(size)


def stop_in(between: Between, step: str, source: bytes, target: RemotePath, **given: bool) -> None:
    """Upload; let the service do what fits, keep its answers back, and press Ctrl-C."""
    is_done = threading.Event()

    def fault(got: Forwarded) -> Fault | None:
        return Fault(then=is_done.set, delay=LONG) if step in got.target else None

    between.faults = fault
    jobs = [UploadJob(source, target)]
    options = UploadOptions(chunk_size=CHUNK, if_exists="overwrite", **given)
    with ctrl_c_once(is_done.is_set), pytest.raises(errors.UploadStopped):
        upload_all(account_at(between.port), jobs, options, progress=False)
