"""Let PyTorch take the device's side where float32 cannot tell on which side of a kink a value lies. Host only.

ReLU has no gradient at 0, ReLU6 none at 0 and 6, hard-swish and hard-sigmoid none at -3 and 3, and a max-pool
none where two values tie. Within rounding of such a point both
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
from tbft_artifacts.plan import Plan
from tbft_runtime.graphs.sessions import load_graph

# A value this close to a kink, relative to the largest of its layer, may lie on either side of it.
ROUNDING = 1e-5

# Where each activation has its kinks: its slope is one where the input is Greater, another where it is Less.
KINKS: Mapping[str, Mapping[str, float]] = {
    "Relu": {"Greater": 0},
    "Clip": {"Greater": 0, "Less": 6},
    "HardSwish": {"Greater": -3, "Less": 3},
    "HardSigmoid": {"Greater": -3, "Less": 3},
}
# The backward of these is a mask of what is positive, where a plan says so.
MASKED = ("Clip", "HardSwish")

# Operator, how many of its kind come before it in the network, and comparison -> what it gave; or which element
# MaxPool took, numbered over the whole flat input.
Decisions = Mapping[tuple[str, int, str], np.ndarray]


class WatchedGradient:
    """A gradient graph of a plan that also tells its decisions; takes the place of `TrainStep.gradient`."""

    def __init__(self, bundle: Bundle, plan: Plan, weights: Mapping[str, np.ndarray], name: str) -> None:
        model = onnx.load(bundle.path(name), load_external_data=False)
        before = dict.fromkeys((*KINKS, "MaxPool"), 0)
        if plan.has_prefix:
            prefix = onnx.load(bundle.path(plan.prefix), load_external_data=False)
            before = {kind: sum(node.op_type == kind for node in prefix.graph.node) for kind in before}
        self._outputs = _decision_outputs(model.graph, before)
        self._spatial_major = _spatial_major(model) & self._outputs.keys()
        for name, (kind, _, _) in self._outputs.items():
            dtype = onnx.TensorProto.BOOL if kind in KINKS else onnx.TensorProto.INT64
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

    def run(self, feeds: Mapping[str, np.ndarray], results: Mapping[str, np.ndarray]) -> None:
        computed = self.graph.run({**self.inputs, **feeds})
        for name, array in {**self.outputs, **results}.items():
            array[...] = computed[name]


def _decision_outputs(graph: onnx.GraphProto, before: Mapping[str, int]) -> dict[str, tuple[str, int, str]]:
    """Which values of a gradient graph are decisions: activations compared with their kinks, MaxPool's indices."""
    places = {}
    for kind in KINKS:
        nodes = [node for node in graph.node if node.op_type == kind]
        for place, node in enumerate(nodes, start=before[kind]):
            places |= {node.input[0]: (kind, place), node.output[0]: (kind, place)}
    pools = [node for node in graph.node if node.op_type == "MaxPool" and len(node.output) > 1]
    found = {
        node.output[0]: (*places[node.input[0]], node.op_type)
        for node in graph.node
        if node.op_type in ("Greater", "Less")
    }
    indices = enumerate(pools, start=before["MaxPool"])
    return found | {node.output[1]: ("MaxPool", place, "Indices") for place, node in indices}


def _spatial_major(model: onnx.ModelProto) -> set[str]:
    """The values shaped (H, W, N, C): their third dimension is the open one."""
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    shapes = {value.name: value.type.tensor_type.shape.dim for value in inferred}
    return {name for name, dims in shapes.items() if len(dims) == 4 and dims[0].dim_value and not dims[2].dim_value}


class ShareDecisions(TorchFunctionMode):
    """Inside, activations and max-pool decide as `decisions` say where rounding might decide.

    With `masked` the backward of ReLU6 and hard-swish is a mask of what is positive. `adopted` counts the
    elements where PyTorch alone would have decided otherwise.
    """

    def __init__(self, decisions: Decisions, *, masked: bool = False) -> None:
        super().__init__()
        self.decisions = decisions
        self.masked = masked
        self.adopted = 0
        self._seen = dict.fromkeys((*KINKS, "MaxPool"), 0)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kind = _KINDS.get(func)
        if kind is None:
            return func(*args, **(kwargs or {}))
        place = self._seen[kind]
        self._seen[kind] += 1
        if not any(key[:2] == (kind, place) for key in self.decisions):
            return func(*args, **(kwargs or {}))
        if kind == "MaxPool":
            return self._max_pool(place, *args, **{**(kwargs or {}), "return_indices": True})
        x: Tensor = args[0]
        value = func(x.detach().clone(), *args[1:], **(kwargs or {}))
        return value + self._slope(kind, place, x.detach()) * (x - x.detach())

    def _slope(self, kind: str, place: int, x: Tensor) -> Tensor:
        if self.masked and kind in MASKED:
            return self._decide(kind, place, "Greater", x, 0).to(x.dtype)
        above, *below = (self._decide(kind, place, comparison, x, at) for comparison, at in KINKS[kind].items())
        if kind == "Relu":
            return above.to(x.dtype)
        inside = (above & below[0]).to(x.dtype)
        match kind:
            case "Clip":
                return inside
            case "HardSigmoid":
                return inside / 6
        return inside * (x / 3 + 0.5) + (~below[0]).to(x.dtype)

    def _decide(self, kind: str, place: int, comparison: str, x: Tensor, kink: float) -> Tensor:
        """Whether x is Greater, or Less, than its kink."""
        own = x > kink if comparison == "Greater" else x < kink
        device = torch.from_numpy(self.decisions[kind, place, comparison])
        unclear = (x - kink).abs() < ROUNDING * x.abs().max()
        self.adopted += int((unclear & (own != device)).sum())
        return torch.where(unclear, device, own)

    def _max_pool(self, place: int, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        device = torch.from_numpy(self.decisions["MaxPool", place, "Indices"])
        largest, own = functional.max_pool2d(x, *args, **kwargs)
        flat = x.flatten(2)
        theirs = device % flat.shape[2]
        picked = flat.gather(2, theirs.flatten(2)).view_as(largest)
        unclear = (largest - picked).abs() < ROUNDING * x.abs().max()
        self.adopted += int((unclear & (own != theirs) & (largest != picked)).sum())
        return flat.gather(2, torch.where(unclear, theirs, own).flatten(2)).view_as(largest)


_KINDS: Mapping[Callable[..., Any], str] = {
    torch.relu: "Relu",
    functional.relu: "Relu",
    functional.relu6: "Clip",
    functional.hardtanh: "Clip",  # What nn.ReLU6 calls.
    functional.hardswish: "HardSwish",
    functional.hardsigmoid: "HardSigmoid",
    functional.max_pool2d: "MaxPool",
}
