"""A forward ONNX graph computed by PyTorch, so that a model without torch source can be checked too."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from tbft_artifacts.errors import TbftError
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.operands import uses_auto_pad
from tbft_export.passes.freeze_batch_norm import running_mean
from tbft_export.reference.onnx_operators import OPERATORS, Operands
from tbft_export.reference.onnx_spatial import SPATIAL_OPERATORS

_OPERATORS = {**OPERATORS, **SPATIAL_OPERATORS}


class OnnxReference:
    """Runs the nodes of a cleaned forward graph with torch functions."""

    def __init__(self, forward: ForwardModel) -> None:
        self.graph = forward.graph
        self._tensors = {
            name: torch.from_numpy(forward.tensor(name).numpy().copy()) for name in forward.graph.initializers
        }

    def tensors(self) -> Mapping[str, Tensor]:
        return self._tensors

    def logits(self, images: Tensor, *, batch_statistics: Collection[str]) -> Tensor:
        values: dict[str | None, Tensor] = dict(self._tensors.items())
        values[self.graph.inputs[0].name] = images
        for node in self.graph:
            if uses_auto_pad(node):
                raise TbftError(
                    f"node '{node.name}' ({node.op_type}) leaves its padding to be found (auto_pad)",
                    "export the model again with explicit pads",
                )
            operands = [values[value.name] for value in node.inputs if value is not None]
            found: Tensor | tuple[Tensor, ...]
            if node.op_type == "BatchNormalization":
                found = _batch_norm(node, operands, running_mean(node) in batch_statistics)
            elif node.op_type in _OPERATORS:
                found = _OPERATORS[node.op_type](node, operands)
            else:
                raise TbftError(
                    f"operator {node.op_type} at node '{node.name}' cannot be compared with PyTorch",
                    "give the torch module itself: `model` package.module:factory",
                )
            results = found if isinstance(found, tuple) else (found,)
            values.update((value.name, result) for value, result in zip(node.outputs, results, strict=False))
        return values[self.graph.outputs[0].name]


def _batch_norm(node: ir.Node, x: Operands, batch_statistics: bool) -> Tensor:
    image, gamma, beta, mean, variance = x
    keep = node.attributes.get_float("momentum", 0.9)
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    return functional.batch_norm(image, mean, variance, gamma, beta, batch_statistics, 1.0 - keep, epsilon)
