"""A torch module -> its layers. Needs torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from benchmarks.layers import Kind, Layer

_PLAIN: dict[Any, Kind] = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    functional.relu: "relu",
    functional.relu6: "relu6",
    functional.adaptive_avg_pool2d: "mean",
    torch.add: "add",
    torch.flatten: "flatten",
}


def traced(network: nn.Module) -> list[Layer]:
    """The last one gives the logits. Raises ValueError for an operation that has no layer."""
    graph = fx.symbolic_trace(network).graph
    modules = dict(network.named_modules())
    places: dict[fx.Node, int] = {}
    layers: list[Layer] = []
    for node in graph.nodes:
        if node.op == "placeholder":
            places[node] = -1
        elif node.op == "call_module" and isinstance(modules[str(node.target)], nn.Identity):
            places[node] = places[node.all_input_nodes[0]]
        elif node.op in ("call_module", "call_function"):
            inputs = tuple(places[each] for each in node.all_input_nodes if each.op != "get_attr")
            layers.append(_layer(node, inputs, modules))
            places[node] = len(layers) - 1
    return layers


def _layer(node: fx.Node, inputs: tuple[int, ...], modules: dict[str, nn.Module]) -> Layer:
    if node.op == "call_function":
        return _of_function(node, inputs)
    name = str(node.target)
    match modules[name]:
        case nn.Conv2d() as conv:
            padding = conv.padding[0]
            assert isinstance(padding, int)
            return _convolution(name, inputs, conv.stride[0], padding, conv.groups)
        case nn.BatchNorm2d() as norm:
            return Layer("norm", inputs, name, epsilon=norm.eps)
        case nn.Linear():
            return Layer("linear", inputs, name)
        case nn.MaxPool2d(kernel_size=int(kernel), stride=int(stride), padding=int(padding)):
            return Layer("max-pool", inputs, kernel=kernel, stride=stride, padding=padding)
        case nn.AvgPool2d(kernel_size=int(kernel)):
            return Layer("average-pool", inputs, kernel=kernel, stride=kernel)
        case module if type(module) in _PLAIN:
            return Layer(_PLAIN[type(module)], inputs)
        case module:
            raise ValueError(f"no layer for {type(module).__name__}")


def _of_function(node: fx.Node, inputs: tuple[int, ...]) -> Layer:
    function: Any = node.target
    arguments: tuple[Any, ...] = node.args
    if function in _PLAIN:
        return Layer(_PLAIN[function], inputs)
    if function is functional.pad:
        # From the last dimension to the first, as many as there is something beside.
        edges = [*arguments[1], *[0] * 8]
        return Layer("pad", inputs, pad=tuple((edges[at], edges[at + 1]) for at in (6, 4, 2, 0)))
    if function is functional.avg_pool2d:
        return Layer("average-pool", inputs, kernel=arguments[1], stride=arguments[1])
    if function is torch.conv2d:
        _, weight, _, stride, padding, _, groups = arguments
        return _convolution(weight.target.removesuffix(".weight"), inputs, stride[0], padding[0], groups)
    raise ValueError(f"no layer for {function}")


def _convolution(name: str, inputs: tuple[int, ...], stride: int, padding: int, groups: int) -> Layer:
    return Layer("convolution", inputs, name, stride=stride, padding=padding, groups=groups)
