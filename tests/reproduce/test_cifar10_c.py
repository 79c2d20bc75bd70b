"""CIFAR-10-C's rows are taken at the right severity; without it the corruptions are made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.fake_data_sets import photos, write_batches, write_cifar10_c
from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.cifar10 import CLASSES, FOLDER
from tbft_edge.reproduce.datasets.cifar10_c import PAPER_CORRUPTIONS, check_files, corrupted, load_corruption
from tbft_runtime.corruptions.corrupt import corrupt

COUNT = 12


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize("inside", [".", ".."])
def test_a_severity_is_a_fifth_of_the_file(tmp_path: Path, severity: int, inside: str) -> None:
    """Severity 5, which the paper uses, is the last fifth; labels are those of the test set."""
    folder = tmp_path / "CIFAR-10-C"
    files = write_cifar10_c(folder, ["fog", "snow"], COUNT)
    images = corrupted(folder / inside, "snow", severity)
    np.testing.assert_array_equal(images.images, files["snow"][(severity - 1) * COUNT : severity * COUNT])
    np.testing.assert_array_equal(images.labels, np.arange(COUNT) % 10)
    assert images.classes == CLASSES


def test_images_are_mapped_not_read(tmp_path: Path) -> None:
    """A file has 150 MB: only what a split takes is in memory."""
    write_cifar10_c(tmp_path, ["fog"], COUNT)
    images = load_corruption(tmp_path, "fog", 2)
    assert not images.images.flags.owndata
    assert not images.images.flags.writeable
    assert images.take(np.array([1, 2])).images.flags.owndata


def test_clean_images_are_corrupted_here(tmp_path: Path) -> None:
    """Without CIFAR-10-C its corruptions come from its formulas, the same for the same seed, images or not."""
    images, labels = photos(COUNT)
    write_batches(tmp_path / FOLDER, {"test_batch": (images, labels)})
    made = corrupted(tmp_path, "contrast", 5, seed=3)
    np.testing.assert_array_equal(made.images, corrupt(images, "contrast", 5, seed=3))
    np.testing.assert_array_equal(made.labels, labels)
    assert made.classes == CLASSES


def test_missing_files_are_named_together(tmp_path: Path) -> None:
    """One look tells everything that is missing, before the first run."""
    write_cifar10_c(tmp_path, [name for name in PAPER_CORRUPTIONS if name not in ("fog", "frost")], 1)
    (tmp_path / "labels.npy").unlink()
    with pytest.raises(TbftError, match=r"has no labels.npy, frost.npy, fog.npy$") as caught:
        check_files(tmp_path)
    assert "https://zenodo.org/records/2535967" in caught.value.hint
    with pytest.raises(TbftError, match=r"has no labels.npy, fog.npy$"):
        corrupted(tmp_path, "fog", 5)


def test_the_paper_has_15_corruptions(tmp_path: Path) -> None:
    """The four extra ones of CIFAR-10-C are not in the paper's average, and not asked for."""
    assert len(set(PAPER_CORRUPTIONS)) == 15
    assert not {"speckle_noise", "gaussian_blur", "spatter", "saturate"} & set(PAPER_CORRUPTIONS)
    write_cifar10_c(tmp_path, PAPER_CORRUPTIONS, 1)
    check_files(tmp_path)


def test_files_of_another_form(tmp_path: Path) -> None:
    """A file that is cut off, of another shape or of objects, and labels that do not repeat, are refused."""
    write_cifar10_c(tmp_path, ["fog"], COUNT)
    np.save(tmp_path / "snow.npy", np.zeros((COUNT, 32, 32, 3), np.uint8))
    with pytest.raises(TbftError, match=r"snow.npy' is \(12, 32, 32, 3\), not \(60, 32, 32, 3\)"):
        load_corruption(tmp_path, "snow", 5)
    np.save(tmp_path / "snow.npy", np.zeros((5 * COUNT, 32, 32, 3), np.float32))
    with pytest.raises(TbftError, match=r"snow.npy' are float32"):
        load_corruption(tmp_path, "snow", 5)
    np.save(tmp_path / "snow.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(TbftError, match=r"snow.npy' cannot be read"):
        load_corruption(tmp_path, "snow", 5)
    (tmp_path / "snow.npy").write_bytes((tmp_path / "fog.npy").read_bytes()[:1000])
    with pytest.raises(TbftError, match=r"snow.npy' cannot be read"):
        load_corruption(tmp_path, "snow", 5)
    np.save(tmp_path / "labels.npy", np.arange(5 * COUNT) % 7)
    with pytest.raises(TbftError, match=r"labels.npy' differs between severities"):
        load_corruption(tmp_path, "fog", 5)
    np.save(tmp_path / "labels.npy", np.zeros(7, np.int64))
    with pytest.raises(TbftError, match=r"labels.npy' is \(7,\), not five times"):
        load_corruption(tmp_path, "fog", 5)


@pytest.mark.parametrize(("name", "severity", "message"), [("rain", 5, "no corruption 'rain'"), ("fog", 6, "severity")])
def test_unknown_corruptions(tmp_path: Path, name: str, severity: int, message: str) -> None:
    """A misspelt name is not looked for on the disk first."""
    write_cifar10_c(tmp_path, ["fog"], 1)
    with pytest.raises(TbftError, match=message):
        corrupted(tmp_path, name, severity)
