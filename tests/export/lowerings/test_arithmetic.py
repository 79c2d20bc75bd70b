"""The gradient of a division is PyTorch's, however its operands are broadcast."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support.covers import covers
from support.lowering import assert_close, leaf, lowered, normal
from support.onnx_models import parse
from tbft_artifacts.errors import TbftError
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass

SHAPES = {
    "alike": ((2, 3, 4), (2, 3, 4)),
    "one column": ((2, 3, 4), (2, 3, 1)),
    "one row of many": ((2, 1, 4), (2, 3, 4)),
    "a vector": ((2, 3, 4), (3, 1)),
    "of a vector": ((4,), (2, 3, 4)),
    "a number": ((2, 3, 4), ()),
    "of a number": ((1,), (2, 3, 4)),
    "both ways": ((2, 3, 1), (2, 1, 4)),
}


def named(shape: tuple[int, ...]) -> str:
    """The type of a graph's input; the batch is open."""
    return f"float[{','.join('n' if size == 2 else str(size) for size in shape)}]" if shape else "float"


@covers("com.microsoft::DivGrad")
@pytest.mark.parametrize("case", list(SHAPES))
@pytest.mark.parametrize("wanted", ["da, db", "da", ", db"])
def test_div_grad(case: str, wanted: str) -> None:
    """Each operand's has its shape, and what nobody reads is not computed."""
    rng = np.random.default_rng(0)
    first, second = SHAPES[case]
    a = normal(rng, *first)
    b = np.asarray(np.abs(normal(rng, *second)) + 0.5, np.float32)
    y = leaf(a), leaf(b)
    quotient = y[0] / y[1]
    dy = normal(rng, *quotient.shape)
    expected = dict(zip(("da", "db"), torch.autograd.grad(quotient, y, torch.from_numpy(dy)), strict=True))
    names = [name for name in ("da", "db") if name in wanted]
    shapes = {"da": first, "db": second}
    outputs = ", ".join(f"{named(shapes[name])} {name}" for name in names)
    given = f"{named(tuple(quotient.shape))} dy, {named(first)} a, {named(second)} b"
    listed = wanted if wanted[0] != "," else f'""{wanted}'
    text = f"g ({given}) => ({outputs}) {{ {listed} = com.microsoft.DivGrad (dy, a, b) }}"
    found, _ = lowered(text, {"dy": dy, "a": a, "b": b})
    assert found.keys() == set(names)
    assert_close(found, {name: expected[name] for name in names})
    assert {name: found[name].shape for name in names} == {name: shapes[name] for name in names}


def test_div_grad_of_unknown_rank_is_refused() -> None:
    """How it was repeated cannot be told."""
    text = """g (float[n,3] dy, float[n,3] a, int64[k] s) => (float[n,3] da, float[n,3] db)
        { b = Reshape(a, s) da, db = com.microsoft.DivGrad (dy, a, b) }"""
    with pytest.raises(TbftError, match="DivGrad at node 'DivGrad_1' has operands of unknown rank"):
        LowerTrainingOperatorsPass()(parse(text))
