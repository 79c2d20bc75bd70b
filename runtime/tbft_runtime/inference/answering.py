"""How long a model takes to answer one image at a time, as a device does, and what it draws meanwhile.

Several ways to answer are measured side by side: each goes through all images, in turns, again and again, so that
what else the board does, and its temperature, meets all of them alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from tbft_runtime.energy.metering import Metering
from tbft_runtime.energy.result import Energy
from tbft_runtime.energy.total import total
from tbft_runtime.exits.staged import StagedModel
from tbft_runtime.inference.model import Model

# An image's time is the median of so many; after the first seconds of a slow model fewer will do.
ROUNDS, FEWEST_ROUNDS = 7, 3
SECONDS = 20.0
# So many images at most; all of them would take long, and hardly say more.
IMAGES = 100
# A meter says something of work that lasts longer than the time between its samples.
METERED_SECONDS = 2.0


class AnswerCost(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds per image, from prepared pixels to the answer, over `images` images.

    Each image's time is the median of `rounds`; `lower_ms` and `upper_ms` are the quartiles over the images. Joules
    are per image, above idle too; None where there is no meter.
    """

    images: int
    rounds: int
    mean_ms: float
    median_ms: float
    lower_ms: float
    upper_ms: float
    energy: Energy
    joules: float | None
    net_joules: float | None


class SingleAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """Answers to one image at a time with so many threads: by the whole network, and where it can, at its exits."""

    threads: int
    whole: AnswerCost
    early: AnswerCost | None

    @property
    def speedup(self) -> float | None:
        """How many times faster early answers are on average; None where there are none."""
        return None if self.early is None else self.whole.mean_ms / self.early.mean_ms


Answer = Callable[[np.ndarray], object]


@dataclass
class ImageSample:
    """Every `every`th of the images that come by."""

    every: int
    _seen: int = 0
    _kept: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def of(cls, count: int) -> ImageSample:
        """At most `IMAGES` of `count`, evenly spread, since images of a class often follow each other."""
        return cls(max(1, -(-count // IMAGES)))

    def add(self, pixels: np.ndarray) -> None:
        """More images (N, H, W, C)."""
        numbers = np.arange(self._seen, self._seen + len(pixels))
        self._kept.append(pixels[numbers % self.every == 0])
        self._seen += len(pixels)

    @property
    def pixels(self) -> np.ndarray:
        return np.concatenate(self._kept)


def single_answers(
    whole: Model,
    model: Model | StagedModel,
    pixels: np.ndarray,
    threads: int,
    metering: Metering,
    why: str | None,
) -> SingleAnswers:
    """What a model takes for one image (N, H, W, C) at a time; one with exits beside its `whole` network.

    `why` says why there is no meter, if there is none.
    """
    no_energy = why or metering.problem or "the meter said nothing meanwhile"
    if not isinstance(model, StagedModel):
        (cost,) = measure_answers([model.answers], pixels, metering, no_energy)
        return SingleAnswers(threads=threads, whole=cost, early=None)
    cost, early = measure_answers([whole.answers, model.answers], pixels, metering, no_energy)
    return SingleAnswers(threads=threads, whole=cost, early=early)


def measure_answers(ways: Sequence[Answer], pixels: np.ndarray, metering: Metering, no_energy: str) -> list[AnswerCost]:
    """What each way to answer takes for each of `pixels` (N, H, W, C) uint8; `no_energy` says why there are no joules.

    With a meter each turn lasts for some seconds, so that the meter sees it.
    """
    turns = [_Turns(way) for way in ways]
    for turn in turns:
        turn.warm_up(pixels)
    began = time.perf_counter()
    for number in range(ROUNDS):
        if number >= FEWEST_ROUNDS and time.perf_counter() - began > SECONDS * len(ways):
            break
        # Now the one first, now the other: neither follows a pause always.
        for turn in turns if number % 2 else turns[::-1]:
            turn.take(pixels, METERED_SECONDS if metering.meter is not None else 0.0)
            metering.now()
    metering.wait_for(time.perf_counter())
    return [turn.cost(metering, no_energy) for turn in turns]


@dataclass
class _Turns:
    """The turns of one way to answer: seconds of each image in each pass, and when each turn was."""

    answer: Answer
    passes: list[list[float]] = field(default_factory=list)
    stretches: list[tuple[float, float]] = field(default_factory=list)

    def warm_up(self, pixels: np.ndarray) -> None:
        for image in pixels:
            self.answer(image[np.newaxis])

    def take(self, pixels: np.ndarray, seconds: float) -> None:
        """One pass, and more until `seconds` are over."""
        began = time.perf_counter()
        while True:
            times = [time.perf_counter()]
            for image in pixels:
                self.answer(image[np.newaxis])
                times.append(time.perf_counter())
            self.passes.append(np.diff(times).tolist())
            if times[-1] - began >= seconds:
                break
        self.stretches.append((began, times[-1]))

    def cost(self, metering: Metering, no_energy: str) -> AnswerCost:
        each = 1000 * np.median(self.passes, axis=0)
        lower, middle, upper = map(float, np.percentile(each, [25, 50, 75]))
        energy = total([(end - begin, metering.energy(begin, end)) for begin, end in self.stretches], no_energy)
        answers = len(self.passes) * len(each)
        return AnswerCost(
            images=len(each),
            rounds=len(self.passes),
            mean_ms=float(each.mean()),
            median_ms=middle,
            lower_ms=lower,
            upper_ms=upper,
            energy=energy,
            joules=_per_answer(energy.joules, energy, answers),
            net_joules=_per_answer(energy.net_joules, energy, answers),
        )


def _per_answer(joules: float | None, energy: Energy, answers: int) -> float | None:
    """Of the part of the time that the meter covered."""
    return None if joules is None or not energy.covered else joules / (answers * energy.covered)
