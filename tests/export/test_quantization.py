"""An int8 prefix computes what the float32 one does, up to 8 bits, with standard operators and its weights inside."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx_ir.passes import common

from support.batches import random_batches
from support.exports import Exporter, forward_of
from support.onnx_models import operators, parse, run
from support.settled_models import CLASSES, IMAGE_SIZES
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Int8Prefix
from tbft_export.compile.plan import compile_plan
from tbft_export.compile.request import CompiledPlan, PlanRequest
from tbft_export.compile.update import optimizer
from tbft_export.graph.forward import IMAGES
from tbft_export.images import batches
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import plan_training
from tbft_export.pipeline import PassRunner, check_standard
from tbft_export.quantization.fold_batch_norm import FoldBatchNormPass
from tbft_export.quantization.measure import check_loss
from tbft_export.quantization.quantize import join, quantize_prefix
from tbft_export.quantization.split import MOST_CALIBRATION, split

# Of the boundary's root mean square; rounding to 8 bits, layer by layer.
TOLERANCE = 0.15
NETWORKS = ("resnet26", "resnet18_like", "bottleneck_net")

NORM = "BatchNormalization(conv, gamma, beta, mean, variance)"
PARAMETERS = {
    "w": np.random.default_rng(0).standard_normal((4, 3, 3, 3), np.float32),
    "b": np.array([0.5, -1, 2, 0], np.float32),
    "gamma": np.array([1, -2, 0.5, 3], np.float32),
    "beta": np.array([0, 1, -1, 0.1], np.float32),
    "mean": np.array([0.3, 0, -0.2, 1], np.float32),
    "variance": np.array([1, 0.5, 2, 0.01], np.float32),
}


def fold(text: str, **weights: np.ndarray) -> tuple[ir.Model, bool, float]:
    """The folded model, whether the pass says that it changed it, and its largest relative error."""
    model = parse(text, **weights)
    x = np.random.default_rng(1).standard_normal((2, 3, 5, 5), np.float32)
    before = run(model, {"x": x})
    common.ShapeInferencePass()(model)  # A forward graph has its shapes.
    modified = FoldBatchNormPass()(model).modified
    after = run(model, {"x": x})
    assert before.keys() == after.keys()
    error = max(float(np.abs(after[name] - before[name]).max() / np.abs(before[name]).max()) for name in before)
    return model, modified, error


# FoldBatchNormPass


@pytest.mark.parametrize("bias", ["", ", b"])
@pytest.mark.parametrize("attributes", ["", "<strides=[2,2], pads=[1,1,1,1]>"])
def test_a_norm_behind_a_convolution_goes_into_its_weights(bias: str, attributes: str) -> None:
    """Case 1, with and without a bias; strides and pads are the convolution's own."""
    text = (
        f"g (float[n,3,5,5] x) => (float[n,4,p,q] y) {{ conv = Conv {attributes}(x, w{bias})\n normed = {NORM}\n"
        "y = Relu(normed) }"
    )
    model, modified, error = fold(text, **PARAMETERS)
    assert modified
    assert operators(model) == ["Conv", "Relu"]
    assert error < 1e-5


def test_a_norm_whose_input_is_needed_becomes_a_depthwise_convolution() -> None:
    """Case 2: what a residual sum or another layer reads may not be scaled."""
    text = f"g (float[n,3,5,5] x) => (float[n,4,3,3] conv, float[n,4,3,3] y) {{ conv = Conv(x, w)\n y = {NORM} }}"
    model, modified, error = fold(text, **PARAMETERS)
    assert modified
    assert operators(model) == ["Conv", "Conv"]
    depthwise = next(node for node in model.graph if node.outputs[0].name == "y")
    assert depthwise.attributes.get_int("group") == 4
    assert error < 1e-5


@pytest.mark.parametrize(
    "text",
    [
        "g (float[n,3,5,5] x) => (float[n,3,5,5] y) { y = Relu(x) }",
        "g (float[n,3,5,5] x, float[3] gamma) => (float[n,3,5,5] y) "
        "{ y = BatchNormalization(x, gamma, beta, mean, variance) }",
    ],
)
def test_other_graphs_are_left_alone(text: str) -> None:
    """Without a norm, or with one whose weights come from outside."""
    weights = {name: PARAMETERS[name][:3] for name in ("beta", "mean", "variance")}
    model = parse(text, **weights)
    before = operators(model)
    assert not FoldBatchNormPass()(model).modified
    assert operators(model) == before


# The quantised prefix


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def compiled(network: str) -> CompiledPlan:
    forward = forward_of(f"settled_models:{network}")
    asked = MethodOptions(drift="feature", batch_norm="frozen", prefix="int8")
    (training,) = plan_training("tbft", Network(forward), asked)
    return compile_plan(forward, PlanRequest(training, optimizer("sgd", 0.01, 0.9, None), 32), PassRunner())


@pytest.fixture(scope="module")
def images(network: str) -> np.ndarray:
    (batch,) = random_batches([48], IMAGE_SIZES[network], CLASSES[network], seed=2)
    return batch.images


@pytest.fixture(scope="module")
def int8(compiled: CompiledPlan, images: np.ndarray) -> ir.Model:
    return quantize_prefix(compiled.prefixes["direct"], [images[:16], images[16:32]])


def output_of(model: ir.Model, images: np.ndarray) -> np.ndarray:
    (output,) = run(model, {IMAGES: images}).values()
    return output


def test_the_boundary_is_close(compiled: CompiledPlan, int8: ir.Model, images: np.ndarray) -> None:
    """On images that did not calibrate; for norms before and behind convolutions, pools and paddings."""
    expected = output_of(compiled.prefixes["direct"], images[32:])
    found = output_of(int8, images[32:])
    assert found.dtype == np.float32
    error = np.sqrt(np.square(found - expected).mean() / np.square(expected).mean())
    assert 0 < error < TOLERANCE


