"""Whatever the user has of CIFAR-10 becomes the same images: batches, an npz, a folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.fake_data_sets import dump, photos, write_batches
from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.cifar10 import CLASSES, FOLDER, as_cifar10
from tbft_edge.reproduce.datasets.images import labelled_images
from tbft_edge.reproduce.datasets.open import open_images

IMAGES, LABELS = photos(20)
TRAINING = {f"data_batch_{number}": photos(10, seed=number) for number in range(1, 6)}


@pytest.fixture
def cifar10(tmp_path: Path) -> Path:
    """A folder with CIFAR-10's folder in it, as its archive unpacks."""
    write_batches(tmp_path / FOLDER, {**TRAINING, "test_batch": (IMAGES, LABELS)})
    return tmp_path


@pytest.mark.parametrize("folder", [".", FOLDER])
def test_batches(cifar10: Path, folder: str) -> None:
    """Planes become pixels, and the five training files follow each other in their order."""
    test, train = (open_images(cifar10 / folder, part) for part in ("test", "train"))
    np.testing.assert_array_equal(test.images, IMAGES)
    np.testing.assert_array_equal(test.labels, LABELS)
    np.testing.assert_array_equal(train.images, np.concatenate([images for images, _ in TRAINING.values()]))
    assert test.classes == train.classes == CLASSES


@pytest.mark.parametrize("missing", ["batches.meta", "data_batch_3"])
def test_missing_batches_are_named(cifar10: Path, missing: str) -> None:
    """Half a training set is not trained on in silence; the hint says where the rest is."""
    (cifar10 / FOLDER / missing).unlink()
    with pytest.raises(TbftError, match=f"has no {missing}") as caught:
        open_images(cifar10, "train")
    assert "https://www.cs.toronto.edu/~kriz/cifar.html" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("test_batch", {b"labels": [0]}, "'data' of .* is not .N, 3072. bytes"),
        ("test_batch", {b"labels": [0], b"data": np.zeros((1, 3), np.uint8)}, "'data' of .* is not .N, 3072. bytes"),
        ("test_batch", {b"labels": [0, 1], b"data": np.zeros((1, 3072), np.uint8)}, "'labels' of .* are not 1 numbers"),
        ("test_batch", {b"labels": [b"x"], b"data": np.zeros((1, 3072), np.uint8)}, "'labels' of .* are not 1 numbers"),
        ("test_batch", {b"labels": [10], b"data": np.zeros((1, 3072), np.uint8)}, "label 10 of image 0"),
        ("batches.meta", {b"num_vis": 3072}, "has no label_names"),
    ],
)
def test_other_pickles_are_refused(cifar10: Path, name: str, content: dict[bytes, object], message: str) -> None:
    """A batch of CIFAR-100, say, is not taken for one of CIFAR-10."""
    dump(cifar10 / FOLDER / name, content)
    with pytest.raises(TbftError, match=message):
        open_images(cifar10)


@pytest.mark.parametrize("names", [True, False])
def test_npz(tmp_path: Path, names: bool) -> None:
    """An npz says its class names, or they are numbers."""
    extra = {"classes": np.array(CLASSES)} if names else {}
    np.savez(tmp_path / "photos.npz", images=IMAGES, labels=LABELS, **extra)
    images = open_images(tmp_path / "photos.npz")
    np.testing.assert_array_equal(images.images, IMAGES)
    np.testing.assert_array_equal(images.labels, LABELS)
    assert images.classes == (CLASSES if names else tuple("0123456789"))
    assert as_cifar10(images, "photos").classes == CLASSES


def test_folder_per_class(tmp_path: Path) -> None:
    """The folders' names, sorted, are the classes: for CIFAR-10 that is its own order."""
    for index in range(len(LABELS)):
        folder = tmp_path / CLASSES[LABELS[index]]
        folder.mkdir(exist_ok=True)
        Image.fromarray(IMAGES[index]).save(folder / f"{index:03}.png")
    images = open_images(tmp_path)
    assert images.classes == CLASSES
    np.testing.assert_array_equal(images.images, IMAGES[np.argsort(LABELS, kind="stable")])
    assert images.labels.tolist() == sorted(LABELS.tolist())


def test_pictures_that_cannot_be_used(tmp_path: Path) -> None:
    """Unreadable, of another size, without a label, none at all: each in a line that names the picture or folder."""
    (tmp_path / "cat").mkdir()
    with pytest.raises(TbftError, match="no images in"):
        open_images(tmp_path)
    Image.new("RGB", (32, 32)).save(tmp_path / "cat" / "a.png")
    Image.new("RGB", (16, 16)).save(tmp_path / "cat" / "b.png")
    with pytest.raises(TbftError, match=r"'cat/b.png' of .* has another size than 'cat/a.png'"):
        open_images(tmp_path)
    (tmp_path / "cat" / "b.png").write_bytes(b"nothing")
    with pytest.raises(TbftError, match=r"1 images of .* cannot be read: cat/b.png"):
        open_images(tmp_path)
    (tmp_path / "cat" / "b.png").unlink()
    (tmp_path / "unlabelled").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "unlabelled" / "c.png")
    with pytest.raises(TbftError, match="label -1 of image 1"):
        open_images(tmp_path)


def test_an_archive_or_nothing(tmp_path: Path) -> None:
    """The commonest mistakes: the download was not unpacked, or the path is wrong."""
    (tmp_path / "cifar-10-python.tar.gz").touch()
    with pytest.raises(TbftError, match="is an archive") as caught:
        open_images(tmp_path / "cifar-10-python.tar.gz")
    assert "unpack" in caught.value.hint
    with pytest.raises(TbftError, match="does not exist"):
        open_images(tmp_path / "nothing")


def test_only_cifar10_is_cifar10() -> None:
    """Labels of other classes, or images of another size, are not taken for CIFAR-10's."""
    with pytest.raises(TbftError, match="the classes of 'here' are x, y") as caught:
        as_cifar10(labelled_images(IMAGES[:2], LABELS[:2], ("x", "y"), "here"), "here")
    assert "airplane, automobile" in caught.value.hint
    with pytest.raises(TbftError, match="the images of 'here' have 16 pixels"):
        as_cifar10(labelled_images(IMAGES[:2, :16, :16], LABELS[:2], None, "here"), "here")
