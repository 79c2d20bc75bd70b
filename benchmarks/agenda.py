"""What a run of the benchmark measures, quick or in full, and about how long that takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figures import DEFAULTS
from benchmarks.goals import DRIFTS, LARGE
from benchmarks.protocol import Engine, Network
from benchmarks.results import Contestant

IMAGE_SIZE = 32
BATCH_SIZE = 32
LARGE_IMAGE_SIZE = 224
LARGE_BATCH_SIZE = 8
# The rest of the paper's protocol: 1,000 images, and 15 % more to validate on.
VALIDATION_SHARE = 0.15

ALWAYS: tuple[Engine, ...] = ("ours", "pytorch", "channels-last")
PEERS: tuple[Engine, ...] = ("torch-compile", "jax", "mnn", "ort-training", "executorch")
TRAINERS: tuple[Engine, ...] = ALWAYS

# For the estimate: seconds of an eager step of all drifts together on one thread, of an export of all, of a worker's
# start, and of an epoch of 1,000 images in all drifts.
STEP_SECONDS: Mapping[Network, float] = {
    "resnet26": 0.45,
    "resnet18": 2.5,
    "resnet50": 6.5,
    "mobilenet_v2": 2.0,
    "efficientnet_lite0": 2.2,
}
EXPORT_SECONDS: Mapping[Network, float] = {
    "resnet26": 30,
    "resnet18": 50,
    "resnet50": 100,
    "mobilenet_v2": 60,
    "efficientnet_lite0": 60,
}
START_SECONDS = 2.5
EPOCH_SECONDS = 14.0
# A step is taken twice before any is timed, and once untimed in each turn.
FIRST_STEPS = 2


@dataclass(frozen=True)
class Scale:
    """How much of everything. The goals are for the images and epochs of `FULL`."""

    threads: tuple[int, ...]
    networks: tuple[Network, ...]
    rounds: int
    large_rounds: int
    images: int
    epochs: int


FULL = Scale(
    threads=(1, 2), networks=("resnet26", *LARGE), rounds=7, large_rounds=4, images=1000, epochs=10
)  # fmt: skip
QUICK = Scale(
    threads=(1,), networks=("resnet26", "resnet18"), rounds=2, large_rounds=1, images=96, epochs=2
)  # fmt: skip


@dataclass(frozen=True)
class StepsItem:
    """A step contest: in each round everyone takes `steps` timed steps."""

    contestants: tuple[Contestant, ...]
    threads: int
    batch_size: int
    image_size: int
    rounds: int
    steps: int


@dataclass(frozen=True)
class TrainingsItem:
    """A training contest of ResNet-26."""

    contestants: tuple[Contestant, ...]
    threads: int
    images: int
    epochs: int

    @property
    def validation_images(self) -> int:
        return round(self.images * VALIDATION_SHARE)


Item = StepsItem | TrainingsItem


def agenda(scale: Scale, networks: Sequence[Network], *, peers: bool) -> list[Item]:
    """Of each network steps with the default policies; of ResNet-26 also frozen ones, and whole trainings."""
    engines = (*ALWAYS, *PEERS) if peers else ALWAYS
    items: list[Item] = []
    for network in networks:
        items += [
            _steps(scale, [Contestant(engine, drift, DEFAULTS[drift], network) for engine in engines], threads)
            for threads in scale.threads
            for drift in DRIFTS
        ]
    if "resnet26" in networks:
        items += [
            _steps(scale, [Contestant(engine, drift, "frozen") for engine in ALWAYS], threads)
            for threads in scale.threads
            for drift in DRIFTS
            if DEFAULTS[drift] != "frozen"
        ]
        contestants = tuple(Contestant(engine, drift, DEFAULTS[drift]) for drift in DRIFTS for engine in TRAINERS)
        items += [TrainingsItem(contestants, threads, scale.images, scale.epochs) for threads in scale.threads]
    return items


def minutes(items: Sequence[Item]) -> float:
    """About how long `items` take on two quiet cores, exports included, peers that compile not."""
    networks = {contestant.network for item in items for contestant in item.contestants}
    seconds = sum(EXPORT_SECONDS[network] for network in networks)
    for item in items:
        count = len(item.contestants)
        share = 1 / len(DRIFTS) / item.threads**0.7
        if isinstance(item, StepsItem):
            steps = FIRST_STEPS + item.rounds * (1 + item.steps)
            seconds += count * (START_SECONDS + steps * STEP_SECONDS[item.contestants[0].network] * share)
        else:
            seconds += count * (START_SECONDS + item.epochs * EPOCH_SECONDS * share * item.images / FULL.images)
    return seconds / 60


def _steps(scale: Scale, contestants: Sequence[Contestant], threads: int) -> StepsItem:
    if contestants[0].network in LARGE:
        # A step takes a second: one says as much as several.
        return StepsItem(tuple(contestants), threads, LARGE_BATCH_SIZE, LARGE_IMAGE_SIZE, scale.large_rounds, 1)
    return StepsItem(tuple(contestants), threads, BATCH_SIZE, IMAGE_SIZE, scale.rounds, 2)
