"""Stop in a notebook's kernel and Ctrl-C in a terminal, from every phase of an upload.

Both are real processes and get the real signal. How long it took is printed (`pytest -rP`): a
second is what is meant. The limit here is for busy machines.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from core.conftest import (  # noqa: F401 - one is for every test here
    account_at,
    lake_port,
    nothing_is_left,
)
from core.servers import Between, Fault, Forwarded, answer
from core.uploads import CHUNK, data_of, put
from kernels import start_kernel
from patience import AT_ONCE, LONG, PATIENCE, wait_until

from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.lake import LocalLake

from . import processes

OLD = b"what was there before"
HELD = Fault(after=True)
DEAD = Fault(before=True)
BUSY = Fault(instead=answer(503, {"Retry-After": "60"}))

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and pipes of POSIX")


@dataclass(frozen=True)
class Phase:
    """Where an upload is held up.

    Attributes:
        at: what fits the request at which it is held up.
        options: of the command.
        source: a file's length in bytes, or "folder" for one with a file in it.
        fault: what the line does with the request. HELD keeps the answer back, DEAD does not even
            read it to its end.
        says: fits the line that the user gets.
    """

    at: str
    options: str = ""
    source: int | str = 40 * CHUNK
    fault: Fault = HELD
    says: str = r"^Stopped; the target is unchanged\."


STAGED = r"^Stopped; the target is unchanged\. 19\.5 KiB are staged: run it again to go on"
PHASES = {
    "looking at the target's folder": Phase("^HEAD", "-r", "folder", says=r"^Stopped"),
    "looking at the target": Phase("^HEAD"),
    "creating": Phase(r"\.partial\?resource=file"),
    "waiting for an answer": Phase("append&position=[23]....", "--workers 1", says=STAGED),
    "waiting to try again": Phase(
        "append&position=[23]....", "--workers 1", fault=BUSY, says=STAGED
    ),
    "sending on a dead line": Phase("append", "--chunk-size 32MB", 96_000_000, DEAD),
    "flushing": Phase("action=flush", says=r"^Stopped"),
    "renaming": Phase("mode=legacy", says=r"^Stopped"),
}


class Line(Between):
    """A line that holds an upload up in a phase, until it is told to go on."""

    def __init__(self, port: int) -> None:
        self.reached = threading.Event()
        self._go_on = threading.Event()
        super().__init__(port)

    def hold(self, phase: Phase) -> None:
        self.reached.clear()
        self._go_on.clear()

        def hold_back() -> None:
            self.reached.set()
            self._go_on.wait(LONG)

        kept_back = replace(HELD, then=hold_back)

        def faults(got: Forwarded) -> Fault | None:
            if not re.search(phase.at, f"{got.method} {got.target}"):
                return None
            if phase.fault is HELD:
                return kept_back
            self.reached.set()
            if phase.fault is DEAD:
                self._go_on.wait(LONG)
            return phase.fault

        self.faults = faults

    def release(self) -> None:
        self.faults = lambda got: None
        self._go_on.set()


@pytest.fixture(scope="module")
def line(lake: LocalLake) -> Iterator[Line]:
    with Line(lake_port(lake)) as between:
        yield between


@pytest.fixture(scope="module")
def environment(line: Line, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    return processes.environment(account_at(line.port)) | {
        "PYTHONWARNINGS": "",  # a kernel has some of its own
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


@dataclass
class Scene:
    """A phase, its source and its target."""

    phase: Phase
    source: Path
    target: RemotePath

    @property
    def words(self) -> str:
        chunk = "" if "--chunk-size" in self.phase.options else f"--chunk-size {CHUNK}"
        return f"--overwrite {chunk} {self.phase.options} {self.source} {self.target.path}"

    def wait(self, line: Line) -> None:
        """Wait until the upload is held up, and a moment more."""
        assert line.reached.wait(PATIENCE), line.lines
        time.sleep(0.3)

    def check(self, client: Client) -> None:
        if self.phase.source == "folder":
            assert client.read(self.target.child("a.bin")) == data_of(CHUNK)
        else:
            assert client.read(self.target) == self.source.read_bytes()


# The others differ in nothing that a terminal could see.
IN_TERMINAL = [
    "looking at the target's folder",
    "waiting for an answer",
    "waiting to try again",
    "sending on a dead line",
    "flushing",
]


@pytest.fixture
def scene(request, client: Client, place, tmp_path) -> Scene:
    phase = PHASES[request.param]
    source, target = tmp_path / "source.bin", place.child("target.bin")
    if phase.source == "folder":
        source.mkdir()
        (source / "a.bin").write_bytes(data_of(CHUNK))
    else:
        source.write_bytes(data_of(CHUNK) * (int(phase.source) // CHUNK))
        put(client, target, OLD)
    return Scene(phase, source, target)


# ------------------------------------------------------------------------------------ a notebook

# What the kernel has left of ours: threads, and connections to a port.
LEFT = """
import contextlib, json, os, socket, sys, threading
def left(port):
    found = [one.name for one in threading.enumerate() if one.name.startswith("adls-")]
    for name in os.listdir("/proc/self/fd") if sys.platform == "linux" else ():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(name))) as one:
            if one.getpeername()[1:] == (port,):
                found.append(f"a connection from {one.getsockname()}")
    return found
