"""From single runs to the tables of the results: medians, ratios, units."""

from __future__ import annotations

import datetime
import json
import os
import platform
import ssl
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rows import GIB, MIB, Client, Row

END = 5  # seconds before a run's end over which «in flight at the end» is taken


@dataclass(frozen=True, slots=True)
class Run:
    """What one upload took. Seconds, bytes; None and a text in `failure` when it failed."""

    row: str
    client: str
    faulty: bool
    failure: str
    seconds: float | None
    cpu_seconds: float
    private: float
    peak_rss: float
    requests: int
    body_bytes: int
    faults: int
    in_flight: int
    in_flight_at_end: int

    @classmethod
    def of(
        cls,
        row: str,
        client: str,
        faulty: bool,
        measured: dict[str, float],
        stats: dict[str, Any],
        failure: str,
    ) -> Run:
        """From what the driver measured and what the sink counted."""
        flight = stats["appends_in_flight"]
        whole_seconds = flight["most_by_second"][:-1] or flight["most_by_second"]
        return cls(
            row=row,
            client=client,
            faulty=faulty,
            failure=failure,
            seconds=None if failure else measured["seconds"],
            cpu_seconds=measured.get("cpu_seconds", 0.0),
            private=measured.get("private", 0),
            peak_rss=measured.get("peak_rss", 0),
            requests=stats["requests"],
            body_bytes=stats["body_bytes"],
            faults=sum(stats["faults"].values()),
            in_flight=flight["most"],
            in_flight_at_end=max(whole_seconds[-END:], default=0),
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """All runs of one client in one row, good ones and failed ones apart."""

    client: Client
    good: list[Run]
    failed: list[Run]

    def median(self, value: Callable[[Run], float]) -> float:
        return median(map(value, self.good))

    @property
    def seconds(self) -> float:
        return self.median(lambda run: run.seconds or 0.0)

    @property
    def remark(self) -> str:
        if not self.failed:
            return ""
        total = len(self.good) + len(self.failed)
        return f"failed {len(self.failed)} of {total}: {self.failed[0].failure}".replace("|", "/")


def summarise(row: Row, runs: Sequence[Run], *, faulty: bool = False) -> list[Summary]:
    """One summary a client that ran, in the row's order."""
    summaries = []
    for client in row.clients:
        mine = [r for r in runs if (r.row, r.client, r.faulty) == (row.name, client.label, faulty)]
        good = [run for run in mine if not run.failure]
        if mine:
            summaries.append(Summary(client, good, [run for run in mine if run.failure]))
    return summaries


def fastest(summaries: Sequence[Summary], *, tuned: bool | None = None) -> Summary | None:
    """The fastest peer: at its defaults, tuned, or (None) whichever."""
    peers = [s for s in summaries if s.client.driver == "peers" and s.good]
    peers = [s for s in peers if tuned is None or s.client.tuned == tuned]
    return min(peers, key=lambda summary: summary.seconds, default=None)


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose other columns are numbers."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines])


def cpu(row: Row, summary: Summary) -> str:
    """CPU-seconds per GiB; for many files CPU-milliseconds per file."""
    seconds = summary.median(lambda run: run.cpu_seconds)
    if row.files > 1:
        return f"{1000 * seconds / row.files:.2f}"
    return f"{seconds * GIB / row.total_bytes:.2f}"


def line_of(row: Row, summary: Summary, raw: Summary | None, best: Summary | None) -> list[str]:
    """One client's cells."""
    if not summary.good:
        return [summary.client.label, "–", *[""] * 9, summary.remark]
    times = [run.seconds or 0.0 for run in summary.good]
    in_flight = summary.median(lambda run: run.in_flight)
    at_end = summary.median(lambda run: run.in_flight_at_end)
    return [
        summary.client.label,
        f"{summary.seconds:.3f}",
        f"{min(times):.3f}–{max(times):.3f}",
        f"{summary.seconds / raw.seconds:.2f}" if raw and raw.good else "",
        f"{summary.seconds / best.seconds:.2f}" if best else "",
        cpu(row, summary),
        f"{summary.median(lambda run: run.private) / MIB:.1f}",
        f"{summary.median(lambda run: run.peak_rss) / MIB:.0f}",
        f"{summary.median(lambda run: run.requests):.0f}",
        f"{in_flight:.0f} / {at_end:.0f}",
        str(len(times)),
        summary.remark,
    ]


def general_table(row: Row, runs: Sequence[Run]) -> str:
    summaries = summarise(row, runs)
    raw = next((s for s in summaries if s.client.driver == "raw"), None)
    best = fastest(summaries)
    head = [
        *("client", "seconds", "range", "× raw", "× best peer"),
        "CPU-ms/file" if row.files > 1 else "CPU-s/GiB",
        *("private MiB", "RSS MiB", "requests", "in flight: most / end", "runs", ""),
    ]
    return markdown(head, [line_of(row, summary, raw, best) for summary in summaries])


def fault_line(row: Row, clean: Summary, faulty: Summary) -> list[str]:
    if not clean.good or not faulty.good:
        return [clean.client.label, *[""] * 6, clean.remark or faulty.remark]
    faults = sum(run.faults for run in faulty.good)
    resent = sum(max(0, run.body_bytes - row.total_bytes) for run in faulty.good) / MIB
    cost = [
        (f.seconds or 0) - (c.seconds or 0) for c, f in zip(clean.good, faulty.good, strict=False)
    ]
    return [
        clean.client.label,
        f"{clean.seconds:.3f}",
        f"{faulty.seconds:.3f}",
        f"{max(cost):.3f}",
        str(faults),
        f"{resent / faults:.1f}" if faults else "",
        str(len(faulty.good)),
        faulty.remark,
    ]


def fault_table(row: Row, runs: Sequence[Run]) -> str:
    pairs = zip(summarise(row, runs), summarise(row, runs, faulty=True), strict=True)
    head = [
        *("client", "seconds without", "with faults", "dearest round"),
        *("faults met", "MiB resent a fault", "runs complete", ""),
    ]
    return markdown(head, [fault_line(row, clean, faulty) for clean, faulty in pairs])


def verdict(row: Row, runs: Sequence[Run]) -> str:
    """Ours against the best of the peers, in one sentence."""
    summaries = summarise(row, runs, faulty=bool(row.fail_rate))
    ours = next((s for s in summaries if s.client.driver == "ours" and s.good), None)
    if not ours:
        return ""
    parts = []
    for kind, tuned in (("default", False), ("tuned", True)):
        if peer := fastest(summaries, tuned=tuned):
            ratio = peer.seconds / ours.seconds
            parts.append(f"{ratio:.2f} × as fast as the best {kind} peer ({peer.client.name})")
    return f"adls_magic {ours.seconds:.3f} s: " + ", ".join(parts) + "." if parts else ""


def table(row: Row, runs: Sequence[Run]) -> str:
    """A row's heading, settings, table and verdict."""
    ideal = row.line.ideal(row.total_bytes)
    apart = "".join(f", {name} {setting}" for name, setting in row.tuned_apart.items())
    settings = f"In flight × piece: raw sockets {row.raw}, peers tuned {row.tuned}{apart}." + (
        f" The line's ideal: {ideal:.2f} s." if ideal and row.files == 1 else ""
    )
    body = fault_table(row, runs) if row.fail_rate else general_table(row, runs)
    parts = [f"### {row.name}: {row.title}", settings, body, verdict(row, runs)]
    return "\n\n".join(filter(None, parts))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _revision(root: Path) -> str:
    git = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown revision"


def header(command: str, peers_python: Path, here: Path, root: Path) -> str:
    """Date, machine, versions and the command."""
    asked = [str(peers_python), str(here / "peers.py"), "versions"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    peers = ", ".join(f"{name} {number}" for name, number in json.loads(told).items())
    ours = ", ".join(f"{name} {version(name)}" for name in ("requests", "urllib3"))
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return (
        f"Measured {today} by `{command}` on {os.cpu_count()} × {_processor()}, "
        f"Linux {platform.release()}, Python {platform.python_version()}, "
        f"{ssl.OPENSSL_VERSION}.\n\n"
        f"adls_magic at {_revision(root)} with {ours}; {peers}."
    )
