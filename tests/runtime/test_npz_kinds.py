"""Arrays that numpy writes in other ways than most mean the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.bundles import CLASSES
from support.toys import coloured_squares
from tbft_artifacts.errors import TbftError
from tbft_runtime.data import npz
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.sources import open_source

IMAGES, LABELS = coloured_squares(6)


def labels_of(path: Path, preprocessing: Preprocessing) -> list[int]:
    return [item.label for item in open_source(path, CLASSES, preprocessing).items()]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_fortran_order_is_another_order_of_the_same_bytes(
    tmp_path: Path, preprocessing: Preprocessing, save: object
) -> None:
    """Images that were made of channels first, and turned, are saved so."""
    assert callable(save)
    save(tmp_path / "data.npz", images=np.asfortranarray(IMAGES), labels=LABELS)
    found = [item.pixels for item in open_source(tmp_path / "data.npz", CLASSES, preprocessing).items()]
    np.testing.assert_array_equal(found, IMAGES)


def test_fortran_order_of_many_images_is_refused(
    tmp_path: Path, preprocessing: Preprocessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image lies all over such a file, which would have to be in memory."""
    monkeypatch.setattr(npz, "_MOST_UNSTREAMED", 1000)
    np.savez(tmp_path / "data.npz", images=np.asfortranarray(IMAGES), labels=LABELS)
    with pytest.raises(TbftError, match="Fortran order") as caught:
        open_source(tmp_path / "data.npz", CLASSES, preprocessing)
    assert "ascontiguousarray" in caught.value.hint


@pytest.mark.parametrize("names", [np.array([name.encode() for name in CLASSES]), np.array(CLASSES, ">U9")])
def test_names_may_be_bytes_and_of_either_order(
    tmp_path: Path, preprocessing: Preprocessing, names: np.ndarray
) -> None:
    """`b'ant'` is ant."""
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=LABELS, classes=names)
    assert open_source(tmp_path / "data.npz", None, preprocessing).classes == [*CLASSES]
    assert labels_of(tmp_path / "data.npz", preprocessing) == LABELS.tolist()


@pytest.mark.parametrize("dtype", [">i2", ">u4", "<u8", ">i8"])
def test_labels_may_be_of_either_order(tmp_path: Path, preprocessing: Preprocessing, dtype: str) -> None:
    """Other machines save them so."""
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=LABELS.astype(dtype))
    assert labels_of(tmp_path / "data.npz", preprocessing) == LABELS.tolist()


@pytest.mark.parametrize("classes", [CLASSES, None])
def test_the_largest_unsigned_number_is_not_no_label(
    tmp_path: Path, preprocessing: Preprocessing, classes: tuple[str, ...] | None
) -> None:
    """As int64 it is -1."""
    labels = LABELS.astype(np.uint64)
    labels[2] = 2**64 - 1
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=labels)
    with pytest.raises(TbftError, match="label 18446744073709551615 of item 2"):
        open_source(tmp_path / "data.npz", classes, preprocessing)


@pytest.mark.parametrize("suffix", [".NPZ", ".Npz"])
def test_the_suffix_may_be_in_capitals(tmp_path: Path, preprocessing: Preprocessing, suffix: str) -> None:
    """As on file systems that know no others."""
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=LABELS)
    (tmp_path / "data.npz").rename(tmp_path / f"data{suffix}")
    assert labels_of(tmp_path / f"data{suffix}", preprocessing) == LABELS.tolist()
