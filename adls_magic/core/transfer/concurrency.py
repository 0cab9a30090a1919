"""How many tasks may be in flight: chosen and adapted from what is seen. Pure, no clock, no I/O.

Two phases:

- **Ramp**: begin with a few; double while that pays, as long as a task takes no more than a
  moment and this process is not busy all the time. Where a task takes long, its line is thin or
  slow, and more of them would only wait for each other; where the processor is what is short,
  more threads would only be in each other's way.
- **Cruise**: from time to time try a few more or a few less, and keep what is better: more when
  that is faster, fewer when that is as fast.

A service that asks for less load (503, 429, time-outs) halves the number at once.
"""

from __future__ import annotations

from dataclasses import dataclass

START = 4
MOST = 64
MOST_WORKERS = 256  # that a user may ask for; more only costs memory and meets throttling
_FAR = (0.002, 0.01)  # seconds of a round trip; from each on, twice as many are begun with
_TASK_COST = 64 * 1024  # bytes; what a request weighs beside the bytes that it carries
_QUICK = 1.0  # seconds; a task that takes longer is no reason for more of them
_ABSORBED = 1024 * 1024  # bytes that a connection's buffers may swallow without any line
_RAMP_GAIN = 1.2  # doubling must be worth this factor to be done again
_BUSY = 0.8  # processor seconds a second from which on more threads cannot help
_PROBE_GAIN = 1.08  # some more must be worth this factor
_PROBE_LOSS = 0.97  # some fewer may cost this factor
_SETTLE = 3.0  # seconds without a probe after one that did not pay; doubles each time
_LONGEST_SETTLE = 60.0
_COOL_OFF = 2.0  # seconds without a raise after the service asked for less


@dataclass(frozen=True, slots=True)
class Sample:
    """What the pool has done up to a moment: counters since its start."""

    now: float  # seconds
    sent: int  # bytes
    done: int  # tasks ended
    running: int  # tasks under way
    throttled: int  # answers and time-outs that ask for less load
    cpu: float  # processor seconds that went into sending, at the most
    has_more: bool  # tasks are waiting for a free place


class Concurrency:
    """The present limit, moved by `observe`.

    Args:
        fixed: the user's choice, which then never changes.
        most: never more than this.
        task_size: bytes that a task carries at most.
        tasks: how many there will be, None when nobody knows; with many, and far from the
            service, more are begun at once, as there is time to find out that it was too many.
    """

    def __init__(
        self,
        *,
        fixed: int | None = None,
        most: int = MOST,
        task_size: int = 0,
        tasks: int | None = None,
    ) -> None:
        self._most_at_first = most if tasks is None else min(most, max(START, tasks // 4))
        self.limit = fixed or min(START, most)
        self._is_informed = False
        self._is_fixed = fixed is not None
        self._most = most
        self._task_size = max(1, task_size)
        self._is_ramping = True
        self._begin: Sample | None = None  # when the present limit was reached in full
        self._best: float | None = None  # rate, bytes a second, at the limit before the change
        self._before: int | None = None  # the limit before the probe under way
        self._next_probe = 0.0
        self._settle = _SETTLE
        self._upwards = True
        self._throttled = 0

    @property
    def is_ramping(self) -> bool:
        """True while the limit may soon change, so that a close look pays."""
        return self._is_ramping and not self._is_fixed

    def inform(self, round_trip: float) -> None:
        """Take note of how far the service is, once, before the first limit was tried out.

        Args:
            round_trip: seconds that a request without a body takes; 0 when none was made yet.
        """
        if self._is_informed or self._is_fixed or not round_trip:
            return
        self._is_informed = True
        if self._is_ramping and self._best is None:
            far = sum(round_trip >= bound for bound in _FAR)
            self.limit = min(self._most_at_first, START << far)
            self._begin = None

    def observe(self, sample: Sample) -> None:
        """Take note of what was done; move the limit when there is reason to."""
        if self._is_fixed:
            return
        if sample.throttled > self._throttled:
            self._throttled = sample.throttled
            self._back_off(sample)
            return
        if not sample.has_more:
            # Not the limit holds it back: nothing to learn from.
            self._begin = None
            return
        if self._begin is None:
            self._begin = sample if sample.running >= self.limit else None
            return
        if self._is_ramping:
            self._ramp(sample, self._begin)
        else:
            self._cruise(sample, self._begin)

    def _ramp(self, sample: Sample, begin: Sample) -> None:
        pace = self._pace(sample, begin)
        if pace is None:
            return
        rate = _rate(sample, begin)
        pays = self._best is None or rate >= self._best * _RAMP_GAIN
        may_grow = pace <= _QUICK and not _is_busy(sample, begin)
        if may_grow and pays and self.limit < self._most:
            self._best = rate
            self._move(min(self._most, self.limit * 2))
            return
        self._is_ramping = False
        self._upwards = may_grow
        self._best = rate
        self._next_probe = sample.now + self._settle
        self._begin = None

    def _pace(self, sample: Sample, begin: Sample) -> float | None:
        """Seconds that a task takes, None as long as there is too little to tell from."""
        seconds = sample.now - begin.now
        if seconds <= 0:
            return None
        if sample.done - begin.done >= self.limit:
            return seconds * self.limit / (sample.done - begin.done)
        moved = (sample.sent - begin.sent) / self.limit - _ABSORBED
        if moved <= 0:
            return None
        return seconds * self._task_size / (moved + _ABSORBED)

    def _cruise(self, sample: Sample, begin: Sample) -> None:
        if sample.done - begin.done < self.limit or sample.now - begin.now < 0.2:
            return
        rate = _rate(sample, begin)
        if self._before is not None:
            self._judge(rate, sample, begin)
        elif sample.now >= self._next_probe:
            self._best = rate
            self._probe()
        else:
            self._best = rate
            self._begin = sample

    def _probe(self) -> None:
        self._before = self.limit
        step = max(1, self.limit // 4)
        goal = self.limit + step if self._upwards else self.limit - step
        self._move(max(1, min(self._most, goal)))

    def _judge(self, rate: float, sample: Sample, begin: Sample) -> None:
        """Keep what the probe has shown to be better, or go back."""
        best, before = self._best or 0.0, self._before or self.limit
        self._before = None
        pays = rate >= best * (_PROBE_GAIN if self._upwards else _PROBE_LOSS)
        if pays and self.limit != before:
            self._settle = _SETTLE
            self._next_probe = sample.now
            self._move(self.limit)
            return
        self._upwards = not self._upwards and not _is_busy(sample, begin)
        self._settle = min(_LONGEST_SETTLE, self._settle * 2)
        self._next_probe = sample.now + self._settle
        self._move(before)

    def _back_off(self, sample: Sample) -> None:
        self._is_ramping = False
        self._before = None
        self._upwards = True
        self._next_probe = sample.now + _COOL_OFF
        self._move(max(1, self.limit // 2))

    def _move(self, limit: int) -> None:
        self.limit = limit
        self._begin = None


def _is_busy(sample: Sample, begin: Sample) -> bool:
    """True when the sending itself, and not the line, sets the pace."""
    return sample.cpu - begin.cpu >= _BUSY * (sample.now - begin.now)


def _rate(sample: Sample, begin: Sample) -> float:
    """Bytes a second, requests counted in."""
    work = sample.sent - begin.sent + _TASK_COST * (sample.done - begin.done)
    return work / max(1e-6, sample.now - begin.now)
