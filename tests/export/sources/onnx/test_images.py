"""Files whose images have another form are read as what they compute, and what was assumed is said."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest

from support.onnx_files import BODY, MEAN, PIXELS, STD, WEIGHTS, F, logits, original, small
from support.refusals import refusal
from tbft_artifacts.preprocessing import Normalize
from tbft_export import ExportOptions, export_bundle
from tbft_export.sources.given_shape import GivenShape
from tbft_export.sources.onnx.read import read_onnx

TURN = "v = Transpose <perm=[0,3,1,2]> (x)"


def test_channels_last(tmp_path: Path) -> None:
    path = small(tmp_path / "m.onnx", TURN, images="float[n,8,8,3]")
    file = read_onnx(path, None)
    assert list(file.model.graph.inputs[0].shape or [])[1:] == [3, 8, 8]
    np.testing.assert_allclose(logits(file), original(path, PIXELS.transpose(0, 2, 3, 1)), rtol=1e-5)


def test_channels_last_behind_a_normalisation(tmp_path: Path) -> None:
    """Its constants turn with the images."""
    before = f"a = Sub (x, mean) d = Div (a, std) {TURN.replace('(x)', '(d)')}"
    path = small(tmp_path / "m.onnx", before, images="float[n,8,8,3]", mean=MEAN.reshape(3), std=STD.reshape(1, 1, 3))
    file = read_onnx(path, None)
    assert file.floats == WEIGHTS
    np.testing.assert_allclose(logits(file), original(path, PIXELS.transpose(0, 2, 3, 1)), rtol=1e-5)


@pytest.mark.parametrize(
    ("before", "given"),
    [
        ("a = Sub (x, mean) q = Pad (a, pads) v = Transpose <perm=[0,3,1,2]> (q)", {"mean": MEAN.reshape(3)}),
        ("q = Pad (x, pads) v = Transpose <perm=[0,3,1,2]> (q)", {}),
        (
            "g = Gather <axis=3> (x, bgr) a = Sub (g, mean) v = Transpose <perm=[0,3,1,2]> (a)",
            {"bgr": np.array([2, 1, 0]), "mean": MEAN.reshape(1, 1, 1, 3) * 255},
        ),
    ],
)
def test_channels_last_that_are_turned_later(tmp_path: Path, before: str, given: dict[str, np.ndarray]) -> None:
    """Something else than numbers per channel is computed first; what only normalises is no weight there either."""
    pads = np.array([0, 1, 1, 0, 0, 1, 1, 0])
    path = small(tmp_path / "m.onnx", before, images="float[n,8,8,3]", pads=pads, **given)
    file = read_onnx(path, None)
    assert file.floats == WEIGHTS
    assert (file.normalize is not None) == ("mean" in given)
    np.testing.assert_allclose(logits(file), original(path, PIXELS.transpose(0, 2, 3, 1)), rtol=1e-4)


def test_channels_last_that_are_flattened(tmp_path: Path) -> None:
    """As a perceptron of TensorFlow takes grey pictures: nothing is turned, and the order is the graph's."""
    body = "f = Flatten ({start}) {end} = Gemm <transB=1> (f, fw, fb)"
    weight = np.random.default_rng(2).standard_normal((4, 8 * 8 * 3)).astype(F)
    path = small(tmp_path / "m.onnx", images="float[n,8,8,3]", body=body, fw=weight)
    file = read_onnx(path, None)
    assert list(file.model.graph.inputs[0].shape or [])[1:] == [3, 8, 8]
    np.testing.assert_allclose(logits(file), original(path, PIXELS.transpose(0, 2, 3, 1)), rtol=1e-4)


def test_channels_that_only_look_as_if_they_came_last(tmp_path: Path) -> None:
    """A first layer that takes images as they are says what their channels are."""
    weight = np.random.default_rng(2).standard_normal((5, 8, 3, 3)).astype(F)
    path = small(tmp_path / "m.onnx", images="float[n,8,8,3]", w=weight)
    assert list(read_onnx(path, None).model.graph.inputs[0].shape or [])[1:] == [8, 8, 3]


@pytest.mark.parametrize(
    ("before", "given"),
    [
        ("g = Gather <axis=1> (x, bgr) a = Sub (g, mean) v = Div (a, std)", {"bgr": np.array([2, 1, 0])}),
        (
            "g = Slice (x, last, end, one, back) a = Sub (g, mean) v = Div (a, std)",
            {"last": np.array([-1]), "end": np.array([-4]), "one": np.array([1]), "back": np.array([-1])},
        ),
    ],
)
def test_a_normalisation_of_bgr(tmp_path: Path, before: str, given: dict[str, np.ndarray]) -> None:
    path = small(tmp_path / "m.onnx", before, mean=MEAN, std=STD, **given)
    file = read_onnx(path, None)
    assert file.floats == WEIGHTS
    assert file.normalize == Normalize(mean=(0.0,) * 3, std=(1.0,) * 3)
    np.testing.assert_allclose(logits(file), original(path), rtol=1e-4)


