"""Linear classifiers: the model's own, and those of exits, trained on images of the source domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from tbft_artifacts.errors import TbftError
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.linear_head import last_layer

# Of the squared weights. Of 1e-4, 1e-3 and 1e-2, this is best for exits that read many features, and a point worse than
# the best for those that read few (ResNet-26, 5,000 photos).
DECAY = 0.01
ITERATIONS = 60
# Features of standard deviation below this part of the largest one say nothing.
SMALLEST_DEVIATION = 1e-6


@dataclass(frozen=True)
class Head:
    """logits = features @ weight.T + bias: `weight` (classes, F), `bias` (classes,), float32."""

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Scaling:
    """What makes features (N, F) of similar size: (features - shift) * scale, both (F,) float32."""

    shift: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True)
class OwnHead:
    """The last linear layer of a network: logits = `features` @ weight.T + bias, and the names of both."""

    features: ir.Value
    head: Head
    weight: str
    bias: str | None


def own_head(forward: ForwardModel) -> OwnHead:
    """The model's own head. Raises TbftError if the graph does not end in a linear layer."""
    last = last_layer(forward)
    if last is None:
        raise TbftError(
            "the network does not end in a linear layer, whose copy an exit could be",
            "end it in torch.nn.Linear, or choose another `method`",
        )
    named = last.head
    stored = _array(forward, named.weight)
    weight = np.ascontiguousarray(stored.T) if named.transposed else stored
    bias = np.zeros(len(weight), np.float32) if named.bias is None else _array(forward, named.bias)
    return OwnHead(last.features, Head(weight, bias), named.weight, named.bias)


def fit_scaling(features: np.ndarray, squared_length: float) -> Scaling:
    """Mean 0 and equal variance for each of the features (N, F), and a mean squared length of a row as asked.

    A step of gradient descent moves the logits of a linear layer by the squared length of its features. With the
    same for all exits, one learning rate suits them all.
    """
    deviation = features.std(axis=0, dtype=np.float64)
    floor = SMALLEST_DEVIATION * max(float(deviation.max()), 1e-30)
    scale = np.where(deviation > floor, np.sqrt(squared_length / features.shape[1]) / np.maximum(deviation, floor), 0.0)
    return Scaling(features.mean(axis=0, dtype=np.float64).astype(np.float32), scale.astype(np.float32))


def train_head(features: np.ndarray, targets: np.ndarray) -> Head:
    """The head that minimises the mean cross-entropy on features (N, F) with target probabilities (N, classes).

    With weight decay, so the minimum is one point and the result depends on no seed: L-BFGS from 0, in double.
    """
    x, wanted = torch.from_numpy(features).double(), torch.from_numpy(targets).double()
    weight = torch.zeros(wanted.shape[1], x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(wanted.shape[1], dtype=torch.float64, requires_grad=True)
    # Relative to the squared length of an image's features, so that no unit matters.
    decay = DECAY * x.square().mean()
    solver = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = functional.cross_entropy(x @ weight.T + bias, wanted) + decay * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    solver.step(loss)  # type: ignore[no-untyped-call]
    return Head(weight.detach().float().numpy(), bias.detach().float().numpy())


def _array(forward: ForwardModel, name: str) -> np.ndarray:
    return np.array(forward.tensor(name).numpy(), np.float32)
