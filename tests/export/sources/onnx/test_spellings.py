"""Operators that only other tools write are those that every later room knows."""

from __future__ import annotations

import numpy as np
import pytest

from support.onnx_models import operators, parse, run
from tbft_export.sources.onnx.spellings import spell_alike


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("y = Sum (x)", ["Identity"]),
        ("y = Sum (x, w)", ["Add"]),
        ("z = Sum (x, w, x) y = Relu (z)", ["Add", "Add", "Relu"]),
    ],
)
def test_a_sum_is_additions(line: str, expected: list[str]) -> None:
    """As Caffe2 wrote residual networks; also where it is the graph's output."""
    model = parse(f"g (float[n,3] x) => (float[n,3] y) {{ {line} }}", w=np.arange(3, dtype=np.float32))
    x = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    before = run(model, {"x": x})["y"]
    spell_alike(model.graph)
    assert operators(model) == expected
    np.testing.assert_array_equal(run(model, {"x": x})["y"], before)


@pytest.mark.parametrize(
    "places", [[[0], [2], [-1]], [[[0, 1], [2, 3]], [[1, -4], [-1, 0]]], [1, 2]], ids=["rows", "a table", "one"]
)
def test_places_on_several_axes_are_numbers_on_one(places: list[object]) -> None:
    """With the batch behind them; some count from the end."""
    model = parse("g (float[3,4,n,2] x) => (float[a] y) { y = GatherND (x, i) }", i=np.array(places))
    model.graph.outputs[0].shape = None
    x = np.random.default_rng(0).standard_normal((3, 4, 5, 2)).astype(np.float32)
    before = run(model, {"x": x})["y"]
    spell_alike(model.graph)
    assert operators(model) == ["Reshape", "Gather"]
    np.testing.assert_array_equal(run(model, {"x": x})["y"], before)
