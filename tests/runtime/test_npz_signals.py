"""Windows and patches of sensors: any numbers, never divided by 255, read one by one, and nothing odd taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.bundles import COMPILED
from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import InputShape
from tbft_artifacts.preprocessing import Standardize
from tbft_runtime import evaluate
from tbft_runtime.data import items
from tbft_runtime.data.npz_signals import NOT_FINITE
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.sources import open_source
from tbft_runtime.data.store import open_store
from tbft_runtime.inference.pictures import prepared

MEAN, STD = (1.0, -2.0), (2.0, 0.5)
WINDOWS = Preprocessing((Standardize(MEAN, STD),), InputShape(2, 1, 5))
PATCHES = Preprocessing((Standardize(MEAN, STD),), InputShape(2, 3, 5))
VALUES = np.random.default_rng(0).normal(0, 1000, (4, 2, 5))
LABELS = np.array([0, 1, -1, 1])


def save(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
@pytest.mark.parametrize("name", ["windows", "patches", "images"])
def test_windows_are_kept_as_they_were_measured(name: str, dtype: type, tmp_path: Path) -> None:
    """In the store and out of it they have their own type, and become numbers of mean 0 only for the network."""
    values = VALUES.astype(dtype)
    source = open_source(save(tmp_path / "data.npz", labels=LABELS, **{name: values}), ("a", "b"), WINDOWS)
    store = open_store(source, WINDOWS.row_shape, tmp_path / "cache", "train")
    rows = store.pixels.read(np.arange(4))
    assert rows.dtype == dtype
    np.testing.assert_array_equal(rows, values[:, :, np.newaxis])
    np.testing.assert_array_equal(store.labels, LABELS)
    expected = (values - np.reshape(MEAN, (2, 1))) / np.reshape(STD, (2, 1))
    found = WINDOWS.normalize(rows)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, :, 0], expected, rtol=1e-5, atol=1e-3)


def test_a_store_of_another_type_is_made_anew(tmp_path: Path) -> None:
    """int16 and float32 data of one name never mix."""
    for dtype in (np.float32, np.int16):
        path = save(tmp_path / "data.npz", windows=VALUES.astype(dtype))
        store = open_store(open_source(path, None, WINDOWS), WINDOWS.row_shape, tmp_path / "cache", "train")
        np.testing.assert_array_equal(store.pixels.read(np.arange(4))[:, :, 0], VALUES.astype(dtype))


def test_patches_have_a_height(tmp_path: Path) -> None:
    values = np.zeros((3, 2, 3, 5), np.float32) + np.arange(3, dtype=np.float32)[:, None, None, None]
    found = open_source(save(tmp_path / "data.npz", patches=values), None, PATCHES).items()
    np.testing.assert_array_equal(np.stack([item.pixels for item in found if item.pixels is not None]), values)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_windows_without_numbers_are_left_out(odd: float, tmp_path: Path) -> None:
    """One broken window costs that window, and it is named."""
    values = VALUES.astype(np.float32)
    values[1, 1, 4] = odd
    source = open_source(save(tmp_path / "data.npz", windows=values), None, WINDOWS)
    store = open_store(source, WINDOWS.row_shape, tmp_path / "cache", "train")
    assert store.skipped_with_reasons == [("data.npz[1]", NOT_FINITE)]
    np.testing.assert_array_equal(store.pixels.read(np.arange(3))[:, :, 0], values[[0, 2, 3]])


def test_data_without_a_window_are_not_asked_for_pictures(tmp_path: Path) -> None:
    path = save(tmp_path / "data.npz", windows=np.full((2, 2, 5), np.nan, np.float32))
    with pytest.raises(TbftError, match=f"no windows in the data, 2 could not be read: {NOT_FINITE}") as caught:
        open_store(open_source(path, None, WINDOWS), WINDOWS.row_shape, tmp_path / "cache", "train")
    assert "windows" in caught.value.hint


def test_a_file_of_nothing_but_broken_windows_fills_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packed, ten million of them are small; their names would not be."""
    monkeypatch.setattr(items, "MOST_SKIPPED", 3)
    path = save(tmp_path / "data.npz", windows=np.full((4, 2, 5), np.nan, np.float32))
    source = open_source(path, None, WINDOWS)
    with pytest.raises(TbftError, match=f"more than 3 items of the data cannot be read: {NOT_FINITE}"):
        open_store(source, WINDOWS.row_shape, tmp_path / "cache", "train")
    np.savez(tmp_path / "more.npz", windows=np.full((4, 3, 32), np.nan, np.float32))
    with pytest.raises(TbftError, match="more than 3 items of the data cannot be read"):
        evaluate(COMPILED / "motion", tmp_path / "more.npz", threads=1, meter="none")


