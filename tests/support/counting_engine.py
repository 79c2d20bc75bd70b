"""An engine that trains nothing, to test who asks it. Host only."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.bundles import Bundles
from tbft_edge.reproduce.cache import OutcomeCache
from tbft_edge.reproduce.case import Case, Network, Parts
from tbft_edge.reproduce.datasets.images import LabelledImages
from tbft_edge.reproduce.engine import Job
from tbft_edge.reproduce.runner import Runner
from tbft_edge.reproduce.trial import Outcome


@dataclass
class CountingEngine:
    """Answers with a number that the trial decides; fails on `broken`."""

    broken: PaperBlock | None = None
    jobs: list[Job] = field(default_factory=list)
    together: int = 0
    _running: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, job: Job, folder: Path) -> Outcome:
        with self._lock:
            self._running += 1
            self.together = max(self.together, self._running)
            self.jobs.append(job)
        with np.load(job.data.train) as arrays:
            accuracy = float(arrays["images"].mean()) / 255 + BLOCKS.index(job.trial.block or "fc") / 100
        (folder / "left behind").write_text("by the engine")
        with self._lock:
            self._running -= 1
        if self.broken is not None and job.trial.block == self.broken:
            raise TbftError("it broke", "mend it")
        return Outcome(
            accuracy=accuracy,
            test_images=1500,
            validation_accuracy=None,
            epochs=1,
            best_epoch=1,
            seconds=1.0,
            epoch_seconds=1.0,
            step_ms=None,
            joules=None,
        )


def make_case(name: str, brightness: int) -> Case:
    images = LabelledImages(np.full((4, 2, 2, 3), brightness, np.uint8), np.zeros(4, np.int64), ("a",))
    network = Network(Path("weights"), "digest", 2)
    return Case(name, "block1", network, lambda _size: Parts(images, images, images), f"data of {name}")


def make_runner(folder: Path, engine: CountingEngine, jobs: int = 2) -> Runner:
    return Runner(
        engines={"device": engine, "pytorch": engine},
        bundles=Bundles(folder / "bundles"),
        cache=OutcomeCache(folder / "trials"),
        work=folder / "work",
        jobs=jobs,
    )
