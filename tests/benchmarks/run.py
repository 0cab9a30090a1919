"""Measure adls_magic, its peers and plain sockets over the rows of the matrix (rows.py).

    python tests/benchmarks/run.py [--only plain,tls,…] [--rounds N] [--quick]

Run it with the Python in which adls_magic's dependencies are installed. Every upload is a
process of its own; the clients take turns (A B C A B C …), so that a slow minute of the machine
hits them all. The table is printed and written to results.md beside this file.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import report
from rows import FAULT_SEEDS, ROWS, Client, Row
from sink_server import Certificate, Sink, build, make_certificate

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TIMEOUT = 900.0  # seconds; the slowest peer needs about two minutes where it works at all
SAMPLING = 0.02  # seconds between two looks at a process's memory


@dataclasses.dataclass(frozen=True, slots=True)
class Bench:
    """What all rows share: programs, the certificate, where files may be put."""

    sink: Path
    certificate: Certificate
    peers_python: Path
    directory: Path

    def environment(self, row: Row) -> dict[str, str]:
        """The environment of a driver: no proxies, and trust in our certificate."""
        kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        kept["PYTHONPATH"] = str(ROOT)
        if row.tls:
            for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
                kept[name] = str(self.certificate.authority)
        return kept


class MemoryWatch:
    """Samples a process's private (anonymous, resident) memory from outside of it."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._samples: list[tuple[float, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLING):
            try:
                lines = self._status.read_text().splitlines()
            except OSError:
                return
            for line in lines:
                if line.startswith("RssAnon:"):
                    self._samples.append((time.monotonic(), int(line.split()[1]) * 1024))

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def peak(self, started: float, ended: float) -> int:
        """The most bytes seen between two times of the monotonic clock."""
        return max((size for at, size in self._samples if started <= at <= ended), default=0)


def command(bench: Bench, row: Row, client: Client, endpoint: str, source: Path) -> list[str]:
    """The command line of one upload."""
    python = str(bench.peers_python) if client.driver == "peers" else sys.executable
    words = [python, str(HERE / f"{client.driver}.py"), client.name, "--endpoint", endpoint]
    words += ["--directory" if row.files > 1 else "--file", str(source)]
    if setting := row.setting(client):
        words += ["--workers", str(setting.workers), "--chunk-size", str(setting.chunk_size)]
    return [*words, "--option", client.option] if client.option else words


def run_driver(words: list[str], environment: dict[str, str]) -> tuple[dict[str, float], str]:
    """What the driver measured, and, where it failed, the last line that it said."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(words, env=environment, text=True, **pipes)
    watch = MemoryWatch(process.pid)
    try:
        said, complained = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return {}, f"not done after {TIMEOUT:.0f} s"
    finally:
        process.kill()  # does nothing to one that has ended
        process.wait()
        watch.stop()
    if process.returncode:
        return {}, (complained.strip().splitlines() or [f"status {process.returncode}"])[-1][:160]
    measured: dict[str, float] = json.loads(said.splitlines()[-1])
    peak = max(watch.peak(measured["started"], measured["ended"]), measured["private_at_end"])
    return measured | {"private": peak - measured["private_at_start"]}, ""


def missing(row: Row, stats: dict[str, object]) -> str:
    """What the sink lacks of the row's files, in words; nothing when all is there."""
    expected = {"files": row.files, "shortest": row.size, "longest": row.size}
    wrong = [f"{key} {stats[key]}" for key, value in expected.items() if stats[key] != value]
    return "incomplete: " + ", ".join(wrong) if wrong else ""


def run_once(
    bench: Bench, row: Row, client: Client, server: Sink, source: Path, *, faulty: bool = False
) -> report.Run:
    """One upload of one client, checked for completeness at the sink."""
    words = command(bench, row, client, server.endpoint, source)
    measured, failure = run_driver(words, bench.environment(row))
    stats = server.stats()
    run = report.Run.of(
        row.name, client.label, faulty, measured, stats, failure or missing(row, stats)
    )
    seconds = f"{run.seconds:8.3f} s" if run.seconds is not None else " " * 10
    print(f"{row.name:8} {'faults ' if faulty else ''}{client.label:20} {seconds} {run.failure}",
          file=sys.stderr, flush=True)  # fmt: skip
    return run


@contextmanager
def made_source(row: Row, directory: Path) -> Iterator[Path]:
    """The file or directory to upload, in the page cache; removed afterwards."""
    with tempfile.TemporaryDirectory(dir=directory) as made:
        source = Path(made) / ("files" if row.files > 1 else "data.bin")
        if row.files > 1:
            source.mkdir()
            for number in range(row.files):
                (source / f"{number:05}.bin").write_bytes(os.urandom(row.size))
        else:
            write_file(source, row.size, sparse=row.sparse)
        os.sync()  # else the disk is still busy with our own file while the first upload runs
        yield source