def test_bytes_that_are_computed_with(tmp_path: Path) -> None:
    """As a quantised graph of TensorFlow Lite takes them."""
    path = small(
        tmp_path / "m.onnx",
        "v = DequantizeLinear (x, s, z)",
        images="uint8[n,3,8,8]",
        s=np.array(0.02, F),
        z=np.array(128, np.uint8),
    )
    pixels = np.round(PIXELS * 255)
    found = logits(read_onnx(path, None), pixels)
    np.testing.assert_allclose(found, original(path, pixels.astype(np.uint8)), rtol=1e-4)


@pytest.mark.parametrize("turned", [False, True])
def test_bytes(tmp_path: Path, turned: bool) -> None:
    before = "t = Transpose <perm=[0,3,1,2]> (x) v = Cast <to=1> (t)" if turned else "v = Cast <to=1> (x)"
    path = small(tmp_path / "m.onnx", before, images=f"uint8[n,{'8,8,3' if turned else '3,8,8'}]")
    file = read_onnx(path, None)
    assert file.normalize == Normalize(mean=(0.0,) * 3, std=(1 / 255,) * 3)
    assert any("takes bytes: it is fed pixels from 0 to 255" in note for note in file.notes)
    pixels = np.round(PIXELS * 255)
    fed = pixels.transpose(0, 2, 3, 1) if turned else pixels
    np.testing.assert_allclose(logits(file, pixels), original(path, fed.astype(np.uint8)), rtol=1e-5)


@pytest.mark.parametrize(
    ("before", "constants", "deviation"),
    [
        ("a = Sub (x, mean) v = Div (a, std)", {"mean": MEAN, "std": STD}, 1.0),
        ("a = Div (x, s) d = Sub (a, mean) v = Div (d, std)", {"s": F(255), "mean": MEAN, "std": STD}, 1 / 255),
        ("a = Mul (x, s) v = Add (a, m)", {"s": F(1 / 127.5), "m": F(-1)}, 1 / 255),
        ("a = Mul (x, s) v = Sub (a, m)", {"s": np.array([2], F), "m": np.array([1], F)}, 1.0),
        ("v = Sub (x, m)", {"m": np.array([123.7, 116.8, 103.9], F).reshape(1, 3, 1, 1)}, 1 / 255),
        ("v = Sub (m, x)", {"m": np.array([0.5, 0.5, 0.5], F).reshape(1, 3, 1, 1)}, 1.0),
    ],
)
def test_a_normalisation_inside_is_no_weight(
    tmp_path: Path, before: str, constants: dict[str, np.ndarray], deviation: float
) -> None:
    """Everything is trained but that, and pixels are fed as it expects them."""
    path = small(tmp_path / "m.onnx", before, **constants)
    exported = export_bundle(ExportOptions(str(path), "full"), tmp_path / "bundle")
    assert {each.name for each in exported.manifest.plans[0].parameters} == WEIGHTS
    assert exported.manifest.preprocessing[-1] == Normalize(mean=(0.0,) * 3, std=(deviation,) * 3)
    assert any("normalises its input itself" in note for note in exported.notes)
    np.testing.assert_allclose(logits(read_onnx(path, None)), original(path), rtol=1e-4)


def test_a_mean_that_is_given_wins(tmp_path: Path) -> None:
    path = small(tmp_path / "m.onnx", "v = Sub (x, m)", m=F(0.5))
    options = ExportOptions(str(path), "output", mean=(0.1, 0.2, 0.3))
    assert export_bundle(options, tmp_path / "bundle").manifest.preprocessing[-1] == Normalize(
        mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0)
    )


def test_what_differs_from_pixel_to_pixel_is_a_weight(tmp_path: Path) -> None:
    path = small(tmp_path / "m.onnx", "v = Add (x, position)", position=np.ones((1, 3, 8, 8), F))
    assert read_onnx(path, None).floats == {*WEIGHTS, "position"}


@pytest.mark.parametrize("images", ["float[n,3,h,w]", "float[n,3,8,w]", "float[1,3,h,h]"])
def test_a_size_that_is_left_open(tmp_path: Path, images: str) -> None:
    path = small(tmp_path / "m.onnx", images=images)
    assert export_bundle(ExportOptions(str(path), "output", image_size=8), tmp_path / "b").manifest.image_size == 8
    error = refusal(ExportOptions(str(path), "output"), tmp_path)
    assert "takes images of any size" in error.message
    assert "`image_size`" in error.hint


