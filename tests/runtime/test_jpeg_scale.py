"""Large JPEGs are decoded smaller, never below twice what is made of them, and look as they would have."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from support.preparing import preprocessing_to
from tbft_artifacts.input_shape import square_rgb
from tbft_artifacts.preprocessing import CenterCrop, Resize, ToRgb
from tbft_runtime.data.bounds import Room
from tbft_runtime.data.decoders import coefficient_bytes, open_picture
from tbft_runtime.data.pictures import read
from tbft_runtime.data.preprocessing import AS_TAKEN, Preprocessing

FREE = Room(None)


def photo(width: int, height: int) -> Image.Image:
    """Large shapes with noise on them."""
    rng = np.random.default_rng(0)
    shapes = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    noisy = np.asarray(shapes) + rng.normal(0, 12, (height, width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 512))
def test_at_least_twice_the_size_is_decoded(width: int, height: int, size: int) -> None:
    """Scaling has to have something to average; a picture that is not much larger is decoded as it is."""
    factor = preprocessing_to(size).smaller((width, height))
    assert factor in (1, 2, 4, 8)
    assert factor == 1 or min(width, height) // factor >= 2 * size
    assert factor == 8 or min(width, height) < 4 * factor * size


@pytest.mark.parametrize("steps", [(), (ToRgb(),), (CenterCrop(8),), (CenterCrop(99), Resize(8))])
def test_pixels_that_are_cropped_first_are_all_decoded(steps: tuple[ToRgb | Resize | CenterCrop, ...]) -> None:
    """A crop means pixels of the picture as it is."""
    assert Preprocessing(steps, square_rgb(8)).smaller((8000, 8000)) == 1
    assert AS_TAKEN.smaller((8000, 8000)) == 1


@pytest.mark.parametrize("shape", [(640, 480), (601, 803), (1999, 511)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_hardly_differs_from_the_one_decoded_whole(
    tmp_path: Path, shape: tuple[int, int], orientation: int
) -> None:
    """Less than JPEG itself changes, wherever in the picture, also with sides that 8 does not divide."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo(*shape).save(tmp_path / "photo.jpg", quality=90, exif=exif)
    steps = preprocessing_to(32)
    assert steps.smaller(shape) > 1
    found = read(tmp_path / "photo.jpg", steps, FREE).pixels
    with Image.open(tmp_path / "photo.jpg") as picture:
        picture.load()
        whole = steps.prepare(picture)
    assert found is not None
    difference = np.abs(found.astype(int) - whole)
    assert difference.mean() < 1
    assert difference.max() <= 8


def test_progressive_files_and_those_of_many_scans_hold_their_coefficients() -> None:
    """They cannot be decoded line by line, however small."""

    def held(content: bytes) -> int:
        file = io.BytesIO(content)
        picture = open_picture(file)
        assert picture is not None
        return coefficient_bytes(picture, file)

    def saved(**options: object) -> bytes:
        buffer = io.BytesIO()
        photo(320, 240).save(buffer, "JPEG", **options)
        return buffer.getvalue()

    assert held(saved()) == 0
    assert held(saved(progressive=True, subsampling=0)) >= 2 * 3 * 320 * 240
    assert held(saved(progressive=True, subsampling=2)) >= 3 * 320 * 240
    # The header of the first scan: two bytes of length, and then how many channels it has.
    scans = bytearray(saved())
    scans[scans.index(b"\xff\xda") + 4] = 1
    assert held(bytes(scans)) >= 3 * 320 * 240