def write_file(path: Path, size: int, *, sparse: bool) -> None:
    with path.open("wb") as file:
        block = b"" if sparse else os.urandom(min(size, 16 * 2**20))
        while block and file.tell() < size:
            file.write(block[: size - file.tell()])
        file.truncate(size)


def run_row(bench: Bench, row: Row, rounds: int, budget: float) -> Iterator[report.Run]:
    """All rounds of a row. A client that has used up `budget` seconds sits out the rest."""
    spent = dict.fromkeys(row.clients, 0.0)
    variants = (False, True) if row.fail_rate else (False,)
    certificate = bench.certificate if row.tls else None
    with (
        made_source(row, bench.directory) as source,
        Sink(bench.sink, row.line.options(), certificate=certificate) as server,
    ):
        for number in range(min(rounds, row.rounds)):
            for client in (client for client in row.clients if spent[client] <= budget):
                started = time.monotonic()
                for faulty in variants:
                    server.reset(
                        fail_rate=row.fail_rate if faulty else 0.0,
                        seed=FAULT_SEEDS[number % len(FAULT_SEEDS)],
                    )
                    yield run_once(bench, row, client, server, source, faulty=faulty)
                spent[client] += time.monotonic() - started


def make_venv(directory: Path) -> Path:
    """The Python of a venv with the peers; made at the first call and kept."""
    python = directory / "bin" / "python"
    wanted = (HERE / "requirements.txt").read_text()
    stamp = directory / "installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"Installing the peers into {directory} …", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        install = [str(python), "-m", "pip", "install", "-q", "-r", str(HERE / "requirements.txt")]
        with (directory / "pip.log").open("w") as log:
            subprocess.run(install, check=True, stdout=log, stderr=log)
        stamp.write_text(wanted)
    return python


def smaller(row: Row) -> Row:
    """A row that only shows that everything works: its numbers mean little."""
    size = row.size if row.files > 1 else row.size // 16
    return dataclasses.replace(
        row, size=size, files=max(1, row.files // 20), title=row.title + " (QUICK: much smaller)"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmark of uploads; see README.md here.")
    parser.add_argument("--only", help="comma-separated names: " + ",".join(r.name for r in ROWS))
    parser.add_argument("--clients", help="only labels that contain one of these words; a,b")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds per client and row")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: a smoke test")
    parser.add_argument("--out", type=Path, default=HERE / "results.md")
    parser.add_argument("--venv", type=Path, default=HERE / ".venv", help="of the peers")
    parser.add_argument("--temporary", type=Path, help="directory for the files to upload")
    return parser.parse_args()


def chosen_rows(given: argparse.Namespace) -> list[Row]:
    """The rows and clients that the command line asks for."""
    names = given.only.split(",") if given.only else [row.name for row in ROWS]
    if unknown := set(names) - {row.name for row in ROWS}:
        sys.exit(f"There is no row {', '.join(sorted(unknown))}.")
    rows = [smaller(row) if given.quick else row for row in ROWS if row.name in names]
    if given.clients:
        words = given.clients.split(",")
        rows = [
            dataclasses.replace(
                row, clients=tuple(c for c in row.clients if any(w in c.label for w in words))
            )
            for row in rows
        ]
    return rows


@contextmanager
def ready_bench(peers_python: Path, temporary: Path | None) -> Iterator[Bench]:
    """The sink compiled and the certificate made, in a directory that goes away again."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that it does then, too
    with tempfile.TemporaryDirectory(dir=temporary) as made:
        directory = Path(made)
        yield Bench(build(directory), make_certificate(directory), peers_python, directory)


def main() -> None:
    given = arguments()
    rows = chosen_rows(given)
    peers_python = make_venv(given.venv)
    header = report.header(shlex.join(["python", *sys.argv]), peers_python, HERE, ROOT)
    runs: list[report.Run] = []
    with (
        ready_bench(peers_python, given.temporary) as bench,
        given.out.with_suffix(".jsonl").open("w") as records,
    ):
        for row in rows:
            for run in run_row(bench, row, 1 if given.quick else given.rounds, given.budget):
                runs.append(run)
                print(json.dumps(dataclasses.asdict(run)), file=records, flush=True)
    text = "\n\n".join([header, *(report.table(row, runs) for row in rows)]) + "\n"
    given.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
