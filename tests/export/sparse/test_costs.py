"""A device that chooses channels pays for their rows alone, and memory is planned for all of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import onnx
import pytest
from torch import nn

from support.sparse_graphs import IMAGES, feeds, layers_of, load
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_artifacts.sparse import SparseLayer
from tbft_export.graph.memory import peak_bytes


@pytest.mark.long
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_executed_operations_grow_by_those_of_the_chosen_rows(
    bundle: Bundle, net: nn.Module, depth: int, tmp_path: Path
) -> None:
    """Counted on what ONNX Runtime runs. Rows of grouped convolutions are multiplied and summed: no products."""
    plan = bundle.manifest.plans[depth]
    without = executed(bundle, plan, net, 0.0, tmp_path)
    for part in (0.25, 0.5, 1.0):
        dense = [layer for layer in layers_of(plan) if not is_grouped(net, layer)]
        rows = sum(number(layer, part) * layer.row_flops for layer in dense)
        # Where a convolution strides, x has up to a pixel more than its output needs.
        assert executed(bundle, plan, net, part, tmp_path) - without == pytest.approx(IMAGES * rows, rel=0.03)


def test_without_rows_a_step_takes_the_cost_of_the_plan(bundle: Bundle, net: nn.Module, tmp_path: Path) -> None:
    """The head's gradients, and those of activations down to the first layer, whose input needs none.

    Of the plan behind the depthwise convolution, which is written with products of its own.
    """
    plan = bundle.manifest.plans[2]
    expected = IMAGES * (plan.cost.forward_flops + plan.cost.backward_flops)
    assert executed(bundle, plan, net, 0.0, tmp_path) == pytest.approx(expected, rel=0.01)


def executed(bundle: Bundle, plan: Plan, net: nn.Module, part: float, folder: Path) -> int:
    """Operations of a train step with this part of each layer's channels."""
    channels = {layer.weight: list(range(number(layer, part))) for layer in layers_of(plan)}
    loaded = load(bundle, plan.gradient_in("direct"), profile=folder / f"{part}")
    loaded.run(None, feeds(bundle, plan, net, channels, 0))
    return products(Path(loaded.end_profiling()))


def number(layer: SparseLayer, part: float) -> int:
    return math.ceil(part * layer.shape[0])


def is_grouped(net: nn.Module, layer: SparseLayer) -> bool:
    module = net.get_submodule(layer.weight.removesuffix(".weight"))
    assert isinstance(module, nn.Conv2d)
    return module.groups > 1


def products(profile: Path) -> int:
    """Floating-point operations of convolutions and matrix products, from the shapes in ONNX Runtime's trace."""
    return sum(
        operations(event["args"]["op_name"], *shapes(event))
        for event in json.loads(profile.read_text())
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
    )


def shapes(event: dict[str, dict[str, list[dict[str, list[int]]]]]) -> tuple[list[list[int]], list[int]]:
    """Shapes of a node's inputs and of its output."""
    inputs, results = (
        [shape for typed in event["args"][key] for shape in typed.values()]
        for key in ("input_type_shape", "output_type_shape")
    )
    return inputs, results[0]


def operations(operator: str, inputs: list[list[int]], output: list[int]) -> int:
    match operator:
        case "Conv":
            return 2 * math.prod(output) * math.prod(inputs[1][1:])
        case "ConvTranspose":
            return 2 * math.prod(inputs[0]) * math.prod(inputs[1][1:])
        case "MatMul":
            return 2 * math.prod(output) * inputs[0][-1]
        case "Gemm":
            # Of one side the dimension that is not the output's, whichever is turned.
            summed = next(iter(set(inputs[0]) - {output[0]}), output[0])
            return 2 * math.prod(output) * summed
    return 0


def test_memory_is_planned_for_all_channels(bundle: Bundle) -> None:
    """No choice holds more than the manifest says, which takes every dimension of chosen rows at its largest."""
    for plan in bundle.manifest.plans:
        for form, memory in zip(plan.gradient_forms, plan.gradient_memory, strict=True):
            model = onnx.load(bundle.path(plan.gradient_in(form)), load_external_data=False)
            dims = {layer.weight: f"{layer.weight}.chosen" for layer in layers_of(plan)}
            peaks = []
            for part in (0, 1):
                rows = {dims[layer.weight]: part * layer.shape[0] for layer in layers_of(plan)}
                peaks.append(peak_bytes(model, 3, rows))
            assert peaks[0] <= peaks[1] <= memory.fixed_bytes + 3 * memory.image_bytes
