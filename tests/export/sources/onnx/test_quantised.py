"""Quantised files: what is frozen stays in integers, and what lies behind the last rounding is trained in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from support.onnx_files import BODY, small
from support.onnx_models import operators, run
from support.refusals import refusal
from tbft_export import ExportOptions, export_bundle
from tbft_export.graph.forward import IMAGES
from tbft_export.reference.onnx_operators import OPERATORS
from tbft_export.sources.onnx.read import read_onnx

F = np.float32
PIXELS = np.random.default_rng(1).random((2, 3, 8, 8)).astype(F)
RNG = np.random.default_rng(0)
# As ONNX Runtime's quantiser writes it, with a scale for all filters or for each.
HEAD = "qf = QuantizeLinear (f, s, z) df = DequantizeLinear (qf, s, z) {end} = Gemm <transB=1> (df, dfw, dfb)"
QDQ = (
    "qx = QuantizeLinear ({start}, s, z) dx = DequantizeLinear (qx, s, z) dw = DequantizeLinear <axis=0> (w_quantized, "
    "ws, wz) c = Conv <kernel_shape=[3,3], pads=[1,1,1,1]> (dx, dw, b) r = Relu (c) p = GlobalAveragePool (r) "
    "f = Flatten (p) dfw = DequantizeLinear <axis=0> (fw_quantized, fs, fz) dfb = DequantizeLinear <axis=0> "
    f"(fb_quantized, bs, bz) {HEAD}"
)
ROUNDED = "qy = QuantizeLinear (z2, s, z) y = DequantizeLinear (qy, s, z)"


def constants(per_channel: bool) -> dict[str, np.ndarray]:
    def each(size: int, value: float) -> np.ndarray:
        return (RNG.random(size) * value + value).astype(F) if per_channel else np.array(value, F)

    filters, rows = (5, 4) if per_channel else ((), ())
    head = each(4, 0.01)
    return {
        "s": np.array(0.02, F),
        "z": np.array(3, np.uint8),
        "w_quantized": RNG.integers(-128, 128, (5, 3, 3, 3)).astype(np.int8),
        "ws": each(5, 0.01),
        "wz": np.zeros(filters, np.int8),
        "fw_quantized": RNG.integers(-128, 128, (4, 5)).astype(np.int8),
        "fs": head,
        "fz": np.full(rows, 1, np.int8),
        "fb_quantized": RNG.integers(-99, 99, 4).astype(np.int32),
        "bs": head * F(0.02),  # ONNX Runtime takes the product of both scales, whatever is written.
        "bz": np.zeros(rows, np.int32),
    }


def quantised(path: Path, *, per_channel: bool, rounded: bool = True) -> Path:
    body = QDQ.replace("{end}", "z2") if rounded else QDQ
    return small(path, after=ROUNDED if rounded else "", body=body, **constants(per_channel))


@pytest.mark.parametrize("per_channel", [False, True])
def test_the_head_is_float32_and_the_rest_stays(tmp_path: Path, per_channel: bool) -> None:
    path = quantised(tmp_path / "m.onnx", per_channel=per_channel, rounded=False)
    file = read_onnx(path, None)
    assert file.floats == {"fw", "fb"}
    assert operators(file.model).count("DequantizeLinear") == 3
    assert "its frozen part stays so, and only layers behind it can be trained" in file.notes[-1]
    expected = run(ir.from_proto(onnx.load(path)), {"x": PIXELS})["y"]
    np.testing.assert_allclose(*run(file.model, {IMAGES: PIXELS}).values(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("per_channel", [False, True])
def test_logits_are_not_rounded(tmp_path: Path, per_channel: bool) -> None:
    """They are off from those of the file by half a step, or by what lies beyond its range."""
    path = quantised(tmp_path / "m.onnx", per_channel=per_channel)
    file = read_onnx(path, None)
    (found,) = run(file.model, {IMAGES: PIXELS}).values()
    expected = run(ir.from_proto(onnx.load(path)), {"x": PIXELS})["y"]
    np.testing.assert_allclose(np.clip(found, -3 * 0.02, 252 * 0.02), expected, atol=0.0101)


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_bundle_trains_the_head(tmp_path: Path, per_channel: bool) -> None:
    """The graph of the frozen part still says that it may be computed in integers."""
    path = quantised(tmp_path / "m.onnx", per_channel=per_channel)
    exported = export_bundle(ExportOptions(str(path), "full"), tmp_path / "bundle")
    (plan,) = exported.manifest.plans
    assert {each.name for each in plan.parameters} == {"fw", "fb"}
    prefix = ir.load(tmp_path / "bundle" / plan.prefix_in("direct"))
    assert {"QuantizeLinear", "DequantizeLinear"} <= set(operators(prefix))
    assert any(value.dtype == ir.DataType.INT8 for value in prefix.graph.initializers.values())


def test_weights_alone_in_integers_become_float32(tmp_path: Path) -> None:
    """Nothing is rounded on the way, so that everything can be trained."""
    body = BODY.replace("({start}, w, b)", "({start}, dw, b)").replace(
        "c = Conv", "dw = DequantizeLinear (w, ws) c = Conv"
    )
    weights = RNG.integers(-128, 128, (5, 3, 3, 3)).astype(np.int8)
    path = small(tmp_path / "m.onnx", body=body, w=weights, ws=np.array(0.01, F))
    file = read_onnx(path, None)
    assert "it is trained in float32" in file.notes[-1]
    assert "DequantizeLinear" not in operators(file.model)
    assert len(file.floats) == 4
    plan = export_bundle(ExportOptions(str(path), "full"), tmp_path / "bundle").manifest.plans[0]
    assert len(plan.parameters) == 4


@pytest.mark.parametrize(
    ("body", "given", "said", "hint"),
    [
        (
            "q, s, z = DynamicQuantizeLinear ({start}) i = ConvInteger (q, k, z) c = Cast <to=1> (i) "
            "p = GlobalAveragePool (c) f = Flatten (p) {end} = Identity (f)",
            {"k": np.ones((4, 3, 3, 3), np.uint8)},
            "is quantised dynamically (ConvInteger, DynamicQuantizeLinear)",
            "static quantisation (QDQ)",
        ),
        (
            "q = QuantizeLinear ({start}, s, z) i = QLinearConv (q, s, z, k, s, z, s, z) "
            "c = DequantizeLinear (i, s, z) p = GlobalAveragePool (c) f = Flatten (p) {end} = Identity (f)",
            {"k": np.ones((4, 3, 3, 3), np.uint8), "s": np.array(0.1, F), "z": np.array(0, np.uint8)},
            "computes in integers (QLinearConv)",
            "in the QDQ format",
        ),
    ],
)
def test_other_integers_are_refused(
    tmp_path: Path, body: str, given: dict[str, np.ndarray], said: str, hint: str
) -> None:
    path = small(tmp_path / "m.onnx", body=body, **given)
    error = refusal(ExportOptions(str(path), "output"), tmp_path)
    assert said in error.message
    assert hint in error.hint


@pytest.mark.parametrize("zero", [None, np.uint8(7), np.int8(-7), np.array([0, 1, 2], np.int8)])
def test_the_reference_rounds_as_onnx_does(zero: np.ndarray | None) -> None:
    """Also halves, and what lies beyond the range."""
    given = {"s": np.array([0.5, 0.25, 1], F) if np.ndim(zero) else np.array(0.5, F)}
    given |= {} if zero is None else {"z": np.asarray(zero)}
    operands = ", ".join(given)
    kind = "uint8" if zero is None else str(np.asarray(zero).dtype)
    text = (
        f"g (float[n,3] x) => ({kind}[n,3] q, float[n,3] y) "
        f"{{ q = QuantizeLinear <axis=1> (x, {operands}) y = DequantizeLinear <axis=1> (q, {operands}) }}"
    )
    proto = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 19]> {text}')
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in given.items())
    x = np.array([[0.25, 0.75, -0.25], [1e3, -1e3, 0.1], [1.25, -1.75, 3.5]], F)
    expected = ReferenceEvaluator(proto).run(None, {"x": x})
    rounds, restores = ir.from_proto(proto).graph
    numbers = [torch.from_numpy(np.asarray(value)) for value in given.values()]
    found = OPERATORS["QuantizeLinear"](rounds, [torch.from_numpy(x), *numbers])
    back = OPERATORS["DequantizeLinear"](restores, [found, *numbers])  # type: ignore[list-item]
    np.testing.assert_array_equal(found.numpy(), expected[0])  # type: ignore[union-attr]
    np.testing.assert_array_equal(back.numpy(), expected[1])  # type: ignore[union-attr]
