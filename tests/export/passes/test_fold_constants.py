"""What depends on constants alone is computed once, and weights are no constants."""

from __future__ import annotations

import numpy as np

from support.covers import covers
from support.onnx_models import operators, parse, run
from support.passes import apply, noise
from tbft_export.passes.fold_constants import LARGEST_FOLDED, FoldConstantsPass


@covers("FoldConstantsPass")
def test_shape_arithmetic_is_folded() -> None:
    """What depends on static dimensions alone becomes a tensor."""
    model = parse(
        """g (float[n,4,6] x) => (float[n,24] y) {
            dims = Shape <start=1> (x)
            last = ReduceProd <keepdims=1> (dims)
            keep = Constant <value_ints=[0]> ()
            target = Concat <axis=0> (keep, last)
            y = Reshape(x, target) }"""
    )
    x = noise(2, 4, 6)
    before = run(model, {"x": x})["y"]
    assert apply(FoldConstantsPass(frozenset()), model)
    assert operators(model) == ["Reshape"]
    np.testing.assert_array_equal(run(model, {"x": x})["y"], before)


def test_weights_are_never_folded() -> None:
    """A device replaces weights; what was computed from the old ones would stay."""
    model = parse(
        """g (float[n,3] x) => (float[n,3] y) {
            doubled = Add(w, w)
            squared = Mul(c, c)
            z = Mul(x, doubled)
            y = Mul(z, squared) }""",
        w=noise(3),
        c=noise(3, seed=1),
    )
    assert apply(FoldConstantsPass(frozenset({"w"})), model)
    assert operators(model) == ["Add", "Mul", "Mul"]
    assert {"w"} < set(model.graph.initializers)


def test_a_symbolic_batch_and_large_results_are_not_folded() -> None:
    model = parse(
        f"""g (float[n,3] x) => (int64[2] dims, float[{LARGEST_FOLDED + 1}] y) {{
            dims = Shape(x)
            y = Expand(one, size) }}""",
        one=np.ones(1, np.float32),
        size=np.array([LARGEST_FOLDED + 1]),
    )
    assert not apply(FoldConstantsPass(frozenset()), model)
    assert operators(model) == ["Shape", "Expand"]
