"""Networks with activation functions, exported: their train step is PyTorch's, exact or with MobileTL's masks."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import onnx_ir as ir
import pytest

from support import odd_models
from support.exports import masked_plans
from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import square_rgb
from tbft_artifacts.plan import BatchNormPolicy
from tbft_export import ExportOptions, export_bundle
from tbft_export.graph.activations import ACTIVATIONS, ActivationKind
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.nodes import NodeWriter
from tbft_export.lowerings import registry
from tbft_export.reference import torch_reference as reference
from tbft_export.sources.trace import torch_to_onnx

# The parts of `odd_models.activated`.
BLOCKS = ("conv1", "bn", "conv2", "gate", "scale", "fc")


def test_an_activation_is_an_entry_and_a_lowering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/adding-a-lowering.md says; no pass knows one by name. The export compares with PyTorch."""

    def written_out(emit: NodeWriter, x: ir.Value, attributes: Mapping[str, float]) -> ir.Value:
        below = emit.op("Relu", emit.op("Sub", 1.0, emit.op("Exp", x)))
        return emit.op("Sub", emit.op("Relu", x), emit.op("Mul", below, attributes["alpha"]))

    def elu_grad(emit: Emitter) -> None:
        dy, y = emit.node.inputs
        below = emit.op("Mul", dy, emit.op("Add", y, emit.node.attributes["alpha"].as_float()))
        emit.replace(emit.op("Where", emit.op("Greater", y, 0.0), dy, below))

    registry.all_lowerings()
    monkeypatch.setitem(ACTIVATIONS, "Elu", ActivationKind("Elu", written_out, attributes={"alpha": 1.0}))
    monkeypatch.setitem(registry._LOWERINGS, ("tbft", "EluGrad"), registry.Lowering("tbft", "EluGrad", elu_grad))
    options = ExportOptions("support.tiny_models:tiny_elu", "full", image_size=8, official=True)
    assert export_bundle(options, tmp_path / "bundle").has_official


@pytest.mark.parametrize("masked", [False, True], ids=["exact", "masked"])
@pytest.mark.parametrize("policy", ["frozen", "batch"])
def test_export(tmp_path: Path, policy: BatchNormPolicy, masked: bool) -> None:
    """Through all of them at once; the export itself compares with PyTorch. ORT's own graph cannot say a mask."""
    options = ExportOptions(
        "support.odd_models:activated",
        "full",
        blocks=BLOCKS,
        batch_norm=policy,
        image_size=9,
        official=not masked,
    )
    with masked_plans(masked):
        exported = export_bundle(options, tmp_path / "bundle")
    official = tmp_path / "bundle" / exported.manifest.plans[0].ort_training / "training_model.onnx"
    assert official.exists() != masked


def test_an_exact_plan_is_not_a_masked_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-check tells them apart: the network has activations beyond the upper kinks."""
    options = ExportOptions("support.odd_models:activated", "full", blocks=BLOCKS, batch_norm="frozen", image_size=9)
    monkeypatch.setattr(reference, "Slopes", lambda **_: contextlib.nullcontext())
    with masked_plans(), pytest.raises(TbftError, match="disagree with PyTorch"):
        export_bundle(options, tmp_path / "bundle")


def test_an_onnx_file(tmp_path: Path) -> None:
    """Its reference computes the nodes, and knows the same activations."""
    module = odd_models.activated()
    traced = torch_to_onnx(module, square_rgb(9))
    ir.save(traced, tmp_path / "model.onnx")
    for masked in (False, True):
        options = ExportOptions(str(tmp_path / "model.onnx"), "full", blocks=BLOCKS, batch_norm="frozen")
        with masked_plans(masked):
            export_bundle(options, tmp_path / f"bundle-{masked}")
