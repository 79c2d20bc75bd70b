"""Candidates measured against each other: loaded in pairs, run in turns."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field

import msgspec
import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.measure import random_batch
from tbft_runtime.progress import Progress
from tbft_runtime.run.options import DEFAULT_EPOCHS
from tbft_runtime.run.settings import Settings
from tbft_runtime.training.sparse_rows import Channels
from tbft_runtime.training.step import TrainStep, initial_state
from tbft_runtime.tuning.record import Coordinate, TuningCandidate, TuningComparison
from tbft_runtime.tuning.search import comparison, timing

# Fewer rounds say little about the spread; more than the most hardly anything new.
MINIMUM_ROUNDS = 5
MOST_ROUNDS = 15
# A comparison takes no new round after so long, and the search no new comparison: two minutes at most on a
# Raspberry Pi 4 for ResNet-26 and batches of 32 images.
COMPARISON_SECONDS = 6.0
SEARCH_SECONDS = 90.0


@dataclass
class Race:
    """Train steps on one batch of random images; `settings` say what is trained, candidates how it runs.

    Times depend on shapes, not on what images show. `channels` are those that a sparse plan trains.
    """

    bundle: Bundle
    plan: Plan
    settings: Settings
    progress: Progress
    channels: Channels
    started: float = field(default_factory=time.perf_counter, init=False)

    def __post_init__(self) -> None:
        self.weights = self.bundle.load_weights()
        self.images, self.labels = random_batch(self.bundle, self.settings.batch_size, seed=0)
        self.order = np.random.default_rng(0)
        prefix = load_prefix(self.bundle, self.plan, self.settings, self.weights)
        self.boundary = {self.plan.boundary.name: self.images} if prefix is None else prefix.run(self.images)

    def compare(
        self, coordinate: Coordinate | None, in_use: TuningCandidate, tried: TuningCandidate
    ) -> TuningComparison | None:
        """Rounds in which both run once, in random order; None if the time of the search is up, but for the last one.

        Raises TbftError for a batch that gives a batch norm with batch statistics one value per channel.
        """
        if coordinate is not None and self.elapsed() >= SEARCH_SECONDS:
            return None
        until = time.perf_counter() + COMPARISON_SECONDS
        runners = [_Runner(self, coordinate, candidate) for candidate in (in_use, tried)]
        times: tuple[list[float], list[float]] = ([], [])
        for runner in runners:
            runner.run()  # Touches every buffer for the first time.
        while len(times[0]) < MINIMUM_ROUNDS or (len(times[0]) < MOST_ROUNDS and time.perf_counter() < until):
            for index in self.order.permutation(2):
                times[index].append(runners[index].run())
        # A loaded step refers to itself: memory is free only after a collection.
        del runner, runners
        gc.collect()
        result = comparison(coordinate, timing(in_use, times[0]), timing(tried, times[1]))
        self.progress.note(_told(result))
        return result

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started


class _Runner:
    """What of a train step `coordinate` changes, loaded for a candidate; all of it for None.

    Threads and spinning change all of it. A run computes a fixed prefix once and
    the rest in each of its epochs, so the prefix then counts as much as in a run of the default length.
    """

    def __init__(self, race: Race, coordinate: Coordinate | None, candidate: TuningCandidate) -> None:
        bundle, plan = race.bundle, race.plan
        settings = msgspec.structs.replace(race.settings, threads=candidate.threads, execution=candidate.execution)
        whole = coordinate in (None, "threads", "spinning")
        self.race = race
        self.share = 1 / DEFAULT_EPOCHS if whole and plan.prefix_is_fixed else 1.0
        self.prefix = None
        if whole or coordinate == "prefix_form":
            self.prefix = load_prefix(bundle, plan, settings, race.weights)
        self.step = None
        if coordinate != "prefix_form":
            self.step = TrainStep(bundle, plan, settings, race.weights, self.prefix)
            self.state = initial_state(bundle, plan, settings, race.weights, race.channels)

    def run(self) -> float:
        """Milliseconds of one time."""
        race = self.race
        begin = time.perf_counter()
        if self.prefix is not None:
            self.prefix.run(race.images)
        middle = time.perf_counter()
        if self.step is not None:
            self.step.run_from_boundary(self.state, race.boundary, race.labels)
        end = time.perf_counter()
        return 1000 * ((middle - begin) * self.share + end - middle)


def _told(result: TuningComparison) -> str:
    """A line about a comparison."""
    name = (result.coordinate or "everything").replace("_", " ")
    in_use, tried = result.values
    times = f"{result.in_use.median_ms:.2f} ms, {result.tried.median_ms:.2f} ms"
    return f"{name} {in_use} against {tried}: {times}{', taken' if result.taken else ''}"
