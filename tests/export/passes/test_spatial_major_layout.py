"""Keeping images spatial-major changes no number; what works in either layout is turned no more, the rest stays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_ir.passes import common

from support.covers import covers
from support.onnx_models import operators, parse, run
from tbft_export.graph.layout import is_turn, mark_turned_back
from tbft_export.passes.spatial_major_layout import SpatialMajorLayoutPass
from tbft_export.reference.evaluate import as_tensor, evaluate, precision

few = settings(max_examples=60)
BATCH, CHANNELS, IMAGE = 3, 8, (5, 4)
MANY = 512  # From here on a vector of channels is long enough for an inner loop.
TURN = "Transpose <perm=[2,3,0,1]>"
# Everything that the graphs below may read.
CONSTANTS = {
    "half": np.array(0.5, np.float32),
    "half1": np.array([0.5], np.float32),
    "half4": np.full((1, 1, 1, 1), 0.5, np.float32),
    "two": np.array(2, np.float32),
    "v": np.linspace(0.5, 2, CHANNELS, dtype=np.float32).reshape(1, CHANNELS, 1, 1),
    "v_many": np.linspace(0.5, 2, MANY, dtype=np.float32).reshape(1, MANY, 1, 1),
    "v_flat": np.linspace(-1, 2, CHANNELS, dtype=np.float32),
    "v_rank3": np.linspace(-1, 2, CHANNELS, dtype=np.float32).reshape(CHANNELS, 1, 1),
    "vector_shape": np.array([1, CHANNELS, 1, 1]),
    "copy_shape": np.array([0, 0, 1, 1]),
    "flat_shape": np.array([CHANNELS]),
    "image_shape": np.array([0, -1]),
    "all_but_channels": np.array([0, 2, 3]),
    "pixels": np.array([2, 3]),
    "columns": np.array([3]),
    "minus_pixels": np.array([-1, -2]),
    "channels": np.array([1]),
    "batch": np.array([0]),
    "none": np.array([], np.int64),
    "pads": np.array([0, 1, 2, 0, 0, 0, 1, 3]),
    "starts": np.array([1, 2]),
    "ends": np.array([4, 7]),
    "row_and_channel": np.array([2, -3]),
    "eight": np.array([8]),
    "sixteen": np.array([16]),
}


def model_of(body: str, channels: int = CHANNELS) -> ir.Model:
    """A graph that reads `a`, just turned back from spatial-major, and `b`, which never was."""
    height, width = IMAGE
    outputs = ", ".join(f"{'int64' if name == 'size' else 'float'} {name}" for name in outputs_of(body))
    model = parse(
        f"""g (float[{height},{width},n,{channels}] s, float[n,{channels},{height},{width}] b) => ({outputs})
        {{ a = {TURN} (s) {body} }}""",
        **CONSTANTS,
    )
    for value in model.graph.outputs:
        value.shape = None
    model = common.ShapeInferencePass()(model).model
    mark_turned_back(model.graph.node(0).outputs[0])
    return model


def outputs_of(body: str) -> list[str]:
    return [name for name in ("out", "other", "size") if f"{name} =" in body]


def turns(model: ir.Model) -> int:
    return sum(is_turn(node) for node in model.graph)


def kept(body: str, channels: int = CHANNELS) -> ir.Model:
    """The graph after the pass; its outputs must be what they were."""
    model = model_of(body, channels)
    rng = np.random.default_rng(0)
    feeds = {
        "s": rng.standard_normal((*IMAGE, BATCH, channels), np.float32),
        "b": rng.standard_normal((BATCH, channels, *IMAGE), np.float32),
    }
    before = run(model, feeds)
    SpatialMajorLayoutPass()(model)
    common.RemoveUnusedNodesPass()(model)
    after = run(model, feeds)
    assert after.keys() == before.keys() != set()
    for name, value in before.items():
        assert after[name].shape == value.shape
        np.testing.assert_allclose(after[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
    return model


BACK = f"r = {TURN} (y) out = Neg(r)"
# What is written spatial-major: no turn is left of those that surround it.
TURNED = {
    "one operand": f"y = Relu(a) {BACK}",
    "two images": f"c = Relu(a) y = Add(a, c) {BACK}",
    "scalar": f"y = Mul(a, half) {BACK}",
    "one number": f"y = Mul(half1, a) {BACK}",
    "one number, four dimensions": f"y = Sub(half4, a) {BACK}",
    "sum of many": f"c = Neg(a) y = Sum(a, c, half, a) {BACK}",
    "clip": f"y = Clip(a, half, two) {BACK}",
    "no upper limit": f"y = Clip(a, half) {BACK}",
    "cast": f"i = Cast <to=6> (a) y = Cast <to=1> (i) {BACK}",
    "where": f"p = Greater(a, half) y = Where(p, a, half) {BACK}",
    "vector": f"y = Mul(a, v) {BACK}",
    "vector that was reshaped": f"w = Reshape(v_flat, vector_shape) c = Mul(a, w) y = Add(c, w) {BACK}",
    "vectors among themselves": f"w = Mul(v, v) y = Div(a, w) {BACK}",
    "sum over the pixels": f"t = ReduceSum <keepdims=1> (a, pixels) y = Sub(a, t) {BACK}",
    "sum over the channels": f"t = ReduceSum <keepdims=1> (a, channels) y = Sub(a, t) {BACK}",
    "sum over the batch": f"t = ReduceSum <keepdims=1> (a, batch) m = Mul(t, v) y = Sub(a, m) {BACK}",
    "mean per channel": f"t = ReduceMean <axes=[0,2,3], keepdims=1> (a) y = Sub(a, t) {BACK}",
    "vector of sums": "t = ReduceSum <keepdims=1> (a, all_but_channels) out = Reshape(t, flat_shape)",
    "means alone": "out = ReduceMean <axes=[2,3], keepdims=0> (a)",
    "sums alone": "out = ReduceSum <keepdims=0> (a, minus_pixels)",
    "pad": f"y = Pad(a, pads) {BACK}",
    "pad with a number": f"y = Pad(a, pads, half) {BACK}",
    "slice": f"y = Slice(a, starts, ends, row_and_channel) {BACK}",
    "concat": f"c = Relu(a) y = Concat <axis=1> (a, c, a) {BACK}",
    "concat of rows": f"y = Concat <axis=-2> (a, a) {BACK}",
    "size": "size = Size(a)",
}


@covers("SpatialMajorLayoutPass")
@pytest.mark.parametrize("case", list(TURNED))
def test_no_turn_is_left(case: str) -> None:
    assert turns(kept(TURNED[case])) == 0


def test_a_long_vector_is_not_repeated() -> None:
    """A short one is, for each column and image: then it meets runs of W * N * C numbers."""
    assert "Expand" in operators(kept(TURNED["vector"]))
    model = kept(f"y = Mul(a, v_many) {BACK}", MANY)
    assert turns(model) == 0
    assert "Expand" not in operators(model)


def test_a_vector_is_repeated_once_for_images_of_one_batch() -> None:
    assert operators(kept(f"c = Mul(a, v) d = Relu(c) y = Add(d, v) {BACK}")).count("Expand") == 1


def test_a_vector_that_meets_another_batch_is_repeated_for_that_one() -> None:
    """Patches that were folded into the batch are more than the images."""
    body = f"""c = Mul(a, v) aa = Concat <axis=0> (c, c) d = Mul(aa, v) y = Add(d, v) {BACK}
        t = ReduceSum <keepdims=1> (a, batch) m = Mul(t, v) out2 = {TURN} (m) other = Neg(out2)"""
    assert turns(kept(body)) == 0


def test_a_vector_that_meets_other_columns_is_repeated_for_those() -> None:
    body = f"""c = Mul(a, v) y = Add(c, v) {BACK}
        t = ReduceSum <keepdims=1> (a, columns) m = Mul(t, v) out2 = {TURN} (m) other = Neg(out2)"""
    model = kept(body)
    assert turns(model) == 0
    assert operators(model).count("Expand") == 2


def test_a_mean_of_channels_is_repeated_as_other_vectors_are() -> None:
    """Batch statistics: a vector that was computed meets the image in runs as long."""
    body = f"m = ReduceMean <axes=[0,2,3], keepdims=1> (a) y = Sub(a, m) {BACK}"
    assert operators(kept(body)).count("Expand") == 1


@pytest.mark.parametrize("reduction", ["ReduceMean <axes=[0,2,3]> (a)", "ReduceSum (a, all_but_channels)"])
def test_pixels_of_channels_are_added_up_by_a_product(reduction: str) -> None:
    """N * C numbers at a time, and then images; other reductions stay what they are."""
    assert "MatMul" in operators(kept(f"m = {reduction} y = Mul(a, m) {BACK}"))
    assert "MatMul" not in operators(kept(f"m = ReduceSum (a, pixels) y = Mul(a, m) {BACK}"))


def _floats(graph: ir.Graph) -> Iterator[tuple[ir.Value, ir.TensorProtocol]]:
    for value in graph.initializers.values():
        if value.const_value is not None and value.const_value.dtype == ir.DataType.FLOAT:
            yield value, value.const_value


def test_a_mean_has_no_rounded_constant_in_it() -> None:
    """A twentieth is no float32; what follows the graph in float64 would find the mean off by that."""
    model = kept("m = ReduceMean <axes=[0,2,3], keepdims=1> (a) out = Neg(m)")
    image = torch.randn((*IMAGE, BATCH, CHANNELS), dtype=torch.float64)
    with precision(torch.float64):
        constants = {value.name or "": as_tensor(tensor).double() for value, tensor in _floats(model.graph)}
        (found,) = evaluate(model.graph, {"s": image, "b": torch.zeros(1)} | constants).values()
    torch.testing.assert_close(found.flatten(), -image.mean((0, 1, 2)), rtol=1e-14, atol=1e-15)


# One operand is no spatial-major image: it alone is turned.
ONE_TURN = {
    "another image": f"y = Add(a, b) {BACK}",
    "concat with another image": f"y = Concat <axis=1> (b, a) {BACK}",
    "another image twice": f"c = Add(a, b) y = Mul(c, b) {BACK}",
    "condition on another image": f"p = Greater(b, half) y = Where(p, a, half) {BACK}",
}


@pytest.mark.parametrize("case", list(ONE_TURN))
def test_another_image_is_turned_once(case: str) -> None:
    assert turns(kept(ONE_TURN[case])) == 1


# What has to stay as it is, with the turns around it.
STAYS = {
    "axes that would change places": "t = ReduceSum <keepdims=0> (a, batch) out = Neg(t)",
    "sum over no axes": f"y = ReduceSum <keepdims=1, noop_with_empty_axes=1> (a, none) {BACK}",
    "sum over all axes": "out = ReduceSum <keepdims=0> (a)",
    "an image as rows": "out = Reshape(a, image_shape)",
    "fewer dimensions": f"y = Mul(a, v_rank3) {BACK}",
    "fewer dimensions, third operand": f"p = Greater(b, half) y = Where(p, a, v_rank3) {BACK}",
    "no lower limit": f'y = Clip(a, "", two) {BACK}',
    "computed padding": f"one = Size(half) p = Mul(pads, one) y = Pad(a, p) {BACK}",
    "slice without axes": f"y = Slice(a, starts, ends) {BACK}",
    "an operator without a rule": f"y = Softmax <axis=1> (a) {BACK}",
    "another permutation": "out = Transpose <perm=[1,0,2,3]> (a)",
}


@pytest.mark.parametrize("case", list(STAYS))
def test_what_depends_on_the_layout_stays(case: str) -> None:
    model = model_of(STAYS[case])
    before = operators(model)
    rest = [name for name in operators(kept(STAYS[case])) if name not in ("Greater", "Transpose")]
    assert rest == [name for name in before if name not in ("Greater", "Transpose")]
    assert turns(kept(STAYS[case])) >= 1


def test_dimensions_that_are_copied_are_not_copied_from_other_places() -> None:
    """Reshape to (0, 0, 1, 1) copies the first two dimensions, and in the other layout those are 1."""
    model = kept("t = ReduceSum <keepdims=1> (a, all_but_channels) out = Reshape(t, copy_shape)")
    assert turns(model) == 1


def test_a_rule_that_gives_up_leaves_nothing_behind() -> None:
    """Where turns `b` before it meets an operand that it cannot; the next node must not read that turn."""
    kept(f"p = Greater(a, half) c = Where(p, b, v_rank3) d = Add(a, b) y = Add(c, d) {BACK}")


def test_an_output_is_turned_back() -> None:
    """Its name and its shape are the contract with the device."""
    model = kept("c = Relu(a) out = Mul(c, half) other = Add(c, v)")
    assert turns(model) == 2
    assert [value.name for value in model.graph.outputs] == ["out", "other"]


def test_a_shape_that_is_not_known_is_left_alone() -> None:
    model = model_of(f"y = Relu(a) {BACK}")
    for node in model.graph:
        node.outputs[0].shape = None
    assert not SpatialMajorLayoutPass()(model).modified


def test_a_graph_that_never_was_spatial_major_is_not_modified() -> None:
    model = parse("g (float[n,8,5,4] b) => (float[n,8,5,4] out) { c = Relu(b) out = Mul(c, v) }", v=CONSTANTS["v"])
    assert not SpatialMajorLayoutPass()(model).modified
    assert operators(model) == ["Relu", "Mul"]


# Steps that keep the shape of an image; each makes one more of x, an image, and perhaps z, another.
STEPS = [
    "Relu({x})",
    "Add({x}, {z})",
    "Mul({x}, v)",
    "Add(v, {x})",
    "Mul({x}, v_rank3)",
    "Mul(half4, {x})",
    "Sum({x}, {z}, v)",
    "Where({x}_p, {z}, v)",
    "Where({x}_p, {z}, v_rank3)",
    "Sub({x}, {x}_sum)",
    "Add({x}_row, {z})",
    "Slice({x}_both, eight, sixteen, channels)",
    "Softmax <axis=1> ({x})",
    f"{TURN} ({{x}}_turned)",
]
HELPERS = (
    """{x}_p = Greater({x}, half)  {x}_sum = ReduceSum <keepdims=1> ({x}, all_but_channels)
    {x}_row = ReduceMean <axes=[0,3], keepdims=1> ({x})  {x}_both = Concat <axis=1> ({x}, {z})
    {x}_turned = """
    + f"{TURN} ({{x}})"
)


@given(data=st.data())
@few
def test_any_graph_keeps_its_numbers(data: st.DataObject) -> None:
    """Rules share what they have turned; whatever the order, nobody reads a value that is not there."""
    names, lines = ["a", "b"], []
    for number in range(data.draw(st.integers(1, 10))):
        step = data.draw(st.sampled_from(STEPS))
        x, z = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(names))
        helpers = HELPERS.replace("{x}_", f"{{x}}_{number}_")
        lines += [helpers.format(x=x, z=z), f"y{number} = " + step.replace("{x}_", f"{{x}}_{number}_").format(x=x, z=z)]
        names.append(f"y{number}")
    body = "\n".join(lines)
    kept(f"{body} out = Neg({names[-1]}) other = Neg({data.draw(st.sampled_from(names))})")
