"""What an exported bundle holds: plain graphs, each weight once, the same bytes every time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from safetensors.numpy import load_file

from support.batches import random_batches
from support.exports import Exporter
from support.settled_models import CLASSES, IMAGE_SIZES, resnet18_like
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.manifest import PREDICT, STATISTICS, WEIGHTS, BatchNormPolicy, Drift, OptimizerKind
from tbft_export import ExportOptions, export_bundle
from tbft_export.forward import torch_to_onnx
from tbft_runtime.sessions import load_graph

TESTS = Path(__file__).parents[1]
NEWEST_OPSET = 21
NEWEST_IR = 10
# Anything larger inside a graph file would be a weight that was copied.
LARGEST_CONSTANT = 4096

BUNDLES: list[tuple[str, Drift, BatchNormPolicy]] = [
    ("resnet26", "input", "batch"),
    ("resnet26", "feature", "frozen"),
    ("resnet18_like", "feature", "batch"),
    ("bottleneck_net", "full", "frozen"),
]
each_bundle = pytest.mark.parametrize(("network", "drift", "policy"), BUNDLES)


def graphs(bundle: Bundle) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Every graph for the device, without the data outside it."""
    for plan in bundle.manifest.plans:
        for name in [PREDICT, STATISTICS, plan.prefix, plan.suffix, plan.gradient, plan.update]:
            if name in bundle.manifest.files:
                yield name, onnx.load(bundle.path(name), load_external_data=False)


@each_bundle
def test_graphs_are_standard_onnx(exported: Exporter, network: str, drift: Drift, policy: BatchNormPolicy) -> None:
    """Any ONNX engine runs them: one default-domain opset, an IR that old readers know, and a valid model."""
    bundle = exported(network, drift, policy)
    found = dict(graphs(bundle))
    assert len(found) == (6 if bundle.plan().has_prefix else 5)
    for name, model in found.items():
        assert {node.domain for node in model.graph.node} <= {""}, name
        assert [opset.domain for opset in model.opset_import] == [""], name
        assert model.opset_import[0].version <= NEWEST_OPSET
        assert model.ir_version <= NEWEST_IR
        assert not model.functions
        onnx.load_external_data_for_model(model, str(bundle.folder))
        onnx.checker.check_model(model, full_check=True)


@each_bundle
def test_each_weight_is_stored_once(exported: Exporter, network: str, drift: Drift, policy: BatchNormPolicy) -> None:
    """Graphs refer to the exact bytes of a tensor in the weights file; only small constants are inside them."""
    bundle = exported(network, drift, policy)
    weights = load_file(bundle.weights)
    content = bundle.weights.read_bytes()
    for name, model in graphs(bundle):
        for tensor in model.graph.initializer:
            if tensor.name not in weights:
                assert tensor.data_location == onnx.TensorProto.DEFAULT, name
                assert np.prod(tensor.dims) <= LARGEST_CONSTANT
                continue
            assert tensor.data_location == onnx.TensorProto.EXTERNAL, name
            where = {entry.key: entry.value for entry in tensor.external_data}
            start, length = int(where["offset"]), int(where["length"])
            assert where["location"] == WEIGHTS
            assert tuple(tensor.dims) == weights[tensor.name].shape
            assert content[start : start + length] == weights[tensor.name].tobytes()
    predict = onnx.load(bundle.path(PREDICT), load_external_data=False)
    assert {tensor.name for tensor in predict.graph.initializer} >= weights.keys()


@each_bundle
def test_signatures(exported: Exporter, network: str, drift: Drift, policy: BatchNormPolicy) -> None:
    """What the manifest says is what the graphs take and give; the batch is free in all of them."""
    bundle = exported(network, drift, policy)
    plan = bundle.plan()
    model = onnx.load(bundle.path(plan.gradient), load_external_data=False)
    names = [parameter.name for parameter in plan.parameters]
    assert [value.name for value in model.graph.input] == [plan.boundary.name, "labels", *names]
    outputs = [value.name for value in model.graph.output]
    gradients = [parameter.gradient for parameter in plan.parameters]
    assert outputs[: 2 + len(gradients)] == ["loss", "correct", *gradients]
    statistics = set(outputs[2 + len(gradients) :])
    boundary = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in boundary[1:]] == list(plan.boundary.shape)
    assert boundary[0].dim_param

    prefix = onnx.load(bundle.path(plan.prefix), load_external_data=False) if plan.has_prefix else None
    handed_out = statistics | ({value.name for value in prefix.graph.output} if prefix else set())
    moving = {f"{name}.batch" for norm in bundle.manifest.batch_norms for name in (norm.mean, norm.variance)}
    assert handed_out - {plan.boundary.name} == (moving if policy == "batch" else set())


