"""ORT's training graph is built without the values of weights, and no oftener than needed."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from support.exports import forward_of
from tbft_export import ExportOptions, export_bundle
from tbft_export.blocks.layers import trainable_parameters
from tbft_export.compile import training
from tbft_export.compile.gradient import build_training_model, write_ort_training
from tbft_export.pipeline import PassRunner, before_gradient


@pytest.mark.parametrize("frozen", [(), ("fc.weight", "conv1.weight")])
def test_it_is_that_of_the_official_artifacts(tmp_path: Path, frozen: tuple[str, ...]) -> None:
    """Node by node, with its names and shapes, and inputs in the same order."""
    forward = forward_of("tiny_models:tiny")
    everything = trainable_parameters(forward.graph, forward.weights)
    trained = [name for name in everything if name not in frozen]
    prepared = PassRunner().run(forward.model.clone(), before_gradient((), trained))
    others = [name for name in prepared.graph.initializers if name in forward.weights and name not in trained]
    write_ort_training(prepared, trained, others, "sgd", tmp_path)
    built = ir.to_proto(build_training_model(prepared, trained, others))
    official = ir.to_proto(ir.from_proto(onnx.load(tmp_path / "training_model.onnx")))
    assert built.SerializeToString(deterministic=True) == official.SerializeToString(deterministic=True)


def test_the_whole_network_is_differentiated_once_for_each_kind_of_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside one graph for each of four plans: with batch statistics, which two plans use, and with fixed ones."""
    calls = []

    def counted(*arguments: object) -> ir.Model:
        calls.append(arguments)
        return build_training_model(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "build_training_model", counted)
    options = ExportOptions("support.tiny_models:tiny", "all", image_size=8)
    plans = export_bundle(options, tmp_path / "bundle").manifest.plans
    assert [plan.batch_norm for plan in plans] == ["batch", "block", "frozen", "batch"]
    assert len(calls) == len(plans) + 2
    assert plans[0].full_cost == plans[1].full_cost == plans[3].cost
