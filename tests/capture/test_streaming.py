"""Text goes to the lake while a cell prints it: bounded memory, and a producer that waits."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from patience import AT_ONCE, PATIENCE

from adls_magic.capture.target import Target, UnsentError
from adls_magic.output.forms import Sink

from .conftest import PATH, Kernel

MIB = 1024 * 1024
PRELUDE = """
import json, os, sys
from IPython.core.interactiveshell import InteractiveShell
import adls_magic
from adls_magic.core.account import session
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "adls_magic")
session.configure(adls_magic.connect(
    "acct", account_key="a2V5", endpoint=sys.argv[1] + "/acct", filesystem="lake"))
"""
# Prints so many MiB twice, and tells the most private memory that it had meanwhile.
MEASURED = """
def peak(mebibytes):
    with open("/proc/self/clear_refs", "w") as file: file.write("5")
    shell.run_cell(
        "%%adls_write x.log -q --overwrite\\n"
        "line = 'x' * 65_535\\n"
        f"for _ in range({mebibytes} * 16): print(line)"
    ).raise_error()
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) // 1024
print(json.dumps([peak(16), peak(64), peak(512)]), file=sys.__stdout__)
"""
# Tells in a file how many MiB it has printed.
SLOWED = """
shell.user_ns["told"] = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
shell.run_cell(
    "%%adls_write x.log -q --chunk-size 1MiB --workers 2\\n"
    "import os\\nfor number in range(128):\\n"
    "    print('x' * (1024 * 1024 - 1))\\n"
    "    os.pwrite(told, b'%03d' % (number + 1), 0)"
).raise_error()
"""


class Line(ThreadingHTTPServer):
    """A lake that throws everything away and can stop reading."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.may_read = threading.Event()
        self.may_read.set()
        self.is_asked = threading.Event()  # to take bytes
        self.received = 0
        self.sizes: dict[str, int] = {}
        self.lock = threading.Lock()

    def server_bind(self) -> None:
        # Accepted sockets inherit it: so little is in the system's own buffers.
        self.socket.setsockopt(1, 8, 64 * 1024)  # SOL_SOCKET, SO_RCVBUF
        super().server_bind()


