"""ONNX Runtime's matrix product, which transposes its operands itself, means the same with standard operators."""

from __future__ import annotations

import numpy as np
import pytest

from support.covers import covers
from support.lowering import assert_close, lowered, normal
from support.onnx_models import parse, run


@covers("com.microsoft::FusedMatMul")
@pytest.mark.parametrize("a_is_turned", [0, 1])
@pytest.mark.parametrize("b_is_turned", [0, 1])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_fused_matmul(a_is_turned: int, b_is_turned: int, batch: tuple[int, ...]) -> None:
    """One matrix, a batch of them, heads of attention."""
    rng = np.random.default_rng(0)
    a = normal(rng, *batch, *((5, 4) if a_is_turned else (4, 5)))
    b = normal(rng, *batch, *((6, 5) if b_is_turned else (5, 6)))
    sizes = [f"float[{','.join(map(str, each.shape))}]" for each in (a, b)]
    attributes = f"alpha=0.5, transA={a_is_turned}, transB={b_is_turned}"
    text = f"""g ({sizes[0]} a, {sizes[1]} b) => (float[{",".join(map(str, (*batch, 4, 6)))}] y)
        {{ y = com.microsoft.FusedMatMul <{attributes}> (a, b) }}"""
    found, _ = lowered(text, {"a": a, "b": b})
    plain = 0.5 * (a.swapaxes(-1, -2) if a_is_turned else a) @ (b.swapaxes(-1, -2) if b_is_turned else b)
    assert_close(found, {"y": plain})
    assert_close(found, run(parse(text), {"a": a, "b": b}))


@pytest.mark.parametrize("side", ["A", "B"])
def test_rows_ahead_of_the_batch(side: str) -> None:
    """As ONNX Runtime's own kernel does it."""
    rng = np.random.default_rng(0)
    sizes = {"A": ((4, 2, 5), (2, 5, 6)), "B": ((2, 4, 5), (5, 2, 6))}[side]
    a, b = (normal(rng, *size) for size in sizes)
    text = f"""g (float[{",".join(map(str, a.shape))}] a, float[{",".join(map(str, b.shape))}] b) => (float[2,4,6] y)
        {{ y = com.microsoft.FusedMatMul <transBatch{side}=1> (a, b) }}"""
    found, _ = lowered(text, {"a": a, "b": b})
    assert_close(found, run(parse(text), {"a": a, "b": b}))


def test_a_turned_operand_of_unknown_rank() -> None:
    text = """g (float[n,3] a, int64[k] s) => (float[i,j] y)
        { b = Reshape(a, s) y = com.microsoft.FusedMatMul <transB=1> (a, b) }"""
    with pytest.raises(ValueError, match="'FusedMatMul_1' transposes an operand of unknown rank"):
        lowered(text, {})
