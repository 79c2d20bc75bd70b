"""Zeros that are put around images go into the convolution behind them; any other padding stays."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx_ir.passes import common

from support.covers import covers
from support.onnx_models import operators, parse, run
from tbft_export.passes.fold_pad import FoldPadPass


def padded_conv(pad: str, amounts: list[int], value: float = 0.0, conv: str = "pads=[1,0,0,1]") -> ir.Model:
    """A Conv of 3 x 3 behind a Pad."""
    weights = {
        "w": np.random.default_rng(0).standard_normal((4, 2, 3, 3), np.float32),
        "amounts": np.array(amounts, np.int64),
        "value": np.array(value, np.float32),
    }
    return parse(
        f"g (float[2,2,6,6] x) => (float[2,4,h,w2] y) {{ p = Pad {pad} y = Conv <kernel_shape=[3,3], {conv}> (p, w) }}",
        **weights,
    )


@covers("FoldPadPass")
@pytest.mark.parametrize("pad", ["(x, amounts)", "(x, amounts, value)"])
def test_zeros_around_images_go_into_the_convolution(pad: str) -> None:
    """As TensorFlow pads before a stride of 2; what the convolution pads itself is added."""
    model = padded_conv(pad, [0, 0, 0, 1, 0, 0, 1, 2], conv="pads=[1,0,0,1], strides=[2,2]")
    x = np.random.default_rng(1).standard_normal((2, 2, 6, 6), np.float32)
    before = run(model, {"x": x})["y"]
    assert FoldPadPass()(model).modified
    common.RemoveUnusedNodesPass()(model)
    assert operators(model) == ["Conv"]
    assert list(model.graph[0].attributes["pads"].as_ints()) == [1, 1, 1, 3]
    np.testing.assert_array_equal(run(model, {"x": x})["y"], before)


@pytest.mark.parametrize(
    "model",
    [
        padded_conv("(x, amounts, value)", [0, 0, 1, 1, 0, 0, 1, 1], value=1.0),
        padded_conv("(x, amounts)", [0, 0, -1, 1, 0, 0, 1, 1]),
        padded_conv('<mode="reflect"> (x, amounts)', [0, 0, 1, 1, 0, 0, 1, 1]),
        padded_conv("(x, amounts)", [1, 0, 1, 1, 0, 0, 1, 1]),
        padded_conv("(x, amounts)", [0, 0, 1, 1, 0, 0, 1, 1], conv='auto_pad="SAME_UPPER"'),
        parse(
            "g (float[2,2,6,6] x, int64[8] p) => (float[2,4,h,w2] y) { q = Pad (x, p) y = Conv (q, w) }",
            w=np.ones((4, 2, 3, 3), np.float32),
        ),
    ],
    ids=["ones", "cropped", "reflected", "batch", "auto_pad", "unknown"],
)
def test_other_padding_stays(model: ir.Model) -> None:
    assert not FoldPadPass()(model).modified
