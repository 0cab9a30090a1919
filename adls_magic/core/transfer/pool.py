"""The threads that send, and the caller's thread that waits, draws and can be interrupted.

Roles:

- **Workers** take one task after another from the transfers (open a file, send a piece, commit)
  and do nothing but sign, send and count. They never print, warn or touch widgets.
- The **caller's thread** gives transfers to the pool, waits in `run_until`, draws the bar there,
  and gets the KeyboardInterrupt.

One lock guards the pool, the transfers and their supplies; it is never held while bytes move.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from adls_magic.core.service.client import Client
from adls_magic.core.service.exchange import Traffic
from adls_magic.core.transfer.concurrency import Concurrency, Sample
from adls_magic.core.transfer.outcome import Outcome
from adls_magic.core.transfer.progress import Counter

_DRAW_EVERY = 0.1  # seconds
_START_PATIENCE = 0.2  # seconds in which a thread comes up, if it does
_LOOK_EVERY = 0.02  # seconds, while the number of threads is being found


class Transfer(Protocol):
    """One file on its way. All methods but the tasks themselves are called under the lock."""

    def next_task(self) -> Callable[[], None] | None:
        """Return what can be done now, None when nothing can (yet)."""

    def settle(self, error: BaseException | None) -> None:
        """Take note that a task has ended."""

    @property
    def is_done(self) -> bool:
        """True when nothing is left to do and no task is under way."""

    @property
    def outcome(self) -> Outcome:
        """What became of it."""

    @property
    def is_at_its_end(self) -> bool:
        """True when a stop cannot tell any more whether the target is old or new."""

    @property
    def leaves_something(self) -> bool:
        """True while something unfinished is at the service."""

    def leave(self, client: Client | None = None) -> None:
        """Keep what a later run can use, remove the rest; no task may be under way."""


class Pool:
    """Threads for the transfers of one command. `close()` ends them."""

    def __init__(self, concurrency: Concurrency, progress: Counter, traffic: Traffic) -> None:
        self._concurrency = concurrency
        self._progress = progress
        self._traffic = traffic
        self._feed: Iterator[Transfer] = iter(())
        self._ready: deque[Transfer] = deque()
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._idle = 0
        self._done = 0
        self._has_more = True
        self._closing = False
        self.lock = threading.Lock()
        self._work = threading.Condition(self.lock)  # for workers: a task may be there
        # For the caller: what it waits for has come about. No Condition, since an interrupt
        # inside the wait of one can leave its lock in the wrong hands.
        self._change: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_over: Callable[[], bool] = lambda: False
        self._callers_cpu: dict[int, float] = {}  # by thread: seconds at its latest look
        self._cpu_of_callers = 0.0  # seconds

    @property
    def running(self) -> int:
        """Number of tasks under way."""
        return self._running

    def feed(self, transfers: Iterable[Transfer]) -> None:
        """Give transfers that are begun one after another, as threads become free."""
        with self.lock:
            self._feed = iter(transfers)
            self._engage()

    def wake(self, transfer: Transfer) -> None:
        """Tell that `transfer` may have a task now. The caller holds the lock."""
        if transfer not in self._ready:
            self._ready.append(transfer)
        self._engage()

    def run_until(self, is_over: Callable[[], bool]) -> None:
        """Wait until `is_over` (asked under the lock); adapt and draw meanwhile."""
        drawn = 0.0
        self._is_over = is_over
        while True:
            now = time.monotonic()
            with self.lock:
                if is_over():
                    self._is_over = lambda: False
                    return
                self._concurrency.observe(self._sample(now))
                self._engage()
            with contextlib.suppress(queue.Empty):
                self._change.get(
                    timeout=_LOOK_EVERY if self._concurrency.is_ramping else _DRAW_EVERY
                )
            if now - drawn >= _DRAW_EVERY:
                self._progress.draw()
                drawn = now

    def _sample(self, now: float) -> Sample:
        return Sample(
            now=now,
            sent=self._progress.sent,
            done=self._done,
            running=self._running,
            throttled=self._traffic.throttled,
            cpu=self._cpu(),
            has_more=self._has_more,
        )

    def _cpu(self) -> float:
        """Processor seconds of all but the threads that look in here between writing a stream.

        What they do there is not sending, however busy they are with it.
        """
        caller, seconds = threading.get_ident(), time.thread_time()
        self._cpu_of_callers += seconds - self._callers_cpu.get(caller, seconds)
        self._callers_cpu[caller] = seconds
        return time.process_time() - self._cpu_of_callers

    def close(self, patience: float | None = None) -> None:
        """End the threads after their current tasks, waiting at most `patience` seconds."""
        with self.lock:
            self._closing = True
            self._work.notify_all()
        now = time.monotonic()
        up_by = now + _START_PATIENCE
        for thread in list(self._threads):
            left = None if patience is None else max(0.0, now + patience - time.monotonic())
            while True:
                try:
                    thread.join(left)
                    break
                except RuntimeError:
                    # One whose start was interrupted may come up yet; it ends by itself then.
                    if time.monotonic() > up_by:
                        break
                    time.sleep(0.001)

    # ---------------------------------------------------------------- workers

    def _engage(self) -> None:
        """Wake an idle thread, or start one, when more may run. The lock is held."""
        if self._closing or self._running + self._idle_called() >= self._concurrency.limit:
            return
        if self._idle > 0:
            self._work.notify()
        elif len(self._threads) < self._concurrency.limit:
            thread = threading.Thread(target=self._work_on, name="adls-upload", daemon=True)
            self._threads.append(thread)
            try:
                thread.start()
            except RuntimeError:  # no more can be had: those that there are do the work
                self._threads.remove(thread)
                if not self._threads:
                    raise

    def _idle_called(self) -> int:
        """Threads that are neither idle nor running: started or woken, on their way."""
        return len(self._threads) - self._idle - self._running

    def _work_on(self) -> None:
        with self.lock:
            while not self._closing:
                found = self._take()
                if found is None:
                    self._idle += 1
                    self._work.wait()
                    self._idle -= 1
                    continue
                transfer, task = found
                self._running += 1
                self._engage()
                self.lock.release()
                error: BaseException | None = None
                try:
                    task()
                except BaseException as raised:  # noqa: BLE001 - kept for the caller's thread
                    error = raised
                finally:
                    self.lock.acquire()
                self._running -= 1
                self._done += 1
                transfer.settle(error)
                self._concurrency.inform(self._traffic.round_trip)
                # The task holds its piece's memory.
                del task, found
                if transfer not in self._ready:
                    self._ready.appendleft(transfer)
                # Waking the caller's thread for nothing would cost as much as a small request.
                if self._is_over():
                    self._change.put(None)

    def _take(self) -> tuple[Transfer, Callable[[], None]] | None:
        if self._running >= self._concurrency.limit:
            return None
        self._has_more = True
        while self._ready:
            transfer = self._ready[0]
            task = transfer.next_task()
            if task is not None:
                return transfer, task
            self._ready.popleft()
        for transfer in self._feed:
            task = transfer.next_task()
            if task is not None:
                return transfer, task
        self._has_more = False
        return None
