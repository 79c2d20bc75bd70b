"""Planned bytes of graphs small enough to count by hand."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from support.onnx_models import parse
from tbft_export.graph.memory import peak_bytes, plan_memory

FLOAT = 4


@pytest.mark.parametrize("images", [1, 5, 32])
def test_values_live_until_their_last_reader(images: int) -> None:
    """x and y stay, a dies when b is made, and b when y is: at most x, a, b at once, or x, b, y."""
    model = parse(
        "g (float[n,10] x) => (float[n,30] y) { a = Concat<axis=1>(x, x)  b = Relu(a)  y = Concat<axis=1>(b, x) }"
    )
    assert peak_bytes(ir.to_proto(model), images) == images * FLOAT * max(10 + 20 + 20, 10 + 20 + 30)


def test_views_take_no_memory_and_keep_what_they_show_alive() -> None:
    """The reshaped a is a itself, so a lives until the view's last reader."""
    model = parse(
        "g (float[n,6] x) => (float[n,2,3] y) <int64[3] s = {0,2,3}> { a = Relu(x)  v = Reshape(a, s)  b = Exp(x)  "
        "c = Reshape(b, s)  y = Add(v, c) }"
    )
    assert peak_bytes(ir.to_proto(model), 2) == 2 * FLOAT * (6 + 6 + 6 + 6)


def test_a_result_that_nobody_reads_is_gone_at_once() -> None:
    """Only the node that makes it needs room for it; it comes first, since it stands last."""
    model = parse("g (float[n,8] x) => (float[n,8] y) { y = Relu(x)  u, v = Split<axis=1>(x) }")
    assert peak_bytes(ir.to_proto(model), 1) == FLOAT * (8 + 4 + 4)


def test_weights_are_not_counted() -> None:
    """They are held elsewhere, once for all graphs."""
    model = parse("g (float[n,2] x) => (float[n,2] y) <float[2] w = {1, 2}> { y = Mul(x, w) }")
    assert peak_bytes(ir.to_proto(model), 3) == 3 * FLOAT * 4


def test_a_plan_is_a_line_over_the_images() -> None:
    """The product of two weights does not grow with the batch; the activations do."""
    model = parse("g (float[n,10] x, float[10,5] w) => (float[n,5] y, float[10,5] z) { y = MatMul(x, w)  z = Relu(w) }")
    memory = plan_memory(model)
    assert memory.image_bytes == FLOAT * 15
    assert memory.fixed_bytes == FLOAT * (50 + 50)
    assert memory.bytes(7) == peak_bytes(ir.to_proto(model), 7)


def test_a_single_image_beside_an_unknown_size() -> None:
    """Of two images the sum has two rows; of one it may have any number, and so may all that is made of it."""
    model = parse(
        "g (float[n,4] x) => (float[n,512] y) { k = ReduceSum(x)  c = Cast<to=7>(k)  ends = Reshape(c, ones) "
        "part = Slice(x, zeros, ends, zeros)  s = Add(x, part)  v = Mul(w, w)  a = MatMul(s, v)  b = Relu(a) "
        "y = Exp(b) }",
        w=np.ones((4, 512), np.float32),
        ones=np.array([1]),
        zeros=np.array([0]),
    )
    proto = ir.to_proto(model)
    assert peak_bytes(proto, 1) > peak_bytes(proto, 2)
    planned = plan_memory(model)
    assert planned.image_bytes > 0
    assert planned.fixed_bytes + 2 * planned.image_bytes >= peak_bytes(proto, 2)
