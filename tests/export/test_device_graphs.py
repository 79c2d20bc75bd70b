"""What an exported bundle holds: plain graphs, each weight once, the same bytes every time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
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
from tbft_artifacts.input_shape import square_rgb
from tbft_artifacts.manifest import STATISTICS, WEIGHTS
from tbft_artifacts.plan import PREDICT, BatchNormPolicy, Drift, OptimizerKind
from tbft_export import ExportOptions, export_bundle
from tbft_export.sources.trace import torch_to_onnx
from tbft_runtime.graphs.sessions import load_graph

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
    """Every graph for the device, in every form of its convolutions, without the data outside it."""
    for plan in bundle.manifest.plans:
        forms = [*map(plan.prefix_in, plan.prefix_forms), *map(plan.gradient_in, plan.gradient_forms)]
        for name in [PREDICT, STATISTICS, plan.suffix, plan.update, *forms]:
            if name in bundle.manifest.files:
                yield name, onnx.load(bundle.path(name), load_external_data=False)


@each_bundle
def test_graphs_are_standard_onnx(exported: Exporter, network: str, drift: Drift, policy: BatchNormPolicy) -> None:
    """Any ONNX engine runs them: one default-domain opset, an IR that old readers know, and a valid model."""
    bundle = exported(network, drift, policy)
    found = dict(graphs(bundle))
    assert len(found) == 4 + len(bundle.plan().prefix_forms) + len(bundle.plan().gradient_forms)
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
    """What the manifest says is what the graphs take and give, in every form; the batch is free in all of them."""
    bundle = exported(network, drift, policy)
    plan = bundle.plan()
    prefixes = [signature(bundle, plan.prefix_in(form)) for form in plan.prefix_forms]
    assert all(prefix == prefixes[0] for prefix in prefixes)
    parameters = [parameter.name for parameter in plan.parameters]
    gradients = [parameter.gradient for parameter in plan.parameters]
    moving = {f"{name}.batch" for norm in bundle.manifest.batch_norms for name in (norm.mean, norm.variance)}
    for form in plan.gradient_forms:
        inputs, outputs = signature(bundle, plan.gradient_in(form))
        assert list(inputs) == [plan.boundary.name, "labels", *parameters]
        batch, *sizes = inputs[plan.boundary.name]
        assert isinstance(batch, str)
        assert tuple(sizes) == plan.boundary.shape
        assert list(outputs)[: 2 + len(gradients)] == ["loss", "correct", *gradients]
        statistics = set(list(outputs)[2 + len(gradients) :])
        handed_out = statistics.union(*(prefix_outputs for _, prefix_outputs in prefixes))
        assert handed_out - {plan.boundary.name} == (moving if policy == "batch" else set())


def signature(bundle: Bundle, graph: str) -> tuple[dict[str, list[int | str]], dict[str, list[int | str]]]:
    """Inputs and outputs with their shapes."""
    found = onnx.load(bundle.path(graph), load_external_data=False).graph

    def shapes(values: Iterable[onnx.ValueInfoProto]) -> dict[str, list[int | str]]:
        return {
            value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values
        }

    return shapes(found.input), shapes(found.output)


@pytest.mark.parametrize("network", list(IMAGE_SIZES))
@pytest.mark.parametrize("batch", [1, 5])
def test_prefix_and_suffix_are_the_whole_model(exported: Exporter, network: str, batch: int) -> None:
    """So activations of a fixed prefix can be computed once, and evaluated from; in every form."""
    bundle = exported(network, "feature", "frozen")
    plan, weights = bundle.plan(), load_file(bundle.weights)
    suffix, predict = (load_graph(bundle.path(name), weights, 1) for name in (plan.suffix, PREDICT))
    (images,) = (b.images for b in random_batches([batch], IMAGE_SIZES[network], CLASSES[network], seed=3))
    (expected,) = predict.run({predict.inputs[0]: images}).values()
    for form in plan.prefix_forms:
        prefix = load_graph(bundle.path(plan.prefix_in(form)), weights, 1)
        (boundary,) = prefix.run({prefix.inputs[0]: images}).values()
        assert boundary.shape == (batch, *plan.boundary.shape)
        (found,) = suffix.run({suffix.inputs[0]: boundary}).values()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max(), err_msg=form)


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
    ("support.tiny_models:resnet18_like", "feature", "frozen", "both_forms"),
]:
    export_bundle(ExportOptions(model, drift, batch_norm=policy, image_size=32), Path(sys.argv[1]) / out)
"""


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.parametrize("policy", ["frozen", "batch"])
def test_an_onnx_file_gives_the_gradients_of_its_torch_module(
    exported: Exporter, tmp_path: Path, policy: BatchNormPolicy
) -> None:
    """Both sources meet in one forward graph."""
    network = "resnet18_like"
    path = tmp_path / "forward.onnx"
    onnx.save(ir.to_proto(torch_to_onnx(resnet18_like(), square_rgb(IMAGE_SIZES[network]))), path)
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
