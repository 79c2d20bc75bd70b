"""What the graphs of ResNet-26 hold, exactly: a slower train step shows here first, without a clock."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import get_args

import onnx_ir as ir
import pytest
import torch
from torch import nn

from support.exports import forward_of
from support.tiny_models import resnet26
from tbft_artifacts.plan import ConvolutionForm, Drift
from tbft_export.compile.plan import compile_plan
from tbft_export.compile.request import CompiledPlan, PlanRequest
from tbft_export.compile.update import optimizer
from tbft_export.graph.layout import is_turn
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import plan_training
from tbft_export.pipeline import PassRunner

DRIFTS: tuple[Drift, ...] = get_args(Drift)
WINOGRAD_CONVOLUTIONS = {"input": 22, "feature": 7, "full": 22}
# Operators that compute or move whole images; "turns" are the Transposes between the two layouts.
WATCHED = ("Conv", "ConvTranspose", "MatMul", "Gemm", "Gather", "Pad", "Slice", "Expand", "turns", "all")

# Nodes of each gradient graph, batch norms frozen, in the order of WATCHED. After a change that is meant to
# move them, copy the row that the failing test shows; say in the commit what it does to the time of a step.
NODES: dict[tuple[Drift, ConvolutionForm], tuple[int, ...]] = {
    ("input", "winograd"): (3, 2, 164, 55, 49, 49, 9, 39, 20, 1350),
    ("input", "direct"): (47, 2, 72, 3, 3, 13, 103, 0, 6, 1068),
    ("feature", "winograd"): (1, 1, 79, 23, 16, 16, 9, 15, 7, 645),
    ("feature", "direct"): (15, 1, 72, 2, 1, 9, 79, 0, 2, 729),
    ("output", "direct"): (0, 0, 0, 2, 0, 0, 0, 0, 0, 20),
    ("full", "winograd"): (3, 2, 244, 70, 49, 51, 27, 47, 40, 1927),
    ("full", "direct"): (47, 2, 216, 4, 3, 29, 247, 0, 6, 2159),
}


@cache
def compiled(drift: Drift) -> CompiledPlan:
    forward = forward_of("tiny_models:resnet26")
    (training,) = plan_training("tbft", Network(forward), MethodOptions(drift=drift, batch_norm="frozen"))
    return compile_plan(forward, PlanRequest(training, optimizer("sgd", 0.01, 0.9, None), 32), PassRunner())


@pytest.mark.parametrize("drift", DRIFTS)
def test_nodes_of_the_gradient_graph(drift: Drift) -> None:
    for form, model in compiled(drift).gradients.items():
        found = Counter(node.op_type for node in model.graph)
        found |= Counter(turns=sum(is_turn(node) for node in model.graph), all=len(list(model.graph)))
        assert tuple(found[name] for name in WATCHED) == NODES[drift, form], WATCHED
    assert {form for each, form in NODES if each == drift} == compiled(drift).gradients.keys()


@pytest.mark.parametrize("drift", DRIFTS)
def test_targets_change_the_loss_alone(drift: Drift) -> None:
    """What is in front of the loss and behind it is the same, node by node, as in the default form with labels."""
    with_labels, with_targets = compiled(drift).gradients, compiled(drift).targets
    assert with_targets is not None
    default = with_labels[compiled(drift).plan.gradient_forms[0]]
    of_labels, of_targets = nodes_beside_loss(default), nodes_beside_loss(with_targets)
    assert of_labels == of_targets
    assert len(of_labels) > len(list(default.graph)) - 20


def nodes_beside_loss(model: ir.Model) -> set[tuple[str | None, ...]]:
    """The nodes that are named after neither the loss nor right answers, and what each reads and gives."""
    return {
        (node.name, node.op_type, *(value.name for value in node.outputs))
        for node in model.graph
        if not any(word in (node.name or "") for word in ("SoftmaxCrossEntropyLoss", "correct"))
    }


@pytest.mark.parametrize("drift", list(WINOGRAD_CONVOLUTIONS))
def test_no_tile_is_transformed_twice(drift: Drift) -> None:
    """Forward pass and dW need the tiles of one image, dX and dB those of its gradient: two Gathers per layer."""
    graph = compiled(drift).gradients["winograd"].graph
    transforms = [node for node in graph if node.op_type == "MatMul" and is_constant(node.inputs[0], (16, 16))]
    tiles = [node for node in graph if node.op_type == "Gather" and is_constant(node.inputs[1], (16, None))]
    read = {(source_of_tiles(node), node.inputs[1]) for node in tiles}
    assert len(transforms) == len(tiles) == len(read) == 2 * WINOGRAD_CONVOLUTIONS[drift]


def is_constant(value: ir.Value | None, shape: tuple[int | None, ...]) -> bool:
    tensor = None if value is None else value.const_value
    if tensor is None or len(tensor.shape) != len(shape):
        return False
    return all(wanted in (None, size) for size, wanted in zip(tensor.shape.numpy(), shape, strict=True))


def source_of_tiles(node: ir.Node) -> ir.Value | None:
    """The image behind the row of zeros and the flattened pixels."""
    value = node.inputs[0]
    while value is not None and (producer := value.producer()) is not None and producer.op_type in ("Pad", "Reshape"):
        value = producer.inputs[0]
    return value


@pytest.mark.parametrize("drift", DRIFTS)
def test_cost_is_counted_from_the_layers(drift: Drift) -> None:
    """Each trained layer costs its forward pass once more for dW, each one behind the first of them for dX."""
    layers = layer_flops()
    plan = compiled(drift).plan
    trained = {parameter.name.rpartition(".")[0] for parameter in plan.parameters}
    first = next(index for index, name in enumerate(layers) if name in trained)
    names = list(layers)
    assert plan.cost.prefix_flops + plan.cost.forward_flops == sum(layers.values())
    assert plan.cost.prefix_flops == sum(layers[name] for name in names[:first])
    weights = sum(layers[name] for name in names if name in trained)
    assert plan.cost.backward_flops == weights + sum(layers[name] for name in names[first + 1 :])
    assert plan.full_cost == compiled("full").plan.cost


@cache
def layer_flops() -> dict[str, int]:
    """Two operations per product of each convolution and linear layer, for one image, as PyTorch runs them.

    Batch norms stand among them with 0: a gradient may have to reach them through the layer behind.
    """
    net, flops = resnet26(), {}

    def count(name: str, layer: nn.Module) -> None:
        def hook(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            products = 0 if isinstance(layer, nn.BatchNorm2d) else layer.get_parameter("weight").numel()
            flops[name] = 2 * products * output[0, 0].numel()

        layer.register_forward_hook(hook)

    for name, layer in net.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            count(name, layer)
    net(torch.zeros(1, 3, 32, 32))
    return flops
