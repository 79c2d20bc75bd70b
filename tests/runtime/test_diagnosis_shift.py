"""How far activation statistics moved: nothing where nothing moved, and as much as they did."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.bundles import ALL_DRIFTS, ALL_PLANS, LAST, MIDDLE, compiled
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.manifest import BatchNorm
from tbft_artifacts.names import BATCH_SUFFIX
from tbft_runtime.diagnosis.placement import candidates, module_of, norm_plans
from tbft_runtime.diagnosis.statistics_shift import GROUPS, Shift, group_statistics, norm_shift, reestimated
from tbft_runtime.graphs.sessions import Graph

NORM = BatchNorm(mean="bn.running_mean", variance="bn.running_var", momentum=0.1, values=4)


def shift_of(values: np.ndarray, mean: float, variance: float) -> Shift:
    """The shift of activations (G, n, C) against a source of this mean and variance in every channel."""
    channels = values.shape[2]
    statistics = {NORM.mean: values.mean(axis=1), NORM.variance: values.var(axis=1, ddof=1)}
    source = {NORM.mean: np.full(channels, mean), NORM.variance: np.full(channels, variance)}
    return norm_shift(NORM, statistics, source)


@given(st.integers(0, 10**6), st.floats(-5, 5), st.floats(0.1, 10))
def test_nothing_moved(seed: int, mean: float, deviation: float) -> None:
    """On average sampling adds nothing, in any unit, also where few images with alike pixels make a group."""
    rng = np.random.default_rng(seed)
    images = rng.normal(mean, deviation, (GROUPS, 16, 200))
    shift = shift_of(np.repeat(images, 3, axis=1), mean, deviation**2)
    assert abs(shift.distance) < shift.noise


@given(st.integers(0, 10**6), st.floats(0.5, 3), st.floats(-2, 2))
def test_what_moved_is_measured(seed: int, mean: float, log: float) -> None:
    """The mean's move in standard deviations and that of the variance's logarithm, squared."""
    values = np.random.default_rng(seed).normal(2 * mean, 2 * np.exp(log / 2), (GROUPS, 400, 50))
    expected = mean**2 + log**2
    assert shift_of(values, 0.0, 4.0).distance == pytest.approx(expected, rel=0.15, abs=0.15)


def test_a_dead_channel_is_no_shift() -> None:
    """Without variance in source and samples nothing is divided by zero."""
    shift = shift_of(np.zeros((GROUPS, 8, 2)), 0.0, 0.0)
    assert (shift.distance, shift.noise) == (0.0, 0.0)


class _Means(Graph):
    """Stands for `statistics.onnx` of one norm at the input."""

    def __init__(self) -> None:
        self.inputs = ["images"]

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:  # type: ignore[override]
        images = feeds["images"]
        mean, variance = images.mean(axis=(0, 2, 3)), images.var(axis=(0, 2, 3))
        return {NORM.mean + BATCH_SUFFIX: mean, NORM.variance + BATCH_SUFFIX: variance}


def test_groups_are_measured_in_their_order() -> None:
    """On any number of threads; re-estimated statistics are their mean."""
    groups = list(np.random.default_rng(0).normal(0, 1, (GROUPS, 5, 3, 2, 2)))
    seen: list[int] = []
    found = group_statistics(_Means(), [NORM], groups, 2, seen.append)
    assert sum(seen) == 5 * GROUPS
    np.testing.assert_allclose(found[NORM.mean], [group.mean(axis=(0, 2, 3)) for group in groups])
    np.testing.assert_allclose(reestimated(found)[NORM.mean], np.mean(groups, axis=(0, 1, 3, 4)), atol=1e-6)


def test_every_norm_belongs_to_the_plan_of_its_block() -> None:
    """By name; the stem's to the front, which is trained with it."""
    manifest = open_bundle(compiled(ALL_DRIFTS)).manifest
    plans = candidates(manifest)
    assert tuple(plan.id for plan in plans) == ALL_PLANS[:-1]
    placed = norm_plans(manifest, plans)
    found = {module_of(norm.mean): plan and plan.id for norm, plan in zip(manifest.batch_norms, placed, strict=True)}
    assert found["bn1"] == found["layer1.bn2"] == "input-batch-sgd"
    assert found["layer2.bn1"] == MIDDLE
    assert found["layer3.downsample.1"] == LAST


def test_a_norm_that_nothing_trains_counts_for_what_is_before_it() -> None:
    """It shows what that block makes; without any block that is known, it counts for none."""
    manifest = open_bundle(compiled(ALL_DRIFTS)).manifest
    front, *_, head = candidates(manifest)
    assert norm_plans(manifest, (front, head)) == (front,) * len(manifest.batch_norms)
    assert norm_plans(manifest, (head,)) == (None,) * len(manifest.batch_norms)