def test_it_is_a_standard_graph_with_a_symbolic_batch(compiled: CompiledPlan, int8: ir.Model) -> None:
    """Names and types of input and output are those of the float32 prefix."""
    check_standard(int8)
    onnx.checker.check_model(ir.to_proto(int8), full_check=True)
    assert int8.opset_imports == {"": 17}
    assert int8.graph.inputs[0].name == IMAGES
    assert [value.name for value in int8.graph.outputs] == [compiled.plan.boundary.name]
    for value in (int8.graph.inputs[0], int8.graph.outputs[0]):
        assert value.dtype == ir.DataType.FLOAT
        assert value.shape is not None
        assert not isinstance(value.shape[0], int)


def test_every_convolution_has_integer_weights(int8: ir.Model) -> None:
    """And every norm and ReLU is part of one, so that nothing between them has to be float."""
    for node in int8.graph:
        assert node.op_type not in ("BatchNormalization", "Relu")
        if node.op_type == "Conv":
            weight, result = node.inputs[1], node.outputs[0]
            assert weight is not None
            dequantize = weight.producer()
            assert dequantize is not None
            assert dequantize.op_type == "DequantizeLinear"
            assert [user.op_type for user, _ in result.uses()] == ["QuantizeLinear"]


def test_weights_leave_room_for_sums_of_sixteen_bits(int8: ir.Model) -> None:
    """CPUs without dot products add two products in 16 bits: 2 * 255 * 64 fits, so that all compute the same."""
    weights = [
        value.const_value.numpy()
        for value in int8.graph.initializers.values()
        if value.dtype == ir.DataType.INT8 and value.const_value is not None
    ]
    assert max(int(np.abs(weight.astype(int)).max()) for weight in weights) == 64


def test_joined_with_the_suffix_it_is_the_whole_model(
    compiled: CompiledPlan, int8: ir.Model, images: np.ndarray
) -> None:
    """The graph that is evaluated and finalized computes what prefix and suffix compute one after the other."""
    whole = join(int8, compiled.suffix)
    onnx.checker.check_model(ir.to_proto(whole), full_check=True)
    boundary = output_of(int8, images)
    (expected,) = run(compiled.suffix, {compiled.plan.boundary.name: boundary}).values()
    np.testing.assert_allclose(output_of(whole, images), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_prefix_without_convolutions() -> None:
    """There is nothing that could be faster."""
    model = parse("g (float[n,3,4,4] images) => (float[n,48] y) { y = Flatten(images) }")
    with pytest.raises(TbftError, match="no convolution to quantise"):
        quantize_prefix(model, [])


def test_a_model_that_cannot_be_quantised(compiled: CompiledPlan) -> None:
    """Whatever ONNX Runtime says becomes one line; here it got no image."""
    with pytest.raises(TbftError, match="cannot quantise the frozen prefix") as caught:
        quantize_prefix(compiled.prefixes["direct"], [])
    assert "\n" not in caught.value.message


def test_the_float32_prefix_is_not_changed(compiled: CompiledPlan, exported: Exporter, network: str) -> None:
    """The plan of an int8 request is that of a float32 one: the self-check and the comparison run it."""
    assert "QuantizeLinear" not in operators(compiled.prefixes["direct"])
    (plan,) = exported(network, "feature", "frozen").manifest.plans
    assert compiled.plan.id == f"{plan.id}-int8"
    assert (compiled.plan.cost, compiled.plan.boundary) == (plan.cost, plan.boundary)


# Images that calibrate and images that measure


@given(st.integers(2, 5000))
def test_the_split_is_fixed_and_has_no_image_twice(count: int) -> None:
    """All images are used, at most a few hundred of them to calibrate."""
    parts, again = split(count), split(count)
    np.testing.assert_array_equal(np.sort(np.concatenate([parts.calibration, parts.measured])), np.arange(count))
    assert 1 <= len(parts.calibration) <= min(MOST_CALIBRATION, len(parts.measured))
    np.testing.assert_array_equal(parts.calibration, again.calibration)
    np.testing.assert_array_equal(np.concatenate(list(batches(parts.measured))), parts.measured)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_to_split(count: int) -> None:
    with pytest.raises(TbftError, match=f"{count} labelled images are too few"):
        split(count)


# What is refused


def found(**changes: float) -> Int8Prefix:
    return Int8Prefix(**{  # type: ignore[arg-type]
        "calibration_images": 256, "measured_images": 1000, "accuracy_float32": 0.8, "accuracy_int8": 0.79,
        "boundary_error": 0.06, **changes,
    })  # fmt: skip


@pytest.mark.parametrize("good", [{}, {"accuracy_int8": 0.81}, {"measured_images": 100}])
def test_one_point_is_allowed(good: dict[str, float]) -> None:
    """A loss of just one point, a gain, and the fewest images that show a point."""
    assert check_loss(found(**good)) is None


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"accuracy_int8": 0.785}, "costs 1.5 points of accuracy: 80.0% in float32, 78.5% in int8, on 1000 images"),
        ({"boundary_error": 0.3}, "its output is off by 30%"),
        ({"measured_images": 99}, "99 images are too few to see a loss of one point"),
    ],
)
def test_more_is_refused_with_figures(bad: dict[str, float], said: str) -> None:
    with pytest.raises(TbftError) as caught:
        check_loss(found(**bad))
    assert said in caught.value.message
    assert "`allow_accuracy_loss`" in caught.value.hint
