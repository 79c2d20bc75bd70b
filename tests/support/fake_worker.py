"""A worker of the benchmark that trains nothing: `python -m tests.support.fake_worker [FAILS]`.

Its argument is where it fails, if anywhere: load, turn or train, or crash or hang in a turn, or be slow.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping

from benchmarks.protocol import Load, Train, Work
from benchmarks.workers.serve import Laps, serve


class Fake:
    """Prints what no reply may be mixed with."""

    def __init__(self, fails: str) -> None:
        self.fails = fails
        self.steps = 0

    def load(self, job: Load) -> Mapping[Work, Callable[[], float]]:
        print("loading", job.batch_size, flush=True)  # noqa: T201
        self._fail("load")
        return {"step": self._step, "cached": self._step, "check": lambda: job.check_size / 2 + self._step()}

    def train(self, job: Train, laps: Laps) -> float:
        self._fail("train")
        for _ in range(job.epochs + 1):
            laps.pause()
        return 2.5

    def _step(self) -> float:
        time.sleep(0.5 if self.fails == "slow" else 0.005)
        self.steps += 1
        if self.steps > 2:
            self._fail("turn")
            if self.fails == "hang":
                time.sleep(60)
            if self.fails == "crash":
                print("crashing", file=sys.stderr, flush=True)  # noqa: T201
                os._exit(7)
        return 2.5

    def _fail(self, where: str) -> None:
        if self.fails == where:
            raise RuntimeError(f"no {where} today")


if __name__ == "__main__":
    serve(Fake(sys.argv[1] if len(sys.argv) > 1 else ""), {"fake": "1"})
