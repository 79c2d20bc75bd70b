"""What only training needed is removed from a graph, and the graph computes the same."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from support.covers import covers
from support.onnx_models import operators, parse, run
from support.passes import apply, assert_same, noise
from tbft_export.passes.remove_training_leftovers import RemoveTrainingLeftoversPass


@covers("RemoveTrainingLeftoversPass")
def test_dropout_and_copies_are_removed() -> None:
    """A parameter read through Identity must be found by its own name."""
    model = parse(
        """g (float[n,3] x) => (float[n,3] y) {
            copied = Identity(w)
            a = Identity(x)
            b, mask = Dropout(a)
            y = Mul(b, copied) }""",
        w=noise(3),
    )
    x = noise(4, 3, seed=1)
    before = run(model, {"x": x})["y"]
    assert apply(RemoveTrainingLeftoversPass(), model)
    assert operators(model) == ["Mul"]
    assert [value.name for value in model.graph.node(0).inputs if value is not None] == ["x", "w"]
    np.testing.assert_array_equal(run(model, {"x": x})["y"], before)


def test_a_copy_that_is_an_output_stays() -> None:
    """The graph's output would lose its name."""
    model = parse("g (float[n,3] x) => (float[n,3] y) { y = Identity(x) }")
    assert not apply(RemoveTrainingLeftoversPass(), model)
    assert operators(model) == ["Identity"]


def test_batch_norm_leaves_training_mode() -> None:
    model = parse(
        """g (float[n,2,3,3] x, float[2] s, float[2] b, float[2] m, float[2] v) => (float[n,2,3,3] y)
        { y, m_new, v_new = BatchNormalization <training_mode=1> (x, s, b, m, v) }"""
    )
    feeds = {"x": noise(3, 2, 3, 3), "s": noise(2), "b": noise(2, seed=1), "m": noise(2, seed=2)}
    feeds["v"] = np.array([0.5, 2.0], np.float32)
    assert apply(RemoveTrainingLeftoversPass(), model)
    assert not apply(RemoveTrainingLeftoversPass(), model)
    tensors = {name: torch.from_numpy(value) for name, value in feeds.items()}
    expected = functional.batch_norm(tensors["x"], tensors["m"], tensors["v"], tensors["s"], tensors["b"])
    assert_same(run(model, feeds)["y"], expected.numpy())
