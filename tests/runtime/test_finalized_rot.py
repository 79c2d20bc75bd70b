"""A finalized model that is not as it was written answers nothing; one from before there were checksums still does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.damages import DAMAGES, damage, flipped
from support.runs import fine_tune
from support.toys import coloured_squares
from tbft_artifacts.errors import TbftError
from tbft_artifacts.stamp import Stamp
from tbft_runtime import Predictor, finalize

IMAGES, _ = coloured_squares(4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    folder = tmp_path_factory.mktemp("model")
    fine_tune("output-frozen", squares, folder / "run", epochs=1)
    finalize(folder / "run", folder / "model.onnx", allow_worse=True)
    return folder / "model.onnx"


def answers(model: Path) -> bytes:
    return Predictor.open(model, threads=1).predict(IMAGES).probabilities.tobytes()


def is_refused(model: Path) -> bool:
    """Whether it is not even loaded."""
    try:
        Predictor.open(model, threads=1)
    except TbftError:
        return True
    return False


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_model_is_refused(how: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(model.read_bytes())
    damage(tmp_path / "model.onnx", DAMAGES[how])
    assert is_refused(tmp_path / "model.onnx")


@given(bit=st.integers(0, 10**9))
@settings(max_examples=100, deadline=None)
def test_one_flipped_bit_changes_no_answer(tmp_path_factory: pytest.TempPathFactory, model: Path, bit: int) -> None:
    """In a weight, an attribute, a class name, the preprocessing: the model is refused.

    Only where the bit is in the name of the checksum is there none any more, and then everything else is right.
    """
    path = tmp_path_factory.mktemp("bit") / "model.onnx"
    path.write_bytes(flipped(model.read_bytes(), bit))
    if is_refused(path):
        return
    assert answers(path) == answers(model)
    assert Predictor.open(path).classes == Predictor.open(model).classes
    assert b'"sha256":"' not in path.read_bytes()


def test_a_model_without_a_checksum_is_taken_as_it_is(model: Path, tmp_path: Path) -> None:
    """As finalized by earlier versions."""
    content = model.read_bytes()
    before = content.replace(b'"sha256":"', b'"sha999":"')
    assert before != content
    (tmp_path / "model.onnx").write_bytes(before)
    assert answers(tmp_path / "model.onnx") == answers(model)


def test_a_weight_that_was_changed_is_told_from_one_that_was_not(model: Path, tmp_path: Path) -> None:
    """The file is a good model for any other engine, and says nothing of what happened to it."""
    content = bytearray(model.read_bytes())
    weight = np.frombuffer(content, np.uint8)
    place = len(weight) // 3
    content[place] ^= 1
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(TbftError, match="is not as it was finalized") as caught:
        Predictor.open(tmp_path / "model.onnx")
    assert "finalize" in caught.value.hint


def odd_models(folder: Path) -> dict[str, Path]:
    os.mkfifo(folder / "pipe.onnx")
    (folder / "device.onnx").symlink_to("/dev/zero")
    (folder / "folder.onnx").mkdir()
    with (folder / "sparse.onnx").open("wb") as file:
        file.truncate(30 << 30)
    return {kind: folder / f"{kind}.onnx" for kind in ("pipe", "device", "folder", "sparse")}


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "sparse"])
def test_nothing_is_read_of_what_is_no_model(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that nobody writes to, and terabytes of nothing: refused before any of it is read."""
    model = odd_models(tmp_path)[kind]

    def fits(_stamp: Stamp, _file: BinaryIO) -> bool | None:
        raise AssertionError("it was read")

    monkeypatch.setattr(Stamp, "fits", fits)
    with pytest.raises(TbftError, match=rf"{kind}\.onnx"):
        Predictor.open(model, threads=1)


def test_what_was_checked_is_what_answers(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changes the file once its checksum was compared changes no answer: it is not read again."""
    path = tmp_path / "model.onnx"
    path.write_bytes(model.read_bytes())
    real = Stamp.fits

    def fits(stamp: Stamp, file: BinaryIO) -> bool | None:
        found = real(stamp, file)
        damage(path, DAMAGES["zeroed"])
        return found

    monkeypatch.setattr(Stamp, "fits", fits)
    found = answers(path)
    monkeypatch.undo()
    assert path.read_bytes() != model.read_bytes()
    assert found == answers(model)
