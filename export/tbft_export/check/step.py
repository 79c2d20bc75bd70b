"""Run what was written for one train step, and compare it with PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.names import BATCH_SUFFIX, GRADIENT_SUFFIX, LABELS, LOSS
from tbft_artifacts.plan import Plan
from tbft_export.check.sparse import draw_rows, fisher_errors
from tbft_export.graph.forward import IMAGES
from tbft_export.graph.sessions import Session
from tbft_export.reference.torch_reference import Reference, ReferenceStep, reference_step

# float32 rounding through some dozens of layers; a wrong formula is off by far more.
TOLERANCE = 1e-4
# An activation within rounding of a ReLU's kink may fall on the other side of it, which changes single
# elements of a gradient. A few in a hundred batches of small images have one, nearly all of large images
# or of a network whose statistics are far off. Other images are tried, and then what rounding changes in PyTorch's
# own gradients is allowed for: where kinks move, and where images do, which also tells what a batch norm over few
# values (small last maps) makes of it. A wrong formula fails on every batch.
ATTEMPTS = 5
ROUNDING = 2e-6
IMAGE_ROUNDING = np.float32(1e-6)
# Where rounding decides over more than this of a gradient, the comparison says nothing.
MOST_ALLOWED = 0.2
# A gradient this much smaller than the largest one is zero but for rounding (a bias before a batch norm).
ZERO_GRADIENT = 1e-6
# So is one that is small beside the largest, and of which images moved within rounding change more than this: it is
# the rest of a sum that cancels out (a scale ahead of such a norm has what its epsilon leaves). What is no such sum
# moves by a hundredth of that; here two roundings would be compared.
CANCELS = 1e-3
CHECK_BATCH = 4
# Fewer images where they are large: every activation more is a chance more to be within rounding of a kink.
CHECK_PIXELS = CHECK_BATCH * 32 * 32


class DisagreementError(TbftError):
    """What was compiled computes something else than the reference."""


@dataclass(frozen=True)
class SelfCheck:
    """Largest deviations from PyTorch, relative to each tensor's largest value.

    `gradient` is what deviates beyond the part that rounding decides by itself, at most `decided_by_rounding`
    of a gradient. `zero_gradients` names the parameters whose exact gradient is zero; they are left out.
    """

    loss: float
    gradient: float
    worst_gradient: str
    statistics: float
    zero_gradients: tuple[str, ...]
    decided_by_rounding: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all of it is float32 rounding."""
        return max(self.loss, self.gradient, self.statistics) <= TOLERANCE and self.decided_by_rounding <= MOST_ALLOWED


def check_bundle(
    folder: Path, manifest: Manifest, plan: Plan, reference: Reference, classes: int, *, masked: bool = False
) -> SelfCheck:
    """Compare loss, every gradient and every batch-norm average of one step with PyTorch, in every form of the graphs.

    `masked`: PyTorch's backward of ReLU6 and hard-swish is a mask, as the plan's is. Of sparse layers the rows of
    randomly chosen channels are trained, and what scores the channels is compared, too.

    Raises DisagreementError if one is off by more than `TOLERANCE`, and TbftError if PyTorch itself has nothing to
    compare with.
    """
    for moved_kinks in (False, True):
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng(attempt)
            check = _check_once(folder, manifest, plan, reference, rng, classes, moved_kinks=moved_kinks, masked=masked)
            if check is not None and check.passed:
                return check
    if check is None:
        raise TbftError(
            "in PyTorch the gradient of everything that would be trained is zero: training would change nothing",
            "train another block, or look for layers that are dead (weights of zero, activations that never pass)",
        )
    raise DisagreementError(
        f"the compiled graphs disagree with PyTorch: loss {check.loss:.1e}, gradients {check.gradient:.1e} "
        f"(worst: {check.worst_gradient}), batch norm averages {check.statistics:.1e}",
        "nothing was written; please report the model, this is a defect of the compiler",
    )


