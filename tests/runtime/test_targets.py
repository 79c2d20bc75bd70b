"""A train step with targets in place of labels."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import EXIT_PLANS, EXITS, compiled
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime import TrainOptions
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.run import division
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.state import TrainingState
from tbft_runtime.training.step import StepResult, TargetsResult, TrainStep, initial_state
from tbft_runtime.training.targets import Targets

IMAGES, CLASSES, STEPS = 13, 4, 3
BUNDLES = ("output-frozen", "feature-adamw", "feature-block", "input-batch")
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, CLASSES, IMAGES)
EVEN = np.full(CLASSES, -np.log(CLASSES), np.float32)
NOTHING = np.zeros((IMAGES, CLASSES), np.float32)
ONE_HOT = Targets(np.eye(CLASSES, dtype=np.float32)[LABELS], np.zeros(IMAGES, np.float32), EVEN)
INFORMATION = Targets(NOTHING, np.ones(IMAGES, np.float32), EVEN)
SOFT = Targets(
    RNG.dirichlet(np.ones(CLASSES), IMAGES).astype(np.float32) * (np.arange(IMAGES) % 3)[:, None].astype(np.float32),
    RNG.uniform(0, 2, IMAGES).astype(np.float32),
    np.log(RNG.dirichlet(np.ones(CLASSES))).astype(np.float32),
)


@pytest.fixture(autouse=True)
def _every_step_is_worth_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "FLOPS_PER_LANE", 1)


def loaded(
    name: str, threads: int = 1, micro_batch: int = 4, *, takes_targets: bool = True
) -> tuple[TrainStep, TrainingState, np.ndarray]:
    """A step, the state that it begins with, and images."""
    bundle = open_bundle(compiled(name))
    plan = bundle.plan()
    if plan.batch_statistics:
        # Norms of so small a network ask for more images than there are here.
        plan = msgspec.structs.replace(plan, statistics_part=4)
    settings = resolve(TrainOptions(Path(), Path(), batch_size=IMAGES, threads=threads), plan, bundle)
    execution = msgspec.structs.replace(settings.execution, micro_batch=micro_batch)
    settings = msgspec.structs.replace(settings, execution=execution)
    base = load_file(bundle.weights)
    prefix = load_prefix(bundle, plan, settings, base)
    step = TrainStep(bundle, plan, settings, base, prefix, takes_targets=takes_targets)
    images = np.random.default_rng(1).standard_normal((IMAGES, *bundle.manifest.shape), np.float32)
    return step, initial_state(bundle, plan, settings, base), images


def trained(
    name: str, wanted: Targets, threads: int = 1, micro_batch: int = 4
) -> tuple[list[TargetsResult], dict[str, np.ndarray]]:
    step, state, images = loaded(name, threads, micro_batch)
    return [step.run(state, images, wanted) for _ in range(STEPS)], state.current


@pytest.mark.parametrize("name", BUNDLES)
def test_one_hot_rows_are_labels(name: str) -> None:
    """Loss, right answers, every trained tensor and running average, to rounding."""
    step, state, images = loaded(name, takes_targets=False)
    expected = [step.run(state, images, LABELS) for _ in range(STEPS)]
    found, current = trained(name, ONE_HOT)
    assert [each.loss for each in found] == pytest.approx([each.loss for each in expected], rel=1e-6)
    right = [int((each.logits.argmax(axis=1) == LABELS).sum()) for each in found]
    assert right == [each.correct for each in expected]
    for key, value in state.current.items():
        np.testing.assert_allclose(current[key], value, rtol=0, atol=1e-6 * np.abs(value).max(), err_msg=key)


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("wanted", [SOFT, INFORMATION], ids=["soft", "information"])
def test_the_same_bits_on_any_number_of_threads(name: str, wanted: Targets) -> None:
    """Parts write their logits where they belong, and their gradients are added in the order of the batch."""
    results, current = trained(name, wanted, threads=1)
    for threads in (2, 3):
        others, same = trained(name, wanted, threads)
        for one, other in zip(results, others, strict=True):
            assert one.loss == other.loss
            assert one.logits.tobytes() == other.logits.tobytes()
        assert all(same[key].tobytes() == value.tobytes() for key, value in current.items())


@pytest.mark.parametrize(("micro_batch", "threads"), [(1, 1), (5, 3), (12, 1)])
def test_parts_add_up(micro_batch: int, threads: int) -> None:
    """Of equal and unequal size: the loss is the mean over images, those without a target or information, too."""
    whole, tensors = trained("feature-frozen", SOFT, micro_batch=IMAGES)
    parts, others = trained("feature-frozen", SOFT, threads, micro_batch)
    for one, other in zip(whole, parts, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
        np.testing.assert_allclose(other.logits, one.logits, rtol=0, atol=1e-5)
    for key, value in tensors.items():
        np.testing.assert_allclose(others[key], value, rtol=0, atol=2e-5 * max(1e-3, np.abs(value).max()), err_msg=key)


def test_the_loss_is_what_its_formula_says() -> None:
    """Computed here from the logits that the step gives."""
    step, state, images = loaded("feature-frozen")
    result = step.run(state, images, SOFT)
    log_prob = result.logits.astype(np.float64)
    log_prob -= np.log(np.exp(log_prob).sum(axis=1, keepdims=True))
    information = SOFT.information * (np.exp(log_prob) * (SOFT.log_marginal - log_prob)).sum(axis=1)
    assert result.loss == pytest.approx(np.mean(information - (SOFT.targets * log_prob).sum(axis=1)), rel=1e-5)


def test_a_result_is_not_overwritten_by_the_next_step() -> None:
    step, state, images = loaded("output-frozen")
    first = step.run(state, images, INFORMATION)
    before = first.logits.copy()
    step.run(state, images[::-1].copy(), INFORMATION)
    np.testing.assert_array_equal(first.logits, before)


def test_information_makes_answers_sure_and_different() -> None:
    """Without a label, away from the mean of the answers before: each loses entropy then, and their mean hardly any."""

    def entropy(prob: np.ndarray) -> float:
        return float(-(prob * np.log(prob)).sum(axis=-1).mean())

    step, state, images = loaded("feature-frozen")
    # Of one colour each, which such a network can tell apart.
    images += 4 * np.random.default_rng(2).standard_normal((IMAGES, 3, 1, 1), np.float32)
    wanted, found = INFORMATION, []
    for _ in range(26):
        logits = step.run(state, images, wanted).logits
        prob = np.exp(logits - logits.max(axis=1, keepdims=True))
        prob /= prob.sum(axis=1, keepdims=True)
        mean = prob.mean(axis=0)
        found.append((entropy(prob), entropy(mean)))
        wanted = Targets(NOTHING, INFORMATION.information, np.log(mean))
    (each, together), (each_then, together_then) = found[0], found[-1]
    assert each_then < each - 0.5
    assert together_then > together - 0.2


def test_a_loss_that_is_no_number_changes_nothing() -> None:
    step, state, images = loaded("output-frozen")
    before = {name: value.copy() for name, value in state.current.items()}
    images[0] = np.inf
    assert not np.isfinite(step.run(state, images, SOFT).loss)
    assert all(np.array_equal(value, before[name]) for name, value in state.current.items())


@pytest.mark.parametrize(
    ("targets", "information", "log_marginal", "what"),
    [
        (NOTHING[0], INFORMATION.information, EVEN, "shapes"),
        (NOTHING, INFORMATION.information[1:], EVEN, "shapes"),
        (NOTHING, INFORMATION.information[:, None], EVEN, "shapes"),
        (NOTHING, INFORMATION.information, EVEN[1:], "shapes"),
        (NOTHING.astype(np.float64), INFORMATION.information, EVEN, "'targets'"),
        (NOTHING, INFORMATION.information * np.float32(np.nan), EVEN, "'information'"),
        # The logarithm of a class that nothing is to be.
        (NOTHING, INFORMATION.information, np.where(np.arange(CLASSES), EVEN, -np.inf).astype(np.float32), "'log_m"),
    ],
)
def test_what_is_no_target_is_refused(
    targets: np.ndarray, information: np.ndarray, log_marginal: np.ndarray, what: str
) -> None:
    with pytest.raises(TbftError, match=what):
        Targets(targets, information, log_marginal)


def test_targets_of_other_images_or_classes_are_refused() -> None:
    """Before anything is computed."""
    step, state, images = loaded("output-frozen")
    fewer = Targets(NOTHING[1:], INFORMATION.information[1:], EVEN)
    wider = Targets(np.zeros((IMAGES, 5), np.float32), INFORMATION.information, np.zeros(5, np.float32))
    for wanted in (fewer, wider, LABELS):
        with pytest.raises(TbftError, match=r"not \(13, 4\)"):
            step.run(state, images, wanted)  # type: ignore[call-overload]
    assert state.step == 0


@pytest.mark.parametrize(("name", "plan"), [(EXITS, EXIT_PLANS[0]), ("tinytrain", None)])
def test_plans_without_such_a_graph_are_refused(name: str, plan: str | None) -> None:
    """Those with exits, and those with channels to choose."""
    bundle: Bundle = open_bundle(compiled(name))
    chosen = bundle.manifest.plans[0] if plan is None else bundle.plan(plan)
    assert not chosen.soft_targets
    settings = resolve(TrainOptions(Path(), Path()), chosen, bundle)
    with pytest.raises(TbftError, match="no graph that takes targets"):
        TrainStep(bundle, chosen, settings, load_file(bundle.weights), None, takes_targets=True)


def test_one_graph_is_loaded() -> None:
    """A run holds the gradient graph that it uses, and not the other."""
    for takes_targets in (False, True):
        step, state, images = loaded("feature-frozen", takes_targets=takes_targets)
        assert ("labels" in step.gradient.inputs) is not takes_targets
        result = step.run(state, images, SOFT if takes_targets else LABELS)  # type: ignore[call-overload]
        assert isinstance(result, TargetsResult if takes_targets else StepResult)
