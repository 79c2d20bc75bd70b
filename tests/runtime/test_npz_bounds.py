"""What an `.npz` says of itself is looked at before it is read, so that none takes more than it has."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.bundles import CLASSES
from support.preparing import preprocessing_to
from support.toys import coloured_squares
from tbft_artifacts.errors import TbftError
from tbft_runtime.data import bounds, npz, npz_archive
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.sources import open_source

IMAGES, LABELS = coloured_squares(6)
MEBI = 1 << 20


def npy(array: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array), allow_pickle=False)
    return buffer.getvalue()


def header(text: str, version: int = 1) -> bytes:
    """An array's file without elements, whose header is `text`."""
    content = text.encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(content)) + content


def described(dtype: str, shape: tuple[int, ...], order: bool = False) -> bytes:
    return header(f"{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}}}")


def saved(path: Path, method: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    """An archive of `images`, `labels` and `classes` as they are, others as usual."""
    contents = {"images": npy(IMAGES), "labels": npy(LABELS)} | members
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(f"{name}.npy", content)
    return path


def refused(path: Path, preprocessing: Preprocessing, **options: Any) -> TbftError:
    """The error, which takes hardly any memory to find."""
    tracemalloc.start()
    try:
        with pytest.raises(TbftError) as caught:
            list(open_source(path, CLASSES, preprocessing, **options).items())
        assert tracemalloc.get_traced_memory()[1] < 8 * MEBI
    finally:
        tracemalloc.stop()
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def read_or_refused(path: Path) -> int | None:
    """How many images there are; None for a TbftError, and anything else is raised."""
    with contextlib.suppress(TbftError):
        return len(list(open_source(path, CLASSES, preprocessing_to(8)).items()))
    return None


ZEROS = bytes(64 * MEBI)
BOMBS: dict[str, dict[str, bytes]] = {
    "more images than there are bytes": {"images": described("|u1", (400_000_000, 8, 8, 3))},
    "labels of zeros": {"labels": described("<i8", (8 * MEBI,)) + ZEROS},
    "classes of zeros": {"classes": described("<U1", (16 * MEBI,)) + ZEROS},
    "one long name": {"classes": described("<U16777216", (1,)) + ZEROS},
    "a header of zeros": {"images": b"\x93NUMPY\x02\x00" + struct.pack("<I", len(ZEROS)) + ZEROS},
    "a header of spaces": {"labels": header(" " * 100_000, 2)},
    "a header of version 3": {"labels": header("(" * 70_000, 3)},
    "one large image": {"images": described("|u1", (1, 30_000, 30_000, 3))},
    "no bytes at all": {"labels": b""},
    "a shape of more than numbers hold": {"images": described("|u1", (2**40, 2**40, 2**40, 3))},
    "a shape below zero": {"images": described("|u1", (-6, 8, -8, 3))},
    "eleven million classes": {"classes": described("|S1", (11_000_000,)) + bytes(11_000_000)},
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_small_file_does_not_become_a_large_array(tmp_path: Path, preprocessing: Preprocessing, case: str) -> None:
    """1 KiB took 3.2 GB."""
    refused(saved(tmp_path / "bomb.npz", zipfile.ZIP_DEFLATED, **BOMBS[case]), preprocessing)


ODD: dict[str, dict[str, bytes]] = {
    "a header cut short": {"images": header("{'descr': (")},
    "a header of a name": {"labels": header("labels")},
    "a header with a list for a key": {"labels": header("{[]: 1}")},
    "a header nested deeply": {"images": header("(" * 5000)},
    "objects": {"labels": described("|O", (6,))},
    "fields": {"labels": header("{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (6,)}")},
    "no dimension of names": {"classes": npy("ant")},
    "no dimension of labels": {"labels": npy(3)},
    "no dimension of images": {"images": npy(np.uint8(3))},
    "numbers that are no characters": {"classes": described("<U1", (4,)) + struct.pack("<4I", 1, 2, 3, 2**31)},
    "numbers beyond all characters": {"classes": described("<U1", (4,)) + struct.pack("<4I", 97, 98, 99, 2**32 - 1)},
    "half a character": {"classes": described("<U1", (4,)) + struct.pack("<4I", 97, 98, 99, 0xD800)},
    "bytes that are no UTF-8": {"classes": npy(np.array([b"ant", b"b\xe9", b"cat", b"dog"]))},
    "numbers with a comma for names": {"classes": npy([0.5, 1, 2, 3])},
    "durations for labels": {"labels": npy(LABELS.astype("m8[s]"))},
    "something else": {"images": b"P6 8 8 255 " + bytes(192)},
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_array_is_one_line(tmp_path: Path, preprocessing: Preprocessing, case: str) -> None:
    """numpy raises what it finds on its way: TokenError, TypeError, SystemError."""
    refused(saved(tmp_path / "odd.npz", **ODD[case]), preprocessing)


@given(
    st.sampled_from(["images", "labels", "classes"]),
    st.integers(0, 4),
    st.binary(max_size=80) | st.text("{}()[]':, descrfotanhpTuFlse0123456789<|iuUSO", max_size=80).map(str.encode),
    st.binary(max_size=40),
)
@settings(max_examples=250, deadline=None)
def test_any_header_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, version: int, text: bytes, behind: bytes
) -> None:
    """Never anything but images, or a TbftError."""
    content = (
        b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + behind
    )
    path = saved(tmp_path_factory.mktemp("any") / "any.npz", **{name: content})
    assert read_or_refused(path) in (6, None)


@given(st.integers(0, 2**32), st.data())
@settings(max_examples=150, deadline=None)
def test_any_damage_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, seed: int, data: st.DataObject
) -> None:
    """Whatever bytes a broken card delivers, in the archive's own lists too."""
    path = saved(tmp_path_factory.mktemp("damaged") / "data.npz", classes=npy(list(CLASSES)))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))] if seed % 3 == 0 else content))
    assert read_or_refused(path) in (*range(7), None)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_packings_that_numpy_never_uses_are_refused(tmp_path: Path, preprocessing: Preprocessing, method: int) -> None:
    """Their dictionaries may be of any size."""
    assert "packed" in refused(saved(tmp_path / "data.npz", method), preprocessing).message