ODD = {
    "doubles": {"windows": VALUES},
    "bytes": {"windows": VALUES.astype(np.uint8)},
    "big-endian": {"windows": VALUES.astype(">f4")},
    "objects": {"windows": np.array([["a", None]], object)},
    "channels last": {"windows": VALUES.astype(np.float32).transpose(0, 2, 1).copy()},
    "another length": {"windows": VALUES[..., :4].astype(np.float32)},
    "another channel": {"windows": VALUES[:, :1].astype(np.float32)},
    "one window": {"windows": VALUES[0].astype(np.float32)},
    "Fortran order": {"windows": np.asfortranarray(VALUES.astype(np.float32))},
    "no array": {"window": VALUES.astype(np.float32)},
    "labels of another class": {"windows": VALUES.astype(np.float32), "labels": np.array([0, 1, 2, 0])},
    "too few labels": {"windows": VALUES.astype(np.float32), "labels": np.array([0, 1])},
    "names of other classes": {"windows": VALUES.astype(np.float32), "classes": np.array(["x", "y"])},
}


@pytest.mark.parametrize("arrays", ODD.values(), ids=ODD.keys())
def test_what_does_not_fit_the_network_is_refused(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    """Nothing is converted or cut in silence: values would lose their unit or their order."""
    with pytest.raises(TbftError) as caught:
        open_source(save(tmp_path / "data.npz", **arrays), ("a", "b"), WINDOWS)
    assert caught.value.hint


def test_the_message_says_both_shapes(tmp_path: Path) -> None:
    path = save(tmp_path / "data.npz", windows=np.zeros((4, 3, 5), np.float32))
    with pytest.raises(TbftError, match=r"'windows' of .* is float32 \(4, 3, 5\), and the network takes \(N, 2, 5\)"):
        open_source(path, None, WINDOWS)


def test_a_folder_of_pictures_is_no_signal(tmp_path: Path) -> None:
    with pytest.raises(TbftError, match="holds no windows") as caught:
        open_source(tmp_path, None, WINDOWS)
    assert "the network takes 2 channels of 5 samples" in caught.value.hint


@pytest.mark.parametrize("values", [VALUES.astype(np.float32), VALUES.astype(np.int16)[:, :, np.newaxis]])
def test_a_predictor_takes_windows_with_and_without_a_height(values: np.ndarray) -> None:
    found = np.stack(list(prepared(values, WINDOWS)))
    np.testing.assert_array_equal(found[:, :, 0], values.reshape(4, 2, 5))


@pytest.mark.parametrize(
    "values",
    [
        VALUES,
        VALUES.astype(np.uint8),
        VALUES[0].astype(np.float32),
        # As many numbers, and another order of them: the answers would be wrong without a word.
        VALUES.astype(np.float32).transpose(0, 2, 1),
        VALUES.astype(np.float32).reshape(4, 10),
        np.array(1, np.float32),
        np.full((1, 2, 5), np.nan, np.float32),
    ],
)
def test_a_predictor_refuses_what_are_no_windows(values: np.ndarray) -> None:
    with pytest.raises(TbftError, match=r"^windows "):
        list(prepared(values, WINDOWS))


def test_noise_of_a_signal_has_its_unit() -> None:
    """What is measured on noise sees values as large as the sensor's."""
    found = WINDOWS.normalize(WINDOWS.noise(2000, np.random.default_rng(0)))
    assert np.abs(found.mean(axis=(0, 2, 3))).max() < 0.05
    assert np.abs(found.std(axis=(0, 2, 3)) - 1).max() < 0.05