class Answer(BaseHTTPRequestHandler):
    """Enough of the service for an upload."""

    protocol_version = "HTTP/1.1"
    server: Line

    def _end(self, status: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("ETag", '"1"')
        for name, value in {"Content_Length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def do_HEAD(self) -> None:
        size = self.server.sizes.get(self.path.partition("?")[0])
        if size is None:
            self._end(404, x_ms_error_code="PathNotFound")
        else:
            self._end(200, Content_Length=str(size), Last_Modified="Sun, 01 Nov 2026 00:00:00 GMT")

    def do_PUT(self) -> None:
        name = self.path.partition("?")[0]
        source = self.headers.get("x-ms-rename-source", "none").rpartition("/")[2]
        staged = [path for path in self.server.sizes if path.endswith(source)]
        self.server.sizes[name] = self.server.sizes.pop(staged[0]) if staged else 0
        self._end(201)

    def do_PATCH(self) -> None:
        left = int(self.headers.get("Content-Length", "0"))
        while left:
            self.server.is_asked.set()
            self.server.may_read.wait()
            left -= (count := len(self.rfile.read(min(left, 256 * 1024))))
            with self.server.lock:
                self.server.received += count
        if "action=flush" in self.path:
            position = self.path.partition("position=")[2].partition("&")[0]
            self.server.sizes[self.path.partition("?")[0]] = int(position)
        self._end(202 if "action=append" in self.path else 200)

    def do_DELETE(self) -> None:
        self._end(200)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def line() -> Iterator[Line]:
    with Line() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.may_read.set()
        server.shutdown()
        thread.join()


def start(line: Line, code: str, tmp_path: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": PATH, "IPYTHONDIR": str(tmp_path)}
    url = f"http://127.0.0.1:{line.server_address[1]}"
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + code, url, *words],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_text(line: Line, tmp_path: Path) -> None:
    process = start(line, MEASURED, tmp_path)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    _, small, large = map(int, said.strip().strip("[]").split(","))
    assert line.received == (16 + 64 + 512) * MIB
    # What is in flight may still be growing at 64 MiB: it has a bound, which is far below 448.
    assert large - small < 160


def is_at_work(process: int) -> bool:
    """True when a thread of it runs, or would if the machine were not busy."""
    try:
        stats = [(each / "stat").read_text() for each in Path(f"/proc/{process}/task").iterdir()]
    except OSError:  # one has ended meanwhile
        return True
    return any(stat.rpartition(")")[2].split()[0] != "S" for stat in stats)


@pytest.mark.skipif(sys.platform != "linux", reason="sizes of Linux's socket buffers")
def test_a_slow_line_holds_the_producer_back(line: Line, tmp_path: Path) -> None:
    line.may_read.clear()
    told = tmp_path / "told"
    process = start(line, SLOWED, tmp_path, str(told))

    def printed() -> int:
        return int((told.read_bytes() if told.exists() else b"") or b"0")

    seen, since = 0, time.monotonic()
    while process.poll() is None and (not seen or time.monotonic() - since < 1):
        time.sleep(0.05)
        if (now := printed()) != seen or is_at_work(process.pid):
            seen, since = now, time.monotonic()
    assert process.poll() is None
    # Pieces of 1 MiB: two under way, a few filled, the rest in the system's buffers.
    assert 0 < printed() <= 24
    line.may_read.set()
    process.communicate(timeout=100)
    assert process.returncode == 0
    assert printed() == 128
    assert line.received == 128 * MIB


CONNECTED = """
%load_ext adls_magic
import adls_magic, os, subprocess, threading, time
from adls_magic.core.account import session
session.configure(adls_magic.connect("acct", account_key="a2V5", endpoint="{}", filesystem="lake"))
"""


@pytest.mark.parametrize(
    "body",
    [
        "!head -c 100000000 /dev/zero",
        "thread = threading.Thread(target=lambda: print('x' * 100_000_000)); thread.start()\n"
        "print('waits for its turn')\ntime.sleep(60)",
        "late = subprocess.Popen('head -c 100000000 /dev/zero', shell=True)\n"
        "while not os.path.exists('MARK'): time.sleep(0.01)",
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="sizes of Linux's socket buffers")
def test_stop_ends_a_cell_whose_text_does_not_get_through(
    line: Line, kernel: Kernel, body: str, tmp_path: Path
) -> None:
    mark = tmp_path / "is held up"

    def is_held_up() -> bool:
        if line.is_asked.is_set():
            mark.touch()
        return mark.exists()

    line.may_read.clear()
    kernel.run(CONNECTED.format(f"http://127.0.0.1:{line.server_address[1]}/acct"))
    before = kernel.value("os.readlink('/proc/self/fd/1')")
    body = body.replace("MARK", str(mark))
    cell = f"%%adls_write x.txt --chunk-size 1MiB --workers 1\n{body}"
    ran = kernel.run(cell, stop_once=is_held_up)
    assert ran.status == "error"
    assert ran.seconds < AT_ONCE  # the line never moves again
    assert [name for name, _, _ in ran.errors][-1] in ("CellError", "UploadStopped")
    after = kernel.run("print('as ever')\nprint(os.readlink('/proc/self/fd/1'))")
    assert after.streams["stdout"] == f"as ever\n{before}\n"
    assert "/acct/lake/x.txt" not in line.sizes
    kernel.run("%unload_ext adls_magic")


def test_stop_while_the_last_text_is_taken(kernel: Kernel, tmp_path: Path) -> None:
    mark = tmp_path / "hangs"
    kernel.run(
        "import time\nclass Hangs:\n    size = 0\n"
        "    def write(self, data):\n"
        f"        if self.size: open({str(mark)!r}, 'w').close()\n"
        "        while self.size: time.sleep(0.01)\n"
        "        self.size += len(data)\n"
        "@register_cell_magic\n"
        "def hang(line, cell):\n"
        "    write_cell(get_ipython(), cell, target_name='x.txt', source='stdout+stderr',\n"
        "               open_target=lambda kind: contextlib.nullcontext(Hangs()))"
    )
    body = "print('x' * 1_100_000)\nprint('é' * 200_000)\nended = True"
    ran = kernel.run(f"%%hang\n{body}", stop_once=mark.exists)
    said = "the cell was stopped, so nothing was written to x.txt"
    assert ran.errors == [("CellError", said, 1)]
    assert kernel.value("(ended, type(sys.stdout) is type(sys.stderr))") == (True, True)
    assert kernel.run("print('err', file=sys.stderr)").streams["stderr"] == "err\n"


def test_a_file_given_up_while_it_is_opened_is_discarded() -> None:
    opening, may_open = threading.Event(), threading.Event()
    ends: list[BaseException | None] = []

    @contextmanager
    def slow(kind: str | None) -> Iterator[Sink]:
        opening.set()
        may_open.wait()
        try:
            yield io.BytesIO()
        except BaseException as reason:
            ends.append(reason)
            raise
        ends.append(None)

    def sending() -> None:
        with pytest.raises(UnsentError):
            target.append(b"x" * 2 * MIB)

    target, stop = Target(slow, None, ""), KeyboardInterrupt()
    thread = threading.Thread(target=sending)
    thread.start()
    assert opening.wait(PATIENCE)
    target.discard(stop)
    may_open.set()
    thread.join()
    assert ends == [stop]
