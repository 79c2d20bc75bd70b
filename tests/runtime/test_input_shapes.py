"""Pictures become what a network takes, whatever its height, width and colours are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import InputShape
from tbft_artifacts.preprocessing import CenterCrop, Normalize, Resize, ToGrey, ToRgb, width_beside
from tbft_runtime.data.npz import NpzSource
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.store import open_store
from tbft_runtime.graphs.memory import Room
from tbft_runtime.inference.batches import images_per_batch
from tbft_runtime.inference.pictures import prepared

SIDES = st.integers(1, 40)


def preprocessing_to(shape: InputShape) -> Preprocessing:
    channels, height, width = shape
    beside = width_beside(height, width)
    colours = ToGrey() if channels == 1 else ToRgb()
    normalize = Normalize((0.25,) * channels, (0.5,) * channels)
    return Preprocessing((colours, Resize(height, width=beside), CenterCrop(height, width=beside), normalize), shape)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@given(SIDES, SIDES, SIDES, SIDES)
def test_a_picture_is_scaled_until_it_covers_the_input(height: int, width: int, down: int, across: int) -> None:
    """Pillow itself: scaled by the larger of both ratios, and cut out of the middle."""
    pixels = noise(down, across)
    found = preprocessing_to(InputShape(3, height, width)).prepare_array(pixels)
    assert found.shape == (height, width, 3)
    if (down, across) == (height, width):
        np.testing.assert_array_equal(found, pixels)
        return
    ratio = max(height / down, width / across)
    size = max(width, round(across * ratio)), max(height, round(down * ratio))
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    if max(size) <= 4 * max(height, width):  # Of longer ones the middle alone is scaled.
        whole = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(found, np.asarray(whole.crop((left, top, left + width, top + height))))


def test_colours_become_grey_as_pillow_makes_them() -> None:
    """And a picture that is grey already keeps its values."""
    preprocessing = preprocessing_to(InputShape(1, 6, 9))
    colours = noise(6, 9)
    grey = np.asarray(Image.fromarray(colours).convert("L"))
    np.testing.assert_array_equal(preprocessing.prepare(Image.fromarray(colours))[..., 0], grey)
    np.testing.assert_array_equal(preprocessing.prepare(Image.fromarray(grey))[..., 0], grey)
    np.testing.assert_array_equal(preprocessing.prepare_array(grey[..., np.newaxis])[..., 0], grey)


def test_every_channel_is_normalised_by_itself() -> None:
    steps = (Normalize((0.5, 0.25, 0.0), (0.5, 0.25, 2.0)),)
    found = Preprocessing(steps, InputShape(3, 2, 4)).normalize(np.full((2, 2, 4, 3), 51, np.uint8))
    assert found.shape == (2, 3, 2, 4)
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found[0, :, 0, 0], [(0.2 - 0.5) / 0.5, (0.2 - 0.25) / 0.25, 0.1], rtol=1e-6)


@pytest.mark.parametrize("pixels", [noise(6, 9)[..., 0], noise(6, 9)[..., :1], noise(6, 9)])
def test_grey_networks_take_grey_arrays_and_colours(pixels: np.ndarray, tmp_path: Path) -> None:
    """(N, H, W), (N, H, W, 1) and (N, H, W, 3), as an array and out of an `.npz`."""
    preprocessing = preprocessing_to(InputShape(1, 6, 9))
    expected = np.asarray(Image.fromarray(pixels).convert("L")) if pixels.shape[2:] == (3,) else pixels.reshape(6, 9)
    np.savez(tmp_path / "data.npz", images=np.stack([pixels, pixels]), labels=[0, 1])
    source = NpzSource(tmp_path / "data.npz", ("a", "b"), preprocessing)
    store = open_store(source, preprocessing.row_shape, tmp_path / "cache", "train")
    np.testing.assert_array_equal(store.pixels.read(np.arange(2))[1, ..., 0], expected)
    (found,) = prepared(pixels[np.newaxis], preprocessing)
    np.testing.assert_array_equal(found[..., 0], expected)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 6, 9), np.float32), np.zeros((2, 6, 9, 2), np.uint8), np.zeros((6, 9, 3), np.uint8)],
    ids=["floats", "two channels", "a single frame"],
)
def test_what_is_no_picture_is_refused_for_grey_networks_too(images: np.ndarray, tmp_path: Path) -> None:
    preprocessing = preprocessing_to(InputShape(1, 6, 9))
    np.savez(tmp_path / "data.npz", images=images)
    with pytest.raises(TbftError, match="not uint8") as caught:
        NpzSource(tmp_path / "data.npz", None, preprocessing)
    assert caught.value.hint == "save RGB bytes, or grey ones (N, H, W)"
    with pytest.raises(TbftError, match="not uint8"):
        list(prepared(images, preprocessing))


def test_memory_and_batches_count_what_an_input_has() -> None:
    """A row of 4,096 grey pixels is an image of 64 x 64, and a large signal is answered one by one."""
    assert Room(4, InputShape(1, 1, 4096)).bytes(0) == Room(4, InputShape(3, 64, 64)).bytes(0)
    assert images_per_batch(InputShape(1, 8, 8)) == 32
    assert images_per_batch(InputShape(3, 1024, 4096)) == 1
