"""Parts of a batch that norms normalise by their own statistics: which they are, and that cores change nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from support.bundles import compiled
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_artifacts.plan import Plan
from tbft_runtime import TrainOptions
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.graphs.pooled import pooled
from tbft_runtime.graphs.sessions import BoundGraph, Tensors
from tbft_runtime.run import division
from tbft_runtime.run.division import Division
from tbft_runtime.run.resolve import resolve
from tbft_runtime.training.memory import fit_memory, plan_memory
from tbft_runtime.training.step import TrainStep, initial_state

IMAGES = 13
PART = 3
PROCESS = 50_000_000


@pytest.fixture(autouse=True)
def _every_step_is_worth_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "FLOPS_PER_LANE", 1)


def plan_of(name: str, part: int | None = PART) -> tuple[Bundle, Plan]:
    bundle = open_bundle(compiled(name))
    return bundle, msgspec.structs.replace(bundle.plan(), statistics_part=part)


def loaded(name: str, threads: int) -> TrainStep:
    bundle, plan = plan_of(name)
    settings = resolve(TrainOptions(Path(), Path(), batch_size=IMAGES, threads=threads), plan, bundle)
    base = load_file(bundle.weights)
    return TrainStep(bundle, plan, settings, base, load_prefix(bundle, plan, settings, base))


def trained(name: str, threads: int) -> tuple[list[float], Tensors]:
    """Three steps."""
    step = loaded(name, threads)
    bundle, plan = plan_of(name)
    state = initial_state(bundle, plan, step.settings, load_file(bundle.weights))
    rng = np.random.default_rng(0)
    images = rng.standard_normal((IMAGES, *bundle.manifest.shape), np.float32)
    labels = rng.integers(0, len(bundle.manifest.classes), IMAGES)
    return [step.run(state, images, labels).loss for _ in range(3)], state.current


@pytest.mark.parametrize("name", ["input-batch", "feature-block", "feature-batch", "full-batch"])
def test_the_same_bits_on_any_number_of_threads(name: str) -> None:
    """Four parts on one, two, three, and as many threads as there are parts."""
    losses, weights = trained(name, 1)
    for threads in (2, 3, 4):
        others_losses, others = trained(name, threads)
        assert others_losses == losses
        assert {key: value.tobytes() for key, value in others.items()} == {
            key: value.tobytes() for key, value in weights.items()
        }


def test_parts_are_side_by_side() -> None:
    """As many lanes as there are parts for them, each on one core, and what is left helps within a part."""
    lanes = {threads: loaded("input-batch", threads).division for threads in (1, 2, 4, 8)}
    assert [(found.lanes, found.threads) for found in lanes.values()] == [(1, 1), (2, 1), (4, 1), (4, 2)]


@given(st.integers(1, 200), st.integers(1, 64))
def test_a_part_has_as_many_as_it_needs(images: int, least: int) -> None:
    """Every image in one part, in order; none below `least` unless the batch is, and none of twice as many."""
    parts = Division(lanes=2, least=least).parts(images)
    assert [index for part in parts for index in range(images)[part]] == list(range(images))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(least, images)
    assert max(sizes) < 2 * least or len(sizes) == 1


NORM = BatchNorm("bn.running_mean", "bn.running_var", 0.1, values=3)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 2**32 - 1), st.floats(-1e3, 1e3))
def test_pooled_statistics_are_those_of_one_batch(sizes: list[int], seed: int, offset: float) -> None:
    """Of parts of different sizes whose means differ, against numpy's over all values."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(offset + index, 1 + index, (size, 2, NORM.values)) for index, size in enumerate(sizes)]
    outputs = [
        {f"{NORM.mean}.batch": part.mean(axis=(0, 2)), f"{NORM.variance}.batch": part.var(axis=(0, 2), ddof=1)}
        for part in parts
    ]
    found = pooled([NORM], outputs, sizes)
    together = np.concatenate(parts)
    np.testing.assert_allclose(found[f"{NORM.mean}.batch"], together.mean(axis=(0, 2)), rtol=1e-6)
    np.testing.assert_allclose(found[f"{NORM.variance}.batch"], together.var(axis=(0, 2), ddof=1), rtol=1e-5)


def test_a_part_that_fails_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lane waits for ever for a part that will not come, and the error is the one that came up."""
    step = loaded("input-batch", 3)
    bundle, plan = plan_of("input-batch")
    state = initial_state(bundle, plan, step.settings, load_file(bundle.weights))
    images = np.zeros((IMAGES, *bundle.manifest.shape), np.float32)
    labels = np.zeros(IMAGES, np.int64)
    step.run(state, images, labels)
    run, seen = BoundGraph.run, iter(range(100))

    def fail_once(self: BoundGraph, *arrays: Tensors) -> None:
        if next(seen) == 1:
            raise TbftError("no memory", "buy some")
        run(self, *arrays)

    monkeypatch.setattr(BoundGraph, "run", fail_once)
    with pytest.raises(TbftError, match="no memory"):
        step.run(state, images, labels)
    monkeypatch.setattr(BoundGraph, "run", run)
    assert step.run(state, images, labels).loss > 0


def test_a_budget_takes_parts_one_after_the_other() -> None:
    """Batch statistics of parts need no whole batch at once: less than for four lanes, and the same parts."""
    bundle, plan = plan_of("input-batch", 8)
    options = TrainOptions(Path(), Path(), batch_size=32, threads=4)
    settings = resolve(options, plan, bundle)
    needed = plan_memory(bundle, plan, settings, 100, PROCESS).total
    whole = msgspec.structs.replace(plan, statistics_part=None)
    assert (
        plan_memory(bundle, whole, settings, 100, PROCESS).graphs
        > plan_memory(bundle, plan, msgspec.structs.replace(settings, threads=1), 100, PROCESS).graphs
    )
    fitted = fit_memory(
        bundle, plan, settings, 100, needed - 1, fixed=False, fixed_threads=False, fixed_place=False, process=PROCESS
    )
    assert plan_memory(bundle, plan, fitted, 100, PROCESS).total < needed
    assert division.gradient_division(plan, fitted).parts(32) == division.gradient_division(plan, settings).parts(32)
