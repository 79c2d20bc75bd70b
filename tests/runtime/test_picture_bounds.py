"""Whatever lies under a picture's name, reading it neither waits nor takes more memory than its bounds say."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.preparing import preprocessing_to
from support.toys import png, png_of
from tbft_runtime.data import bounds
from tbft_runtime.data.bounds import MOST_FILE_BYTES, MOST_PIXELS, Room
from tbft_runtime.data.pictures import DAMAGED, checksum, read
from tbft_runtime.data.preprocessing import AS_TAKEN, Preprocessing

FREE = Room(None)
# Reads a picture in a fresh process and prints what that took beside what it held, and what was expected.
READ = """
import sys
from pathlib import Path
from tbft_artifacts.input_shape import square_rgb
from tbft_artifacts.preprocessing import CenterCrop, ExifTranspose, Resize, ToRgb
from tbft_runtime.board.machine import peak_memory, resident_memory
from tbft_runtime.data.bounds import Room
from tbft_runtime.data.pictures import read
from tbft_runtime.data.preprocessing import AS_TAKEN, Preprocessing

size = int(sys.argv[2])
steps = (ExifTranspose(), ToRgb(), Resize(size), CenterCrop(size)) if size else ()
preprocessing = Preprocessing(steps, square_rgb(size)) if size else AS_TAKEN
before = resident_memory()
picture = read(Path(sys.argv[1]), preprocessing, Room(None))
assert picture.pixels is not None, picture.problem
print(peak_memory() - before, picture.bytes)
"""


def noise(width: int, height: int) -> Image.Image:
    small = np.random.default_rng(0).integers(0, 256, (height // 32 + 1, width // 32 + 1, 3), np.uint8)
    return Image.fromarray(small).resize((width, height))


def in_fresh_process(path: Path, size: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", READ, str(path), str(size)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def wide(picture: Image.Image) -> Image.Image:
    """16 bits of grey."""
    return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)


PICTURES: dict[str, Callable[[Path, Image.Image], None]] = {
    "baseline.jpg": lambda path, picture: picture.save(path, quality=80),
    "progressive.jpg": lambda path, picture: picture.save(path, quality=80, progressive=True),
    "all colours.jpg": lambda path, picture: picture.save(path, quality=80, progressive=True, subsampling=0),
    "turned.jpg": lambda path, picture: picture.save(path, quality=80, exif=turned()),
    "print colours.jpg": lambda path, picture: picture.convert("CMYK").save(path, quality=80),
    "colours.png": lambda path, picture: picture.save(path, compress_level=1),
    "turned.png": lambda path, picture: picture.save(path, compress_level=1, exif=turned()),
    "alpha.png": lambda path, picture: picture.convert("RGBA").save(path, compress_level=1),
    "grey alpha.png": lambda path, picture: picture.convert("LA").save(path, compress_level=1),
    "palette.png": lambda path, picture: picture.convert("P").save(path, compress_level=1),
    "black and white.png": lambda path, picture: picture.convert("1").save(path, compress_level=1),
    "16 bits.png": lambda path, picture: wide(picture).save(path, compress_level=1),
}


@pytest.mark.long
@pytest.mark.parametrize("size", [32, 224, 0])
@pytest.mark.parametrize("name", PICTURES)
def test_reading_takes_no_more_than_its_header_tells(tmp_path: Path, name: str, size: int) -> None:
    """A budget is kept by these figures, so they may be too large and never too small."""
    path = tmp_path / name
    PICTURES[name](path, noise(2600, 1900))
    done = in_fresh_process(path, size)
    took, expected = map(int, done.stdout.split())
    assert took <= expected
    assert expected <= 3 * took + (16 << 20)
    assert done.stderr == ""


@pytest.mark.parametrize("shape", [(1, 65_535), (65_535, 1), (3, 60_000), (40_000, 2)])
def test_a_long_picture_is_cropped_before_it_is_scaled(tmp_path: Path, shape: tuple[int, int]) -> None:
    """Scaled whole, one of 1 x 65,535 pixels would take 13 GB."""
    path = tmp_path / "long.png"
    Image.new("RGB", shape, (9, 99, 199)).save(path)
    done = in_fresh_process(path, 224)
    assert int(done.stdout.split()[0]) < 24 << 20
    found = read(path, preprocessing_to(224), FREE).pixels
    assert found is not None
    assert (found == [9, 99, 199]).all()


@pytest.mark.parametrize("shape", [(40, 400), (400, 40), (33, 500)])
def test_the_middle_of_a_long_picture_is_that_of_the_whole(shape: tuple[int, int]) -> None:
    """Scaling less of it rounds otherwise at most."""
    image = noise(*shape)
    size = 16
    shorter = min(shape)
    whole = image.resize(
        (round(shape[0] * size / shorter), round(shape[1] * size / shorter)), Image.Resampling.BILINEAR
    )
    left, top = (whole.width - size) // 2, (whole.height - size) // 2
    expected = np.asarray(whole)[top : top + size, left : left + size].astype(int)
    assert np.abs(preprocessing_to(size).prepare(image) - expected).max() <= 1


def test_a_picture_of_too_many_pixels_is_named_with_the_reason(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """By its header, before a byte of it is unpacked."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of(20_000, 20_000, 1, 0, b""))
    found = read(path, preprocessing, FREE)
    assert found.pixels is None
    assert found.problem == "20,000 × 20,000 pixels are more than 89 megapixels"
    assert MOST_PIXELS < 90_000_000


