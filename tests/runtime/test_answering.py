"""What answering one image at a time takes: each image's own time, ways in turns, and joules of each way alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.fake_meters import FakeMeter, fake_board
from tbft_runtime.energy.metering import Metering
from tbft_runtime.inference import answering
from tbft_runtime.inference.answering import IMAGES, ROUNDS, AnswerCost, ImageSample, SingleAnswers, measure_answers

# Of these, every image has its own grey.
PIXELS = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


class Way:
    """Takes `slow` milliseconds for image 0 and `fast` for the others; remembers who was asked when."""

    def __init__(
        self, name: str, log: list[str], slow: float, fast: float, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self.name, self.log, self.slow, self.fast, self.wait = name, log, slow, fast, wait

    def __call__(self, pixels: np.ndarray) -> None:
        assert pixels.shape == (1, 2, 2, 3)
        self.log.append(self.name)
        self.wait((self.fast if pixels.any() else self.slow) / 1000)


def measured(board: Path, ways: list[Way], meter: FakeMeter | None = None) -> list[AnswerCost]:
    with Metering(fake_board(board), meter, idle_seconds=0.1) as metering:
        metering.measure_idle(lambda _: None)
        return measure_answers(ways, PIXELS, metering, "no meter")


class Clock:
    """Stands in for the module `time`, and moves on only when it is told to wait."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_each_image_has_its_own_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean, median and quartiles are over images: most are quick, one is slow, however often each was answered."""
    clock = Clock()
    monkeypatch.setattr(answering, "time", clock)
    (cost,) = measured(tmp_path, [Way("one", [], slow=30, fast=2, wait=clock.wait)])
    assert (cost.images, cost.rounds) == (4, ROUNDS)
    assert (cost.lower_ms, cost.median_ms, cost.upper_ms) == pytest.approx((2, 2, 2 + 28 / 4))
    assert cost.mean_ms == pytest.approx((30 + 3 * 2) / 4)
    assert (cost.joules, cost.net_joules, cost.energy.unavailable) == (None, None, "no meter")


def test_ways_take_turns(tmp_path: Path) -> None:
    """Each goes through all images as often as the other, and none is always the first."""
    log: list[str] = []
    measured(tmp_path, [Way("a", log, 0, 0), Way("b", log, 0, 0)])
    turns = "".join(log[:: len(PIXELS)])
    assert sorted(turns) == sorted("ab" * (ROUNDS + 1))
    warm = turns[2:]
    assert {warm[number : number + 2] for number in range(0, len(warm), 2)} == {"ab", "ba"}
    assert log == [name for name in turns for _ in PIXELS]


def test_joules_are_those_of_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A meter of 5 W over 3 W idle: all answers of a way together took so many joules as it ran for seconds."""
    monkeypatch.setattr(answering, "METERED_SECONDS", 0.1)
    ways = [Way("long", [], 10, 10), Way("short", [], 2, 2)]
    long, short = measured(tmp_path, ways, FakeMeter(idle_watts=3.0))
    for cost in (long, short):
        assert cost.joules is not None
        assert cost.net_joules is not None
        assert cost.joules * cost.images * cost.rounds == pytest.approx(5 * cost.energy.seconds, rel=1e-3)
        assert cost.net_joules == pytest.approx(0.4 * cost.joules, rel=1e-6)
    single = SingleAnswers(threads=1, whole=long, early=short)
    assert single.speedup == long.mean_ms / short.mean_ms


@pytest.mark.parametrize("count", [1, IMAGES - 1, IMAGES, IMAGES + 1, 5 * IMAGES + 3])
def test_a_sample_is_spread_over_all_images(count: int) -> None:
    """At most so many, from the first to the last batch, since folders come class by class."""
    pixels = np.arange(count)[:, None] * np.ones((1, 3), int)
    sample = ImageSample.of(count)
    for start in range(0, count, 32):
        sample.add(pixels[start : start + 32])
    kept = sample.pixels[:, 0]
    assert min(count, IMAGES // 2) <= len(kept) <= IMAGES
    assert len(set(np.diff(kept).tolist())) <= 1
    assert kept[-1] >= count - 2 * sample.every
