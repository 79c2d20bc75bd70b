"""What PyTorch's two exporters write of a network is that network, its weights under the names of its modules."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from support import peoples_modules
from support.onnx_files import small, written
from support.onnx_models import run
from tbft_export import ExportOptions, export_bundle
from tbft_export.graph.forward import IMAGES
from tbft_export.sources.onnx.read import OnnxFile, read_onnx

PIXELS = np.random.default_rng(1).random((2, 3, 8, 8)).astype(np.float32)
ALL = {name for name in peoples_modules.plain().state_dict() if "num_batches" not in name}
# A convolution and the norm behind it, numbered 0 and 1, are one.
FOLDED = {name for name in ALL if not name.startswith("layer") or name.split(".")[2] == "0"}


def check(file: OnnxFile) -> None:
    """It computes what the module does."""
    with torch.no_grad():
        expected = peoples_modules.plain().eval()(torch.from_numpy(PIXELS)).numpy()
    (found,) = run(file.model, {IMAGES: PIXELS}).values()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("opset", range(9, 21))
def test_torchscript_with_norms(tmp_path: Path, opset: int) -> None:
    file = read_onnx(written(tmp_path / "m.onnx", opset_version=opset), None)
    assert file.floats == ALL
    assert not file.notes
    check(file)


@pytest.mark.parametrize("opset", range(9, 21))
@pytest.mark.parametrize("batch", ["any", "one"])
def test_torchscript_by_default(tmp_path: Path, opset: int, batch: str) -> None:
    """Its norms are folded, and the names of what was folded are lost."""
    dynamic = {"dynamic_axes": {}} if batch == "one" else {}
    settings = {"training": torch.onnx.TrainingMode.EVAL, "do_constant_folding": True}
    file = read_onnx(written(tmp_path / "m.onnx", opset_version=opset, **settings, **dynamic), None)
    assert file.floats == FOLDED
    assert [note.partition(":")[0] for note in file.notes] == ["the file has no batch norms"]
    check(file)


def test_torchscript_that_folds_constants_alone(tmp_path: Path) -> None:
    file = read_onnx(written(tmp_path / "m.onnx", do_constant_folding=True), None)
    assert file.floats == ALL
    check(file)


@pytest.mark.parametrize("drift", ["input", "feature", "output", "full"])
def test_a_folded_file_is_trained(tmp_path: Path, drift: str) -> None:
    settings = {"training": torch.onnx.TrainingMode.EVAL, "do_constant_folding": True, "opset_version": 20}
    path = written(tmp_path / "m.onnx", **settings)
    exported = export_bundle(ExportOptions(str(path), drift), tmp_path / "bundle")  # type: ignore[arg-type]
    trained = {each.name for each in exported.manifest.plans[0].parameters}
    assert trained <= FOLDED
    assert any(name.endswith("bias") for name in trained)
    assert not exported.manifest.batch_norms
    assert any("no batch's statistics are used" in note for note in exported.notes)


def as_dynamo_writes(path: Path) -> Path:
    """Since PyTorch 2.9 by default: a mean over axes that are an operand, a Reshape that takes zeros as they are."""
    body = (
        "c = Conv <kernel_shape=[3,3], pads=[1,1,1,1]> ({start}, w, b) r = Relu (c) "
        "mean = ReduceMean <keepdims=1, noop_with_empty_axes=0> (r, val_227) "
        "view = Reshape <allowzero=1> (mean, val_232) "
        "{end} = Gemm <alpha=1.0, beta=1.0, transA=0, transB=1> (view, fw, fb)"
    )
    constants = {"val_227": np.array([-1, -2]), "val_232": np.array([-1, 5])}
    path = small(path, body=body, opset=20, **constants)  # type: ignore[arg-type]
    model = onnx.load(path)
    names = {"w": "conv1.weight", "b": "conv1.weight_bias", "fw": "fc.weight", "fb": "fc.bias"}
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in model.graph.node:
        node.input[:] = [names.get(each, each) for each in node.input]
    model.graph.node[0].metadata_props.add(
        key="pkg.torch.onnx.name_scopes", value="['', 'bn1', '_native_batch_norm_legit_no_training']"
    )
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("drift", ["output", "full"])
def test_the_patterns_of_dynamo(tmp_path: Path, drift: str) -> None:
    path = as_dynamo_writes(tmp_path / "m.onnx")
    file = read_onnx(path, None)
    assert file.floats == {"conv1.weight", "conv1.bias", "fc.weight", "fc.bias"}
    assert export_bundle(ExportOptions(str(path), drift), tmp_path / "bundle").checks[0].passed  # type: ignore[arg-type]


@pytest.mark.skipif(importlib.util.find_spec("onnxscript") is None, reason="PyTorch's newer exporter needs onnxscript")
@pytest.mark.parametrize("opset", [13, 17, 18, 20, 21])
@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("batch", ["any", "one"])
def test_dynamo(tmp_path: Path, opset: int, optimize: bool, batch: str) -> None:
    dynamic = {"dynamic_shapes": ({0: torch.export.Dim("b")},)} if batch == "any" else {}
    torch.onnx.export(
        peoples_modules.plain().eval(),
        (torch.zeros(1 if batch == "one" else 2, 3, 8, 8),),
        tmp_path / "m.onnx",
        opset_version=opset,
        optimize=optimize,
        verbose=False,
        **dynamic,  # type: ignore[arg-type]
    )
    file = read_onnx(tmp_path / "m.onnx", None)
    assert file.floats == (FOLDED if optimize else ALL)
    check(file)