def test_a_picture_without_room_is_named_with_the_figures(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Of a budget, or of what the machine has left."""
    path = tmp_path / "large.png"
    noise(1500, 1500).save(path)
    for room, who in (
        (Room(9_000_000, asked=True), "`memory_budget` leaves 9 MB"),
        (Room(5_000_000), "there are 5 MB"),
    ):
        found = read(path, preprocessing, room)
        assert found.pixels is None
        assert who in found.problem
        assert found.checksum == checksum(path)


def test_a_file_of_too_many_bytes_is_not_read(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """A sparse file takes no room on the disk, and would be read for hours."""
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(1 << 42)
    found = read(path, preprocessing, FREE)
    assert (found.pixels, found.checksum, checksum(path)) == (None, None, None)
    assert f"{MOST_FILE_BYTES >> 20} MiB" in found.problem


def test_what_is_no_file_is_neither_read_nor_waited_for(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Pipes, sockets, devices, folders and links to them: each is named, and has no checksum."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "terminal.png").symlink_to("/dev/tty")
    (tmp_path / "pipe behind a link.png").symlink_to("pipe.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    (tmp_path / "nowhere.png").symlink_to("nothing")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.png"))
        for path in tmp_path.iterdir():
            found = read(path, preprocessing, FREE)
            assert (found.pixels, found.checksum, checksum(path)) == (None, None, None), path.name
            assert found.problem, path.name


def test_a_decoder_without_memory_is_told_apart(
    tmp_path: Path, preprocessing: Preprocessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture is whole: with more memory it could be read."""

    def full(*_: object) -> None:
        raise MemoryError

    path = tmp_path / "picture.png"
    path.write_bytes(png(np.zeros((8, 8, 3), np.uint8)))
    monkeypatch.setattr(Preprocessing, "prepare", full)
    found = read(path, preprocessing, FREE)
    assert "not enough memory" in found.problem
    assert found.problem != DAMAGED


@pytest.mark.parametrize(
    ("available", "budget", "expected"), [(50, None, 50), (50, 100 << 20, 50), (1 << 40, 1, 20 << 20)]
)
def test_room_is_what_the_tighter_bound_leaves(
    monkeypatch: pytest.MonkeyPatch, available: int, budget: int | None, expected: int
) -> None:
    """A container's limit counts without a budget; a budget that is too small for anything is told of by training."""
    monkeypatch.setattr(bounds, "available_memory", lambda: available)
    monkeypatch.setattr(bounds, "resident_memory", lambda: 10 << 20)
    assert bounds.room(budget).bytes == expected


def test_pictures_that_stay_as_they_are_are_counted_whole() -> None:
    """Copies of a data set are made of pictures in their own size."""
    assert AS_TAKEN.working_bytes((1000, 1000), 1) >= 7_000_000
    assert AS_TAKEN.smaller((10_000, 10_000)) == 1
