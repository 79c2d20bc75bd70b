"""Average pools become what has a gradient; those that cannot are refused by name."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from support.covers import covers
from support.onnx_models import operators, parse, run
from support.passes import apply, assert_same, noise
from support.trained_layers import assert_layer_trains
from tbft_artifacts.errors import TbftError
from tbft_export.passes.rewrite_average_pool import RewriteAveragePoolPass

POOLS = {
    "tiles": ("kernel_shape=[2,4], strides=[2,4]", (8, 8), "ReduceMean"),
    "overlap": ("kernel_shape=[3,3], strides=[2,2]", (9, 8), "Conv"),
    "leaves a rest": ("kernel_shape=[2,2], strides=[2,2]", (7, 7), "Conv"),
    "stride 1": ("kernel_shape=[2,2]", (5, 5), "Conv"),
    "counts padding": ("kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], count_include_pad=1", (8, 8), "Conv"),
}


@covers("RewriteAveragePoolPass")
@pytest.mark.parametrize("case", list(POOLS))
def test_average_pool_is_rewritten(case: str) -> None:
    attributes, (height, width), operator = POOLS[case]
    model = parse(
        f"""g (float[n,3,{height},{width}] x) => (float[n,3,i,j] y) {{ y = AveragePool <{attributes}> (x) }}"""
    )
    x = noise(2, 3, height, width)
    before = run(model, {"x": x})["y"]
    assert apply(RewriteAveragePoolPass({"x"}), model)
    assert operator in operators(model)
    assert "AveragePool" not in operators(model)
    assert_same(run(model, {"x": x})["y"], before)


@given(
    size=st.tuples(st.integers(3, 8), st.integers(3, 8)),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 1),
    counts=st.booleans(),
    rounds_up=st.booleans(),
)
@settings(max_examples=40)
def test_windows_of_unequal_weight(
    size: tuple[int, int], kernel: int, stride: int, padding: int, counts: bool, rounds_up: bool
) -> None:
    """At the border windows count fewer pixels, if they leave padding out or reach beyond it; compared with PyTorch.

    ONNX Runtime Training's own kernel counts what lies beyond the padding.
    """
    assume(2 * padding <= kernel)
    for length in size:  # ONNX and PyTorch do not agree on a last window behind the image.
        over = length + 2 * padding - kernel
        assume(not rounds_up or -(-over // stride) * stride < length + padding)
    attributes = f"kernel_shape=[{kernel},{kernel}], strides=[{stride},{stride}], pads=[{','.join([str(padding)] * 4)}]"
    if rounds_up:
        attributes += ", ceil_mode=1"
    if counts:
        attributes += ", count_include_pad=1"
    assert_layer_trains(
        f"y = AveragePool<{attributes}>(h)",
        lambda h: functional.avg_pool2d(h, kernel, stride, padding, rounds_up, counts),
        (2, *size),
    )


def test_average_pool_before_what_is_trained_is_left_alone() -> None:
    """No gradient passes through it, so any window will do."""
    pool = "p = AveragePool <kernel_shape=[2,2], ceil_mode=1> (x)"
    model = parse(f"g (float[n,3,7,7] x, float[3] w) => (float[n,3,i,j] y) {{ {pool} y = Mul(p, w) }}")
    assert not apply(RewriteAveragePoolPass({"w"}), model)


def test_tiling_windows_keep_their_operator_for_the_gradient() -> None:
    """ORT names their gradient, and it has a lowering; for other windows it has none."""
    model = parse(
        "g (float[n,3,8,8] x) => (float[n,3,4,4] y) { y = AveragePool <kernel_shape=[2,2], strides=[2,2]> (x) }"
    )
    assert not RewriteAveragePoolPass({"x"}, keep_tiling=True)(model).modified
    assert operators(model) == ["AveragePool"]
    model = parse("g (float[n,3,8,8] x) => (float[n,3,7,7] y) { y = AveragePool <kernel_shape=[2,2]> (x) }")
    assert RewriteAveragePoolPass({"x"}, keep_tiling=True)(model).modified
    assert operators(model) == ["Conv"]


@pytest.mark.parametrize(
    ("signature", "attributes", "reason"),
    [
        ("g (float[n,3,8] x) => (float[n,3,4] y)", "kernel_shape=[2], strides=[2]", "is not an image of known size"),
        ("g (float[n,3,8,8] x) => (float[n,3,8,8] y)", 'kernel_shape=[3,3], auto_pad="SAME_UPPER"', "uses auto_pad"),
    ],
)
def test_pools_behind_what_is_trained_are_refused_by_name(signature: str, attributes: str, reason: str) -> None:
    model = parse(f"{signature} {{ y = AveragePool <{attributes}> (x) }}")
    with pytest.raises(
        TbftError, match=f"operator AveragePool at node 'AveragePool_0' has no gradient here: .*{reason}"
    ):
        RewriteAveragePoolPass({"x"})(model)
