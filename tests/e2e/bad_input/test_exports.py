"""An export that cannot be: one error line and a hint, exit code 2, and nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from support.commands import EXPORT, HOST, Refusal, refused, run
from support.files import listing
from support.in_process import run_in_process

Export = Callable[..., Refusal]


@pytest.fixture
def export(desk: Path, capfd: pytest.CaptureFixture[str]) -> Export:
    """The error of an export, which leaves the desk as it was."""

    def run_here(*arguments: str | Path) -> Refusal:
        before = listing(desk)
        ended = run_in_process(capfd, "export", *arguments)
        assert listing(desk) == before
        return refused(ended)

    return run_here


def test_weights_that_do_not_fit_are_named(export: Export, desk: Path, tmp_path: Path) -> None:
    """Which tensors are missing, unexpected or of another shape, and what to check."""
    weights = {
        "fc.weight": np.zeros((3, 7), np.float32),
        "fc.bias": np.zeros(4, np.float32),
        "odd": np.zeros(1, np.float32),
    }
    save_file(weights, tmp_path / "weights.safetensors")
    refusal = export(
        *("--model", "support.tiny_models:tiny", "--image-size", "8", "--drift", "output"),
        *("--weights", tmp_path / "weights.safetensors", "--out", desk / "bundle"),
    )
    assert "missing conv1.weight" in refusal.message
    assert "do not fit" in refusal.message
    assert "--classes" in refusal.hint


def test_an_operator_without_a_gradient_is_named(desk: Path) -> None:
    """Operator and node, so that the user finds the layer."""
    model = ("--model", "support.tiny_models:tiny_without_gradient", "--image-size", "8")
    refusal = refused(run(HOST, "export", *model, "--drift", "input", "--out", desk / "bundle"))
    assert "Round" in refusal.message
    assert "/relu/" in refusal.message
    assert listing(desk) == {}


def test_an_unknown_block_lists_the_known(export: Export, desk: Path) -> None:
    """The hint can be copied into --block."""
    refusal = export(*EXPORT[1:], "--block", "layer9", "--out", desk / "bundle.tar.gz")
    assert "layer9" in refusal.message
    assert "layer1, layer2, fc" in refusal.hint


@pytest.mark.parametrize(
    ("model", "named"),
    [("resnet99", "resnet99"), ("support.tiny_models:nothing", "nothing"), ("nowhere.onnx", "nowhere.onnx")],
)
def test_an_unknown_model_is_named(export: Export, desk: Path, model: str, named: str) -> None:
    """A built-in name, a factory, a file: whichever was meant."""
    refusal = export("--model", model, "--drift", "output", "--image-size", "8", "--out", desk / "bundle")
    assert named in refusal.message


def test_a_missing_bundle_is_asked_for(export: Export) -> None:
    """Only to look at plans takes none."""
    refusal = export(*EXPORT[1:])
    assert "where the bundle goes" in refusal.message
    assert "--out" in refusal.hint
    assert "--plan-only" in refusal.hint


def test_missing_weights_are_named(export: Export, desk: Path) -> None:
    """A mistyped path."""
    refusal = export("--model", "resnet26", "--weights", "nowhere.pth", "--drift", "output", "--out", desk / "bundle")
    assert "nowhere.pth" in refusal.message


def test_a_folder_that_is_not_there_is_named_ahead_of_the_work(export: Export, desk: Path) -> None:
    refusal = export(*EXPORT[1:], "--out", desk / "no" / "such" / "bundle.tar.gz")
    assert "such' does not exist" in refusal.message


def test_an_export_does_not_overwrite(export: Export, desk: Path) -> None:
    """A folder that is not empty is refused, and stays."""
    (desk / "bundle").mkdir()
    (desk / "bundle" / "notes.txt").write_text("mine")
    assert "exists already" in export(*EXPORT[1:], "--out", desk / "bundle").message
