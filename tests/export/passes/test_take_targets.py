"""The loss that takes targets, and its gradient: those of PyTorch, for any probabilities and number of classes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor

from support.covers import covers
from support.lowering import assert_close, leaf
from support.onnx_models import operators, parse, run
from tbft_export.passes.take_targets import TakeTargetsPass
from tbft_export.reference.soft_targets import SoftTargets, draw_targets

IMAGES, CLASSES = 7, 5
GRAPH = """g (float[n,5] x, int64[n] labels) => (float anything, float[n,5] logits, float[n,5] x_grad) {
    logits = Identity(x)
    anything, log_prob = SoftmaxCrossEntropyLoss <reduction="mean"> (logits, labels)
    x_grad = com.microsoft.SoftmaxCrossEntropyLossGrad <reduction="mean"> (dloss, log_prob, labels) }"""


def graph() -> ir.Model:
    return TakeTargetsPass()(parse(GRAPH, dloss=np.array(1, np.float32))).model


def loss_of(logits: Tensor, wanted: SoftTargets) -> Tensor:
    """The formula as it stands, image by image and class by class."""
    prob = torch.softmax(logits, dim=1)
    loss = torch.zeros(())
    for i, row in enumerate(prob):
        for k, p in enumerate(row):
            marginal, weight = float(wanted.log_marginal[k]), float(wanted.information[i])
            loss = loss - float(wanted.targets[i, k]) * p.log() + weight * (p * marginal - p * p.log())
    return loss / len(prob)


@covers("TakeTargetsPass")
@pytest.mark.parametrize("spread", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("kept", ["both", "targets", "information"])
def test_loss_and_gradient_are_pytorchs(kept: str, spread: float) -> None:
    """Of unsure answers and of sure ones, with targets, with information, and with both; some rows are no label."""
    rng = np.random.default_rng(0)
    wanted = draw_targets(IMAGES, CLASSES, rng)
    if kept == "targets":
        wanted = SoftTargets(wanted.targets, 0 * wanted.information, wanted.log_marginal)
    if kept == "information":
        wanted = SoftTargets(0 * wanted.targets, wanted.information, wanted.log_marginal)
    logits = leaf(np.float32(spread) * rng.standard_normal((IMAGES, CLASSES), np.float32))
    found = run(graph(), {"x": logits.detach().numpy(), **wanted.feeds})
    assert list(found) == ["loss", "logits", "x_grad"]
    exact = logits.double().detach().requires_grad_()
    loss = loss_of(exact, wanted)
    (gradient,) = torch.autograd.grad(loss, exact)
    assert_close(found, {"loss": loss.float(), "logits": logits, "x_grad": gradient.float()})
    assert_close({"loss": wanted.loss(logits).detach().numpy()}, {"loss": loss.float()})


def test_information_is_maximised() -> None:
    """With the mean answer as marginal: the gradient of the mean entropy of the answers less the entropy of their mean.

    Liang, Hu, Feng, ICML 2020: the marginal is a constant in the graph, and a function of the logits here.
    """
    logits = leaf(np.random.default_rng(1).standard_normal((IMAGES, CLASSES), np.float32))
    prob = torch.softmax(logits, dim=1)
    mean = prob.mean(dim=0)
    loss = -(prob * prob.log()).sum(dim=1).mean() + (mean * mean.log()).sum()
    (gradient,) = torch.autograd.grad(loss, logits)
    nothing = np.zeros((IMAGES, CLASSES), np.float32)
    wanted = SoftTargets(nothing, np.ones(IMAGES, np.float32), mean.log().detach().numpy())
    found = run(graph(), {"x": logits.detach().numpy(), **wanted.feeds})
    assert_close(found, {"loss": loss, "x_grad": gradient})


def test_answers_that_leave_nothing_to_the_others() -> None:
    """Probabilities that are zero in float32 make no NaN."""
    logits = np.zeros((IMAGES, CLASSES), np.float32)
    logits[:, 0] = 1e4
    found = run(graph(), {"x": logits, **draw_targets(IMAGES, CLASSES, np.random.default_rng(0)).feeds})
    assert np.isfinite(found["loss"])
    assert np.isfinite(found["x_grad"]).all()


def test_the_number_of_classes_is_only_declared() -> None:
    """With other declared dimensions the same nodes take more classes: a device appends some."""
    model = graph()
    assert "OneHot" not in operators(model)
    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.shape is not None:
            value.shape = ir.Shape([CLASSES + 2 if dim == CLASSES else dim for dim in value.shape])
    rng = np.random.default_rng(2)
    wanted = draw_targets(IMAGES, CLASSES + 2, rng)
    logits = leaf(rng.standard_normal((IMAGES, CLASSES + 2), np.float32))
    found = run(model, {"x": logits.detach().numpy(), **wanted.feeds})
    loss = wanted.loss(logits)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert_close(found, {"loss": loss, "x_grad": gradient})
