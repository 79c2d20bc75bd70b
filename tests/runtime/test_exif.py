"""EXIF says how a photo was held; whatever else is in it, and however broken, never loses the photo."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from support.preparing import preprocessing_to
from tbft_runtime.data.bounds import Room
from tbft_runtime.data.pictures import read

FREE = Room(None)
ORIENTATION = 0x0112
ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, FLOAT, DOUBLE = 2, 3, 4, 5, 7, 10, 11, 12


def tag(number: int, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack(">HHI", number, kind, count) + value.ljust(4, b"\0")[:4]


TURNED = tag(ORIENTATION, SHORT, 1, struct.pack(">H", 6))
# Odd tags (number, type, count, value); values of eight bytes lie behind the list.
ODD: dict[str, tuple[bytes, bytes]] = {
    "signed rational -1/0": (tag(0x9204, SRATIONAL, 1, struct.pack(">I", 38)), struct.pack(">ii", -1, 0)),
    "rational as bytes": (tag(0x011A, UNDEFINED, 4, b"abcd"), b""),
    "text in a short": (tag(0x0103, ASCII, 2, b"x"), b""),
    "no number": (tag(0x011A, FLOAT, 1, struct.pack(">f", float("nan"))), b""),
    "negative in a short": (tag(0x0103, 8, 1, struct.pack(">h", -3)), b""),
    "unknown type": (tag(0x0103, 99, 1, b"abcd"), b""),
    "text as a number": (tag(0x010F, DOUBLE, 1, struct.pack(">I", 38)), struct.pack(">d", 1e300)),
    "value behind the end": (tag(0x010E, ASCII, 4000, struct.pack(">I", 60_000)), b""),
    "count of billions": (tag(0x010E, ASCII, 2**32 - 1, struct.pack(">I", 8)), b""),
    "resolution of zeros": (tag(0x011A, RATIONAL, 1, struct.pack(">I", 38)), struct.pack(">II", 1, 0)),
    "resolution without values": (tag(0x011A, RATIONAL, 0, b""), b""),
    "circle of lists": (tag(0x8769, LONG, 1, struct.pack(">I", 8)), b""),
    "list as text": (tag(0x8769, ASCII, 4, b"abcd"), b""),
}


def exif_of(*tags: bytes, behind: bytes = b"") -> bytes:
    listed = struct.pack(">H", len(tags)) + b"".join(tags) + bytes(4)
    return b"Exif\0\0MM\0*" + struct.pack(">I", 8) + listed + behind


def lying() -> Image.Image:
    """Dark on the left; turned by 6 it is dark at the top."""
    pixels = np.full((64, 64, 3), 250, np.uint8)
    pixels[:, :32] = 10
    return Image.fromarray(pixels)


def upright(path: Path) -> bool:
    found = read(path, preprocessing_to(8), FREE)
    assert found.pixels is not None, found.problem
    return bool(found.pixels[0].mean() < 50 < 200 < found.pixels[-1].mean())


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_an_odd_tag_neither_loses_nor_lays_a_portrait(tmp_path: Path, name: str, kind: str) -> None:
    """Only turned photos were lost: a silent bias of the data."""
    odd, behind = ODD[name]
    lying().save(tmp_path / f"photo.{kind}", exif=exif_of(TURNED, odd, behind=behind))
    assert upright(tmp_path / f"photo.{kind}")


def test_the_orientation_may_be_a_larger_number(tmp_path: Path) -> None:
    """As some programs write it."""
    lying().save(tmp_path / "photo.jpg", exif=exif_of(tag(ORIENTATION, LONG, 1, struct.pack(">I", 6))))
    assert upright(tmp_path / "photo.jpg")


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_an_orientation_that_does_not_exist_is_none(tmp_path: Path, value: int) -> None:
    """The photo is taken as it lies."""
    lying().save(tmp_path / "photo.jpg", exif=exif_of(tag(ORIENTATION, SHORT, 1, struct.pack(">H", value))))
    assert not upright(tmp_path / "photo.jpg")


def _saved(exif: bytes, kind: str) -> bytes:
    buffer = io.BytesIO()
    lying().save(buffer, kind, exif=exif)
    return buffer.getvalue()


@given(st.binary(max_size=200), st.sampled_from(["JPEG", "PNG"]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_bytes_for_exif_lose_no_photo(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, kind: str, headed: bool
) -> None:
    """Nor is anything written to stderr about them."""
    exif = (exif_of()[:14] if headed else b"Exif\0\0") + content
    path = tmp_path_factory.mktemp("exif") / "photo.jpg"
    path.write_bytes(_saved(exif, kind))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(path, preprocessing_to(8), FREE)
    assert found.pixels is not None


@pytest.mark.parametrize("index", [b"", b"II*\0", b"II*\0\x08\0\0\0\x01\0", bytes(40)])
def test_a_damaged_list_of_further_pictures_loses_no_photo(tmp_path: Path, index: bytes) -> None:
    """Phones put a depth map behind the photo, and cut files in two."""
    whole = _saved(exif_of(TURNED), "JPEG")
    segment = b"MPF\0" + index
    (tmp_path / "photo.jpg").write_bytes(
        whole[:2] + b"\xff\xe2" + struct.pack(">H", len(segment) + 2) + segment + whole[2:]
    )
    assert upright(tmp_path / "photo.jpg")
