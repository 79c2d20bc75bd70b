"""A network of windows goes the whole way on a device: every command takes a signal as it takes pictures."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.bundles import COMPILED
from support.html_text import read_page
from support.in_process import run_in_process
from tbft_runtime import Predictor


def save_waves(path: Path, count: int, dtype: type = np.float32, seed: int = 0) -> Path:
    """Waves of as many periods as the label says, in three channels, with some noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    time = np.arange(32) / 32
    waves = np.sin(2 * np.pi * ((labels[:, None, None] + 1) * time + rng.random((count, 3, 1))))
    values = (0.5 + 2 * waves + 0.2 * rng.standard_normal(waves.shape)) * (1 if dtype == np.float32 else 1000)
    np.savez(path, windows=values.astype(dtype), labels=labels)
    return path


def told(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    """What a command says with --json."""
    ended = run_in_process(capfd, *arguments, "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_from_windows_to_a_finalized_model(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """diagnose, train --drift auto, report, eval, finalize, predict: one .npz, and labels that it never saw."""
    bundle, run, model = COMPILED / "motion", tmp_path / "run", tmp_path / "model.onnx"
    data, test = save_waves(tmp_path / "train.npz", 96), save_waves(tmp_path / "test.npz", 80, seed=1)
    diagnosis = told(capfd, "diagnose", bundle, "--data", data)
    assert diagnosis["plan"] in {plan["id"] for plan in told(capfd, "inspect", bundle)["plans"]}
    plan = ("--plan", "full-batch-sgd", "--epochs", "12", "--lr", "0.05")
    result = told(capfd, "train", bundle, "--data", data, "--out", run, *plan, "--meter", "none", "--threads", "1")
    assert result["train_images"] + result["validation_images"] == 96
    report = json.loads((run / "report.json").read_text())
    assert (report["image_size"], report["input_shape"]) == (None, [3, 1, 32])
    assert "3 channels of 32 samples" in (run / "report.html").read_text()
    after = told(capfd, "eval", run, "--data", test, "--meter", "none", "--threads", "1")
    assert after["accuracy"] > 0.8
    told(capfd, "finalize", run, "--out", model)
    found = told(capfd, "predict", model, test)
    right = [each["label"] == ("ant", "bee", "cat", "dog")[index % 4] for index, each in enumerate(found)]
    assert np.mean(right) == pytest.approx(after["accuracy"])
    with np.load(test) as arrays:
        answers = Predictor.open(model, threads=1).predict(arrays["windows"])
    assert answers.labels == tuple(each["label"] for each in found)


@pytest.mark.parametrize(
    ("bundle", "words"), [("motion", "3 channels of 32 samples"), ("ds-cnn", "1 channel of 49 × 10")]
)
def test_inspect_says_what_goes_in(bundle: str, words: str, capfd: pytest.CaptureFixture[str]) -> None:
    """No pixels, where what goes in are numbers."""
    assert words in run_in_process(capfd, "inspect", COMPILED / bundle).out


def test_windows_are_called_windows(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """On a terminal, in Markdown and on the page: no image goes through such a network, nor is one asked for."""
    bundle, data, out = COMPILED / "motion", save_waves(tmp_path / "train.npz", 96), tmp_path / "run"
    with np.load(data) as arrays:
        windows, labels = arrays["windows"], arrays["labels"]
    windows[5, 0, 0], labels[:10] = np.nan, -1
    np.savez(data, windows=windows, labels=labels)
    options = ("--out", out, "--drift", "auto", "--epochs", "1", "--meter", "none", "--threads", "1", "--profile")
    for arguments in (
        ("diagnose", bundle, "--data", data),
        ("train", bundle, "--data", data, *options),
        ("report", out),
        ("report", out, "--format", "markdown"),
        ("eval", out, "--data", data),
        ("doctor", bundle, "--out", tmp_path),
    ):
        ended = run_in_process(capfd, *arguments)
        said = (ended.out + ended.err).lower()
        assert "image" not in said, arguments[0]
        assert "window" in said, arguments[0]
    page = read_page((out / "report.html").read_text())
    assert "image" not in page.body.lower()
    assert "validation windows" in page.body


def test_what_a_sensor_gives_as_int16_trains_from_the_cache(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The frozen part's activations are computed once for windows, too."""
    data = save_waves(tmp_path / "train.npz", 48, np.int16)
    plan = ("--plan", "output-frozen-sgd", "--epochs", "2", "--meter", "none", "--threads", "1")
    result = told(capfd, "train", COMPILED / "motion", "--data", data, "--out", tmp_path / "run", *plan)
    assert result["cache"]["cached_images"] == 48


def test_broken_windows_are_named_and_left_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = save_waves(tmp_path / "data.npz", 40)
    with np.load(data) as arrays:
        windows, labels = arrays["windows"], arrays["labels"]
    windows[3, 1, 7] = np.nan
    np.savez(data, windows=windows, labels=labels)
    ended = run_in_process(capfd, "predict", COMPILED / "motion", data)
    assert "data.npz[3]" in ended.err
    assert len(ended.out.splitlines()) == 39
    result = told(capfd, "eval", COMPILED / "motion", "--data", data, "--meter", "none", "--threads", "1")
    assert result["skipped_images"] == ["data.npz[3]"]


def test_pictures_are_no_windows(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In one line each: another network's data, and a corruption, which is one of pictures."""
    np.savez(tmp_path / "pictures.npz", images=np.zeros((4, 8, 8, 3), np.uint8), labels=[0, 1, 2, 3])
    ended = run_in_process(capfd, "eval", COMPILED / "motion", "--data", tmp_path / "pictures.npz")
    assert ended.code == 2
    assert "the network takes (N, 3, 32)" in ended.err
    data = save_waves(tmp_path / "data.npz", 8)
    ended = run_in_process(capfd, "corrupt", data, "--name", "contrast", "--out", tmp_path / "c.npz")
    assert ended.code == 2
    assert "windows of a sensor" in ended.err


def test_a_table_trains_and_is_answered(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As the bundle says: windows of 32 rows, one every 16; a finalized model knows it as well."""
    with np.load(save_waves(tmp_path / "data.npz", 24)) as arrays:
        rows, labels = arrays["windows"].transpose(0, 2, 1).reshape(-1, 3), np.repeat(arrays["labels"], 32)
    names = ("ant", "bee", "cat", "dog")
    lines = [
        f"{row / 50:.2f},{','.join(map(str, values))},{names[label]}"
        for row, (values, label) in enumerate(zip(rows, labels, strict=True))
    ]
    data, model = tmp_path / "data.csv", tmp_path / "model.onnx"
    data.write_text("\n".join(["time,ax,ay,az,label", *lines]))
    plan = ("--plan", "full-batch-sgd", "--epochs", "2", "--meter", "none", "--threads", "1")
    run = ("--data", data, "--out", tmp_path / "run")
    result = told(capfd, "train", COMPILED / "motion", *run, *plan)
    assert result["train_images"] + result["validation_images"] == 24 * 2 - 1
    told(capfd, "finalize", tmp_path / "run", "--out", model, "--allow-worse")
    assert len(told(capfd, "predict", model, data)) == 24 * 2 - 1


def test_recordings_train_and_are_answered(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Tones, which log-mel features tell apart; the features are a part of the model."""
    rng, time = np.random.default_rng(0), np.arange(200) / 800
    for number, name in enumerate(("ant", "bee", "cat", "dog")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(12):
            tone = np.sin(2 * np.pi * (50 + 90 * number) * time + rng.uniform(0, 6)) + 0.1 * rng.standard_normal(200)
            with wave.open(str(tmp_path / "data" / name / f"{index}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(800)
                file.writeframes((10000 * tone).astype("<i2").tobytes())
    options = ("--epochs", "25", "--lr", "0.05", "--meter", "none", "--threads", "1")
    run, data = tmp_path / "run", tmp_path / "data"
    result = told(capfd, "train", COMPILED / "hum", "--data", data, "--out", run, *options)
    assert result["accuracy_after"] > 0.8
    assert result["cache"]["cached_images"] == 48
    (answer,) = told(capfd, "predict", run, data / "cat" / "3.wav")
    assert answer["label"] == "cat"
    assert len(told(capfd, "predict", run, data)) == 48
