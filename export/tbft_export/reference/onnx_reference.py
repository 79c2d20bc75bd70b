"""A forward ONNX graph computed by PyTorch, so that a model without torch source can be checked too."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping

import torch
from torch import Tensor

from tbft_export.graph.forward import ForwardModel
from tbft_export.reference.evaluate import as_tensor, evaluate, precision


class OnnxReference:
    """Runs the nodes of a cleaned forward graph with torch functions."""

    def __init__(self, forward: ForwardModel) -> None:
        self.graph = forward.graph
        self._tensors = {name: as_tensor(forward.tensor(name)) for name in forward.graph.initializers}

    def tensors(self) -> Mapping[str, Tensor]:
        return self._tensors

    @contextlib.contextmanager
    def computing_in(self, dtype: torch.dtype) -> Iterator[None]:
        before = self._tensors
        self._tensors = {
            name: tensor.detach().to(dtype if tensor.is_floating_point() else tensor.dtype, copy=True)
            for name, tensor in before.items()
        }
        try:
            with precision(dtype):
                yield
        finally:
            self._tensors = before

    def logits(self, images: Tensor, *, batch_statistics: Collection[str]) -> Tensor:
        given = {**self._tensors, self.graph.inputs[0].name or "": images}
        (logits,) = evaluate(self.graph, given, batch_statistics=batch_statistics).values()
        return logits
