"""Batch norms that are none of the network, such as those of filters, are formulas, and train as PyTorch's do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from support import peoples_modules
from support.covers import covers
from support.network_gradients import assert_gradients_are_pytorchs
from support.onnx_files import written
from support.onnx_models import operators, parse, run
from support.passes import apply, assert_same, noise
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_export import ExportOptions, export_bundle
from tbft_export.passes.write_out_computed_norms import WriteOutComputedNormsPass

FILTERS = """g (float[1,4,9] x, float[4] s, float[4] b) => (float[1,4,9] y) {{
    m = ReduceMean <axes=[0,2], keepdims=0> (x)
    v = ReduceMax <axes=[0,2], keepdims=0> (x)
    y = BatchNormalization <epsilon=0.001, training_mode={mode}> (x, s, b, m, v) }}"""


@covers("WriteOutComputedNormsPass")
@pytest.mark.parametrize("training", [True, False])
def test_a_norm_with_computed_statistics_is_its_formula(training: bool) -> None:
    """In training mode it normalises by what it reads, else by what it is given."""
    feeds = {"x": noise(1, 4, 9), "s": noise(4, seed=1), "b": noise(4, seed=2)}
    model = parse(FILTERS.format(mode=int(training)))
    assert apply(WriteOutComputedNormsPass(frozenset({"m"})), model)
    assert "BatchNormalization" not in operators(model)
    x, scale, shift = (torch.from_numpy(each) for each in feeds.values())
    given = (None, None) if training else (x.mean((0, 2)), x.amax((0, 2)))
    expected = functional.batch_norm(x, *given, scale, shift, training, 0.1, 0.001)
    assert_same(run(model, feeds)["y"], expected.numpy())


def test_a_norm_of_the_network_stays() -> None:
    model = parse(FILTERS.format(mode=0))
    assert not apply(WriteOutComputedNormsPass(frozenset({"m", "v"})), model)
    assert "BatchNormalization" in operators(model)


def test_one_of_unknown_rank_is_refused() -> None:
    model = parse(FILTERS.format(mode=1).replace("float[1,4,9] x", "float[] x"))
    model.graph.inputs[0].shape = None
    with pytest.raises(TbftError, match="reads a tensor of unknown rank"):
        apply(WriteOutComputedNormsPass(frozenset()), model)


def test_standardised_filters_have_pytorchs_gradients() -> None:
    """Those of the filters, and of the gain by which they are multiplied."""
    net = peoples_modules.standardised()
    rng = np.random.default_rng(0)
    images = rng.standard_normal((4, 3, 8, 8), np.float32)
    assert_gradients_are_pytorchs(net, images, rng.integers(0, peoples_modules.CLASSES, 4))


@pytest.mark.parametrize("as_file", [False, True])
def test_a_network_with_standardised_filters(tmp_path: Path, as_file: bool) -> None:
    """Whatever is trained, its one batch norm is that of activations; the export compares each plan with PyTorch."""
    if as_file:
        options = ExportOptions(str(written(tmp_path / "m.onnx", name="standardised")), "all")
    else:
        options = ExportOptions("support.peoples_modules:standardised", "all", image_size=8)
    export_bundle(options, tmp_path / "bundle")
    manifest = open_bundle(tmp_path / "bundle").manifest
    assert len(manifest.batch_norms) == 1
    assert {plan.batch_norm for plan in manifest.plans} >= {"batch", "frozen"}
