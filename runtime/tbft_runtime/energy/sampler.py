"""A thread that reads meter and board now and then, and counts what that costs."""

from __future__ import annotations

import random
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# Each task takes at most this part of one core: one that costs more is done less often.
LARGEST_SHARE = 0.01
# Training repeats itself, and samples in step with it would see always the same moment.
JITTER = 0.25


@dataclass
class Task:
    """Something to do every `period` seconds; `cpu_seconds` is what it took so far, commands that it ran included.

    `due` is when it is to be done next, `bearable` from when on it may be (both of `time.perf_counter`).
    """

    do: Callable[[], None]
    period: float
    due: float = 0.0
    bearable: float = 0.0
    cpu_seconds: float = 0.0
    times: int = 0

    def run(self) -> None:
        """Do it once, and decide when next."""
        before = _cpu_seconds()
        self.do()
        self.times += 1
        self.cpu_seconds += _cpu_seconds() - before
        now, pause = time.perf_counter(), self.cpu_seconds / self.times / LARGEST_SHARE
        self.bearable = now + pause
        self.due = now + max(self.period, pause) * random.uniform(1 - JITTER, 1 + JITTER)


class Sampler:
    """Runs tasks in a thread of its own until it is stopped."""

    def __init__(self, tasks: list[Task]) -> None:
        self._tasks = tasks
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name="tbft-sampler", daemon=True)

    @property
    def cpu_seconds(self) -> float:
        """Processor time that all tasks took so far."""
        return sum(task.cpu_seconds for task in self._tasks)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when the thread has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def now(self, task: Task) -> None:
        """Do one of the tasks at once, in the caller's thread, unless that would cost too much so soon."""
        if time.perf_counter() < task.bearable:
            return
        with self._turn:
            # The other thread may have done it while this one waited.
            if time.perf_counter() >= task.bearable:
                task.run()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """No task runs during the block."""
        with self._turn:
            yield

    def _loop(self) -> None:
        while not self._stopping.is_set():
            with self._turn:
                for task in self._tasks:
                    if time.perf_counter() >= task.due:
                        task.run()
            self._stopping.wait(max(0.0, min(task.due for task in self._tasks) - time.perf_counter()))


def _cpu_seconds() -> float:
    """Of this thread, and of commands that ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.thread_time() + children.ru_utime + children.ru_stime
