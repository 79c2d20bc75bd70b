"""What a run of the benchmark measures, quick or in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.figures import DEFAULTS
from benchmarks.goals import DRIFTS
from benchmarks.protocol import BatchNorm, Drift, Engine
from benchmarks.results import Contestant

IMAGE_SIZE = 32
BATCH_SIZE = 32
# The rest of the paper's protocol: 1,000 images, and 15 % more to validate on.
VALIDATION_SHARE = 0.15
GROWING: tuple[Drift, ...] = ("feature", "full")


@dataclass(frozen=True)
class Scale:
    """How much of everything. The goals are for the images and epochs of `FULL`."""

    threads: tuple[int, ...]
    rounds: int
    images: int
    epochs: int
    # How often whole trainings are repeated, per number of threads.
    frozen_trainings: dict[int, int]
    default_trainings: dict[int, int]
    growth_rounds: int
    batch_sizes: tuple[int, ...]
    image_sizes: tuple[int, ...]
    image_counts: tuple[int, ...]


FULL = Scale(
    threads=(1, 2),
    rounds=11,
    images=1000,
    epochs=10,
    frozen_trainings={1: 1, 2: 1},
    default_trainings={1: 1},
    growth_rounds=5,
    batch_sizes=(4, 8, 16, 32, 64),
    image_sizes=(32, 64, 128),
    image_counts=(250, 500, 1000, 2000),
)
QUICK = Scale(
    threads=(1,),
    rounds=4,
    images=96,
    epochs=2,
    frozen_trainings={1: 1},
    default_trainings={1: 1},
    growth_rounds=2,
    batch_sizes=(8, 32),
    image_sizes=(32, 64),
    image_counts=(64, 128),
)


@dataclass(frozen=True)
class StepsItem:
    """A step contest, and the list of results that it belongs to."""

    contestants: tuple[Contestant, ...]
    threads: int
    batch_size: int
    image_size: int
    rounds: int
    into: Literal["steps", "growth_batch", "growth_image_size"]


@dataclass(frozen=True)
class TrainingsItem:
    """A training contest, and the list of results that it belongs to."""

    contestants: tuple[Contestant, ...]
    threads: int
    images: int
    epochs: int
    into: Literal["trainings", "growth_images"]

    @property
    def validation_images(self) -> int:
        return round(self.images * VALIDATION_SHARE)


Item = StepsItem | TrainingsItem


def agenda(scale: Scale) -> list[Item]:
    """What is compared with the goals first, then what grows."""
    return [*_steps(scale), *_trainings(scale), *_growth(scale)]


def _steps(scale: Scale) -> list[Item]:
    items: list[Item] = []
    for threads in scale.threads:
        for drift in DRIFTS:
            frozen = _contestants(("ours", "pytorch", "ort-training", "sgemm"), drift, "frozen")
            if DEFAULTS[drift] == "frozen":
                fields = [(*frozen, Contestant("pytorch", drift, "batch"))]
            else:
                fields = [frozen, _contestants(("ours", "pytorch", "ort-training", "sgemm"), drift, "batch")]
            items += [StepsItem(each, threads, BATCH_SIZE, IMAGE_SIZE, scale.rounds, "steps") for each in fields]
    return items


def _trainings(scale: Scale) -> list[Item]:
    frozen = tuple(each for drift in DRIFTS for each in _contestants(("ours", "pytorch"), drift, "frozen"))
    default = tuple(each for drift in DRIFTS for each in _contestants(("ours", "pytorch"), drift, DEFAULTS[drift]))
    return [
        TrainingsItem(contestants, threads, scale.images, scale.epochs, "trainings")
        for contestants, repetitions in ((frozen, scale.frozen_trainings), (default, scale.default_trainings))
        for threads, count in repetitions.items()
        for _ in range(count)
    ]


def _growth(scale: Scale) -> list[Item]:
    both = [_contestants(("ours", "pytorch"), drift, "frozen") for drift in GROWING]
    rounds = scale.growth_rounds
    items: list[Item] = []
    for contestants in both:
        items += [
            StepsItem(contestants, 1, batch_size, IMAGE_SIZE, rounds, "growth_batch")
            for batch_size in scale.batch_sizes
        ]
        # A quarter of the usual batch: at 128 px an image has sixteen times the pixels.
        items += [
            StepsItem(contestants, 1, BATCH_SIZE // 4, size, rounds, "growth_image_size") for size in scale.image_sizes
        ]
    # Two epochs: the first computes what later ones may reuse.
    items += [TrainingsItem(both[0], 1, count, 2, "growth_images") for count in scale.image_counts]
    return items


def _contestants(engines: Sequence[Engine], drift: Drift, batch_norm: BatchNorm) -> tuple[Contestant, ...]:
    return tuple(Contestant(engine, drift, batch_norm) for engine in engines)
