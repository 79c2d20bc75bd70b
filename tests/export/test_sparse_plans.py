"""A device that chooses channels gets PyTorch's gradients of their rows, pays for those alone, and scores channels."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from support.every_convolution import CLASSES, IMAGE_SIZE, every_convolution
from support.onnx_models import ERRORS_ONLY, session
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.plan import ConvolutionForm, OptimizerKind, Parameter, Plan
from tbft_artifacts.sparse import SparseLayer
from tbft_export import ExportOptions, export_bundle
from tbft_export.compile.update import build_update, optimizer
from tbft_export.graph.memory import peak_bytes

Arrays = dict[str, np.ndarray]

few = settings(max_examples=10, deadline=None, derandomize=True)
# Of each tensor's largest value: float32 through a dozen layers. Scores are squares of sums that partly cancel.
TOLERANCE = 1e-4
IMAGES = 5


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Channels of every kind of convolution may be chosen; no activation has a kink."""
    folder = tmp_path_factory.mktemp("sparse") / "bundle"
    model = "support.every_convolution:every_convolution"
    export_bundle(ExportOptions(model, method="tinytrain", image_size=IMAGE_SIZE), folder)
    return open_bundle(folder)


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return every_convolution()


def batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE), np.float32), rng.integers(0, CLASSES, IMAGES)


def load(bundle: Bundle, graph: str, *, profile: Path | None = None) -> ort.InferenceSession:
    """A graph as it was written, with its weights."""
    model = onnx.load(bundle.path(graph), load_external_data=False)
    onnx.load_external_data_for_model(model, str(bundle.folder))
    options = ort.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    if profile is not None:
        # As written: fused operators have other names, and constants that are folded are not executed.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def outputs(loaded: ort.InferenceSession, feeds: Mapping[str, np.ndarray]) -> Arrays:
    names = [output.name for output in loaded.get_outputs()]
    return dict(zip(names, loaded.run(names, dict(feeds)), strict=True))


def boundary(bundle: Bundle, plan: Plan, images: np.ndarray) -> np.ndarray:
    if not plan.prefix_forms:
        return images
    found: np.ndarray = outputs(load(bundle, plan.prefix), {"images": images})[plan.boundary.name]
    return found


def feeds(bundle: Bundle, plan: Plan, net: nn.Module, channels: Mapping[str, list[int]], seed: int) -> Arrays:
    """Of a train step in whose course the chosen rows of `net` have moved."""
    images, labels = batch(seed)
    tensors = dict(net.named_parameters())
    found = {plan.boundary.name: boundary(bundle, plan, images), "labels": labels}
    found |= {parameter.name: tensors[parameter.name].detach().numpy() for parameter in plan.parameters}
    for layer in layers_of(plan):
        rows = np.array(channels.get(layer.weight, []), np.int64)
        found |= {layer.channels: rows, layer.rows: tensors[layer.weight].detach().numpy()[rows]}
    return found


def layers_of(plan: Plan) -> tuple[SparseLayer, ...]:
    assert plan.sparse is not None
    return plan.sparse.layers


def some_channels(plan: Plan, draw: st.DataObject) -> dict[str, list[int]]:
    """None, some or all of each layer."""
    counts = {layer.weight: layer.shape[0] for layer in layers_of(plan)}
    subsets = {name: st.sets(st.integers(0, count - 1)) for name, count in counts.items()}
    chosen = {
        name: draw.draw(st.one_of(st.just(set()), subset, st.just(set(range(counts[name])))))
        for name, subset in subsets.items()
    }
    return {name: sorted(rows) for name, rows in chosen.items()}


@pytest.mark.parametrize("depth", range(4))
@given(data=st.data(), seed=st.integers(0, 99))
@few
def test_rows_and_head_have_the_gradients_of_pytorch(
    bundle: Bundle, depth: int, data: st.DataObject, seed: int
) -> None:
    """In every form, at every depth, while the rows are no longer those of the base model."""
    plan, net = bundle.manifest.plans[depth], every_convolution()
    channels = some_channels(plan, data)
    move_rows(net, channels, seed)
    images, labels = batch(seed)
    loss = functional.cross_entropy(net(torch.from_numpy(images)), torch.from_numpy(labels))
    names = [*(parameter.name for parameter in plan.parameters), *channels]
    gradients = torch.autograd.grad(loss, [dict(net.named_parameters())[name] for name in names])
    for form in plan.gradient_forms:
        found = outputs(load(bundle, plan.gradient_in(form)), feeds(bundle, plan, net, channels, seed))
        np.testing.assert_allclose(found["loss"], loss.item(), rtol=1e-5)
        for name, gradient in zip(names, gradients, strict=True):
            whole = gradient.numpy()
            part = found[f"{name}.rows_grad"] if name in channels else found[f"{name}_grad"]
            expected = whole[np.array(channels[name], np.int64)] if name in channels else whole
            assert part.shape == expected.shape
            atol = TOLERANCE * np.abs(whole).max()
            np.testing.assert_allclose(part, expected, rtol=0, atol=atol, err_msg=f"{name} {form}")


