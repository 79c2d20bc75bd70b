"""An int8 prefix as a user asks for it: options, words, tables, and both environments."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.bundles import CLASSES, read_manifest
from support.commands import DEVICE, EXPORT, HOST, refused, run
from support.in_process import run_in_process
from support.toys import coloured_squares, save_folders, save_squares

INT8 = (*EXPORT, "--classes", ",".join(CLASSES), "--prefix", "int8")


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 labelled images."""
    return save_squares(tmp_path_factory.mktemp("calibration") / "images.npz", 240, seed=7)


@pytest.fixture(scope="module")
def bundle(calibration: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("int8") / "bundle"
    ended = run(HOST, *INT8, "--calibration", calibration, "--out", out, "--json")
    assert ended.code == 0, ended
    assert ended.err == ""
    report, (plan,) = json.loads(ended.out), read_manifest(out).plans
    assert report["plan"] == plan.id == "feature-block-sgd-int8"
    assert plan.int8 is not None
    assert report["int8"] == {name: getattr(plan.int8, name) for name in plan.int8.__struct_fields__}
    assert (plan.int8.calibration_images, plan.int8.measured_images) == (80, 160)
    return out


@pytest.mark.long
def test_people_see_both_accuracies_and_an_export_repeats(bundle: Path, calibration: Path, tmp_path: Path) -> None:
    """In a table, without --json; equal images give an equal bundle in another process."""
    out = tmp_path / "again"
    ended = run(HOST, *INT8, "--calibration", calibration, "--out", out, variables={"PYTHONHASHSEED": "7"})
    assert ended.code == 0, ended
    assert "Frozen prefix in int8, calibrated with 80 images, measured on 160" in ended.out
    assert ["float32", "int8", "difference"] in [line.split() for line in ended.out.splitlines()]
    assert read_manifest(out).bundle_id == read_manifest(bundle).bundle_id


def test_it_is_trained_evaluated_and_finalized(bundle: Path, data: Path, fresh: Path, tmp_path: Path) -> None:
    """On the device: the file that is deployed evaluates as the run did."""
    ended = run(DEVICE, "train", bundle, "--data", data, "--out", tmp_path / "run", "--epochs", "3", "--threads", "1")
    assert ended.code == 0, ended
    assert run(DEVICE, "finalize", tmp_path / "run", "--out", tmp_path / "model.onnx", "--allow-worse").code == 0
    results = [
        json.loads(run(DEVICE, "eval", model, "--data", fresh, "--threads", "1", "--json").out)
        for model in (tmp_path / "run", tmp_path / "model.onnx")
    ]
    assert results[0]["accuracy"] == results[1]["accuracy"]
    assert results[0]["loss"] == pytest.approx(results[1]["loss"], rel=1e-6)


def test_inspect_says_so(bundle: Path) -> None:
    """With both accuracies, on either side."""
    for environment in (HOST, DEVICE):
        page = run(environment, "inspect", bundle).out
        assert "int8 (" in page
        assert "float32 " in page


def test_folders_of_pictures_calibrate_too(tmp_path: Path) -> None:
    """Unlabelled and unreadable ones are left out; the second are named."""
    images, labels = coloured_squares(160, seed=8)
    save_folders(tmp_path / "photos", images, np.where(np.arange(160) < 10, -1, labels))
    (tmp_path / "photos" / "cat" / "broken.jpg").write_bytes(b"no picture")
    options = ("--calibration", tmp_path / "photos", "--allow-accuracy-loss", "--json")
    ended = run(HOST, *INT8, *options, "--out", tmp_path / "bundle")
    assert ended.code == 0, ended
    assert "skipped 1 unreadable images" in ended.err
    assert "cat/broken.jpg" in ended.err
    int8 = json.loads(ended.out)["int8"]
    assert int8["calibration_images"] + int8["measured_images"] == 150


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--calibration", "nowhere.npz"), "data 'nowhere.npz' does not exist"),
        (("--calibration", "few.npz"), "8 images are too few"),
    ],
)
def test_what_cannot_be_calibrated(
    options: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """One line, a hint, and nothing beside what was there."""
    save_squares(tmp_path / "few.npz", 12)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    refusal = refused(run_in_process(capfd, *INT8, *options, "--out", "bundle"))
    assert said in refusal.message
    assert refusal.hint
    assert sorted(tmp_path.rglob("*")) == before
