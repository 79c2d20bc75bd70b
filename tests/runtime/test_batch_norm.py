"""Running statistics: PyTorch's average while training, a mean weighted by image count when re-estimated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import load_file

from support.bundles import compiled
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import STATISTICS, BatchNorm
from tbft_runtime.graphs.sessions import load_graph
from tbft_runtime.training.batch_norm import average_into, check_batch, reestimate

NORM = BatchNorm(mean="bn.running_mean", variance="bn.running_var", momentum=0.1, values=4)


@given(
    st.floats(0, 1, width=32),
    st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3),
    st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3),
)
def test_running_statistics_are_averaged(momentum: float, before: list[float], batch: list[float]) -> None:
    """running = (1 - momentum) * running + momentum * batch, for mean and variance, in float32."""
    norm = BatchNorm(NORM.mean, NORM.variance, momentum, 4)
    running, new = np.array(before, np.float32), np.array(batch, np.float32)
    current = {norm.mean: running.copy(), norm.variance: running[::-1].copy(), "fc.weight": running}
    average_into(current, {f"{norm.mean}.batch": new, f"{norm.variance}.batch": new[::-1], "loss": new}, [norm])
    expected = (1 - momentum) * running.astype(np.float64) + momentum * new.astype(np.float64)
    np.testing.assert_allclose(current[norm.mean], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(current[norm.variance], expected[::-1], rtol=1e-5, atol=1e-5)
    assert current[norm.mean].dtype == np.float32
    assert current["fc.weight"] is running


class FakeStatistics:
    """A graph that says that the mean of a batch is its largest value, and the variance its smallest."""

    inputs = ("images",)

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        images = feeds["images"]
        return {f"{NORM.mean}.batch": images.max(axis=0), f"{NORM.variance}.batch": images.min(axis=0)}


def fake_statistics() -> Any:
    return FakeStatistics()


def test_a_short_last_batch_counts_less() -> None:
    """Three batches of 4, 4 and 1 images are weighted so, not each by a third."""
    images = np.arange(9, dtype=np.float32)[:, None]
    batches = [np.arange(0, 4), np.arange(4, 8), np.arange(8, 9)]
    found = reestimate(fake_statistics(), [NORM], batches, lambda indices: images[indices])
    assert found[NORM.mean] == pytest.approx((4 * 3 + 4 * 7 + 1 * 8) / 9)
    assert found[NORM.variance] == pytest.approx((4 * 0 + 4 * 4 + 1 * 8) / 9)
    assert found[NORM.mean].dtype == np.float32


def test_the_statistics_graph_follows_its_formula() -> None:
    """Mean and unbiased variance per channel behind the first convolution, recomputed with numpy."""
    bundle = open_bundle(compiled("feature-adapt"))
    weights = load_file(bundle.weights)
    first = bundle.manifest.batch_norms[0]
    images = np.random.default_rng(3).normal(size=(19, 3, 8, 8)).astype(np.float32)
    batches = [np.arange(0, 8), np.arange(8, 16), np.arange(16, 19)]
    graph = load_graph(bundle.path(STATISTICS), weights, 1)
    found = reestimate(graph, bundle.manifest.batch_norms, batches, lambda indices: images[indices])

    padded = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(2, 3))
    activations = np.einsum("nchwij,ocij->nohw", windows, weights["conv1.weight"].astype(np.float64))
    means = [activations[batch].mean(axis=(0, 2, 3)) for batch in batches]
    variances = [activations[batch].var(axis=(0, 2, 3), ddof=1) for batch in batches]
    counts = [len(batch) for batch in batches]
    np.testing.assert_allclose(found[first.mean], np.average(means, axis=0, weights=counts), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[first.variance], np.average(variances, axis=0, weights=counts), rtol=1e-4)
    names = {name for norm in bundle.manifest.batch_norms for name in (norm.mean, norm.variance)}
    assert found.keys() == names


@pytest.mark.parametrize(("images", "values", "allowed"), [(1, 1, False), (1, 2, True), (2, 1, True), (1, 64, True)])
def test_one_value_per_channel_is_an_error(images: int, values: int, allowed: bool) -> None:
    """One value has no unbiased variance: the error names the batch norm and says what to do."""
    norm = BatchNorm("layer3.bn1.running_mean", "layer3.bn1.running_var", 0.1, values)
    if allowed:
        check_batch([norm], images)
        return
    with pytest.raises(TbftError, match=r"layer3\.bn1\.running_mean.*one value per channel") as caught:
        check_batch([norm], images)
    assert "`batch_size`" in caught.value.hint
