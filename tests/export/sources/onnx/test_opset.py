"""Operators of other opsets compute what they did, or are refused in one line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from support.onnx_models import run
from tbft_artifacts.errors import TbftError
from tbft_export.graph.builder import infer_shapes
from tbft_export.graph.forward import IR_VERSION, OPSET
from tbft_export.passes.take_branches import TakeBranchesPass
from tbft_export.sources.onnx.newer_operators import NEWER
from tbft_export.sources.onnx.older_operators import OLDER
from tbft_export.sources.onnx.opset import NEWEST, OLDEST, check_opset, convert_opset
from tbft_export.sources.onnx.read import read_onnx

LATEST_OF_ORT_TRAINING = 21
AXES = {"axes": np.array([2, 3])}
LETTERS = np.random.default_rng(0).standard_normal((2, 4, 6, 6)).astype(np.float32)


def parsed(opset: int, line: str, constants: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """A model of one line that maps x (n, 4, 6, 6) to y."""
    header = f'<ir_version: 8, opset_import: ["" : {opset}]>'
    proto = onnx.parser.parse_model(f"{header} g (float[n,4,6,6] x) => (float[n] y) {{ {line} }}")
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in constants.items())
    for number, node in enumerate(proto.graph.node):
        node.name = f"node_{number}"
    return proto


def converted(proto: onnx.ModelProto) -> ir.Model:
    model = infer_shapes(ir.from_proto(proto))
    check_opset(model, "m.onnx")
    convert_opset(model, "m.onnx")
    model.ir_version = IR_VERSION
    return infer_shapes(model)


REDUCTIONS = ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"]
F = np.float32
CASES: list[tuple[int, str, dict[str, np.ndarray]]] = [
    *((18, f"z = Abs(x) y = Reduce{kind} <keepdims=0> (z, axes)", AXES) for kind in REDUCTIONS),
    (20, "y = ReduceMean <noop_with_empty_axes=0> (x, axes)", AXES),
    (23, "y = ReduceMean <noop_with_empty_axes=1> (x)", {}),
    (20, "y = ReduceMean (x)", {}),
    (18, "y = ReduceSum (x, axes)", AXES),
    (20, "y = Gelu (x)", {}),
    (20, 'y = Gelu <approximate="tanh"> (x)', {}),
    (18, "y = Mish (x)", {}),
    (24, "y = Swish <alpha=1.5> (x)", {}),
    (24, "y = Swish (x)", {}),
    (
        21,
        "y = GroupNormalization <num_groups=2, epsilon=0.01> (x, s, b)",
        {"s": np.arange(4, dtype=F), "b": np.ones(4, F)},
    ),
    (23, "y = RMSNormalization <axis=-2> (x, s)", {"s": LETTERS[0, 0]}),
    (18, "a, b = Split <axis=2, num_outputs=2> (x) y = Mul (a, b)", {}),
    (
        18,
        "z = MaxPool <kernel_shape=[2,2]> (x) a, b = Split <axis=2, num_outputs=2> (z) y = Concat <axis=2> (b, a)",
        {},
    ),
    (18, "y = Pad (x, pads, , axes)", {"pads": np.array([1, 2, 0, 1]), **AXES}),
    (18, "y = Pad (x, pads)", {"pads": np.array([0, 0, 1, 1, 0, 0, 2, 2])}),
    (18, 'y = Resize <mode="nearest", axes=[2,3]> (x, , scales)', {"scales": np.array([2.0, 2.0], F)}),
    (18, 'y = Resize <mode="linear", axes=[3,2]> (x, , , sizes)', {"sizes": np.array([7, 9])}),
    (
        19,
        'z = Shape <start=2> (x) s = Mul (z, two) y = Resize <mode="nearest", axes=[2,3]> (x, , , s)',
        {"two": np.array([2])},
    ),
    (19, 'y = Resize <mode="linear", antialias=0> (x, , scales)', {"scales": np.array([1, 1, 2, 2], F)}),
    (19, "y = AveragePool <kernel_shape=[2,2], strides=[2,2], dilations=[1,1]> (x)", {}),
    (20, "y = MaxPool <kernel_shape=[3,3]> (x)", {}),
    (25, "y = Relu (x)", {}),
    (24, 'z = Cast <to=7, round_mode="up"> (x) y = Cast <to=1> (z)', {}),
    (20, "y = Reshape <allowzero=1> (x, shape)", {"shape": np.array([-1, 144])}),
    (9, "y = Clip <min=-0.5, max=0.5> (x)", {}),
    (9, "y = Clip <min=0.0> (x)", {}),
    (9, "y = Softmax (x)", {}),
    (9, "y = Softmax <axis=3> (x)", {}),
    (11, "y = LogSoftmax <axis=2> (x)", {}),
    (9, "y = Pad <pads=[0,0,1,0,0,0,0,2], value=3.0> (x)", {}),
    (9, "y = Slice <starts=[1], ends=[5], axes=[2]> (x)", {}),
    (9, "y = Slice <starts=[0,1], ends=[2,3]> (x)", {}),
    (9, "z = ReduceMean <axes=[2,3]> (x) y = Squeeze <axes=[2,3]> (z)", {}),
    (9, "z = Flatten (x) y = Unsqueeze <axes=[2]> (z)", {}),
    (11, "y = ReduceSum <axes=[1], keepdims=0> (x)", {}),
    (9, "a, b = Split <axis=1, split=[1,3]> (x) y = Mul (a, b)", {}),
    (9, "v, i = TopK <k=2> (x) y = Relu (v)", {}),
    (9, 'y = Upsample <mode="nearest"> (x, scales)', {"scales": np.array([1, 1, 2, 2], F)}),
    (9, 'y = Upsample <mode="linear"> (x, scales)', {"scales": np.array([1, 1, 2, 2], F)}),
    (10, 'y = Resize <mode="nearest"> (x, scales)', {"scales": np.array([1, 1, 3, 3], F)}),
    (11, 'y = Resize <mode="linear"> (x, none, scales)', {"none": np.zeros(0, F), "scales": np.array([1, 1, 2, 2], F)}),
    (9, "y = Dropout <ratio=0.3> (x)", {}),
    (9, "y = Scatter <axis=1> (x, i, u)", {"i": np.full((2, 1, 6, 6), 3), "u": np.ones((2, 1, 6, 6), F)}),
    (
        9,
        "y = BatchNormalization (x, s, b, m, v)",
        {"s": np.arange(4, dtype=F), "b": np.ones(4, F), "m": np.ones(4, F), "v": np.full(4, 2, F)},
    ),
]


@pytest.mark.parametrize(("opset", "line", "constants"), CASES, ids=lambda each: str(each)[:40])
def test_it_computes_the_same(opset: int, line: str, constants: dict[str, np.ndarray]) -> None:
    proto = parsed(opset, line, constants)
    expected = expectation(proto)
    model = converted(proto)
    assert model.opset_imports[""] == model.graph.opset_imports[""] == OPSET
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    np.testing.assert_allclose(run(model, {"x": LETTERS})["y"], expected, rtol=1e-5, atol=1e-6)


def expectation(proto: onnx.ModelProto) -> np.ndarray:
    """What ONNX Runtime computes of the model as it is, or ONNX's reference where it does not know the opset."""
    if proto.opset_import[0].version <= LATEST_OF_ORT_TRAINING:
        return run(ir.from_proto(proto), {"x": LETTERS})["y"]
    found: np.ndarray = ReferenceEvaluator(proto).run(None, {"x": LETTERS})[0]
    return found