@pytest.mark.parametrize("network", list(IMAGE_SIZES))
@pytest.mark.parametrize("batch", [1, 5])
def test_prefix_and_suffix_are_the_whole_model(exported: Exporter, network: str, batch: int) -> None:
    """So activations of a fixed prefix can be computed once, and evaluated from."""
    bundle = exported(network, "feature", "frozen")
    plan, weights = bundle.plan(), load_file(bundle.weights)
    prefix, suffix, predict = (
        load_graph(bundle.path(name), weights, 1) for name in (plan.prefix, plan.suffix, PREDICT)
    )
    (images,) = (b.images for b in random_batches([batch], IMAGE_SIZES[network], CLASSES[network], seed=3))
    (boundary,) = prefix.run({prefix.inputs[0]: images}).values()
    assert boundary.shape == (batch, *plan.boundary.shape)
    (found,) = suffix.run({suffix.inputs[0]: boundary}).values()
    (expected,) = predict.run({predict.inputs[0]: images}).values()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_an_optimizer_changes_only_the_update_graph(tmp_path: Path) -> None:
    kinds: list[OptimizerKind] = ["sgd", "adam", "adamw"]
    bundles = []
    for kind in kinds:
        options = ExportOptions("support.tiny_models:tiny", "feature", batch_norm="batch", optimizer=kind, image_size=8)
        export_bundle(options, tmp_path / kind)
        bundles.append(open_bundle(tmp_path / kind))
    for role in ("prefix", "suffix", "gradient", "update"):
        contents = {bundle.path(getattr(bundle.plan(), role)).read_bytes() for bundle in bundles}
        assert len(contents) == (3 if role == "update" else 1), role


EXPORT_TWO = """
import sys
from pathlib import Path
from tbft_export import ExportOptions, export_bundle
for model, drift, policy, out in [
    ("support.odd_models:joined", "full", "batch", "joined.tar.gz"),
    ("support.tiny_models:tiny", "feature", "frozen", "tiny"),
]:
    export_bundle(ExportOptions(model, drift, batch_norm=policy, image_size=16), Path(sys.argv[1]) / out)
"""


def test_exports_are_byte_identical(tmp_path: Path) -> None:
    """In processes that hash differently: a bundle's id says what is in it, so equal models get equal ids."""
    contents = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(TESTS)}
        subprocess.run([sys.executable, "-c", EXPORT_TWO, str(folder)], env=environment, check=True)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        contents.append({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})
    first, second = contents
    assert first.keys() == second.keys()
    assert len(first) > 10
    assert [name for name in first if first[name] != second[name]] == []


@pytest.mark.parametrize("policy", ["frozen", "batch"])
def test_an_onnx_file_gives_the_gradients_of_its_torch_module(
    exported: Exporter, tmp_path: Path, policy: BatchNormPolicy
) -> None:
    """Both sources meet in one forward graph."""
    network = "resnet18_like"
    path = tmp_path / "forward.onnx"
    onnx.save(ir.to_proto(torch_to_onnx(resnet18_like(), 3, IMAGE_SIZES[network])), path)
    export_bundle(ExportOptions(str(path), "feature", batch_norm=policy), tmp_path / "bundle")

    found, expected = open_bundle(tmp_path / "bundle"), exported(network, "feature", policy)
    assert found.plan().parameters == expected.plan().parameters
    assert found.manifest.batch_norms == expected.manifest.batch_norms
    (batch,) = random_batches([5], IMAGE_SIZES[network], CLASSES[network], seed=4)
    outputs = []
    for bundle in (found, expected):
        plan, weights = bundle.plan(), load_file(bundle.weights)
        prefix, gradient = (load_graph(bundle.path(name), weights, 1) for name in (plan.prefix, plan.gradient))
        boundary = prefix.run({prefix.inputs[0]: batch.images})[plan.boundary.name]
        feeds = {parameter.name: weights[parameter.name] for parameter in plan.parameters}
        outputs.append(gradient.run(feeds | {plan.boundary.name: boundary, "labels": batch.labels}))
    assert outputs[0].keys() == outputs[1].keys()
    for name, value in outputs[1].items():
        np.testing.assert_allclose(outputs[0][name], value, rtol=0, atol=1e-6 * np.abs(value).max(), err_msg=name)
