"""Graphs of a bundle run with the weights that lie in its file, without copies of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest

from support.onnx_models import parse, run
from support.passes import noise
from tbft_export import ExportOptions, export_bundle
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.sessions import Session, fusions_in_vain
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


@pytest.mark.parametrize("net", ["common_nets:residual", "mobile_models:mobilenet_v2_like", "families:transformer"])
def test_graphs_are_what_they_are_with_every_fusion(tmp_path: Path, net: str) -> None:
    """What ONNX Runtime is not asked to look for is not there."""
    bundle = tmp_path / "bundle"
    export_bundle(ExportOptions(f"support.{net}", drift="feature", image_size=32), bundle)
    for graph in bundle.rglob("*.onnx"):
        model = onnx.load(graph, load_external_data=False)
        onnx.load_external_data_for_model(model, str(bundle))
        skipped = fusions_in_vain(model)
        assert skipped
        assert _optimised(model, [], tmp_path) == _optimised(model, skipped, tmp_path), graph


def _optimised(model: onnx.ModelProto, without: list[str], folder: Path) -> list[tuple[object, ...]]:
    """The nodes that ONNX Runtime makes of `model`; values are numbers, since it counts up their names."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"], disabled_optimizers=without)
    values: dict[str, int] = {}
    return [
        (
            node.op_type,
            sorted(attribute.SerializeToString() for attribute in node.attribute),
            [values.setdefault(name, len(values)) for name in (*node.input, *node.output)],
        )
        for node in onnx.load(options.optimized_model_filepath).graph.node
    ]
