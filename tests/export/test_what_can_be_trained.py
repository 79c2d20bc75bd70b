"""Where a plan cannot be made, the export says which others can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from support.onnx_models import parse
from support.refusals import refusal, tiny_options
from tbft_artifacts.errors import TbftError
from tbft_export.compile.differentiable import has_gradient
from tbft_export.compile.gradient import build_training_model
from tbft_export.lowerings.registry import find_lowering

ROUNDS = "support.tiny_models:tiny_without_gradient"


def test_a_refused_export_says_what_can_be_trained(tmp_path: Path) -> None:
    """The drifts that work, and stages by name, in the hint."""
    error = refusal(tiny_options(model=ROUNDS, drift="input"), tmp_path)
    assert "operator Round at node '/relu/Round'" in error.message
    assert error.hint.endswith("; of this model `drift` feature and `drift` output can be trained")


def test_nothing_is_said_where_the_model_is_not_at_fault(tmp_path: Path) -> None:
    """An option that does not fit has its own hint."""
    error = refusal(tiny_options(drift="input", prefix="int8", calibration=lambda _: None), tmp_path)
    assert "training begins at the input" in error.message
    assert "can be trained" not in error.hint


ONE = (
    "Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Floor HardSigmoid Hardmax Identity LeakyRelu Log "
    "LogSoftmax Neg Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Tan Tanh "
    "Clip Flatten"
)
REDUCING = "L1 L2 LogSum LogSumExp Max Mean Min Prod SumSquare"
TWO = "Add Sub Mul Div Pow Max Min Mod PRelu Sum Mean MatMul Gemm"
MADE = {
    **{name: f"h = {name}(w)" for name in ONE.split()},
    **{f"Reduce{name}": f"h = Reduce{name}<axes=[1]>(w)" for name in REDUCING.split()},
    **{name: f"h = {name}(w, c)" for name in TWO.split()},
    "Concat": "h = Concat<axis=1>(w, c)",
    "CumSum": "h = CumSum(w, z)",
    "Einsum": 'h = Einsum<equation="ij,jk->ik">(w, c)',
    "Gather": "h = Gather<axis=1>(w, o)",
    "GatherElements": "i = Constant<value = int64[2,1] {0,1}>() h = GatherElements<axis=1>(w, i)",
    "ScatterND": "i = Constant<value = int64[1,1] {0}>() h = ScatterND(w, i, r)",
    "Slice": "h = Slice(w, z, o, o)",
    "Split": "h, rest = Split<axis=1>(w)",
    "Tile": "i = Constant<value = int64[2] {1,2}>() h = Tile(w, i)",
    "TopK": "h, i = TopK(w, o)",
    "Where": "b = Less(w, c) h = Where(b, w, c)",
}
# What the gradients of the loss, and of what stands around the operator, bring.
OTHERS = {"SoftmaxCrossEntropyLossGrad", "InPlaceAccumulatorV2", "Scale"}


@pytest.mark.parametrize("operator", MADE)
def test_the_table_knows_what_can_be_differentiated(operator: str) -> None:
    """ONNX Runtime builds a gradient, and of what is not standard in it each operator has a lowering; or not."""
    mean = "m = ReduceMean<axes=[0, 1]>(h)"
    model = parse(
        f"g (float[n, 2] images) => (float[n, 2] logits) {{ {MADE[operator]} {mean} logits = Mul(images, m) }}",
        **{name: np.ones((2, 2), np.float32) for name in "wc"},
        r=np.ones((1, 2), np.float32),
        z=np.array([0]),
        o=np.array([1]),
    )
    node = next(node for node in model.graph if node.op_type == operator)
    node.outputs[0].dtype = ir.DataType.FLOAT
    said = has_gradient(node)
    try:
        gradient = build_training_model(model, ["w"], ["c", "r"]).graph
    except TbftError:
        assert not said
        return
    own = {(each.domain, each.op_type) for each in gradient if each.domain and each.op_type not in OTHERS}
    assert said == all(find_lowering(*kind) is not None for kind in own)
