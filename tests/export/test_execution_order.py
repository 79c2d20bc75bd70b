"""The order in which ONNX Runtime computes nodes is the one that memory is planned with."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from support.covers import covers
from support.onnx_models import parse
from tbft_export.graph.execution_order import execution_order, results
from tbft_export.passes.results_last import ResultsLastPass


@st.composite
def sums(draw: st.DrawFn) -> list[tuple[int, int]]:
    """For each node the two values that it adds: 0 is the graph's input, k the result of node k - 1."""
    return [(draw(st.integers(0, number)), draw(st.integers(0, number))) for number in range(draw(st.integers(1, 12)))]


@settings(deadline=None, max_examples=40)
@given(sums())
def test_it_is_the_order_of_a_trace(nodes: list[tuple[int, int]]) -> None:
    """Of any graph, with nothing fused."""
    made = [
        helper.make_node("Add", [f"v{a}", f"v{b}"], [f"v{number}"], name=f"n{number - 1}")
        for number, (a, b) in enumerate(nodes, start=1)
    ]
    outputs = [helper.make_tensor_value_info(f"v{n}", TensorProto.FLOAT, [1]) for n in range(1, len(nodes) + 1)]
    model = helper.make_model(
        helper.make_graph(made, "g", [helper.make_tensor_value_info("v0", TensorProto.FLOAT, [1])], outputs),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    assert traced(model) == [f"n{index}" for index in execution_order(made)]


def traced(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes in the order in which they ran."""
    with TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "trace")
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        session.run(None, {"v0": np.ones(1, np.float32)})
        events = json.loads(Path(session.end_profiling()).read_text())
    return [event["name"].removesuffix("_kernel_time") for event in events if event["name"].endswith("_kernel_time")]


@covers("ResultsLastPass")
def test_a_gradient_is_computed_once_the_chain_has_reached_it() -> None:
    """c and b stand for gradients of activations, and u to w for those of parameters, the nearest to the loss first."""
    model = parse(
        "g (float[n] x) => (float[n] u, float[n] v, float[n] w) "
        "{ c = Relu(x)  u = Exp(c)  b = Relu(c)  v = Exp(b)  a = Relu(b)  w = Exp(a) }"
    )
    assert computed(model) == ["c", "b", "a", "w", "v", "u"]
    assert ResultsLastPass()(model).modified
    assert computed(model) == ["c", "u", "b", "v", "a", "w"]
    assert not ResultsLastPass()(model).modified


def test_results_are_what_no_node_reads() -> None:
    model = parse("g (float[n] x) => (float[n] a, float[n] b) { a = Relu(x)  b = Exp(a) }")
    assert results(list(ir.to_proto(model).graph.node)) == [1]


def computed(model: ir.Model) -> list[str]:
    nodes = list(ir.to_proto(model).graph.node)
    return [nodes[index].output[0] for index in execution_order(nodes)]
