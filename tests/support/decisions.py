"""Let PyTorch take the device's side where float32 cannot tell on which side of a kink a value lies. Host only.

ReLU has no gradient at 0 and a max-pool none where two values tie. Within rounding of such a point both
sides are right, and of the ten million activations of ten steps of ResNet-26 a few lie there. One
decided differently changes weights by 1e-5 in that step and, with batch statistics, by up to 1e-1 after
ten: PyTorch in float32 and PyTorch in float64 differ by as much. So the reference decides by itself
wherever the value tells, and as the device did elsewhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.manifest import ConvolutionForm, Plan
from tbft_runtime.sessions import load_graph

# A value this close to a kink, relative to the largest of its layer, may lie on either side of it.
ROUNDING = 1e-5

# Operator and how many of its kind come before it in the network -> where ReLU let the gradient pass,
# or which element MaxPool took, numbered over the whole flat input.
Decisions = Mapping[tuple[str, int], np.ndarray]


class WatchedGradient:
    """The gradient graph of a plan that also tells its decisions; takes the place of `TrainStep.gradient`."""

    def __init__(self, bundle: Bundle, plan: Plan, weights: Mapping[str, np.ndarray], form: ConvolutionForm) -> None:
        model = onnx.load(bundle.path(plan.gradient_in(form)), load_external_data=False)
        before = {"Relu": 0, "MaxPool": 0}
        if plan.has_prefix:
            prefix = onnx.load(bundle.path(plan.prefix), load_external_data=False)
            before = {kind: sum(node.op_type == kind for node in prefix.graph.node) for kind in before}
        self._outputs = _decision_outputs(model.graph, before)
        self._spatial_major = _spatial_major(model) & self._outputs.keys()
        for name, (kind, _) in self._outputs.items():
            dtype = onnx.TensorProto.BOOL if kind == "Relu" else onnx.TensorProto.INT64
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, dtype, None))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "watched.onnx"
            path.write_bytes(model.SerializeToString())
            self._graph = load_graph(path, weights, 1)
        self.outputs = [name for name in self._graph.outputs if name not in self._outputs]
        self.decisions: list[Decisions] = []

    def bind(self, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> WatchedBinding:
        return WatchedBinding(self, inputs, outputs)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = self._graph.run(feeds)
        for name in self._spatial_major:
            outputs[name] = outputs[name].transpose(2, 3, 0, 1)
        self.decisions.append({key: outputs[name] for name, key in self._outputs.items()})
        return outputs


@dataclass
class WatchedBinding:
    """Stands for `BoundGraph`."""

    graph: WatchedGradient
    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]

    def run(self, feeds: Mapping[str, np.ndarray]) -> None:
        computed = self.graph.run({**self.inputs, **feeds})
        for name, array in self.outputs.items():
            array[...] = computed[name]


def _decision_outputs(graph: onnx.GraphProto, before: Mapping[str, int]) -> dict[str, tuple[str, int]]:
    """Which values of a gradient graph are decisions: `Greater` over a ReLU's input or output, MaxPool's indices."""
    relus = [node for node in graph.node if node.op_type == "Relu"]
    pools = [node for node in graph.node if node.op_type == "MaxPool" and len(node.output) > 1]
    places = {
        name: ("Relu", place)
        for place, node in enumerate(relus, start=before["Relu"])
        for name in (node.input[0], node.output[0])
    }
    found = {node.output[0]: places[node.input[0]] for node in graph.node if node.op_type == "Greater"}
    return found | {node.output[1]: ("MaxPool", place) for place, node in enumerate(pools, start=before["MaxPool"])}


def _spatial_major(model: onnx.ModelProto) -> set[str]:
    """The values shaped (H, W, N, C): their third dimension is the open one."""
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    shapes = {value.name: value.type.tensor_type.shape.dim for value in inferred}
    return {name for name, dims in shapes.items() if len(dims) == 4 and dims[0].dim_value and not dims[2].dim_value}


class ShareDecisions(TorchFunctionMode):
    """Inside, ReLU and max-pool decide as `decisions` say where rounding might decide.

    `adopted` counts the elements where PyTorch alone would have decided otherwise.
    """

    def __init__(self, decisions: Decisions) -> None:
        super().__init__()
        self.decisions = decisions
        self.adopted = 0
        self._seen = {"Relu": 0, "MaxPool": 0}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (torch.relu, functional.relu):
            device = self._next("Relu")
            return torch.relu(args[0]) if device is None else self._relu(args[0], device)
        if func is functional.max_pool2d:
            device = self._next("MaxPool")
            if device is not None:
                return self._max_pool(args[0], device, *args[1:], **{**(kwargs or {}), "return_indices": True})
        return func(*args, **(kwargs or {}))

    def _next(self, kind: str) -> Tensor | None:
        place = self._seen[kind]
        self._seen[kind] += 1
        decision = self.decisions.get((kind, place))
        return None if decision is None else torch.from_numpy(decision)

    def _relu(self, x: Tensor, device: Tensor) -> Tensor:
        own = x > 0
        unclear = x.abs() < ROUNDING * x.abs().max()
        self.adopted += int((unclear & (own != device)).sum())
        return x * torch.where(unclear, device, own)

    def _max_pool(self, x: Tensor, device: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        largest, own = functional.max_pool2d(x, *args, **kwargs)
        flat = x.flatten(2)
        theirs = device % flat.shape[2]
        picked = flat.gather(2, theirs.flatten(2)).view_as(largest)
        unclear = (largest - picked).abs() < ROUNDING * x.abs().max()
        self.adopted += int((unclear & (own != theirs) & (largest != picked)).sum())
        return flat.gather(2, torch.where(unclear, theirs, own).flatten(2)).view_as(largest)
