"""What is infinite or no number is told by name, wherever it comes in, and never counted on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec import UNSET
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from support.bundles import compiled_copy, read_manifest, write_manifest
from support.commands import Ended
from support.runs import fine_tune
from support.toys import coloured_squares, png
from tbft_artifacts.manifest import WEIGHTS
from tbft_runtime.run.state import STATE_STAMP

Command = Callable[..., Ended]
RUN = ("--epochs", "1", "--meter", "none", "--threads", "1")


def spoil(file: Path, tensor: str, value: float) -> None:
    """Write `value` into one place of a tensor."""
    tensors = dict(load_file(file))
    with safe_open(file, "numpy") as opened:
        metadata = opened.metadata()
    tensors[tensor] = tensors[tensor].copy()
    tensors[tensor].flat[-1] = value
    save_file(tensors, file, metadata)


def spoiled_bundle(folder: Path, tensor: str, value: float) -> Path:
    """A bundle whose hashes are right."""
    bundle = compiled_copy("output-frozen", folder)
    spoil(bundle / WEIGHTS, tensor, value)
    write_manifest(bundle, read_manifest(bundle))
    return bundle


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("tensor", ["conv1.weight", "fc.bias", "bn1.running_mean"])
def test_weights_of_a_bundle_are_refused_by_name(
    tensor: str, value: float, command: Command, tmp_path: Path, squares: Path
) -> None:
    """By whatever computes with them."""
    bundle = spoiled_bundle(tmp_path / "bundle", tensor, value)
    for arguments in (
        ("predict", bundle, squares),
        ("eval", bundle, "--data", squares),
        ("train", bundle, "--data", squares, "--out", tmp_path / "run", *RUN),
    ):
        ended = command(*arguments)
        assert ended.code == 3, ended
        assert f"tensor '{tensor}'" in ended.err
        assert ended.out == ""
    assert not (tmp_path / "run").exists()


@pytest.fixture
def run(tmp_path: Path, squares: Path) -> Path:
    fine_tune("output-frozen", squares, tmp_path / "run", epochs=1)
    return tmp_path / "run"


@pytest.mark.parametrize("group", ["best", "current", "slots"])
def test_a_state_is_refused_by_the_name_of_its_tensor(
    group: str, run: Path, command: Command, tmp_path: Path, squares: Path
) -> None:
    """A model of it would answer nothing but nan, and training go on from there."""
    tensor = "fc.weight.momentum" if group == "slots" else "fc.weight"
    spoil(run / "state.safetensors", f"{group}/{tensor}", np.nan)
    STATE_STAMP.put(run / "state.safetensors")
    ended = command("finalize", run, "--out", tmp_path / "model.onnx", "--allow-worse")
    assert (ended.code, f"tensor '{tensor}'" in ended.err) == (3, True), ended
    assert not (tmp_path / "model.onnx").exists()
    again = ("--epochs", "2", "--meter", "none", "--resume")
    bundle = compiled_copy("output-frozen", tmp_path / "bundle")
    ended = command("train", bundle, "--data", squares, "--out", run, *again)
    assert (ended.code, f"tensor '{tensor}'" in ended.err) == (3, True), ended


def overflowing(folder: Path) -> Path:
    """Every weight is finite, and yet no answer is."""
    bundle = compiled_copy("output-frozen", folder)
    weights = dict(load_file(bundle / WEIGHTS))
    weights["fc.weight"] = np.full_like(weights["fc.weight"], 3e38)
    weights["fc.weight"][1::2] = -3e38
    weights["bn1.running_var"] = np.full_like(weights["bn1.running_var"], 1e-30)
    weights["bn1.weight"] = np.full_like(weights["bn1.weight"], 1e30)
    save_file(weights, bundle / WEIGHTS)
    write_manifest(bundle, read_manifest(bundle))
    return bundle


def test_answers_that_are_no_numbers_are_an_error(command: Command, tmp_path: Path, squares: Path) -> None:
    """eval would tell a loss of null, and predict a class with nan %."""
    bundle = overflowing(tmp_path / "bundle")
    for arguments in (("predict", bundle, squares), ("eval", bundle, "--data", squares, "--json")):
        ended = command(*arguments)
        assert ended.code == 3, ended
        assert "the model answers" in ended.err
        assert ended.out == ""


def test_training_that_begins_so_blames_no_rate(command: Command, tmp_path: Path, squares: Path) -> None:
    """A lower one would end in the same."""
    bundle = overflowing(tmp_path / "bundle")
    ended = command("train", bundle, "--data", squares, "--out", tmp_path / "run", *RUN)
    assert ended.code == 3, ended
    assert "before anything is trained" in ended.err
    assert "lower --lr" not in ended.err


def test_a_finalized_model_was_tried(command: Command, run: Path, tmp_path: Path) -> None:
    """Weights that are finite, and yet make no answer, are no model to deploy."""
    state = dict(load_file(run / "state.safetensors"))
    with safe_open(run / "state.safetensors", "numpy") as opened:
        metadata = opened.metadata()
    for name in ("best/fc.weight", "best/fc.bias"):
        state[name] = np.full_like(state[name], 3.4e38)
    save_file(state, run / "state.safetensors", metadata)
    STATE_STAMP.put(run / "state.safetensors")
    ended = command("finalize", run, "--out", tmp_path / "model.onnx", "--allow-worse")
    assert ended.code == 3, ended
    assert not (tmp_path / "model.onnx").exists()


def test_pictures_of_which_none_can_be_read_are_an_error(command: Command, tmp_path: Path) -> None:
    """Nothing printed would pass for nothing found."""
    bundle = compiled_copy("output-frozen", tmp_path / "bundle")
    folder = tmp_path / "photos"
    folder.mkdir()
    for content in (None, b"no picture"):
        if content is not None:
            (folder / "a.png").write_bytes(content)
        for more in ((), ("--json",)):
            ended = command("predict", bundle, folder, *more)
            assert (ended.code, ended.out) == (2, ""), ended
            assert ended.err.count("error: ") == 1


def test_fewer_names_than_answers_are_an_error(command: Command, tmp_path: Path) -> None:
    """Of two names no third class can be told."""
    # Of one that says how its last layer is, the manifest is refused already.
    bundle = compiled_copy("output-frozen", tmp_path / "bundle", classes=("ant", "bee"), head=UNSET)
    (tmp_path / "a.png").write_bytes(png(coloured_squares(1)[0][0]))
    for more in ((), ("--json",)):
        ended = command("predict", bundle, tmp_path / "a.png", *more)
        assert (ended.code, ended.out) == (2, ""), ended
        assert "not float32 (N, 2)" in ended.err
