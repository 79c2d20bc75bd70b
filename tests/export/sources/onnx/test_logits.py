"""Files whose logits have another form are read as what they compute, and what was assumed is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.onnx_files import BODY, F, logits, original, small
from support.refusals import refusal
from tbft_artifacts.errors import TbftError
from tbft_export import ExportOptions, export_bundle
from tbft_export.sources.onnx.read import read_onnx


@pytest.mark.parametrize(
    ("after", "output", "opset"),
    [
        ("y = Softmax (z)", "float[n,4] y", 17),
        ("y = Softmax <axis=1> (z)", "float[n,4] y", 11),
        ("y = Softmax (z)", "float[n,4] y", 9),
        ("y = LogSoftmax <axis=1> (z)", "float[n,4] y", 20),
        ("s = Softmax (z) y = Identity (s)", "float[n,4] y", 17),
        ("u = Identity (z) s = Softmax (u) y = Flatten (s)", "float[n,4] y", 17),
    ],
)
def test_a_last_softmax_is_left_out(tmp_path: Path, after: str, output: str, opset: int) -> None:
    path = small(tmp_path / "m.onnx", after=after, logits=output, opset=opset)
    file = read_onnx(path, None)
    expected = original(path)
    assert any("Softmax was left out" in note for note in file.notes)
    found = logits(file)
    probabilities = np.exp(found) / np.exp(found).sum(1, keepdims=True)
    np.testing.assert_allclose(probabilities, np.exp(expected) if "Log" in after else expected, rtol=1e-5)


def test_a_softmax_over_images_stays(tmp_path: Path) -> None:
    """It is no one's probability."""
    path = small(tmp_path / "m.onnx", after="y = Softmax <axis=0> (z)")
    file = read_onnx(path, None)
    assert file.model.graph.outputs[0].producer().op_type == "Softmax"  # type: ignore[union-attr]
    with pytest.raises(TbftError, match="ends in Softmax"):
        export_bundle(ExportOptions(str(path), "output"), tmp_path / "bundle")


@pytest.mark.parametrize("end", ["", "s = Softmax <axis=1> (z) y = Identity (s)"])
def test_a_map_of_one_pixel_is_flattened(tmp_path: Path, end: str) -> None:
    """As networks that end in a convolution and a pool give it."""
    body = BODY.replace("f = Flatten (p) {end} = Gemm <transB=1> (f, fw, fb)", "{end} = Conv (p, k)")
    kernel = np.random.default_rng(2).standard_normal((4, 5, 1, 1)).astype(F)
    path = small(tmp_path / "m.onnx", after=end, logits="float[n,4,1,1] y", body=body, k=kernel)
    found = logits(read_onnx(path, None))
    assert found.shape == (2, 4)
    if not end:
        np.testing.assert_allclose(found, original(path)[:, :, 0, 0], rtol=1e-5)


TWO = {"after": "y = Neg (z) m = ReduceMean <axes=[1]> (z)", "logits": "float[n,4] y, float[n,1] m"}
BOTH = {"after": "y = Neg (z) m = Abs (z)", "logits": "float[n,4] y, float[n,4] m"}


def test_the_only_output_that_fits_is_taken(tmp_path: Path) -> None:
    path = small(tmp_path / "m.onnx", **TWO)
    file = read_onnx(path, None)
    assert "of the outputs 'y' is taken for the logits, the only one that fits" in file.notes
    np.testing.assert_allclose(logits(file), original(path), rtol=1e-5)


@pytest.mark.parametrize("name", ["y", "m"])
def test_an_output_is_chosen(tmp_path: Path, name: str) -> None:
    path = small(tmp_path / "m.onnx", **BOTH)
    file = read_onnx(path, None, output=name)
    np.testing.assert_allclose(logits(file), original(path, output=name), rtol=1e-5)
    assert len(file.model.graph.outputs) == 1


def test_a_bundle_of_a_chosen_output(tmp_path: Path) -> None:
    path = small(tmp_path / "m.onnx", **BOTH)
    exported = export_bundle(ExportOptions(str(path), "output", output="y"), tmp_path / "bundle")
    assert len(exported.manifest.classes) == 4


@pytest.mark.parametrize(
    ("changes", "said", "hint"),
    [
        (BOTH, "has 2 outputs, and it is not said which", "choose one with `output`: y (n, 4), m (n, 4)"),
        (
            {"after": "y = ArgMax <axis=1, keepdims=0> (z)", "logits": "int64[n] y"},
            "the likeliest class (ArgMax)",
            "with",
        ),
        ({"images": "float[n,5] q, float[n,3,8,8]"}, "has 2 inputs, not one: q, x", "nothing else"),
        ({"images": "int64[n,3,8,8]", "before": "v = Cast <to=1> (x)"}, "takes tensors of int64, not images", "bytes"),
        ({"logits": "int64[n,4] y", "after": "y = Cast <to=7> (z)"}, "gives tensors of int64, and", "y (n, 4)"),
        ({"logits": "float[n,1,4] y", "after": "y = Unsqueeze (z, one)"}, "not (N, C, H, W) to", "fixed channels"),
        ({"logits": "float[n,1,4] y", "after": "y = Unsqueeze (z, one)"}, "(N, 3, 8, 8) to (N, 1, 4), not", "classif"),
    ],
)
def test_forms_that_are_refused(tmp_path: Path, changes: dict[str, str], said: str, hint: str) -> None:
    path = small(tmp_path / "m.onnx", **changes, one=np.array([1]))
    error = refusal(ExportOptions(str(path), "output"), tmp_path)
    assert said in error.message
    assert hint in error.hint


def test_an_output_that_there_is_not(tmp_path: Path) -> None:
    path = small(tmp_path / "m.onnx", **BOTH)
    error = refusal(ExportOptions(str(path), "output", output="w"), tmp_path)
    assert error.message.endswith("has no output 'w'")
    assert error.hint == "`output` can be y (n, 4), m (n, 4)"


def test_an_output_of_a_module_is_refused(tmp_path: Path) -> None:
    options = ExportOptions("support.tiny_models:tiny", "output", image_size=8, output="y")
    assert "`output` names one of an .onnx file" in refusal(options, tmp_path).message