def test_an_encrypted_archive_is_refused(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Nobody asks for a password here."""
    path = saved(tmp_path / "data.npz")
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)
    assert "encrypted" in refused(path, preprocessing).message


def test_two_arrays_of_one_name_are_refused(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Programs would not agree on which of them counts."""
    path = saved(tmp_path / "data.npz")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.npy", npy(LABELS[::-1]))
    assert "of one name" in refused(path, preprocessing).message


def test_a_long_list_of_contents_is_not_read(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """A million empty files would fill the memory with their names."""
    path = saved(tmp_path / "data.npz")
    with zipfile.ZipFile(path, "a") as archive:
        for index in range(4000):
            archive.writestr(f"{index:0300}", b"")
    assert "list of contents" in refused(path, preprocessing).message


def test_images_without_room_are_refused_with_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a budget; all images of a file have one size."""
    monkeypatch.setattr(bounds, "resident_memory", lambda: 0)
    path = saved(tmp_path / "data.npz", images=npy(np.zeros((6, 2000, 2000, 3), np.uint8)))
    error = refused(path, preprocessing_to(8), memory_budget=1)
    assert "`memory_budget` leaves 21 MB" in error.message
    assert len(open_source(path, CLASSES, preprocessing_to(8), 100 * MEBI)) == 6


@pytest.mark.parametrize("limit", ["MOST_IMAGES", "MOST_CLASSES"])
def test_there_are_not_more_than_any_data_set_has(
    tmp_path: Path, preprocessing: Preprocessing, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Each image and class takes memory, however small it is."""
    monkeypatch.setattr(npz if limit == "MOST_IMAGES" else npz_archive, limit, 3)
    refused(saved(tmp_path / "data.npz", classes=npy(list(CLASSES))), preprocessing)


def test_what_does_not_fit_into_memory_is_told_so(
    tmp_path: Path, preprocessing: Preprocessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no damage of the file."""

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(npz, "read_array", full)
    assert "fit into memory" in refused(saved(tmp_path / "data.npz"), preprocessing).message
