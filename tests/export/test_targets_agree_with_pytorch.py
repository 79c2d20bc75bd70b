"""Ten steps with targets end where ten steps of PyTorch end; with one-hot rows, where those with labels end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from support import settled_models
from support.agreement import train_bundle, train_torch
from support.batches import Batch, random_batches
from support.exports import Exporter
from support.ten_steps import HYPER, TOLERANCES, assert_close, network
from tbft_artifacts.plan import BatchNormPolicy, Drift, Plan
from tbft_export.reference.soft_targets import draw_targets
from tbft_runtime.training.class_weights import weighted
from tbft_runtime.training.targets import Targets, smoothed

NETWORK = "resnet26"
CLASSES = settled_models.CLASSES[NETWORK]
# Parts that come out even, that do not, and a batch too small for two of them.
SIZES = (12, 13, 8, 11, 5) * 2
PART = 4
PLANS: dict[Drift, BatchNormPolicy] = {"input": "batch", "feature": "block", "output": "frozen"}


def batches() -> list[Batch]:
    return random_batches(SIZES, settled_models.IMAGE_SIZES[NETWORK], CLASSES, seed=1)


def with_targets(kind: str) -> list[Batch]:
    """`soft`: any probabilities, some rows of zeros, and information; `information`: that alone."""
    rng = np.random.default_rng(2)
    found = []
    for batch in batches():
        drawn = draw_targets(len(batch.labels), CLASSES, rng)
        targets = drawn.targets if kind == "soft" else np.zeros_like(drawn.targets)
        found.append(replace(batch, targets=Targets(targets, drawn.information, drawn.log_marginal)))
    return found


def one_hot(batch: Batch) -> Batch:
    targets = np.eye(CLASSES, dtype=np.float32)[batch.labels]
    even = np.full(CLASSES, -np.log(CLASSES), np.float32)
    return replace(batch, targets=Targets(targets, np.zeros(len(batch.labels), np.float32), even))


def plan_in_parts(plan: Plan) -> Plan:
    return msgspec.structs.replace(plan, statistics_part=PART) if plan.batch_statistics else plan


@pytest.mark.long
@pytest.mark.parametrize("kind", ["soft", "information"])
@pytest.mark.parametrize("drift", list(PLANS))
def test_ten_steps(exported: Exporter, drift: Drift, kind: str) -> None:
    """Norms with batch statistics take the batch in parts, and the loss is the mean of theirs, weighted by images."""
    module, _ = network(NETWORK)
    bundle = exported(NETWORK, drift, PLANS[drift])
    plan = plan_in_parts(bundle.plan())
    found, decisions = train_bundle(bundle, plan, HYPER["sgd"], with_targets(kind))
    expected, adopted = train_torch(module, plan, HYPER["sgd"], with_targets(kind), decisions)
    assert_close(found, expected, adopted, decisions, TOLERANCES["sgd"])


@pytest.mark.parametrize("drift", list(PLANS))
def test_one_hot_rows_are_labels(exported: Exporter, drift: Drift) -> None:
    """The two graphs then compute the same, to rounding."""
    bundle = exported(NETWORK, drift, PLANS[drift])
    plan = plan_in_parts(bundle.plan())

    def trained(batches: Sequence[Batch]) -> tuple[list[float], dict[str, np.ndarray]]:
        found, _ = train_bundle(bundle, plan, HYPER["sgd"], batches)
        return found.losses, dict(found.tensors)

    losses, tensors = trained(batches()[:3])
    same_losses, same = trained([one_hot(batch) for batch in batches()[:3]])
    np.testing.assert_allclose(same_losses, losses, rtol=1e-6)
    assert same.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_allclose(same[name], tensor, rtol=0, atol=1e-6 * np.abs(tensor).max(), err_msg=name)


@pytest.mark.parametrize("part", [0.1, 0.9])
def test_smoothed_labels_are_those_of_pytorch(part: float) -> None:
    """The same loss and gradient, to rounding."""
    logits, labels = torch.randn(16, CLASSES, generator=torch.Generator().manual_seed(0)), torch.arange(16) % CLASSES
    targets = smoothed(weighted(labels.numpy(), np.ones(CLASSES, np.float32)), part).targets
    losses, gradients = [], []
    for wanted, options in ((torch.from_numpy(targets), {}), (labels, {"label_smoothing": part})):
        own = logits.clone().requires_grad_()
        loss = cross_entropy(own, wanted, **options)
        loss.backward()
        losses.append(loss.item())
        gradients.append(own.grad)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-7)
