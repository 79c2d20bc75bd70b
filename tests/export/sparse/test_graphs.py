"""The graphs of a device that chooses channels: what they take and give, and that they are standard ONNX."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from support.onnx_models import session
from support.sparse_graphs import layers_of, outputs
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import ConvolutionForm, OptimizerKind, Parameter
from tbft_export.compile.update import build_update, optimizer


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
