"""A picture becomes the pixels that the model was trained on, whatever camera and format it comes from."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from support.bundles import IMAGE_SIZE
from support.toys import coloured_squares, png, png_of
from tbft_artifacts.input_shape import square_rgb
from tbft_artifacts.preprocessing import CenterCrop, ExifTranspose, Normalize, Resize, ToRgb
from tbft_runtime.data.pictures import read_picture
from tbft_runtime.data.preprocessing import Preprocessing

ORIENTATION = 0x0112


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def steps_to(size: int, resize: Resize) -> Preprocessing:
    steps = (ExifTranspose(), ToRgb(), resize, CenterCrop(size), Normalize((0.5,) * 3, (0.5,) * 3))
    return Preprocessing(steps, square_rgb(size))


TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda image: image,
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
    8: lambda image: np.rot90(image, 1),
}


@pytest.mark.parametrize("orientation", TURNS)
def test_pictures_are_turned_as_their_exif_says(tmp_path: Path, preprocessing: Preprocessing, orientation: int) -> None:
    """Phones store every picture lying down, and say in EXIF how it was held."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = noise(IMAGE_SIZE, IMAGE_SIZE)
    Image.fromarray(stored).save(tmp_path / "photo.png", exif=exif)
    found = read_picture(tmp_path / "photo.png", preprocessing)
    np.testing.assert_array_equal(found, TURNS[orientation](stored))


