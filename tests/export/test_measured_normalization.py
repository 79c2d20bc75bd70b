"""Mean and deviation of each channel are those of the data, whatever its unit is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from support.bundles import made_up_manifest
from support.refusals import refusal
from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import InputShape
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.preprocessing import Normalize, Standardize
from tbft_export import ExportOptions, export_bundle
from tbft_export.normalization import measured
from tbft_runtime.data.preprocessing import Preprocessing

SIGNAL = msgspec.structs.replace(
    made_up_manifest(),
    image_size=msgspec.UNSET,
    input_shape=InputShape(3, 1, 40),
    preprocessing=(Standardize((5.0,) * 3, (9.0,) * 3),),
)


class Rows:
    """Rows in memory, fed as a device feeds them."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.labels = np.zeros(len(rows), np.int64)

    def __call__(self, manifest: Manifest) -> Rows:
        self.preprocessing = Preprocessing(manifest.preprocessing, manifest.shape)
        return self

    def images(self, indices: np.ndarray) -> np.ndarray:
        return self.preprocessing.normalize(self.rows[indices])


def test_it_is_what_numpy_says() -> None:
    """In double, over batches of which the last is short, and far from zero."""
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1, (75, 3, 1, 40)) * np.reshape([0.01, 1, 300], (3, 1, 1)) + np.reshape(
        [0, 16384, -7], (3, 1, 1)
    )
    rows = rows.astype(np.float32)
    found = measured(SIGNAL, Rows(rows)).normalization
    by_channel = rows.astype(np.float64).transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_allclose(found.mean, by_channel.mean(axis=1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.std, by_channel.std(axis=1), rtol=1e-5)


def test_pixels_are_measured_between_0_and_1() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    found = measured(made_up_manifest(), Rows(rows)).normalization
    assert isinstance(found, Normalize)
    np.testing.assert_allclose(found.mean, (rows / 255).mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found.std, (rows / 255).std(axis=(0, 1, 2)), rtol=1e-5)


def test_a_channel_in_which_nothing_changes_is_named() -> None:
    """A dead sensor would be divided by zero."""
    rows = np.random.default_rng(0).standard_normal((9, 3, 1, 40)).astype(np.float32)
    rows[:, 1] = 4
    with pytest.raises(TbftError, match="channel 1 of the data has mean 4 and deviation 0") as caught:
        measured(SIGNAL, Rows(rows))
    assert "nothing changes in it" in caught.value.hint


def test_an_export_keeps_what_it_measured(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(3, 2, (20, 6, 1, 32)).astype(np.float32)
    options = ExportOptions(
        "export.test_input_shapes:signal", "full", window=32, channels=6, batch_norm="batch", measure=Rows(rows)
    )
    found = export_bundle(options, tmp_path / "bundle").manifest.normalization
    np.testing.assert_allclose(found.mean, rows.mean(axis=(0, 2, 3)), rtol=1e-4)


def test_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    """In one line, before anything is loaded."""
    rows = Rows(np.zeros((1, 6, 1, 32), np.float32))
    error = refusal(ExportOptions("none:none", "full", window=32, measure=rows, mean=(1.0,)), tmp_path)
    assert "is to be measured, too" in error.message
    error = refusal(ExportOptions("none:none", "full", window=32, patch=(1, 32)), tmp_path)
    assert "`window` and `patch` both say what goes in" in error.message
