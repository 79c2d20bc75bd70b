"""Where the frozen prefix ends."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from support.exports import forward_of
from support.onnx_models import parse
from support.settled_models import IMAGE_SIZES
from tbft_artifacts.plan import Drift
from tbft_export.blocks.find import find_blocks
from tbft_export.blocks.layers import trainable_parameters
from tbft_export.blocks.names import select
from tbft_export.graph.boundary import find_boundary
from tbft_export.methods.drifts import usual_target

ONES = np.ones(3, np.float32)


def behind(graph: ir.Graph, boundary: ir.Value) -> set[ir.Node]:
    """The nodes that the output needs once `boundary` is given."""
    needed: set[ir.Node] = set()
    waiting = [graph.outputs[0]]
    while waiting:
        value = waiting.pop()
        node = value.producer()
        if value is not boundary and node is not None and node not in needed:
            needed.add(node)
            waiting += [operand for operand in node.inputs if operand is not None]
    return needed


NETWORKS = [*(f"settled_models:{name}" for name in IMAGE_SIZES), "odd_models:hugging_face_like"]


@pytest.mark.parametrize("drift", ["input", "feature", "output", "full"])
@pytest.mark.parametrize("model", NETWORKS)
def test_the_boundary_is_one_activation_with_nothing_trained_before_it(model: str, drift: Drift) -> None:
    """Cut there, the graph falls into two parts, and all that is trained lies in the second."""
    forward = forward_of(model)
    graph = forward.graph
    parameters = trainable_parameters(graph, forward.weights)
    trained = set(select(parameters, usual_target(find_blocks(graph, parameters), drift).blocks, []))

    boundary = find_boundary(graph, trained)

    suffix = behind(graph, boundary)
    assert graph.inputs[0] is boundary or not any(graph.inputs[0] in node.inputs for node in suffix)
    prefix = [node for node in graph if node not in suffix]
    read_before = {value.name for node in prefix for value in node.inputs if value is not None}
    assert not read_before & trained
    assert boundary.is_graph_input() == (drift in ("input", "full"))


@pytest.mark.parametrize(("trained", "expected"), [("w3", "b"), ("w2", "x"), ("w1", "x")])
def test_a_shortcut_keeps_the_cut_in_front_of_its_block(trained: str, expected: str) -> None:
    """Between the branches of a residual block two activations are alive; the cut is where it is one."""
    model = parse(
        """g (float[n,3] x) => (float[n,3] y) {
            a1 = Mul(x, w1)
            a2 = Mul(a1, w2)
            b = Add(a2, x)
            c = Mul(b, w3)
            y = Add(c, b) }""",
        w1=ONES,
        w2=ONES,
        w3=ONES,
    )
    assert find_boundary(model.graph, {trained}).name == expected


def test_the_latest_cut_wins() -> None:
    """What is cached should hold as much work as possible."""
    model = parse(
        "g (float[n,3] x) => (float[n,3] y) { a = Relu(x)  b = Relu(a)  c = Relu(b)  y = Mul(c, w) }",
        w=ONES,
    )
    assert find_boundary(model.graph, {"w"}).name == "c"