"""


class Notebook:
    """A kernel, and what it answers."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.kernel, self.client = start_kernel(env=environment)

    def run(self, code: str, meanwhile: Callable[[], object] = lambda: None) -> dict:
        """Execute a cell; return its reply, with what it printed as "text"."""
        sent = self.client.execute(code)
        meanwhile()
        texts: list[str] = []
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != sent:
                continue
            if message["msg_type"] == "stream":
                texts.append(message["content"]["text"])
            if message["content"].get("execution_state") == "idle":
                break
        reply = self.client.get_shell_msg(timeout=PATIENCE)
        while reply["parent_header"].get("msg_id") != sent:  # one of a slow start
            reply = self.client.get_shell_msg(timeout=PATIENCE)
        return {**reply["content"], "text": "".join(texts)}

    def close(self) -> None:
        self.client.stop_channels()
        self.kernel.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def notebook(environment: dict[str, str]) -> Iterator[Notebook]:
    opened = Notebook(environment)
    assert opened.run(f"%load_ext adls_magic\n{LEFT}")["status"] == "ok"
    yield opened
    opened.close()


@pytest.mark.parametrize("scene", PHASES, indirect=True)
def test_stop_in_a_notebook(scene: Scene, notebook: Notebook, line: Line, client: Client):
    began: list[float] = []

    def stop() -> None:
        scene.wait(line)
        began.append(time.monotonic())
        notebook.kernel.interrupt_kernel()

    line.hold(scene.phase)
    try:
        reply = notebook.run(f"%adls_upload {scene.words}", meanwhile=stop)
        check_stopped(reply, scene.phase, time.monotonic() - began[0], notebook, line)
    finally:
        line.release()
    again = notebook.run(f"%adls_upload {scene.words}")
    assert again["status"] == "ok", again
    scene.check(client)


def test_stop_in_a_notebook_while_a_source_is_waited_for(
    notebook: Notebook, line: Line, client: Client, place, tmp_path: Path
):
    put(client, target := place.child("target.bin"), OLD)
    began: list[float] = []
    mark = tmp_path / "is waited for"
    code = f"""
import adls_magic, pathlib, time
def slow():
    yield bytes({20 * CHUNK})
    pathlib.Path({str(mark)!r}).touch()
    time.sleep({LONG})
adls_magic.upload(slow(), {target.path!r}, overwrite=True)
"""

    def stop() -> None:
        wait_until(mark.exists)
        time.sleep(0.1)
        began.append(time.monotonic())
        notebook.kernel.interrupt_kernel()

    reply = notebook.run(code, meanwhile=stop)
    check_stopped(
        reply, PHASES["looking at the target"], time.monotonic() - began[0], notebook, line
    )
    assert client.read(target) == OLD


def check_stopped(reply: dict, phase: Phase, took: float, notebook: Notebook, line: Line) -> None:
    """One line, soon, and nothing of ours is left in the kernel."""
    print(f"stopped after {took:.2f} s: {reply['ename']}: {reply['evalue']}")
    look = f"print(json.dumps(left({line.port})))"
    assert reply["status"] == "error" and reply["ename"] == "UploadStopped", reply
    assert re.search(phase.says, reply["evalue"]) and "\n" not in reply["evalue"]
    assert reply["traceback"] == [f"UploadStopped: {reply['evalue']}"]
    wait_until(lambda: json.loads(notebook.run(look)["text"]) == [])
    assert took < AT_ONCE


# ------------------------------------------------------------------------------------ a terminal


@pytest.mark.parametrize("scene", IN_TERMINAL, indirect=True)
def test_stop_in_a_terminal(scene: Scene, environment, line: Line, client: Client):
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "adls_magic", "upload", *scene.words.split()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    line.hold(scene.phase)
    try:
        with start() as process:
            scene.wait(line)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
            took = time.monotonic() - began
    finally:
        line.release()
    print(f"stopped after {took:.2f} s: {err!r}")
    assert (process.returncode, out) == (1, "")
    assert re.search(scene.phase.says, err) and err.count("\n") == 1, err
    assert took < AT_ONCE
    with start() as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    scene.check(client)
