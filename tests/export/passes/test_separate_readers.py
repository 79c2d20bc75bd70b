"""Readers of an activation that needs no gradient get copies where ORT would write that gradient twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.covers import covers
from support.onnx_models import operators, parse, run
from support.passes import apply, noise
from tbft_artifacts.plan import Drift
from tbft_export import ExportOptions, export_bundle
from tbft_export.passes.separate_readers import SeparateReadersPass

NORM = "BatchNormalization(x, s, s, s, s)"


@covers("SeparateReadersPass")
@pytest.mark.parametrize(
    ("body", "left"),
    [
        (f"a = {NORM} y = Concat<axis=1>(x, a)", ["Identity", "BatchNormalization", "Identity", "Concat"]),
        # The first Concat of a dense block has one input, which is what the others read.
        (
            "j = Concat<axis=1>(x) a = BatchNormalization(j, s, s, s, s) y = Concat<axis=1>(x, a)",
            ["Identity", "BatchNormalization", "Identity", "Concat"],
        ),
        ("a = Mul(x, s) y = Concat<axis=1>(x, a, x)", ["Mul", "Identity", "Identity", "Concat"]),
        # A dense block without norms of the batch: each Concat writes one.
        (
            "a = Mul(x, s) b = Concat<axis=1>(x, a) y = Concat<axis=1>(b, x)",
            ["Mul", "Identity", "Concat", "Identity", "Concat"],
        ),
        # Written once, or summed: nothing to do.
        ("a = Mul(x, s) y = Concat<axis=1>(x, a)", None),
        (f"a = {NORM} y = Add(x, a)", None),
        # What a trained parameter comes before needs its gradient, and gets it once.
        ("b = Mul(x, w) a = BatchNormalization(b, s, s, s, s) y = Concat<axis=1>(b, a)", None),
    ],
)
def test_copies_where_gradients_would_collide(body: str, left: list[str] | None) -> None:
    weights = {"s": np.full(1, 2, np.float32), "w": np.full(1, 3, np.float32)}
    model = parse(f"g (float[n,1,2,2] x) => (float[n,m,2,2] y) {{ {body} }}", **weights)
    before = operators(model)
    x = noise(3, 1, 2, 2)
    expected = run(model, {"x": x})["y"]
    assert apply(SeparateReadersPass({"w"}), model) == (left is not None)
    assert operators(model) == (left or before)
    np.testing.assert_array_equal(run(model, {"x": x})["y"], expected)


@pytest.mark.parametrize("net", ["dense", "dense_list"])
@pytest.mark.parametrize("drift", ["feature", "input", "full", "output", None])
def test_dense_networks_are_exported(tmp_path: Path, net: str, drift: Drift | None) -> None:
    """With the official artifacts, too; the export compares a step with PyTorch."""
    method = "bn-only" if drift is None else "tbft"
    options = ExportOptions(f"support.common_nets:{net}", drift, method, image_size=32, official=True)
    export_bundle(options, tmp_path / "bundle")
    (plan,) = (tmp_path / "bundle" / "plans").iterdir()
    assert list((tmp_path / "bundle").rglob("training_model.onnx"))
    assert (plan / "gradient.onnx").is_file()
