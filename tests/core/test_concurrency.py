"""The choice of concurrency, in a simulated line: no sockets, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adls_magic.core.transfer.concurrency import MOST, START, Concurrency, Sample

MB = 1_000_000
MIB = 1024 * 1024


@dataclass
class Line:
    """A line with a latency, a cap for each connection and a cap in all; tasks of one size."""

    latency: float  # seconds that a task costs beside its bytes
    each: float  # bytes a second of a connection at most
    total: float  # bytes a second of all connections at most
    size: float = 8 * MIB  # bytes of a task
    tasks: float = float("inf")
    now: float = 0.0
    sent: float = 0.0
    done: int = 0
    throttled: int = 0
    busy: float = 0.0  # processor seconds a second
    begun: int = 0
    running: list[list[float]] = field(default_factory=list)  # [bytes left, latency left]

    def step(self, limit: int, seconds: float) -> None:
        while len(self.running) < limit and self.begun < self.tasks:
            self.running.append([self.size, self.latency])
            self.begun += 1
        moving = [task for task in self.running if task[0] > 0]
        pace = min(self.each, self.total / len(moving)) if moving else 0.0
        for task in self.running:
            if task[0] > 0:
                part = min(task[0], pace * seconds)
                task[0] -= part
                self.sent += part
            else:
                task[1] -= seconds
        ended = [task for task in self.running if task[0] <= 0 and task[1] <= 0]
        self.done += len(ended)
        self.running = [task for task in self.running if task not in ended]
        self.now += seconds

    def sample(self, limit: int) -> Sample:
        return Sample(
            now=self.now,
            sent=int(self.sent),
            done=self.done,
            running=len(self.running),
            throttled=self.throttled,
            cpu=self.now * self.busy,
            has_more=self.begun < self.tasks,
        )


def drive(line: Line, concurrency: Concurrency, seconds: float, tick: float = 0.02) -> list[int]:
    """Run the line under the control; return the limit at each tick."""
    limits = []
    while line.now < seconds and line.done < line.tasks:
        line.step(concurrency.limit, tick)
        concurrency.observe(line.sample(concurrency.limit))
        limits.append(concurrency.limit)
    return limits


def test_grows_until_a_line_of_capped_connections_is_full():
    concurrency = Concurrency(task_size=8 * MIB)
    line = Line(latency=0.03, each=50 * MB, total=400 * MB)
    drive(line, concurrency, 1.0)
    assert concurrency.limit >= 12
    drive(line, concurrency, 2.0)
    assert line.sent >= 0.85 * 2.0 * 400 * MB


def test_a_long_fat_line_gets_as_many_as_it_needs():
    concurrency = Concurrency(task_size=8 * MIB)
    line = Line(latency=0.1, each=20 * MB, total=200 * MB)
    drive(line, concurrency, 10.0)
    assert line.sent >= 0.93 * 10 * 200 * MB


def test_a_thin_line_never_gets_more_than_the_start():
    concurrency = Concurrency(task_size=8 * MIB)
    limits = drive(Line(latency=0.03, each=2 * MB, total=2 * MB), concurrency, 300.0, tick=0.1)
    assert max(limits) <= START
    assert limits[-1] <= START


def test_small_files_on_a_line_with_latency_get_many():
    concurrency = Concurrency(task_size=8 * MIB)
    line = Line(latency=0.04, each=1e9, total=1e9, size=16 * 1024)
    drive(line, concurrency, 1.0)
    assert concurrency.limit == MOST


def test_a_busy_process_goes_on_with_few():
    concurrency = Concurrency(task_size=8 * MIB, tasks=256)
    drive(Line(latency=0.001, each=1000 * MB, total=1e12, busy=1.0), concurrency, 2.0)
    assert concurrency.limit == START


def test_asked_for_less_it_halves_and_comes_back_later():
    concurrency = Concurrency(task_size=8 * MIB)
    line = Line(latency=0.1, each=20 * MB, total=2000 * MB)
    drive(line, concurrency, 3.0)
    before = concurrency.limit
    line.throttled += 1
    concurrency.observe(line.sample(before))
    assert concurrency.limit == before // 2
    drive(line, concurrency, 60.0)
    assert concurrency.limit > before // 2


def test_a_capacity_that_halves_midway_costs_nothing_but_the_capacity():
    concurrency = Concurrency(task_size=8 * MIB)
    line = Line(latency=0.03, each=50 * MB, total=400 * MB)
    drive(line, concurrency, 3.0)
    sent, line.total = line.sent, 200 * MB
    drive(line, concurrency, 13.0)
    assert line.sent - sent >= 0.9 * 10 * 200 * MB


def test_the_users_choice_is_never_touched():
    concurrency = Concurrency(fixed=3, task_size=8 * MIB)
    line = Line(latency=0.03, each=50 * MB, total=400 * MB)
    line.throttled = 5
    assert set(drive(line, concurrency, 5.0)) == {3}


def test_a_processor_that_becomes_busy_takes_nothing_back():
    concurrency = Concurrency(task_size=16 * 1024, tasks=2000)
    concurrency.inform(0.02)
    line = Line(latency=0.04, each=50 * MB, total=400 * MB, size=16 * 1024)
    drive(line, concurrency, 0.15)
    assert (reached := concurrency.limit) >= 16
    line.busy = 1.0
    assert min(drive(line, concurrency, 3.0)) >= reached * 3 // 4


@pytest.mark.parametrize(
    ("tasks", "round_trip", "start"),
    [
        (None, 0.0005, 4),
        (None, 0.03, 16),
        (8, 0.03, 4),
        (64, 0.0005, 4),
        (64, 0.005, 8),
        (64, 0.03, 16),
        (100_000, 0.03, 16),
    ],
)
def test_begins_with_more_where_there_is_much_to_do_and_the_way_is_long(tasks, round_trip, start):
    concurrency = Concurrency(tasks=tasks)
    assert concurrency.limit == START
    concurrency.inform(0)  # nothing known yet
    concurrency.inform(round_trip)
    concurrency.inform(10.0)  # only the first counts
    assert concurrency.limit == start


def test_a_long_way_does_not_change_what_was_chosen_or_found():
    fixed = Concurrency(fixed=3, tasks=1000)
    fixed.inform(0.1)
    assert fixed.limit == 3
    throttled = Concurrency(tasks=1000)
    throttled.observe(Sample(1.0, 0, 0, 4, 1, 0.0, has_more=True))
    throttled.inform(0.1)
    assert throttled.limit == 2


@settings(max_examples=60, deadline=None)
@given(
    latency=st.floats(0.0, 0.3),
    each=st.floats(0.5, 1000),
    share=st.floats(0.05, 100),
    size=st.sampled_from([16 * 1024, MIB, 8 * MIB]),
    most=st.integers(1, MOST),
    faults=st.lists(st.integers(0, 400), max_size=5),
)
def test_on_any_line_the_limit_stays_in_its_bounds_and_work_goes_on(
    latency, each, share, size, most, faults
):
    concurrency = Concurrency(task_size=8 * MIB, most=most)
    line = Line(latency=latency, each=each * MB, total=each * share * MB, size=size)
    for tick in range(400):
        line.throttled += tick in faults
        line.step(concurrency.limit, 0.02)
        concurrency.observe(line.sample(concurrency.limit))
        assert 1 <= concurrency.limit <= max(1, most)
    assert line.sent > 0
