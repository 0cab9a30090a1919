"""Find the settings of rows.py: try raw sockets, or a peer, at many of them on one row.

    python tests/benchmarks/sweep.py ROW CLIENT… [--workers 4,8,16] [--chunks 4,8,16] [--rounds N]

`CLIENT` is `raw` or a peer's name; `--chunks` are MiB. Sorted by the fastest of the rounds:
what else the machine does can only make a setting look slower than it is.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from collections import defaultdict
from pathlib import Path
from statistics import median

from rows import MIB, RAW, ROWS, TUNED, Client, Row, Setting
from run import HERE, Sink, made_source, make_venv, ready_bench, run_once


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Search for the best fixed setting of a row.")
    parser.add_argument("row", choices=[row.name for row in ROWS])
    parser.add_argument("clients", nargs="+", choices=[c.name for c in (RAW, *TUNED)])
    parser.add_argument("--workers", default="2,4,8,16,24,32")
    parser.add_argument("--chunks", default="4,8,16,32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--venv", type=Path, default=HERE / ".venv", help="of the peers")
    return parser.parse_args()


def at(row: Row, setting: Setting) -> Row:
    """The row with everybody at one setting."""
    return dataclasses.replace(row, raw=setting, tuned=setting, tuned_apart={})


def main() -> None:
    given = arguments()
    row = next(row for row in ROWS if row.name == given.row)
    clients = [client for client in (RAW, *TUNED) if client.name in given.clients]
    grid = itertools.product(given.workers.split(","), given.chunks.split(","))
    settings = [Setting(int(workers), int(float(chunk) * MIB)) for workers, chunk in grid]
    taken: dict[tuple[Client, Setting], list[float]] = defaultdict(list)
    with (
        ready_bench(make_venv(given.venv), None) as bench,
        made_source(row, bench.directory) as source,
        Sink(
            bench.sink,
            row.line.options(),
            certificate=bench.certificate if row.tls else None,
        ) as server,
    ):
        for _, client, setting in itertools.product(range(given.rounds), clients, settings):
            server.reset()
            run = run_once(bench, at(row, setting), client, server, source)
            if run.seconds is not None:
                taken[client, setting].append(run.seconds)
    for client, setting in sorted(taken, key=lambda key: (key[0].name, min(taken[key]))):
        times = taken[client, setting]
        numbers = f"fastest {min(times):8.3f} s, median {median(times):8.3f} s"
        print(f"{client.label:20} {setting!s:18} {numbers}")


if __name__ == "__main__":
    main()
