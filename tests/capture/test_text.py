"""What a cell prints, through a real kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .conftest import Kernel

unix = pytest.mark.skipif(sys.platform == "win32", reason="no descriptor capture on Windows")


def test_printed_text_is_exact(kernel: Kernel) -> None:
    ran = kernel.write(
        "a.txt",
        r"print('one\r\ntwo', end='\r'); print('\x1b[31m😀\x1b[0m'); print('no newline', end='')",
    )
    assert kernel.file("a.txt") == "one\r\ntwo\r\x1b[31m😀\x1b[0m\nno newline".encode()
    assert (ran.status, ran.streams["stdout"], ran.shown) == ("ok", "", [])
    assert kernel.value("SAID") == ["printed text"]
    assert kernel.value("TYPES") == {"a.txt": "text/plain; charset=utf-8"}


def test_stderr_stays_in_the_notebook(kernel: Kernel) -> None:
    ran = kernel.write("a.txt", "print('out'); print('err', file=sys.stderr)")
    assert kernel.file("a.txt") == b"out\n"
    assert ran.streams == {"stdout": "", "stderr": "err\n"}


@unix
def test_stdout_and_stderr_in_their_order(kernel: Kernel) -> None:
    kernel.run("import logging, os, subprocess, warnings\nolder = logging.StreamHandler()")
    ran = kernel.write(
        "a.txt",
        "print('1'); print('2', file=sys.stderr)\n"
        "subprocess.run('echo 3; echo 4 >&2', shell=True)\n"
        "print('5'); older.emit(logging.makeLogRecord({'msg': '6'}))\n"
        "!echo 7 >&2; echo 8\n"
        "sys.stderr.buffer.write(b'\\xff\\n'); os.write(2, b'9\\n')\n"
        "sys.__stderr__.write('10\\n')\n"
        "warnings.warn('11', stacklevel=1); print('12')",
        "source='stdout+stderr'",
    )
    lines = (kernel.file("a.txt") or b"").splitlines()
    assert lines[:11] == [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"\xff", b"9", b"10"]
    assert b"UserWarning: 11" in lines[11]
    assert lines[-1] == b"12"
    assert ran.streams == {"stdout": "", "stderr": ""}
    after = kernel.run("print('err', file=sys.stderr)\nos.system('echo command >&2')")
    assert after.streams["stderr"].startswith("err\n")
    assert "command" in after.streams["stderr"]


def test_stderr_that_fails_shows_its_traceback_once(kernel: Kernel) -> None:
    body = "print('out'); print('err', file=sys.stderr)\n1 / 0"
    ran = kernel.write("a.txt", body, "source='stdout+stderr'")
    assert [name for name, _, _ in ran.errors] == ["ZeroDivisionError", "CellError"]
    assert ran.streams["stdout"] == "out\nerr\n"
    assert kernel.file("a.txt") is None


@unix
def test_processes_commands_and_prints_keep_their_order(kernel: Kernel) -> None:
    ran = kernel.write(
        "a.txt",
        "import os, subprocess\n"
        "print('1'); subprocess.run(['echo', '2']); print('3')\n"
        "!echo 4; echo problem >&2\n"
        "os.write(1, b'5\\n'); sys.stdout.buffer.write(b'\\xff\\n'); print('6')\n"
        "subprocess.run(['echo', '7'], stdout=sys.stdout)\n"
        "sys.__stdout__.write('8\\n')\n"
        "!printf 'crlf\\r\\n'; exit 3\n"
        "print(_exit_code)",
    )
    assert kernel.file("a.txt") == b"1\n2\n3\n4\n5\n\xff\n6\n7\n8\ncrlf\r\n3\n"
    assert ran.streams == {"stdout": "", "stderr": "problem\n"}


@unix
def test_commands_see_the_variables(kernel: Kernel) -> None:
    kernel.write(
        "a.txt", "x = 'top'\ndef f(y):\n    !echo {y} $x\nf('local')\nlines = !echo caught"
    )
    assert kernel.file("a.txt") == b"local top\n"
    assert kernel.value("list(lines)") == ["caught"]


def test_bash_and_time_inside(kernel: Kernel) -> None:
    kernel.write("a.txt", "%%bash\necho from bash")
    assert kernel.file("a.txt") == b"from bash\n"
    # Its thread is the one that has begun with the first of them.
    ran = kernel.write(
        "again.txt",
        "print('head')\nget_ipython().run_cell_magic('bash', '', 'echo again; echo no >&2')\n"
        "print('tail')",
    )
    assert kernel.file("again.txt") == b"head\nagain\ntail\n"
    assert ran.streams == {"stdout": "", "stderr": "no\n"}
    assert kernel.run("%%bash\necho as ever").streams["stdout"] == "as ever\n"
    kernel.write("b.txt", "%time print('timed')")
    assert (kernel.file("b.txt") or b"").startswith(b"timed\nCPU times")
    ran = kernel.write("c.json", "%%time\n[1, 2]")
    assert kernel.file("c.json") == b"[1, 2]\n"
    assert "Wall time" in ran.streams["stdout"]
    ran = kernel.run("%%time\n%%write d.txt\nprint('inside')")
    assert kernel.file("d.txt") == b"inside\n"
    assert "Wall time" in ran.streams["stdout"]


def test_threads_of_the_cell_but_not_of_earlier_cells(kernel: Kernel) -> None:
    kernel.run(
        "import threading, time\nstop = threading.Event()\n"
        "def old():\n    while not stop.wait(0.01): print('OLD')\n"
        "earlier = threading.Thread(target=old); earlier.start()"
    )
    ran = kernel.write(
        "a.txt",
        "mine = threading.Thread(target=lambda: print('from a thread'))\n"
        "mine.start(); mine.join(); time.sleep(0.1)\n"
        "go = threading.Event()\ndef late():\n    go.wait(); print('late')\n"
        "other = threading.Thread(target=late); other.start(); print('end')",
    )
    after = kernel.run("go.set(); other.join(); stop.set(); earlier.join()")
    assert kernel.file("a.txt") == b"from a thread\nend\n"
    assert ran.status == after.status == "ok"


def test_log_records_of_a_stream_from_before(kernel: Kernel) -> None:
    kernel.run(
        "import logging\nlog = logging.getLogger('mine'); log.propagate = False\n"
        "log.addHandler(logging.StreamHandler(sys.stdout)); log.setLevel('INFO')"
    )
    kernel.write("a.txt", "log.info('recorded')\nnew = logging.StreamHandler(sys.stdout)")
    assert kernel.file("a.txt") == b"recorded\n"
    after = kernel.run("log.info('after'); new.stream.write('through the old one\\n')")
    assert after.streams["stdout"] == "after\nthrough the old one\n"


@unix
def test_children_of_the_cell(kernel: Kernel, tmp_path: Path) -> None:
    go = tmp_path / "go"
    kernel.run("import multiprocessing, warnings\nforked = multiprocessing.get_context('fork')")
    ran = kernel.write(
        "a.txt",
        "import subprocess\n"
        "with warnings.catch_warnings():\n"
        "    warnings.simplefilter('ignore')\n"
        "    child = forked.Process(target=lambda: print('forked'))\n"
        "    child.start()\n"
        "child.join()\n"
        f"waits = 'until test -e {go}; do sleep 0.05; done; echo late'\n"
        "late = subprocess.Popen(waits, shell=True)\n"
        "print('end')",
    )
    assert ran.status == "ok"  # and it has not waited for the one that goes on
    assert kernel.file("a.txt") == b"forked\nend\n"
    go.touch()
    after = kernel.run("late.wait(); time.sleep(1)")  # it comes through threads and a pipe
    assert "late\n" in after.streams["stdout"]


def test_everything_is_as_before_afterwards(kernel: Kernel) -> None:
    look = (
        "(type(sys.stdout).__name__, type(sys.stderr).__name__, 'write' in vars(sys.stderr),"
        " 'write' in vars(get_ipython().display_pub),"
        " 'system' in vars(get_ipython()), '_showtraceback' in vars(get_ipython()),"
        " 'format' in vars(get_ipython().display_formatter), threading.active_count())"
    )
    kernel.run("import threading")
    before = kernel.value(look)
    for _ in range(3):
        kernel.write("a.txt", "!echo x\nprint(1)")
    assert kernel.write("b.txt", "print(1); 1/0").status == "error"
    assert kernel.write("c.txt", "print(1)", "source='stdout+stderr'").status == "ok"
    assert kernel.value(look) == before
    assert kernel.run("!echo normal").streams["stdout"].strip() == "normal"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_pipe_is_left_open(kernel: Kernel) -> None:
    kernel.run(
        "import os\ndef pipes():\n"
        "    return {target for name in os.listdir('/proc/self/fd')\n"
        "        if os.path.exists(link := '/proc/self/fd/' + name)\n"
        "        and (target := os.readlink(link)).startswith('pipe:')}\n"
        "early = pipes()"
    )
    for _ in range(5):
        kernel.write("a.txt", "!echo x")
    assert kernel.value("sorted(pipes() - early)") == []


def test_writing_inside_writing(kernel: Kernel) -> None:
    kernel.write(
        "outer.txt",
        "print('outer 1')\n"
        "get_ipython().run_cell_magic('write', 'inner.txt', 'print(\"inner\")\\n!echo command')\n"
        "print('outer 2')",
    )
    assert kernel.file("inner.txt") == b"inner\ncommand\n"
    assert kernel.file("outer.txt") == b"outer 1\nouter 2\n"


def test_tee_shows_what_is_written(kernel: Kernel) -> None:
    ran = kernel.write("a.txt", "print('both ü')\n!echo command\n6 * 7", "tee=True")
    assert kernel.file("a.txt") == "both ü\ncommand\n42\n".encode()
    assert ran.streams["stdout"] == "both ü\ncommand\n"
    assert ran.shown == [{"text/plain": "42"}]


def test_text_is_sent_while_the_cell_runs_and_memory_stays(kernel: Kernel) -> None:
    kernel.run("import resource\nclass Counted:\n    size = 0\n"
               "    def write(self, data): self.size += len(data); return len(data)")  # fmt: skip
    kernel.run(
        "from IPython.core.magic import register_cell_magic\n"
        "@register_cell_magic\n"
        "def count(line, cell):\n"
        "    global counted; counted = Counted()\n"
        "    write_cell(get_ipython(), cell, target_name='x.log', source='stdout',\n"
        "               open_target=lambda kind: contextlib.nullcontext(counted))"
    )
    ran = kernel.run(
        "%%count\nline = 'x' * 1023\n"
        "for i in range(20_000): print(line)\n"
        "sent = counted.size\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for i in range(200_000): print(line)\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"
    )
    assert ran.status == "ok", ran.errors
    assert kernel.value("counted.size") == 220_000 * 1024
    assert kernel.value("sent") > 18_000 * 1024
    assert kernel.value("after - before") < 16 * 1024  # KiB, for 200 MiB of text


def test_compressed_text(kernel: Kernel) -> None:
    kernel.write("a.log.gz", "print('x' * 5_000_000)")
    assert kernel.value("__import__('gzip').decompress(FILES['a.log.gz']) == b'x'*5_000_000+b'\\n'")
    assert kernel.value("(len(FILES['a.log.gz']) < 50_000, TYPES)") == (
        True, {"a.log.gz": "application/gzip"},
    )  # fmt: skip
