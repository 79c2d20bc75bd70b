"""Cross-entropy: loss and gradient are those of ONNX Runtime and of PyTorch; variants are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from support.covers import covers
from support.lowering import assert_close, leaf, lowered, normal
from support.onnx_models import parse, run
from tbft_artifacts.errors import TbftError
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass

LOSS = """g (float[n,5] logits, int64[n] labels, float dloss) => (float loss, float[n,5] log_prob, float[n,5] dlogits) {
    loss, log_prob = SoftmaxCrossEntropyLoss <reduction="mean"> (logits, labels)
    dlogits = com.microsoft.SoftmaxCrossEntropyLossGrad <reduction="mean"> (dloss, log_prob, labels) }"""


@covers("ai.onnx::SoftmaxCrossEntropyLoss", "com.microsoft::SoftmaxCrossEntropyLossGrad")
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("scale", [1.0, 40.0], ids=["usual", "overconfident"])
def test_cross_entropy(batch: int, scale: float) -> None:
    """Logits far apart must neither overflow nor lose the gradient."""
    rng = np.random.default_rng(batch)
    logits, labels = leaf(np.float32(scale) * normal(rng, batch, 5)), rng.integers(0, 5, batch)
    feeds = {"logits": logits.detach().numpy(), "labels": labels, "dloss": np.array(0.7, np.float32)}
    loss = functional.cross_entropy(logits, torch.from_numpy(labels))
    (gradient,) = torch.autograd.grad(0.7 * loss, logits)
    found, _ = lowered(LOSS, feeds)
    assert_close(found, {"loss": loss, "dlogits": gradient})
    assert_close(found, run(parse(LOSS), feeds))


def test_the_number_of_classes_is_not_needed() -> None:
    """A device that appends classes declares more of them, and changes no node."""
    rng = np.random.default_rng(0)
    logits, labels = leaf(normal(rng, 3, 6)), np.array([5, 0, 2])
    feeds = {"logits": logits.detach().numpy(), "labels": labels, "dloss": np.array(1, np.float32)}
    loss = functional.cross_entropy(logits, torch.from_numpy(labels))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert_close(lowered(LOSS.replace("[n,5]", "[n,classes]"), feeds)[0], {"loss": loss, "dlogits": gradient})


@pytest.mark.parametrize("operator", ["SoftmaxCrossEntropyLoss", "SoftmaxCrossEntropyLossGrad"])
@pytest.mark.parametrize(
    "change",
    [('reduction="mean"', 'reduction="sum"'), ('reduction="mean"', "ignore_index=-1"), ("labels)", "labels, weights)")],
    ids=["sum", "ignore_index", "class weights"],
)
def test_cross_entropy_refuses(operator: str, change: tuple[str, str]) -> None:
    """Silently leaving out weights or ignored labels would train something else."""
    lines = LOSS.replace("float dloss)", "float dloss, float[5] weights)").splitlines()
    position = next(index for index, line in enumerate(lines) if f"{operator} " in line)
    lines[position] = lines[position].replace(*change)
    with pytest.raises(TbftError, match=f"operator {operator} at node '{operator}_{position - 1}' uses class weights"):
        LowerTrainingOperatorsPass()(parse("\n".join(lines)))
