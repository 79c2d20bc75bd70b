"""Train steps of the device runtime, batch 32, one thread."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.agenda import BATCH_SIZE, IMAGE_SIZE
from benchmarks.goals import DRIFTS
from benchmarks.prepared import subject
from benchmarks.protocol import Drift, Load, Work
from benchmarks.results import Contestant
from benchmarks.workers.ours import Ours


@pytest.mark.parametrize("drift", DRIFTS)
def test_step(benchmark: BenchmarkFixture, drift: Drift) -> None:
    """From the images, through the frozen part."""
    _time(benchmark, drift, "step")


@pytest.mark.parametrize("drift", ["feature", "output"])
def test_step_from_stored_activations(benchmark: BenchmarkFixture, drift: Drift) -> None:
    """From behind the frozen part."""
    _time(benchmark, drift, "cached")


def _time(benchmark: BenchmarkFixture, drift: Drift, work: Work) -> None:
    wanted = subject(Contestant("ours", drift, "frozen"), IMAGE_SIZE)
    benchmark(Ours().load(Load(wanted, 1, BATCH_SIZE))[work])
