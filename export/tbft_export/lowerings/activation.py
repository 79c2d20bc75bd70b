"""Gradients of activations."""

from __future__ import annotations

import numpy as np

from tbft_export.emitter import Emitter
from tbft_export.lowerings.registry import lowers


@lowers("com.microsoft", "ReluGrad")
def relu_grad(emit: Emitter) -> None:
    """dX = dY where V > 0, else 0; V is the input or the output of Relu.

    All three have one shape. At 0 the gradient is 0, as in PyTorch.
    """
    dy, v = emit.node.inputs
    positive = emit.op("Greater", v, np.array(0, np.float32))
    emit.replace(emit.op("Where", positive, dy, np.array(0, np.float32)))
