"""The benchmark's own bookkeeping: would it notice an upload that left something out?"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import report
from measure import FILESYSTEM, FOLDER, MIB, Task
from raw import Connection, raw
from rows import DEFAULTS, FAULT_SEEDS, OURS, RAW, ROWS, Line, Row, Setting
from run import missing
from sink_server import Sink, build

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None,
    reason="the sink needs Linux and a C compiler",
)
NAME = f"{FOLDER}/data.bin"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("sink"))


@pytest.fixture
def sink(program: Path) -> Iterator[Sink]:
    with Sink(program, []) as running:
        yield running


@pytest.fixture
def connection(sink: Sink) -> Iterator[Connection]:
    opened = Connection(sink.endpoint)
    yield opened
    opened.close()


def row_of(size: int, **changes: object) -> Row:
    setting = Setting(3, MIB)
    return Row(name="r", title="t", size=size, raw=setting, tuned=setting, **changes)  # type: ignore[arg-type]


def task_for(sink: Sink, path: Path) -> Task:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return Task(sink.endpoint, files, path.is_dir(), 3, MIB, frozenset())


@pytest.mark.parametrize("size", [1, MIB, 5 * MIB + 7])
def test_a_whole_file_is_found_complete(sink: Sink, tmp_path: Path, size: int) -> None:
    source = tmp_path / "data.bin"
    source.write_bytes(bytes(size))
    raw(task_for(sink, source))()
    assert missing(row_of(size), sink.stats()) == ""
    assert missing(row_of(size + 1), sink.stats()) == f"incomplete: shortest {size}, longest {size}"


def test_every_small_file_is_counted(sink: Sink, tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.bin").write_bytes(bytes(100))
    raw(task_for(sink, tmp_path))()
    assert missing(row_of(100, files=20), sink.stats()) == ""
    assert missing(row_of(100, files=21), sink.stats()) == "incomplete: files 20"
    assert sink.stats()["kinds"] == {"create_file": 20, "append_flush": 20}


def test_a_hole_cannot_be_committed(sink: Sink, connection: Connection) -> None:
    connection.send("PUT", NAME, "resource=file")
    connection.send("PATCH", NAME, "action=append&position=4", b"late")
    with pytest.raises(OSError, match="InvalidFlushPosition"):
        connection.send("PATCH", NAME, "action=flush&position=8")
    connection.send("PATCH", NAME, "action=append&position=0", b"soon")
    connection.send("PATCH", NAME, "action=flush&position=8")
    assert sink.stats()["committed_bytes"] == 8


def test_what_was_not_flushed_does_not_count(sink: Sink, connection: Connection) -> None:
    connection.send("PUT", NAME, "resource=file")
    connection.send("PATCH", NAME, "action=append&position=0", b"12345678")
    assert sink.stats()["committed_bytes"] == 0
    connection.send("PATCH", NAME, "action=flush&position=3&retainUncommittedData=true")
    connection.send("PATCH", NAME, "action=flush&position=8")
    assert sink.stats()["committed_bytes"] == 8


def test_a_block_that_was_never_sent_cannot_be_committed(connection: Connection) -> None:
    connection.send("PUT", NAME, "comp=block&blockid=QQ%3D%3D", b"1234")
    for ids, fine in (("<Latest>QQ==</Latest>", True), ("<Latest>QUE=</Latest>", False)):
        body = f"<BlockList>{ids}</BlockList>".encode()
        if fine:
            connection.send("PUT", NAME, "comp=blocklist", body)
        else:
            with pytest.raises(OSError, match="InvalidBlockList"):
                connection.send("PUT", NAME, "comp=blocklist", body)


def test_faults_follow_from_the_seed(sink: Sink) -> None:
    def fates(seed: int) -> list[bool]:
        sink.reset(fail_rate=0.02, seed=seed)
        good = []
        for _ in range(40):
            connection = Connection(sink.endpoint)  # anew, because a reset ends it
            try:
                connection.send("PUT", NAME, "resource=file")
                good.append(True)
            except OSError:
                good.append(False)
            finally:
                connection.close()
        assert sum(sink.stats()["faults"].values()) == good.count(False)
        return good

    for seed in FAULT_SEEDS:
        assert False in fates(seed)[:5]
    assert fates(FAULT_SEEDS[0]) == fates(FAULT_SEEDS[0])


def test_appends_in_flight_are_counted(program: Path, tmp_path: Path) -> None:
    source = tmp_path / "data.bin"
    source.write_bytes(bytes(6 * MIB))
    with Sink(program, Line(latency=0.1).options()) as slow:
        raw(task_for(slow, source))()
        flight = slow.stats()["appends_in_flight"]
    assert flight["most"] == 3
    assert max(flight["most_by_second"]) == 3
    assert 0 < flight["mean_by_second"][0] <= 3


def test_the_ideal_of_a_line_that_changes() -> None:
    assert Line(total_rate=100).ideal(10**9) == 10
    assert Line(latency=1, total_rate=100).ideal(10**9) == 13
    assert Line(total_rate=100, later_rate=50, later_after=5).ideal(10**9) == 15
    assert Line(latency=1).ideal(10**9) is None


def run_of(client: str, seconds: float | None, failure: str = "") -> report.Run:
    return report.Run(
        row="r",
        client=client,
        faulty=False,
        failure=failure,
        seconds=seconds,
        cpu_seconds=0.5,
        private=MIB,
        peak_rss=30 * MIB,
        requests=10,
        body_bytes=2**30,
        faults=0,
        in_flight=8,
        in_flight_at_end=4,
    )


def test_the_table_takes_medians_and_tells_failures() -> None:
    slow, broken = DEFAULTS[:2]
    row = row_of(2**30, clients=(RAW, OURS, slow, broken))
    runs = [run_of("raw", 1.0), *(run_of("adls_magic", s) for s in (9.0, 2.0, 1.5))]
    runs += [run_of(slow.label, 4.0), run_of(broken.label, None, "incomplete: files 0")]
    lines = report.table(row, runs).splitlines()
    (ours,) = [line for line in lines if line.startswith("| adls_magic")]
    cells = ["adls_magic", "2.000", "1.500–9.000", "2.00", "0.50", "0.50", "1.0", "30"]
    assert ours.split(" | ")[: len(cells)] == ["| adls_magic", *cells[1:]]
    assert any("failed 1 of 1: incomplete: files 0" in line for line in lines)
    assert lines[-1] == "adls_magic 2.000 s: 2.00 × as fast as the best default peer (sdk)."


def test_rows_can_be_told_apart() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert len({client.label for client in row.clients}) == len(row.clients)
    assert FILESYSTEM.isalpha()
