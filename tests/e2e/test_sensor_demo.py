"""The sensor demo's windows are what it says of them, and its network learns them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

DEMO = Path(__file__).parents[2] / "demo"
sys.path.append(str(DEMO))

from commands import DemoError  # noqa: E402
from drift_sensor import DRIFTS  # noqa: E402
from sensor_run import Place, prepare  # noqa: E402
from sensor_windows import CHANNELS, CLASSES, LENGTH, windows  # noqa: E402
from train_sensor import trained  # noqa: E402

DATA = windows(count=4, people=5, rng=np.random.default_rng(0))


def test_every_activity_is_there_as_often() -> None:
    assert DATA.values.shape == (4 * 5 * len(CLASSES), CHANNELS, LENGTH)
    assert DATA.values.dtype == np.float32
    assert np.bincount(DATA.labels).tolist() == [20] * len(CLASSES)


def test_a_turned_sensor_measures_the_same_vectors() -> None:
    """Lengths stay, directions move, and turned back it is what it was."""
    turned = DATA.turned(45)
    lengths = [np.linalg.norm(each.values[:, :3], axis=1) for each in (DATA, turned)]
    np.testing.assert_allclose(*lengths, rtol=1e-4)
    assert np.abs(turned.values - DATA.values).max() > 1
    np.testing.assert_allclose(turned.turned(-45).values, DATA.values, atol=1e-4)


def test_drifts_change_what_they_say() -> None:
    """Labels of renamed activities alone, and values of the others alone."""
    for name, drift in DRIFTS.items():
        changed = drift(DATA, np.random.default_rng(1))
        assert (changed.values is DATA.values) == (name == "renamed")
        assert (changed.labels != DATA.labels).any() == (name == "renamed")


def test_the_network_learns_the_windows() -> None:
    """A few hundred windows are enough to be right on most of another draw."""
    model = trained(windows(count=10, people=8, rng=np.random.default_rng(2)))
    data = windows(count=4, people=8, rng=np.random.default_rng(2))
    center, spread = (getattr(data.values, of)(axis=(0, 2), keepdims=True) for of in ("mean", "std"))
    with torch.no_grad():
        found = model(torch.from_numpy((data.values - center) / spread)).argmax(1).numpy()
    assert (found == data.labels).mean() > 0.8


def test_nothing_of_others_is_removed(tmp_path: Path) -> None:
    """Neither from a folder that the demo did not make, nor what somebody put beside its own things."""
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(DemoError, match="was not made by the demo"):
        prepare(Place(tmp_path, tmp_path, tmp_path, "none"))
    place = Place(tmp_path, tmp_path, tmp_path / "out", "none")
    prepare(place)
    (place.out / "mine").touch()
    place.run("turned").mkdir(parents=True)
    prepare(place)
    assert (place.out / "mine").exists()
    assert not place.run("turned").exists()
    with pytest.raises(DemoError, match="was not made by the demo"):
        prepare(Place(tmp_path, tmp_path, place.out / "mine", "none"))