def test_a_shape_that_is_left_open(tmp_path: Path) -> None:
    """As text recognition has it: neither square nor of one size; channels, too, where nothing reads them."""
    body = BODY.replace("c = Conv <kernel_shape=[3,3], pads=[1,1,1,1]> ({start}, w, b)", "c = Abs ({start})")
    path = small(tmp_path / "m.onnx", images="float[n,c,h,w]", body=body, fw=np.ones((4, 2), F))
    file = read_onnx(path, None, GivenShape((6, 10), 2))
    assert list(file.model.graph.inputs[0].shape or [])[1:] == [2, 6, 10]
    error = refusal(ExportOptions(str(path), "output", image_size=(6, 10)), tmp_path)
    assert "takes any number of channels" in error.message
    assert "`channels`" in error.hint


def test_windows_of_a_signal(tmp_path: Path) -> None:
    """(N, C, L) is taken as images of one row."""
    body = BODY.replace("c = Conv <kernel_shape=[3,3], pads=[1,1,1,1]> ({start}, w, b)", "c = Abs ({start})")
    path = small(tmp_path / "m.onnx", images="float[n,3,l]", body=body, fw=np.ones((4, 3), F))
    file = read_onnx(path, None, GivenShape((1, 20), is_signal=True))
    assert list(file.model.graph.inputs[0].shape or [])[1:] == [3, 1, 20]
    windows = np.random.default_rng(3).random((2, 3, 20)).astype(F)
    np.testing.assert_allclose(logits(file, windows[:, :, None]), original(path, windows), rtol=1e-5)


def test_a_size_that_is_another_one(tmp_path: Path) -> None:
    path = small(tmp_path / "m.onnx")
    error = refusal(ExportOptions(str(path), "output", image_size=16), tmp_path)
    assert "takes 8 × 8 pixels, which is not what was said of it" in error.message


@pytest.mark.parametrize("allowzero", ["", "<allowzero=1>"])
def test_a_batch_of_one_is_freed(tmp_path: Path, allowzero: str) -> None:
    """As exporters write it for one image, both ways."""
    body = BODY.replace("f = Flatten (p)", f"f = Reshape {allowzero} (p, shape)")
    path = small(tmp_path / "m.onnx", images="float[1,3,8,8]", logits="float[1,4] y", body=body, shape=np.array([1, 5]))
    found = logits(read_onnx(path, None))
    np.testing.assert_allclose(found[:1], original(path, PIXELS[:1]), rtol=1e-5)
    assert found.shape == (2, 4)


# Numbers


@pytest.mark.parametrize(
    ("dtype", "name"), [(np.float16, "float16"), (np.float64, "double"), (ml_dtypes.bfloat16, "bfloat16")]
)
@pytest.mark.parametrize("inside", [False, True])
def test_other_floats(tmp_path: Path, dtype: type, name: str, inside: bool) -> None:
    """Weights, and what is computed with them; with `inside` images and logits are float32, and cast."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    casts = {"before": f"v = Cast <to={kind}> (x)", "after": "y = Cast <to=1> (z)"} if inside else {}
    path = small(tmp_path / "m.onnx", **casts)
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype(dtype), tensor.name))
    for value in () if inside else (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = kind
    onnx.save(model, path)
    file = read_onnx(path, None)
    assert f"numbers of the file that are {name} were made float32" in file.notes
    assert [node.op_type for node in file.model.graph] == ["Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"]
    assert file.floats == WEIGHTS
    np.testing.assert_allclose(logits(file), original(small(tmp_path / "f.onnx")), rtol=0.05, atol=0.05)
    export_bundle(ExportOptions(str(path), "full"), tmp_path / "bundle")


def test_other_floats_in_a_branch(tmp_path: Path) -> None:
    """The branch that is taken becomes part of the graph, numbers and conversions of its own included."""
    number = "k = Constant <value = float[1] {0.5}> () half = Cast <to=10> (k)"
    branch = f"one () => (float16[n,5] t) {{ {number} h = Cast <to=10> (r5) t = Mul (h, half) }}"
    other = "two () => (float16[n,5] e) { e = Neg (r5) }"
    choice = f"r5 = Flatten (p) f = If (is_one) <then_branch = {branch}, else_branch = {other}>"
    choice = choice.replace("{", "{{").replace("}", "}}")
    path = small(tmp_path / "m.onnx", body=BODY.replace("f = Flatten (p)", choice), is_one=np.array(True))
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype == F:
            tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype(np.float16), tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    onnx.save(model, path)
    plain = BODY.replace("f = Flatten (p)", "g = Flatten (p) f = Mul (g, half)")
    without = small(tmp_path / "f.onnx", body=plain, half=np.full(1, 0.5, F))
    assert export_bundle(ExportOptions(str(path), "full"), tmp_path / "bundle").checks[0].passed
    np.testing.assert_allclose(logits(read_onnx(path, None)), original(without), rtol=0.05, atol=0.05)
