"""What looks like none of the classes is called unknown, by source images whose features a bundle keeps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.bundles import ALL_DRIFTS, COMPILED
from support.in_process import run_in_process
from support.toys import coloured_squares, save_folders, save_squares
from tbft_runtime import LearnOptions, Predictor, finalize, learn

BUNDLE = COMPILED / ALL_DRIFTS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head that tells the colours apart."""
    folder = tmp_path_factory.mktemp("learned")
    learn(BUNDLE, LearnOptions(save_squares(folder / "photos.npz", 80), folder / "run", threads=1))
    return folder / "run"


def strange(count: int) -> np.ndarray:
    """Pictures without a colour."""
    return np.random.default_rng(2).integers(0, 256, (count, 8, 8, 3)).astype(np.uint8)


def test_few_known_images_are_called_unknown(run: Path) -> None:
    predictor = Predictor.open(run, threads=1)
    assert predictor.tells_unknown
    known, _ = coloured_squares(200, seed=11)
    assert np.mean(predictor.predict(known).unknown) < 0.15
    assert np.mean(predictor.predict(strange(100)).unknown) > 2 * np.mean(predictor.predict(known).unknown)


def test_a_finalized_model_says_the_same(run: Path, tmp_path: Path) -> None:
    finalize(run, tmp_path / "model.onnx", allow_worse=True)
    images = np.concatenate([coloured_squares(40)[0], strange(40)])
    ours, theirs = (Predictor.open(path, threads=1).predict(images).unknown for path in (run, tmp_path / "model.onnx"))
    assert ours == theirs
    assert len(set(ours)) == 2


def test_without_source_images_nothing_is_said(run: Path) -> None:
    predictor = Predictor.open(COMPILED / "output-frozen", threads=1)
    assert not predictor.tells_unknown
    assert predictor.predict(strange(1)).unknown == (None,)


def test_the_command_prints_unknown(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In the place of the class, and only where it is asked for; --json says it always."""
    folder = save_folders(tmp_path / "photos", strange(20), [0] * 20)
    asked = run_in_process(capfd, "predict", run, folder, "--unknown")
    told = [line.split("\t")[1] for line in asked.out.splitlines()]
    assert asked.code == 0
    assert "unknown" in told
    plain = run_in_process(capfd, "predict", run, folder)
    assert "unknown" not in plain.out
    data = json.loads(run_in_process(capfd, "predict", run, folder, "--json").out)
    assert [each["unknown"] for each in data] == [label == "unknown" for label in told]
    refused = run_in_process(capfd, "predict", COMPILED / "output-frozen", folder, "--unknown")
    assert refused.code == 2
    assert "hint: export the bundle with --source" in refused.err