def test_a_turned_jpeg_is_cropped_after_turning(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """A lying picture of 16 x 8 that was held upright is 8 x 16: the crop takes its middle."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    stored = np.zeros((IMAGE_SIZE, 2 * IMAGE_SIZE, 3), np.uint8)
    stored[:, IMAGE_SIZE // 2 : -IMAGE_SIZE // 2] = 255
    Image.fromarray(stored).save(tmp_path / "photo.jpg", exif=exif, quality=95)
    found = read_picture(tmp_path / "photo.jpg", preprocessing)
    assert found is not None
    assert found[1:-1].min() > 200


MODES: dict[str, Callable[[np.ndarray], Image.Image]] = {
    "L": lambda grey: Image.fromarray(grey),
    "1": lambda grey: Image.fromarray(grey).convert("1"),
    "P": lambda grey: Image.fromarray(grey).convert("P"),
    "LA": lambda grey: Image.fromarray(grey).convert("LA"),
    "RGBA": lambda grey: Image.fromarray(grey).convert("RGBA"),
}


@pytest.mark.parametrize("mode", MODES)
def test_grey_pictures_become_three_equal_channels(tmp_path: Path, preprocessing: Preprocessing, mode: str) -> None:
    """One channel, two with alpha, a palette or black and white: the network always gets red, green, blue."""
    grey = np.where(np.arange(IMAGE_SIZE**2).reshape(IMAGE_SIZE, IMAGE_SIZE) % 3, 0, 255).astype(np.uint8)
    MODES[mode](grey).save(tmp_path / "picture.png")
    found = read_picture(tmp_path / "picture.png", preprocessing)
    np.testing.assert_array_equal(found, np.repeat(grey[..., None], 3, axis=2))


def test_sixteen_bits_are_scaled_not_cut_off(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Scientific cameras write 16-bit grey; clipped at 255 such a picture would be white."""
    grey = np.linspace(0, 65535, IMAGE_SIZE**2).astype(np.uint16).reshape(IMAGE_SIZE, IMAGE_SIZE)
    (tmp_path / "picture.png").write_bytes(png(grey))
    found = read_picture(tmp_path / "picture.png", preprocessing)
    np.testing.assert_array_equal(found, np.repeat((grey >> 8)[..., None], 3, axis=2))


def test_transparency_is_left_out(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """The colours of a picture with alpha are used as they are."""
    colours = noise(IMAGE_SIZE, IMAGE_SIZE)
    alpha = np.full((IMAGE_SIZE, IMAGE_SIZE, 1), 77, np.uint8)
    Image.fromarray(np.concatenate([colours, alpha], axis=2)).save(tmp_path / "picture.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "picture.png", preprocessing), colours)


def test_print_colours_are_converted(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """A CMYK JPEG, as printers use it, keeps its colours (JPEG itself is not exact)."""
    red = Image.new("RGB", (16, 16), (230, 20, 20))
    red.convert("CMYK").save(tmp_path / "picture.jpg", quality=95)
    found = read_picture(tmp_path / "picture.jpg", preprocessing)
    assert found is not None
    assert np.abs(found.astype(int) - [230, 20, 20]).max() < 30


FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(("height", "width"), [(10, 20), (20, 10), (4, 8), (30, 40), (16, 16)])
def test_resize_and_crop_are_pillows(height: int, width: int, name: str) -> None:
    """The shorter side is scaled to the size with the named filter, then the middle is cut out."""
    image = Image.fromarray(noise(height, width))
    size = 8
    shorter = min(height, width)
    scaled = image.resize((round(size * width / shorter), round(size * height / shorter)), FILTERS[name])
    left, top = (scaled.width - size) // 2, (scaled.height - size) // 2
    expected = np.asarray(scaled)[top : top + size, left : left + size]
    found = steps_to(size, Resize(size, name)).prepare(image)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, expected)


def test_a_larger_resize_leaves_a_border_to_crop() -> None:
    """Resize 12, crop 8, as ImageNet's 256 and 224."""
    image = Image.fromarray(noise(24, 24))
    expected = np.asarray(image.resize((12, 12), Image.Resampling.BILINEAR))[2:10, 2:10]
    np.testing.assert_array_equal(steps_to(8, Resize(12)).prepare(image), expected)


@given(st.integers(1, 90), st.integers(1, 90))
@settings(max_examples=60, deadline=None)
def test_every_shape_of_picture_fits(height: int, width: int) -> None:
    """Banners and slivers too: the result always is a full square of pixels."""
    found = steps_to(8, Resize(8)).prepare(Image.new("RGB", (width, height), (10, 20, 30)))
    assert found.shape == (8, 8, 3)
    assert found.dtype == np.uint8
    assert (found == [10, 20, 30]).all()


def test_arrays_and_pictures_are_prepared_alike(preprocessing: Preprocessing) -> None:
    """An image gives the same pixels from an `.npz` as from a PNG file."""
    image = noise(20, 30)
    picture = Image.open(io.BytesIO(png(image)))
    np.testing.assert_array_equal(preprocessing.prepare_array(image), preprocessing.prepare(picture))


def test_arrays_of_the_right_size_are_not_touched(preprocessing: Preprocessing) -> None:
    """Nothing is resampled that need not be."""
    image = noise(IMAGE_SIZE, IMAGE_SIZE)
    assert preprocessing.prepare_array(image) is image


def test_normalize_follows_its_formula(preprocessing: Preprocessing) -> None:
    """(p / 255 - mean) / std per channel, channels first, ready for the network."""
    images = np.stack([noise(IMAGE_SIZE, IMAGE_SIZE, seed) for seed in range(3)])
    found = preprocessing.normalize(images)
    expected = (images / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, expected.transpose(0, 3, 1, 2), rtol=0, atol=1e-6)


def _jpeg() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    buffer = io.BytesIO()
    Image.fromarray(noise(16, 16)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


PICTURES = {"jpg": _jpeg(), "png": png(coloured_squares(1)[0][0])}


@given(st.sampled_from(sorted(PICTURES)), st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_pictures_never_raise(tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject) -> None:
    """Whatever bytes a broken card delivers, the picture is either read or known as unreadable."""
    content = bytearray(PICTURES[kind])
    for _ in range(data.draw(st.integers(0, 4))):
        position = data.draw(st.integers(0, 150) | st.integers(0, len(content) - 1))
        content[min(position, len(content) - 1)] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / f"picture.{kind}"
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    found = read_picture(path, steps_to(8, Resize(8)))
    assert found is None or found.shape == (8, 8, 3)


@pytest.mark.parametrize(("tag", "kind"), [(0x011A, 1), (0x011A, 2), (0x010F, 11)])
def test_odd_exif_data_never_raises(tmp_path: Path, preprocessing: Preprocessing, tag: int, kind: int) -> None:
    """Cameras write resolutions as text and names as numbers, which Pillow fails on with TypeError and others."""
    turned = struct.pack(">HHIHH", ORIENTATION, 3, 1, 6, 0)
    odd = struct.pack(">HHII", tag, kind, 1, 0x01020304)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 2) + turned + odd + bytes(4)
    Image.fromarray(noise(8, 8)).save(tmp_path / "photo.jpg", exif=exif)
    found = read_picture(tmp_path / "photo.jpg", preprocessing)
    assert found is None or found.shape == (8, 8, 3)


def test_other_formats_are_unreadable(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Only JPEG and PNG are decoded, whatever a file calls itself: fewer decoders, fewer holes."""
    Image.fromarray(noise(8, 8)).save(tmp_path / "picture.gif")
    (tmp_path / "picture.gif").rename(tmp_path / "picture.png")
    assert read_picture(tmp_path / "picture.png", preprocessing) is None


@pytest.mark.parametrize("side", [9_600, 20_000])
def test_decompression_bombs_are_unreadable(tmp_path: Path, preprocessing: Preprocessing, side: int) -> None:
    """A valid file of some kilobytes that unpacks to hundreds of megabytes would end the device."""
    rows = bytes((1 + side // 8) * side)
    (tmp_path / "bomb.png").write_bytes(png_of(side, side, 1, 0, rows))
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    assert read_picture(tmp_path / "bomb.png", preprocessing) is None
