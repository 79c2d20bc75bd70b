"""Ten steps of a bundle, from the same weights on the same batches, beside ten of PyTorch. Host only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from support import settled_models
from support.agreement import Hyper, Trained, plan_with_optimizer, relative_errors, train_bundle, train_torch
from support.batches import Batch, random_batches
from support.decisions import Decisions
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import ConvolutionForm, OptimizerKind

# Two epochs, each with a short last batch; the bundles are exported for batches of 32.
SIZES = (4, 4, 4, 4, 3) * 2

HYPER: dict[OptimizerKind, Hyper] = {
    "sgd": Hyper(lr=0.01, momentum=0.9, weight_decay=5e-4),
    "adam": Hyper(lr=3e-4, momentum=0.9, weight_decay=5e-4),
    "adamw": Hyper(lr=3e-4, momentum=0.9, weight_decay=0.01),
}

LOSS_TOLERANCE = 1e-4
TOLERANCES: dict[OptimizerKind, float] = {"sgd": 1e-4, "adam": 1e-3, "adamw": 1e-3}
# Adam divides by the size of the gradient: near zero, rounding decides which way an element goes. Those
# few have the tolerance above; 999 of 1000 elements have this one, so that the optimizer is really tested.
# Not counted are those whose gradient was exactly 0 in a step (a filter position that met no pixel of a small
# image): in Winograd's form it is a rounding error beside 0, and Adam makes a step of that.
BULK = 0.999
BULK_TOLERANCE = 1e-5
# The decisions of ReLU and max-pool that rounding may turn, see support.decisions: so small a share, or one.
ADOPTED = 5e-6


def assert_agrees(
    bundle: Bundle,
    module: nn.Module,
    kind: OptimizerKind,
    hyper: Hyper,
    batches: Sequence[Batch],
    form: ConvolutionForm | None = None,
    tolerances: Mapping[OptimizerKind, float] = TOLERANCES,
    *,
    masked: bool = False,
) -> None:
    """Train both; `form` None is the bundle's default one, `masked` as in `train_torch`."""
    plan = plan_with_optimizer(bundle, kind)
    found, decisions = train_bundle(bundle, plan, hyper, batches, form)
    expected, adopted = train_torch(module, plan, hyper, batches, decisions, masked=masked)
    assert_close(found, expected, adopted, decisions, tolerances[kind])


def assert_close(
    found: Trained, expected: Trained, adopted: int, decisions: Sequence[Decisions], tolerance: float
) -> None:
    """Losses, and every tensor that was trained or averaged; few decisions may have been shared."""
    decided = sum(decision.size for step in decisions for decision in step.values())
    assert adopted <= max(1, ADOPTED * decided)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=LOSS_TOLERANCE)
    errors = relative_errors(found.tensors, expected.tensors)
    largest = {name: float(error.max()) for name, error in errors.items() if not error.max() <= tolerance}
    assert not largest
    counted = [error[~expected.unmoved[name]] if name in expected.unmoved else error for name, error in errors.items()]
    assert np.quantile(np.concatenate([error.ravel() for error in counted]), BULK) <= BULK_TOLERANCE


def network(name: str) -> tuple[nn.Module, list[Batch]]:
    """A settled network and what it is trained on."""
    module: nn.Module = getattr(settled_models, name)()
    return module, random_batches(SIZES, settled_models.IMAGE_SIZES[name], settled_models.CLASSES[name], seed=1)