def _check_once(
    folder: Path,
    manifest: Manifest,
    plan: Plan,
    reference: Reference,
    rng: np.random.Generator,
    classes: int,
    *,
    moved_kinks: bool,
    masked: bool,
) -> SelfCheck | None:
    """One attempt; None where PyTorch finds no gradient for these images, so that nothing can be compared."""
    # Batch statistics of a last map of one pixel need two images.
    count = max(2 if plan.batch_statistics else 1, min(CHECK_BATCH, CHECK_PIXELS // manifest.shape.pixels))
    images = rng.standard_normal((count, *manifest.shape), np.float32)
    labels = rng.integers(0, classes, count)
    parameters = [parameter.name for parameter in plan.parameters]
    weights = {name: tensor.detach().numpy().copy() for name, tensor in reference.tensors().items()}
    rows = draw_rows(plan, weights, rng)
    trained = [*parameters, *rows.weights]
    step = partial(reference_step, reference, trained, plan.batch_statistics, labels=labels, masked=masked)
    kinks = (-ROUNDING, ROUNDING) if moved_kinks else ()
    with rows.in_place(reference):
        expected = rows.of(step(images))
        others = [rows.of(step(images, kink=kink)) for kink in kinks]
        others += [rows.of(step(_moved(images, rng))) for _ in kinks]
    if not any(gradient.any() for gradient in expected.gradients.values()):
        return None
    rounding = _decided_by_rounding(expected, *others) if moved_kinks else {}
    undecided = {
        name: max((float(np.abs(other.gradients[name]).max()) for other in others), default=0.0)
        for name, gradient in expected.gradients.items()
        if not gradient.any()
    }

    boundaries = [Session(folder, plan.prefix_in(form)).outputs({IMAGES: images}) for form in plan.prefix_forms]
    feeds = {name: weights[name] for name in parameters} | rows.feeds | {LABELS: labels}
    founds = []
    for index in range(max(len(plan.gradient_forms), len(boundaries))):
        before = boundaries[index % len(boundaries)] if boundaries else {plan.boundary.name: images}
        gradient = plan.gradient_in(plan.gradient_forms[index % len(plan.gradient_forms)])
        boundary = {plan.boundary.name: before[plan.boundary.name]}
        founds.append(before | Session(folder, gradient).outputs(feeds | boundary))

    def compare(zero: frozenset[str]) -> SelfCheck:
        checks = [
            _compare(manifest, rows.trained(plan), weights, expected, found, rounding, zero=zero, undecided=undecided)
            for found in founds
        ]
        return max(checks, key=lambda check: max(check.loss, check.gradient, check.statistics))

    check = compare(_small(expected, ZERO_GRADIENT))
    if not check.passed and _small(expected, TOLERANCE) > set(check.zero_gradients):
        with rows.in_place(reference):
            others += [rows.of(step(_moved(images, rng))) for _ in range(2)]
        check = compare(_small(expected, ZERO_GRADIENT) | _cancelling(expected, others))
    start = boundaries[0][plan.boundary.name] if boundaries else images
    scores = fisher_errors(folder, plan, reference, start, images, labels, kinks)
    worst = max(scores, key=lambda name: scores[name], default="")
    if scores and scores[worst] > check.gradient:
        check = replace(check, gradient=scores[worst], worst_gradient=worst)
    return check


def _moved(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The images with each number a little off."""
    noise = rng.standard_normal(images.shape, np.float32)
    return np.asarray(images * (1 + IMAGE_ROUNDING * noise))


def _small(expected: ReferenceStep, share: float) -> frozenset[str]:
    """The gradients that are below `share` of the largest one."""
    sizes = {name: float(np.abs(gradient).max()) for name, gradient in expected.gradients.items()}
    largest = max(sizes.values())
    return frozenset(name for name, each in sizes.items() if each < share * largest)


def _cancelling(expected: ReferenceStep, others: Sequence[ReferenceStep]) -> frozenset[str]:
    """Those that are sums which cancel out, so that nothing is left but rounding.

    A constant per channel ahead of a norm with batch statistics is taken out again: a bias there has no gradient, nor
    what is added, by whatever ways.
    """
    rounding = _decided_by_rounding(expected, *others)
    return frozenset(name for name in _small(expected, TOLERANCE) if rounding[name] > CANCELS)


def _decided_by_rounding(expected: ReferenceStep, *others: ReferenceStep) -> dict[str, float]:
    """How far each of PyTorch's gradients is from what it is in `others`, relative to its largest value."""
    return {
        name: max(relative_error(other.gradients[name], gradient) for other in others) if gradient.any() else 0.0
        for name, gradient in expected.gradients.items()
    }


def _compare(
    manifest: Manifest,
    plan: Plan,
    weights: dict[str, np.ndarray],
    expected: ReferenceStep,
    found: dict[str, np.ndarray],
    rounding: dict[str, float],
    *,
    zero: frozenset[str],
    undecided: dict[str, float],
) -> SelfCheck:
    """`zero` names the gradients that are zero but for rounding, `undecided` says how large rounding may make them."""
    largest = max(float(np.abs(gradient).max()) for gradient in expected.gradients.values())
    errors = {
        parameter.name: max(
            0.0,
            relative_error(found[parameter.gradient], expected.gradients[parameter.name])
            - rounding.get(parameter.name, 0.0),
        )
        for parameter in plan.parameters
        if parameter.name not in zero
    }
    for name in zero:
        # Nothing to divide by: what should be zero has to be small beside the largest gradient, or beside what it is
        # where kinks move (behind a dead layer every activation lies on one).
        allowed = max(TOLERANCE * largest, undecided.get(name, 0.0))
        if not np.abs(found[f"{name}{GRADIENT_SUFFIX}"]).max() <= (1 + TOLERANCE) * allowed:
            errors[name] = math.inf
    worst = max(errors, key=lambda name: errors[name], default="")
    averages = [0.0]
    for norm in manifest.moving_norms(plan):
        # Means may be zero but for rounding (behind a norm without a shift), so they are held against the spread.
        spread = float(np.sqrt(expected.statistics.get(norm.variance, weights[norm.variance]).max()))
        for name, scale in ((norm.mean, spread), (norm.variance, 0.0)):
            moved = (1 - norm.momentum) * weights[name] + norm.momentum * found[name + BATCH_SUFFIX]
            # What did not move at all (a norm behind a dead layer) is not among those that did.
            averages.append(relative_error(moved, expected.statistics.get(name, weights[name]), scale))
    return SelfCheck(
        loss=relative_error(found[LOSS], np.array(expected.loss)),
        gradient=errors.get(worst, 0.0),
        worst_gradient=worst,
        statistics=max(averages),
        zero_gradients=tuple(name for name in expected.gradients if name in zero),
        decided_by_rounding=max((rounding.get(name, 0.0) for name in errors), default=0.0),
    )


def relative_error(found: np.ndarray, expected: np.ndarray, scale: float = 0.0) -> float:
    """Largest absolute difference over the largest absolute value of `expected`, or over `scale` if that is larger.

    Infinite if not all are numbers.
    """
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return math.inf
    largest = max(scale, float(np.abs(expected).max()))
    off = float(np.abs(found - expected).max())
    return off / largest if largest else (math.inf if off else 0.0)
