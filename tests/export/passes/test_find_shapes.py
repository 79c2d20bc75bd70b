"""Shapes are found that follow only once the batch is a number, and none is made up."""

from __future__ import annotations

import re

import numpy as np
import onnx_ir as ir
import pytest

from support.covers import covers
from support.onnx_models import operators, parse, run
from support.passes import apply, noise
from tbft_export.passes.find_shapes import FindShapesPass

# Each ends in r, whose shape says how the batch was told; the batch is read from x, so that no size is a constant.
_BATCH = "s = Shape <start=0, end=1> (x)"
CASES = {
    "heads": (
        f"""{_BATCH} h = Reshape (x, heads) t = Transpose <perm=[0,2,1,3]> (h)
            sizes = Concat <axis=0> (s, rest) r = Reshape (t, sizes)""",
        ["n", 24, 5],
    ),
    "the batch behind": (f"{_BATCH} sizes = Concat <axis=0> (six, s, minus) r = Reshape (x, sizes)", [6, "n", 20]),
    "a token of each image": (
        f"{_BATCH} sizes = Concat <axis=0> (s, one, five) r = Expand (token, sizes)",
        ["n", 1, 5],
    ),
    "a batch of two": ("p = Reshape (x, pairs) r = Reshape (p, halves)", [2, None]),
    "windows": ("r = Reshape (x, windows)", [None, 12, 5]),
}
CONSTANTS = {
    "heads": np.array([-1, 6, 4, 5]),
    "rest": np.array([-1, 5]),
    "six": np.array([6]),
    "minus": np.array([-1]),
    "one": np.array([1]),
    "five": np.array([5]),
    "token": noise(1, 1, 5),
    "pairs": np.array([-1, 60]),
    "halves": np.array([2, -1]),
    "windows": np.array([-1, 12, 5]),
}


def graph(case: str) -> ir.Model:
    text, expected = CASES[case]
    rank = ",".join("abc"[: len(expected)])
    words = set(re.findall(r"\w+", text))
    constants = {name: value for name, value in CONSTANTS.items() if name in words}
    return parse(f"g (float[n,24,5] x) => (float[{rank}] y) {{ {text} y = Neg (r) }}", **constants)


@covers("FindShapesPass")
@pytest.mark.parametrize("case", list(CASES))
def test_shapes_are_found(case: str) -> None:
    """But those that depend on the batch in another way than being it. What is computed stays the same."""
    model = graph(case)
    before = {size: run(model, {"x": noise(size, 24, 5)})["y"] for size in (2, 3, 4)}
    apply(FindShapesPass(frozenset({"token"})), model)
    for size, expected in before.items():
        np.testing.assert_array_equal(run(model, {"x": noise(size, 24, 5)})["y"], expected)
    node = next(each for each in model.graph if each.outputs[0].name == "r")
    shape = node.outputs[0].shape
    if None in CASES[case][1]:
        assert shape is None or not shape.is_static()
    else:
        assert shape is not None
        assert [dim if isinstance(dim, int) else dim.value for dim in shape] == CASES[case][1]


def test_sizes_that_are_known_are_said() -> None:
    """What reads the batch alone for a Reshape is not needed any more."""
    model = graph("heads")
    assert apply(FindShapesPass(frozenset()), model)
    reshape = next(node for node in model.graph if node.outputs[0].name == "r")
    sizes = reshape.inputs[1]
    assert sizes is not None
    assert sizes.const_value is not None
    assert sizes.const_value.numpy().tolist() == [-1, 24, 5]
    assert operators(model).count("Reshape") == 2


def test_a_graph_of_one_batch_is_left_alone() -> None:
    """There is no other one to ask for."""
    assert not apply(
        FindShapesPass(frozenset()), parse("g (float[4,3] x) => (float[a,b] y) { z = Relu (x) y = Neg (z) }")
    )
