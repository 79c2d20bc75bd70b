"""The program on docs/finalized-model.md needs nothing of this project, and answers as `tbft-edge predict` does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.commands import DEVICE, ROOT, run
from support.runs import fine_tune
from support.toys import coloured_squares
from tbft_runtime import finalize

PAGE = (ROOT / "docs" / "finalized-model.md").read_text()
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
SIDEWAYS = 6  # The EXIF orientation of a picture that was taken with a turned camera.


@pytest.fixture(scope="module", params=["feature-adapt", "feature-int8"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    """A finalized model beside pictures of several sizes, forms and modes; one is the page's `photo.jpg`."""
    folder = tmp_path_factory.mktemp("page")
    fine_tune(request.param, squares, folder / "run", epochs=2)
    finalize(folder / "run", folder / "model.onnx", allow_worse=True)
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = SIDEWAYS
    Image.fromarray(rng.integers(0, 256, (30, 47, 3), np.uint8)).save(folder / "photo.jpg", exif=exif)
    Image.fromarray(rng.integers(0, 256, (21, 9), np.uint8)).save(folder / "grey.png")
    Image.fromarray(rng.integers(0, 256, (5, 6, 4), np.uint8)).save(folder / "small.png")
    for number, image in enumerate(coloured_squares(4)[0]):
        Image.fromarray(image).save(folder / f"square{number}.png")
    return folder


def test_the_program_answers_as_predict_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels and probabilities of every picture; what it prints is about the page's own."""
    files = sorted(path.name for path in folder.iterdir() if path.suffix in (".jpg", ".png"))
    assert len(files) == 7
    wanted = json.loads(run(DEVICE, "predict", "model.onnx", *files, "--json", cwd=folder).out)
    monkeypatch.chdir(folder)
    program: dict[str, Any] = {}
    exec(BLOCKS["python"], program)
    found = program["probabilities"](files)
    classes = program["card"]["classes"]
    assert [classes[index] for index in found.argmax(axis=1)] == [answer["label"] for answer in wanted]
    np.testing.assert_allclose(found.max(axis=1), [answer["probability"] for answer in wanted], rtol=1e-5)
    label, probability = capsys.readouterr().out.split()
    photo = wanted[files.index("photo.jpg")]
    assert (label, float(probability)) == (photo["label"], pytest.approx(photo["probability"], rel=1e-5))


def test_the_program_needs_nothing_of_this_project() -> None:
    """Only what the page says."""
    imported = set(re.findall(r"^(?:import|from) (\w+)", BLOCKS["python"], re.MULTILINE))
    assert imported == {"json", "numpy", "onnxruntime", "PIL"}


def test_the_metadata_are_those_of_the_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object that it shows has the fields, steps and constants of a real one; sizes are the model's."""
    monkeypatch.chdir(folder)
    program: dict[str, Any] = {}
    exec(BLOCKS["python"], program)
    shown, real = json.loads(BLOCKS["json"]), program["card"]
    assert list(shown) == list(real)
    assert shown["classes"] == real["classes"]
    sized = [step | {"size": shown["image_size"]} if "size" in step else step for step in real["preprocessing"]]
    assert shown["preprocessing"] == sized