def move_rows(net: nn.Module, channels: Mapping[str, list[int]], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tensors = dict(net.named_parameters())
    with torch.no_grad():
        for name, rows in channels.items():
            tensors[name][rows] += 0.1 * torch.randn(tensors[name][rows].shape, generator=generator)


def test_scores_are_the_fisher_information_of_each_image_by_itself(bundle: Bundle, net: nn.Module) -> None:
    """Half the mean over images of the squared sum of activation times the gradient of that image's own loss."""
    plan = bundle.manifest.plans[0]
    images, labels = batch(0)
    expected = {layer.weight: np.zeros(layer.shape[0]) for layer in layers_of(plan)}
    for image, label in zip(torch.from_numpy(images), torch.from_numpy(labels), strict=True):
        kept = activations(net, image[None])
        loss = functional.cross_entropy(kept.pop("logits"), label[None])
        gradients = torch.autograd.grad(loss, list(kept.values()))
        for (name, activation), gradient in zip(kept.items(), gradients, strict=True):
            product = (activation * gradient).detach().double()
            expected[name] += product.sum((0, 2, 3)).square().numpy() / (2 * IMAGES)
    found = outputs(load(bundle, plan.fisher), {plan.boundary.name: images, "labels": labels})
    assert found.keys() == {layer.fisher for layer in layers_of(plan)}
    for layer in layers_of(plan):
        scores = expected[layer.weight]
        np.testing.assert_allclose(found[layer.fisher], scores, rtol=0, atol=TOLERANCE * scores.max())


def activations(net: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What each convolution gives, by its weight, and the logits."""
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str, _layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        kept[f"{name}.weight"] = output

    layers = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(partial(keep, name)) for name, layer in layers]
    kept["logits"] = net(images)
    for hook in hooks:
        hook.remove()
    return kept


def test_scores_of_a_batch_are_the_mean_of_its_parts(bundle: Bundle) -> None:
    """Weighted by their images: so a device may score in micro-batches."""
    plan = bundle.manifest.plans[0]
    images, labels = batch(1)
    loaded = load(bundle, plan.fisher)
    whole, first, rest = (
        outputs(loaded, {plan.boundary.name: images[part], "labels": labels[part]})
        for part in (slice(None), slice(2), slice(2, None))
    )
    for name, scores in whole.items():
        together = (2 * first[name] + (IMAGES - 2) * rest[name]) / IMAGES
        np.testing.assert_allclose(together, scores, rtol=0, atol=1e-5 * scores.max(), err_msg=name)


def test_one_graph_scores_the_layers_of_all_plans(bundle: Bundle) -> None:
    """The deepest plan comes first, and holds the layers of the others."""
    deepest, *others = bundle.manifest.sparse_plans
    assert deepest.fisher in bundle.manifest.files
    for before, plan in zip([deepest, *others], others, strict=False):
        assert plan.fisher not in bundle.manifest.files
        assert set(layers_of(plan)) < set(layers_of(before))


# What is computed


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_executed_operations_grow_by_those_of_the_chosen_rows(
    bundle: Bundle, net: nn.Module, depth: int, tmp_path: Path
) -> None:
    """Counted on what ONNX Runtime runs. Rows of grouped convolutions are multiplied and summed: no products."""
    plan = bundle.manifest.plans[depth]
    without = executed(bundle, plan, net, 0.0, tmp_path)
    for part in (0.25, 0.5, 1.0):
        dense = [layer for layer in layers_of(plan) if not is_grouped(net, layer)]
        rows = sum(number(layer, part) * layer.row_flops for layer in dense)
        # Where a convolution strides, x has up to a pixel more than its output needs.
        assert executed(bundle, plan, net, part, tmp_path) - without == pytest.approx(IMAGES * rows, rel=0.03)


def test_without_rows_a_step_takes_the_cost_of_the_plan(bundle: Bundle, net: nn.Module, tmp_path: Path) -> None:
    """The head's gradients, and those of activations down to the first layer, whose input needs none.

    Of the plan behind the depthwise convolution, which is written with products of its own.
    """
    plan = bundle.manifest.plans[2]
    expected = IMAGES * (plan.cost.forward_flops + plan.cost.backward_flops)
    assert executed(bundle, plan, net, 0.0, tmp_path) == pytest.approx(expected, rel=0.01)


def executed(bundle: Bundle, plan: Plan, net: nn.Module, part: float, folder: Path) -> int:
    """Operations of a train step with this part of each layer's channels."""
    channels = {layer.weight: list(range(number(layer, part))) for layer in layers_of(plan)}
    loaded = load(bundle, plan.gradient_in("direct"), profile=folder / f"{part}")
    loaded.run(None, feeds(bundle, plan, net, channels, 0))
    return products(Path(loaded.end_profiling()))


def number(layer: SparseLayer, part: float) -> int:
    return math.ceil(part * layer.shape[0])


def is_grouped(net: nn.Module, layer: SparseLayer) -> bool:
    module = net.get_submodule(layer.weight.removesuffix(".weight"))
    assert isinstance(module, nn.Conv2d)
    return module.groups > 1


def products(profile: Path) -> int:
    """Floating-point operations of convolutions and matrix products, from the shapes in ONNX Runtime's trace."""
    return sum(
        operations(event["args"]["op_name"], *shapes(event))
        for event in json.loads(profile.read_text())
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
    )


def shapes(event: dict[str, dict[str, list[dict[str, list[int]]]]]) -> tuple[list[list[int]], list[int]]:
    """Shapes of a node's inputs and of its output."""
    inputs, results = (
        [shape for typed in event["args"][key] for shape in typed.values()]
        for key in ("input_type_shape", "output_type_shape")
    )
    return inputs, results[0]


def operations(operator: str, inputs: list[list[int]], output: list[int]) -> int:
    match operator:
        case "Conv":
            return 2 * math.prod(output) * math.prod(inputs[1][1:])
        case "ConvTranspose":
            return 2 * math.prod(inputs[0]) * math.prod(inputs[1][1:])
        case "MatMul":
            return 2 * math.prod(output) * inputs[0][-1]
        case "Gemm":
            # Of one side the dimension that is not the output's, whichever is turned.
            summed = next(iter(set(inputs[0]) - {output[0]}), output[0])
            return 2 * math.prod(output) * summed
    return 0


def test_memory_is_planned_for_all_channels(bundle: Bundle) -> None:
    """No choice holds more than the manifest says, which takes every dimension of chosen rows at its largest."""
    for plan in bundle.manifest.plans:
        for form, memory in zip(plan.gradient_forms, plan.gradient_memory, strict=True):
            model = onnx.load(bundle.path(plan.gradient_in(form)), load_external_data=False)
            dims = {layer.weight: f"{layer.weight}.chosen" for layer in layers_of(plan)}
            peaks = []
            for part in (0, 1):
                rows = {dims[layer.weight]: part * layer.shape[0] for layer in layers_of(plan)}
                peaks.append(peak_bytes(model, 3, rows))
            assert peaks[0] <= peaks[1] <= memory.fixed_bytes + 3 * memory.image_bytes


# The graphs themselves


def test_signatures(bundle: Bundle) -> None:
    """Rows and channels are inputs whose number is free, weights are not; the gradients of rows are outputs."""
    for plan in bundle.manifest.plans:
        for form in plan.gradient_forms:
            graph = onnx.load(bundle.path(plan.gradient_in(form)), load_external_data=False).graph
            parameters = [parameter.name for parameter in plan.parameters]
            rows = [name for layer in layers_of(plan) for name in (layer.rows, layer.channels)]
            assert [value.name for value in graph.input] == [plan.boundary.name, "labels", *parameters, *rows]
            gradients = [f"{name}_grad" for name in (*parameters, *(layer.rows for layer in layers_of(plan)))]
            assert [value.name for value in graph.output] == ["loss", "correct", *gradients]
            for value in (*graph.input, *graph.output):
                if ".rows" in value.name or ".channels" in value.name:
                    assert value.type.tensor_type.shape.dim[0].dim_param
            weights = {tensor.name for tensor in graph.initializer if tensor.external_data}
            assert {layer.weight for layer in layers_of(plan)} <= weights


def test_graphs_are_standard_onnx(bundle: Bundle) -> None:
    for name in bundle.manifest.files:
        if name.endswith(".onnx"):
            model = onnx.load(bundle.path(name), load_external_data=False)
            assert {node.domain for node in model.graph.node} <= {""}, name
            assert [opset.domain for opset in model.opset_import] == [""], name
            onnx.load_external_data_for_model(model, str(bundle.folder))
            onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_the_update_takes_vectors_of_any_length(kind: OptimizerKind) -> None:
    """How many values are trained is only known on the device."""
    rule = optimizer(kind, 0.01, 0.9, 0.1)
    loose = session(build_update([Parameter("parameters", (7,))], kind, open_length=True))
    for length in (0, 1, 5):
        fixed = session(build_update([Parameter("parameters", (length,))], kind))
        rng = np.random.default_rng(length)
        scalars = dict(zip(rule.inputs, (0.01, 0.9, 0.1, 3.0), strict=False))
        given_values = {name: np.array(value, np.float32) for name, value in scalars.items()}
        for value in fixed.get_inputs()[len(rule.inputs) :]:
            given_values[value.name] = rng.uniform(0.1, 1, length).astype(np.float32)
        found, expected = outputs(loose, given_values), outputs(fixed, given_values)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)


FORMS: tuple[ConvolutionForm, ...] = ("winograd", "direct")


def test_both_forms_are_there_where_they_differ(bundle: Bundle) -> None:
    assert bundle.manifest.plans[0].gradient_forms == FORMS