def test_every_change_is_tried() -> None:
    """A row for each operator of the tables above."""
    tried = {node.op_type for opset, line, constants in CASES for node in parsed(opset, line, constants).graph.node}
    # Nothing but an attribute is left out: QuantizeLinear says nothing of float32, Hardmax is written as Softmax is.
    assert (OLDER.keys() | NEWER.keys()) - tried == {"Hardmax", "QuantizeLinear", "GridSample"}


@pytest.mark.parametrize(
    ("opset", "line", "constants", "said"),
    [
        (19, "y = AveragePool <kernel_shape=[2,2], dilations=[2,2]> (x)", {}, "AveragePool with 'dilations'"),
        (18, 'y = Resize <antialias=1, mode="linear"> (x, , s)', {"s": np.array([1, 1, 2, 2], F)}, "with 'antialias'"),
        (
            18,
            'y = Resize <axes=[2,3], keep_aspect_ratio_policy="not_larger"> (x, , , s)',
            {"s": np.array([9, 7])},
            "with 'keep_aspect_ratio_policy'",
        ),
        (18, "z = Shape (x) n = Cast <to=1> (z) y = Resize <axes=[2,3]> (x, , n)", {}, "its scales are not known"),
        (20, "z = Shape (x) n = Size (z) y = ReduceMean (x, n)", {}, "its axes are not known"),
        (18, "y = GroupNormalization <num_groups=2> (x, s, s)", {"s": np.ones(2, F)}, "a scale for a group"),
        (23, "y = Attention (x, x, x)", {}, "Attention at node 'node_0'"),
        (8, "y = Relu (x)", {}, "of opset 8, and those from 9 to 25"),
        (26, "y = Relu (x)", {}, "of opset 26, and those from 9 to 25"),
    ],
)
def test_what_has_no_like_is_refused(opset: int, line: str, constants: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(TbftError) as caught:
        converted(parsed(opset, line, constants))
    assert said in caught.value.message
    assert f"opset {OPSET}" in caught.value.hint


def test_operators_of_other_tools_are_refused() -> None:
    """As ONNX Runtime writes when it saves a graph that it optimised."""
    proto = parsed(17, "y = Relu (x)", {})
    proto.graph.node[0].domain = "com.microsoft"
    with pytest.raises(TbftError, match=r"an operator of another tool: com.microsoft::Relu at node 'node_0'"):
        check_opset(ir.from_proto(proto), "m.onnx")


@pytest.mark.parametrize("opset", range(OLDEST, NEWEST + 1))
def test_every_opset(opset: int) -> None:
    proto = parsed(opset, "y = Relu (x)", {})
    assert run(converted(proto), {"x": LETTERS})["y"].shape == LETTERS.shape


def test_branches_are_converted_too() -> None:
    """As PyTorch wrote `squeeze(1)` up to opset 12: axes are no attribute any more."""
    branch = "one () => (float[n,6,6] a) { a = Squeeze <axes=[1]> (m) }"
    other = "two () => (float[n,1,6,6] b) { b = Identity (m) }"
    choice = f"m = ReduceMean <axes=[1]> (x) y = If (c) <then_branch = {branch}, else_branch = {other}>"
    proto = parsed(11, choice, {"c": np.array(True)})
    expected = expectation(proto)
    model = converted(proto)
    TakeBranchesPass(frozenset())(model)
    assert [node.op_type for node in model.graph] == ["ReduceMean", "Squeeze"]
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    np.testing.assert_allclose(run(model, {"x": LETTERS})["y"], expected, rtol=1e-5)


def test_the_other_name_of_onnx_domain() -> None:
    proto = parsed(20, "y = ReduceMean <noop_with_empty_axes=0> (x, axes)", AXES)
    proto.opset_import[0].domain = "ai.onnx"
    assert run(converted(proto), {"x": LETTERS})["y"].shape == (2, 4, 1, 1)


def test_domains_that_nothing_is_of_are_left_out() -> None:
    """As ONNX Runtime's quantiser names them in every file: devices refuse graphs that name others than ONNX's."""
    proto = parsed(OPSET, "y = Relu (x)", {})
    for domain in ("ai.onnx.ml", "com.microsoft"):
        proto.opset_import.add(domain=domain, version=1)
    assert converted(proto).opset_imports == {"": OPSET}


def test_functions_of_a_file_are_written_out(tmp_path: Path) -> None:
    """As exporters may leave layers: a function of the file's own is the nodes in it."""
    header = '<ir_version: 8, opset_import: ["" : 18, "own" : 1]>'
    body = (
        "g (float[n,3,8,8] x) => (float[n,4] y) { a = own.twice (x) m = ReduceMean (a, axes) f = Flatten (m) "
        'y = Gemm <transB=1> (f, w) } <domain: "own", opset_import: ["" : 18]> twice (x) => (y) { y = Add (x, x) }'
    )
    proto = onnx.parser.parse_model(f"{header} {body}")
    weights = {"w": np.ones((4, 3), F), **AXES}
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in weights.items())
    onnx.save(proto, tmp_path / "m.onnx")
    file = read_onnx(tmp_path / "m.onnx", None)
    assert [node.op_type for node in file.model.graph] == ["Add", "ReduceMean", "Flatten", "Gemm"]
    assert file.model.opset_imports == {"": OPSET}
