"""The matrix: which upload over which line is measured with which clients. Only data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

KIB, MIB, GIB = 2**10, 2**20, 2**30
MB = 10**6


@dataclass(frozen=True, slots=True)
class Client:
    """One competitor: a driver, a name that the driver knows, and how it is to run."""

    driver: Literal["raw", "ours", "peers"]
    name: str
    tuned: bool = False
    option: str = ""

    @property
    def label(self) -> str:
        return " ".join(filter(None, [self.name, "tuned" if self.tuned else "", self.option]))


RAW = Client("raw", "raw")
OURS = Client("ours", "adls_magic")
OURS_WITH_BAR = Client("ours", "adls_magic", option="bar")
OURS_FROM_STREAM = Client("ours", "adls_magic", option="stream")

PEER_NAMES = ("sdk", "blob_sdk", "adlfs", "obstore", "opendal", "pyarrow", "smart_open")
DEFAULTS = tuple(Client("peers", name) for name in PEER_NAMES)
TUNED = tuple(Client("peers", name, tuned=True) for name in PEER_NAMES)
EVERYBODY = (RAW, OURS, *DEFAULTS, *TUNED)


@dataclass(frozen=True, slots=True)
class Line:
    """What the sink plays. Rates are 10^6 bytes a second, 0 is unlimited; times are seconds."""

    latency: float = 0.0
    connection_rate: float = 0.0
    total_rate: float = 0.0
    later_rate: float = 0.0
    later_after: float = 0.0

    def options(self) -> list[str]:
        """The line as words for sink.c."""
        words = ["--latency-ms", self.latency * 1000, "--conn-mbps", self.connection_rate]
        words += ["--total-mbps", self.total_rate]
        words += ["--then-mbps", self.later_rate, "--then-after", self.later_after]
        return [str(word) for word in words]

    def ideal(self, size: int) -> float | None:
        """Seconds for one file of so many bytes, if nothing but the line took any time.

        Three answers have to be waited for one after another: create, the last append, flush.
        """
        if not self.total_rate:
            return None
        early = size
        late = 0.0
        if self.later_after:
            early = min(size, int(self.later_after * self.total_rate * MB))
            late = (size - early) / (self.later_rate * MB)
        return 3 * self.latency + early / (self.total_rate * MB) + late


# Which requests of a run fail follows from the seed alone, so these were picked: one of the
# first five requests fails, that clients which send few meet a fault too; few of the later do.
FAULT_SEEDS = (5, 171, 344, 906, 163)


@dataclass(frozen=True, slots=True)
class Setting:
    """Requests in flight, and bytes of a piece."""

    workers: int
    chunk_size: int

    def __str__(self) -> str:
        return f"{self.workers} × {self.chunk_size // KIB} KiB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the matrix. `size` is in bytes of one file, `rounds` is the most that are run.

    `raw` and `tuned` are settings to be searched with sweep.py (README.md says which were);
    `tuned_apart` names the peers for which another one is better.
    """

    name: str
    title: str
    size: int
    raw: Setting
    tuned: Setting
    tuned_apart: Mapping[str, Setting] = field(default_factory=dict)
    files: int = 1
    line: Line = field(default_factory=Line)
    tls: bool = False
    sparse: bool = False
    fail_rate: float = 0.0
    clients: tuple[Client, ...] = EVERYBODY
    rounds: int = 100

    def setting(self, client: Client) -> Setting | None:
        """What a client is told to use; None leaves it at its defaults."""
        if client.driver == "raw":
            return self.raw
        return self.tuned_apart.get(client.name, self.tuned) if client.tuned else None

    @property
    def total_bytes(self) -> int:
        return self.size * self.files


ROWS = (
    Row(
        name="plain",
        title="One file of 2 GiB, plain, no limits",
        size=2 * GIB,
        raw=Setting(8, 8 * MIB),
        tuned=Setting(4, 4 * MIB),
        clients=(RAW, OURS, OURS_WITH_BAR, *DEFAULTS, *TUNED),
    ),
    Row(
        name="tls",
        title="One file of 1 GiB, TLS, no limits",
        size=1 * GIB,
        tls=True,
        raw=Setting(4, 16 * MIB),
        tuned=Setting(4, 4 * MIB),
    ),
    Row(
        name="latency",
        title="512 MiB at 30 ms, 50 MB/s a connection, 400 MB/s in all",
        size=512 * MIB,
        line=Line(latency=0.030, connection_rate=50, total_rate=400),
        raw=Setting(32, 4 * MIB),
        tuned=Setting(16, 8 * MIB),
    ),
    Row(
        name="near",
        title="1 GiB at 5 ms, no limits",
        size=1 * GIB,
        line=Line(latency=0.005),
        raw=Setting(16, 8 * MIB),
        tuned=Setting(8, 8 * MIB),
    ),
    Row(
        name="wan",
        title="2 GiB at 100 ms, 20 MB/s a connection, 200 MB/s in all",
        size=2 * GIB,
        line=Line(latency=0.100, connection_rate=20, total_rate=200),
        raw=Setting(32, 8 * MIB),
        tuned=Setting(32, 8 * MIB),
    ),
    Row(
        name="thin",
        title="64 MiB at 30 ms, 2 MB/s in all",
        size=64 * MIB,
        line=Line(latency=0.030, total_rate=2),
        raw=Setting(2, 4 * MIB),
        tuned=Setting(2, 4 * MIB),
        clients=(RAW, OURS, *DEFAULTS),
        rounds=2,
    ),
    Row(
        name="halving",
        title="1 GiB at 30 ms, 50 MB/s a connection, 400 MB/s in all, 200 MB/s after 1.5 s",
        size=1 * GIB,
        line=Line(0.030, 50, 400, later_rate=200, later_after=1.5),
        raw=Setting(32, 8 * MIB),
        tuned=Setting(16, 8 * MIB),
    ),
    Row(
        name="small",
        title="2,000 files of 16 KiB at 20 ms",
        size=16 * KIB,
        files=2000,
        line=Line(latency=0.020),
        raw=Setting(128, 16 * KIB),
        tuned=Setting(64, 16 * KIB),
        tuned_apart={name: Setting(128, 16 * KIB) for name in ("obstore", "opendal")},
    ),
    Row(
        name="memory",
        title="One sparse file of 4 GiB, plain, no limits: memory",
        size=4 * GIB,
        sparse=True,
        raw=Setting(8, 8 * MIB),
        tuned=Setting(4, 4 * MIB),
        clients=(RAW, OURS, OURS_FROM_STREAM, *DEFAULTS),
        rounds=2,
    ),
    Row(
        name="faults",
        title="256 MiB, plain, no limits; 2 % of all requests fail (500, 503, connection reset)",
        size=256 * MIB,
        fail_rate=0.02,
        raw=Setting(4, 8 * MIB),
        tuned=Setting(4, 8 * MIB),
        clients=(OURS, *DEFAULTS),
    ),
)
