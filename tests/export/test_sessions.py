"""Graphs of a bundle run with the weights that lie in its file, without copies of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from support.onnx_models import parse, run
from support.passes import noise
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.sessions import Session
from tbft_export.write_bundle import write_graph, write_weights

WEIGHTS = {"w": noise(3, 2), "b": noise(2, seed=1), "one": np.float32(1.5)}


@pytest.fixture
def model(tmp_path: Path) -> ir.Model:
    """Written as part of a bundle: a scalar, a vector and a matrix in one file, and a constant in the graph."""
    text = "g (float[n,3] x) => (float[n,2] y) { p = MatMul (x, w) q = Add (p, b) r = Mul (q, one) y = Sub (r, k) }"
    parsed = parse(text, k=np.float32(0.5), **WEIGHTS)
    write_weights(tmp_path, ForwardModel(parsed, frozenset(WEIGHTS)))
    write_graph(parsed, tmp_path, "g.onnx")
    return parsed


@pytest.mark.parametrize("runs_once", [False, True])
def test_weights_from_their_file(model: ir.Model, tmp_path: Path, runs_once: bool) -> None:
    """Also in several runs."""
    session = Session(tmp_path, "g.onnx", runs_once=runs_once)
    for seed in range(2):
        x = noise(4, 3, seed=seed)
        np.testing.assert_array_equal(session.run(x), run(model, {"x": x})["y"])


def test_what_was_found_outlives_the_session(model: ir.Model, tmp_path: Path) -> None:
    """As the self-check keeps it."""
    x = noise(4, 3)
    found = [Session(tmp_path, "g.onnx", runs_once=True).run(x) for _ in range(3)]
    for each in found:
        np.testing.assert_array_equal(each, run(model, {"x": x})["y"])
