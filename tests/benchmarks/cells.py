"""What a cell costs beside the upload of a file: `%%adls_write` against `%adls_upload`.

    python tests/benchmarks/cells.py [--only text,tls,line,lines,frame] [--rounds N]

The file's way and the cell's ways take turns, every one a process of its own with an IPython in
it, against the sink:

- text, tls, line: a cell that prints 1 GiB, against `%adls_upload` of a file of as many bytes;
  over plain loopback, over TLS, and at 30 ms and 400 MB/s;
- lines: the same printed line by line, against as many prints into /dev/null;
- frame: a DataFrame of 100 columns and a million rows as the value of a cell for a .parquet,
  against `df.to_parquet` to a local file and `%adls_upload` of that.

See README.md here for what the columns mean and for results.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import ACCOUNT, FILESYSTEM, KEY, MIB, measured
from rows import Line
from sink_server import Certificate, Sink, build, make_certificate

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
GIB = 1024 * MIB
TIMEOUT = 300.0  # seconds for one process

# Ways to print: characters at a time, all of them in lines of 128.
TEXTS = {"cell, 1 MiB a print": MIB, "cell, 8 KiB a print": 8192, "cell, a line a print": 128}
WAYS = {
    "text": ("file", "cell, 1 MiB a print", "cell, 8 KiB a print"),
    "tls": ("file", "cell, 1 MiB a print", "cell, 8 KiB a print"),
    "line": ("file", "cell, 1 MiB a print", "cell, 8 KiB a print"),
    "lines": ("/dev/null", "cell, a line a print"),
    "frame": ("to_parquet, then the file", "cell"),
}
LINES = {"line": Line(latency=0.030, connection_rate=50, total_rate=400)}


def printing(size: int) -> str:
    """The cell that prints 1 GiB, `size` characters at a time, each time other ones."""
    return (
        f"rest = ('x' * 127 + '\\n') * {size // 128 - 1}\n"
        f"for n in range({GIB // size}):\n    print(f'{{n:127}}\\n{{rest}}', end='')\n"
    )


def make_frame() -> Any:
    """100 columns, a million rows: half of them fractions, half of them small whole numbers."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(1)
    rows = 1_000_000
    columns: dict[str, Any] = {f"x{n}": random.random(rows) for n in range(50)}
    columns |= {f"n{n}": random.integers(0, 1000, rows) for n in range(50)}
    return pd.DataFrame(columns)


def prepared(question: str, way: str, folder: Path) -> Callable[[Any], object]:
    """Everything that is not measured; returns what is, which takes the shell."""
    if way == "/dev/null":
        code = printing(TEXTS["cell, a line a print"]).replace("end=''", "end='', file=nowhere")
        return lambda shell: run(
            shell, f"with open('/dev/null', 'w') as nowhere:\n{indented(code)}"
        )
    if question != "frame":
        if way != "file":
            return lambda shell: run(shell, "%%adls_write text.log -q\n" + printing(TEXTS[way]))
        source = folder / "text.log"
        if not source.exists():
            block = (b"x" * 127 + b"\n") * (MIB // 128)
            with source.open("wb") as file:
                for _ in range(GIB // MIB):
                    file.write(block)
            os.sync()
        return lambda shell: run(shell, f"%adls_upload {source} text.log -q")
    frame = make_frame()
    local = folder / "frame.parquet"

    def stored(shell: Any) -> None:
        began = time.monotonic()
        frame.to_parquet(local)
        shell.user_ns["to_parquet_seconds"] = time.monotonic() - began
        run(shell, f"%adls_upload {local} frame.parquet -q")

    def written(shell: Any) -> None:
        shell.user_ns["frame"] = frame
        run(shell, "%%adls_write frame.parquet -q\nframe")

    return written if way == "cell" else stored


def indented(code: str) -> str:
    """The same code one level deeper."""
    return "".join(f"    {line}\n" for line in code.splitlines())


def run(shell: Any, cell: str) -> None:
    """Run a cell, or raise what it raised."""
    shell.run_cell(cell).raise_error()


def drive(question: str, way: str, endpoint: str, folder: Path) -> None:
    """Measure one way in this process and print it as JSON."""
    from IPython.core.interactiveshell import InteractiveShell

    import adls_magic
    import adls_magic.capture
    import adls_magic.core.transfer.upload
    from adls_magic.core.account import session

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "adls_magic")
    session.configure(
        adls_magic.connect(ACCOUNT, account_key=KEY, endpoint=endpoint, filesystem=FILESYSTEM)
    )
    # What is imported at the first use is not what is measured.
    run(shell, "%%adls_write warm.txt -q --overwrite\nprint('x')")
    work = prepared(question, way, folder)
    result = measured(lambda: work(shell))
    result["to_parquet_seconds"] = shell.user_ns.get("to_parquet_seconds", 0.0)
    print(json.dumps(result), flush=True)


def once(
    question: str, way: str, server: Sink, folder: Path, certificate: Certificate
) -> dict[str, float]:
    """One way in a process of its own, checked for completeness at the sink."""
    server.reset()
    words = [sys.executable, __file__, "--drive", question, way, server.endpoint, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder)}
    environment["REQUESTS_CA_BUNDLE"] = str(certificate.authority)
    done = subprocess.run(
        words, env=environment, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT, check=True
    )
    stats = server.stats()
    if question != "frame" and way != "/dev/null" and stats["longest"] != GIB:
        sys.exit(f"{way}: {stats['longest']} bytes arrived")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result | {"sent": stats["longest"]}


def table(question: str, runs: dict[str, list[dict[str, float]]]) -> str:
    """The medians of all ways, and how they compare with the first."""
    lines = [
        "| " + question + " | s (median) | range | × first | CPU s | peak RSS MiB | MiB sent |"
    ]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    first = None
    for way, each in runs.items():
        seconds = sorted(run["seconds"] for run in each)
        median = statistics.median(seconds)
        first = first or median
        lines.append(
            f"| {way} | {median:.3f} | {seconds[0]:.3f}–{seconds[-1]:.3f} | {median / first:.2f} | "
            f"{statistics.median(run['cpu_seconds'] for run in each):.2f} | "
            f"{max(run['peak_rss'] for run in each) / MIB:.0f} | {each[0]['sent'] / MIB:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, or be one of the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--drive", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--only", default=",".join(WAYS))
    parser.add_argument("--ways", default="", help="only those with one of these words; a,b")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--temporary", type=Path, help="directory for the files")
    given = parser.parse_args()
    if given.drive:
        question, way, endpoint, folder = given.drive
        drive(question, way, endpoint, Path(folder))
        return
    with tempfile.TemporaryDirectory(dir=given.temporary) as made:
        folder = Path(made)
        program, certificate = build(folder), make_certificate(folder)
        for question in given.only.split(","):
            line = LINES.get(question, Line()).options()
            tls = certificate if question == "tls" else None
            with Sink(program, line, certificate=tls) as server:
                ways = [w for w in WAYS[question] if any(x in w for x in given.ways.split(","))]
                runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
                for _ in range(given.rounds):
                    for way, done in runs.items():
                        done.append(once(question, way, server, folder, certificate))
                print(table(question, runs), flush=True)


if __name__ == "__main__":
    main()
