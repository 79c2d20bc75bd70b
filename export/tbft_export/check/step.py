"""Run what was written for one train step, and compare it with PyTorch."""

from __future__ import annotations

import math
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
CHECK_BATCH = 4
# Fewer images where they are large: every activation more is a chance more to be within rounding of a kink.
CHECK_PIXELS = CHECK_BATCH * 32 * 32


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

    Raises TbftError if one is off by more than `TOLERANCE`.
    """
    for moved_kinks in (False, True):
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng(attempt)
            check = _check_once(folder, manifest, plan, reference, rng, classes, moved_kinks=moved_kinks, masked=masked)
            if check.passed:
                return check
    raise TbftError(
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
) -> SelfCheck:
    size = manifest.image_size
    # Batch statistics of a last map of one pixel need two images.
    count = max(2 if plan.batch_statistics else 1, min(CHECK_BATCH, CHECK_PIXELS // size**2))
    images = rng.standard_normal((count, 3, size, size), np.float32)
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
    rounding = _decided_by_rounding(expected, *others) if moved_kinks else {}

    boundaries = [Session(folder, plan.prefix_in(form)).outputs({IMAGES: images}) for form in plan.prefix_forms]
    feeds = {name: weights[name] for name in parameters} | rows.feeds | {LABELS: labels}
    checks = []
    for index in range(max(len(plan.gradient_forms), len(boundaries))):
        before = boundaries[index % len(boundaries)] if boundaries else {plan.boundary.name: images}
        gradient = plan.gradient_in(plan.gradient_forms[index % len(plan.gradient_forms)])
        boundary = {plan.boundary.name: before[plan.boundary.name]}
        found = before | Session(folder, gradient).outputs(feeds | boundary)
        checks.append(_compare(manifest, rows.trained(plan), weights, expected, found, rounding))
    check = max(checks, key=lambda check: max(check.loss, check.gradient, check.statistics))
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
) -> SelfCheck:
    largest = max(float(np.abs(gradient).max()) for gradient in expected.gradients.values())
    zero = tuple(
        name for name, gradient in expected.gradients.items() if np.abs(gradient).max() < ZERO_GRADIENT * largest
    )
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
        # Nothing to divide by: what should be zero has to be small beside the largest gradient.
        if not np.abs(found[f"{name}{GRADIENT_SUFFIX}"]).max() <= TOLERANCE * largest:
            errors[name] = math.inf
    worst = max(errors, key=lambda name: errors[name], default="")
    averages = [0.0]
    for norm in manifest.moving_norms(plan):
        # Means may be zero but for rounding (behind a norm without a shift), so they are held against the spread.
        spread = float(np.sqrt(expected.statistics[norm.variance].max()))
        for name, scale in ((norm.mean, spread), (norm.variance, 0.0)):
            moved = (1 - norm.momentum) * weights[name] + norm.momentum * found[name + BATCH_SUFFIX]
            averages.append(relative_error(moved, expected.statistics[name], scale))
    return SelfCheck(
        loss=relative_error(found[LOSS], np.array(expected.loss)),
        gradient=errors.get(worst, 0.0),
        worst_gradient=worst,
        statistics=max(averages),
        zero_gradients=zero,
        decided_by_rounding=max((rounding.get(name, 0.0) for name in errors), default=0.0),
    )


def relative_error(found: np.ndarray, expected: np.ndarray, scale: float = 0.0) -> float:
    """Largest absolute difference over the largest absolute value of `expected`, or over `scale` if that is larger.

    Infinite if not all are numbers.
    """
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return math.inf
    return float(np.abs(found - expected).max() / max(scale, np.abs(expected).max()))
