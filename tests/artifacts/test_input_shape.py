"""What a network takes: said once, shown alike, and readable by whoever knew squares of three channels alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from support.bundles import made_up_manifest
from tbft_artifacts.check_preprocessing import preprocessing_faults
from tbft_artifacts.input_shape import InputShape, as_said, said_shape, square_rgb
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.preprocessing import (
    CenterCrop,
    Normalize,
    PreprocessingStep,
    Resize,
    Standardize,
    ToGrey,
    ToRgb,
)

GREY = InputShape(1, 48, 192)


def test_a_square_picture_is_said_as_ever() -> None:
    """The manifest of a square RGB network has no new field, so that its id is what it was."""
    content = msgspec.json.decode(msgspec.json.encode(made_up_manifest()))
    assert "input_shape" not in content
    assert msgspec.convert(content, Manifest).shape == (3, content["image_size"], content["image_size"])


@pytest.mark.parametrize("shape", [GREY, InputShape(6, 1, 128), InputShape(3, 48, 192), square_rgb(32)])
def test_every_shape_is_read_as_it_was_said(shape: InputShape) -> None:
    size, said = as_said(shape)
    manifest = msgspec.structs.replace(made_up_manifest(), image_size=size, input_shape=said)
    assert msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest).shape == shape
    assert said_shape(size, said) == shape


@pytest.mark.parametrize("shapes", [{}, {"image_size": 8, "input_shape": [3, 8, 8]}])
def test_just_one_of_both_fields_is_there(shapes: dict[str, Any]) -> None:
    content = msgspec.json.decode(msgspec.json.encode(made_up_manifest()))
    del content["image_size"]
    with pytest.raises(msgspec.ValidationError, match="shape"):
        msgspec.json.decode(msgspec.json.encode(content | shapes), type=Manifest)


@pytest.mark.parametrize("shape", [[0, 8, 8], [3, 8], [3, 8, 2**21], [5000, 8, 8], [3, 8, 8, 8], [3, 8.5, 8]])
def test_a_shape_that_no_sensor_has_is_refused(shape: list[float]) -> None:
    content = msgspec.json.decode(msgspec.json.encode(made_up_manifest()))
    del content["image_size"]
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(content | {"input_shape": shape}), type=Manifest)


@pytest.mark.parametrize(
    ("shape", "words", "short"),
    [
        (square_rgb(32), "32 × 32 pixels", "32 px"),
        (InputShape(3, 48, 192), "48 × 192 pixels", "48 × 192 px"),
        (GREY, "1 channel of 48 × 192", "1 channel of 48 × 192"),
        (InputShape(6, 1, 128), "6 channels of 128 samples", "6 channels of 128 samples"),
        (InputShape(3, 1, 128), "3 channels of 128 samples", "3 channels of 128 samples"),
        (InputShape(1, 1, 128), "1 channel of 128 samples", "1 channel of 128 samples"),
        (InputShape(2, 49, 10), "2 channels of 49 × 10", "2 channels of 49 × 10"),
    ],
)
def test_shapes_in_words(shape: InputShape, words: str, short: str) -> None:
    assert (shape.words, shape.short_words) == (words, short)


def of_grey(**changes: Any) -> tuple[PreprocessingStep, ...]:
    steps: dict[str, PreprocessingStep] = {
        "colours": ToGrey(),
        "resize": Resize(48, width=192),
        "crop": CenterCrop(48, width=192),
        "normalize": Normalize((0.5,), (0.5,)),
    }
    return tuple(step for step in (steps | changes).values() if step is not None)


def test_grey_pictures_and_signals_can_be_prepared() -> None:
    """What an exporter writes has no fault."""
    assert list(preprocessing_faults(of_grey(), GREY)) == []
    assert list(preprocessing_faults((Standardize((0.0,) * 6, (1.0,) * 6),), InputShape(6, 1, 128))) == []


@pytest.mark.parametrize(
    ("steps", "shape", "fault"),
    [
        (of_grey(colours=ToRgb()), GREY, "no step of preprocessing 'grey'"),
        (of_grey(colours=None), GREY, "no step of preprocessing 'grey'"),
        (of_grey(crop=CenterCrop(48)), GREY, "images cropped to 48 pixels, where the network takes 48 × 192 pixels"),
        (of_grey(resize=Resize(192, width=48)), GREY, "images scaled to fewer pixels than the 48 × 192 pixels"),
        (of_grey(normalize=Normalize((0.5,) * 3, (0.5,))), GREY, "a mean of 3 channels, where the network takes 1"),
        (of_grey(normalize=Normalize((0.5,), (0.5,) * 2)), GREY, "a std of 2 channels, where the network takes 1"),
        (of_grey(), InputShape(2, 48, 192), "pictures of 2 channels, which have 1 or 3"),
        ((ToGrey(), *of_grey(colours=ToRgb())[1:], ToRgb()), GREY, "in an order"),
        ((Standardize((0.0,), (1.0,)), CenterCrop(48)), GREY, "beside 'windows' or 'sound' and, behind it"),
        ((Standardize((0.0,), (1.0,)),), InputShape(6, 1, 128), "a mean of 1 channels, where the network takes 6"),
    ],
)
def test_steps_that_do_not_make_the_input_are_faults(
    steps: tuple[PreprocessingStep, ...], shape: InputShape, fault: str
) -> None:
    """A device would feed the network something else, or break in the middle."""
    assert any(fault in found for found in preprocessing_faults(steps, shape))
