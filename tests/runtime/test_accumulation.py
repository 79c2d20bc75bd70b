"""A batch in parts gives the gradients of the whole batch."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import compiled
from tbft_artifacts.bundle import open_bundle
from tbft_runtime import TrainOptions
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.run import division
from tbft_runtime.run.resolve import resolve
from tbft_runtime.training.step import TrainStep, initial_state

IMAGES = 13


@pytest.fixture(autouse=True)
def _every_step_is_worth_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "FLOPS_PER_LANE", 1)


def trained(name: str, micro_batch: int, threads: int, steps: int = 3) -> tuple[list[float], dict[str, np.ndarray]]:
    bundle = open_bundle(compiled(name))
    plan = bundle.plan()
    settings = resolve(TrainOptions(Path(), Path(), batch_size=IMAGES, threads=threads), plan, bundle)
    execution = msgspec.structs.replace(settings.execution, micro_batch=micro_batch)
    settings = msgspec.structs.replace(settings, execution=execution)
    base = load_file(bundle.weights)
    state = initial_state(bundle, plan, settings, base)
    step = TrainStep(bundle, plan, settings, base, load_prefix(bundle, plan, settings, base))
    rng = np.random.default_rng(0)
    images = rng.standard_normal((IMAGES, *bundle.manifest.shape), np.float32)
    labels = rng.integers(0, len(bundle.manifest.classes), IMAGES)
    return [step.run(state, images, labels).loss for _ in range(steps)], state.current


@pytest.mark.parametrize("name", ["feature-frozen", "feature-adamw", "output-frozen"])
@pytest.mark.parametrize(("micro_batch", "threads"), [(1, 1), (4, 1), (5, 3), (12, 1), (4, 2), (64, 2)])
def test_parts_add_up(name: str, micro_batch: int, threads: int) -> None:
    """Up to rounding: parts of equal and unequal size, on one thread and on several."""
    losses, weights = trained(name, micro_batch, threads)
    whole_losses, whole = trained(name, IMAGES, 1)
    assert losses == pytest.approx(whole_losses, rel=1e-5)
    assert weights.keys() == whole.keys()
    for key, value in whole.items():
        np.testing.assert_allclose(weights[key], value, rtol=0, atol=2e-5 * max(1e-3, np.abs(value).max()), err_msg=key)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_bits_again(threads: int) -> None:
    """Which part ends first does not matter."""
    losses, weights = trained("feature-frozen", 2, threads)
    again, others = trained("feature-frozen", 2, threads)
    assert losses == again
    assert all(weights[key].tobytes() == value.tobytes() for key, value in others.items())


def test_base_weights_stay_as_they_are() -> None:
    """Training writes into arrays in place, and those are copies."""
    bundle = open_bundle(compiled("feature-frozen"))
    plan = bundle.plan()
    settings = resolve(TrainOptions(Path(), Path()), plan, bundle)
    base = load_file(bundle.weights)
    state = initial_state(bundle, plan, settings, base)
    assert not any(np.shares_memory(value, base[name]) for name, value in state.current.items())


def test_a_small_step_takes_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where waking threads takes longer than computing; as many as are worth it, at most those asked for."""
    monkeypatch.undo()
    bundle = open_bundle(compiled("output-frozen"))
    plan = bundle.plan()
    settings = resolve(TrainOptions(Path(), Path(), threads=3), plan, bundle)
    base = load_file(bundle.weights)
    assert TrainStep(bundle, plan, settings, base, None).division.lanes == 1
    flops = (plan.cost.forward_flops + plan.cost.backward_flops) * settings.batch_size
    for least, lanes in ((flops, 1), (flops // 2, 2), (1, 3)):
        monkeypatch.setattr(division, "FLOPS_PER_LANE", least)
        assert TrainStep(bundle, plan, settings, base, None).division.lanes == lanes
