"""From the name of a kernel's node to the layer that it computes."""

from __future__ import annotations

import re

from tbft_artifacts.names import CORRECT, LOSS, ORIGIN_END

OTHER = "(other)"
_BACKWARD = " (backward)"

# What ONNX Runtime puts before and behind a name when it merges nodes.
_FUSED = re.compile(r"^fused |/\w*Fusion/?$")
# The gradient builder's nodes and values, and its sums of gradients.
_GRADIENT = re.compile(r"_[Gg]rad(?![A-Za-z])")
_SUM_OF_GRADIENTS = "AccumulateGrad_"
# What follows where something is named after a value: of a node, or the images themselves.
_VALUE = re.compile(r"(_output_\d+.*|_QuantizeLinear)$")


def layer_of(node: str, operator: str) -> str:
    """The layer of a node of a bundle's graph, such as `layer3.0.conv1`, or `layer3.0.conv1 (backward)`.

    An operator outside any layer counts to the module around it (`layer3.0`: its sum and activations),
    and on the outermost level goes by its own name (`Flatten`). ONNX Runtime names some nodes after the
    last layer that it merged into them. What it adds itself, to change a layout, has no layer: `(other)`.
    """
    origin, _, _ = _FUSED.sub("", node).partition(ORIGIN_END)
    backward = origin.startswith(_SUM_OF_GRADIENTS) or _GRADIENT.search(node) is not None
    origin = _GRADIENT.split(origin.removeprefix(_SUM_OF_GRADIENTS))[0]
    if re.fullmatch(rf"(node_)?{operator}(_token)?(_\d+)?", origin):
        return OTHER
    return _name(origin) + (_BACKWARD if backward else "")


def _name(origin: str) -> str:
    if "SoftmaxCrossEntropyLoss" in origin:
        return LOSS
    if origin == CORRECT:
        return CORRECT
    *modules, own = origin.strip("/").split("/")
    path: list[str] = []
    for module in modules:
        # The exporter repeats the container in front of what it holds: /layer1/layer1.0/conv1.
        if path and module.startswith(f"{path[-1]}."):
            path.pop()
        path.append(module)
    return ".".join(path) or _VALUE.sub("", own)
