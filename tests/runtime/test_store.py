"""Prepared images are decoded once, and made again only when the data changed."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.bundles import IMAGE_SIZE
from support.damages import damage as rot
from support.damages import flipped
from support.files import listing
from support.toys import coloured_squares
from tbft_artifacts.errors import TbftError
from tbft_runtime.data.items import Item
from tbft_runtime.data.store import ImageStore, open_store

SHAPE = (IMAGE_SIZE, IMAGE_SIZE, 3)
IMAGES, LABELS = coloured_squares(5)


@dataclass
class CountingSource:
    """Images from memory; counts how often they are read, and can fail on the way."""

    images: np.ndarray
    labels: np.ndarray
    unreadable: tuple[int, ...] = ()
    name: str = "first"
    fail_at: int = -1
    reads: int = 0

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.images)

    def items(self) -> Iterator[Item]:
        self.reads += 1
        for index, (image, label) in enumerate(zip(self.images, self.labels, strict=True)):
            if index == self.fail_at:
                raise KeyboardInterrupt
            yield Item(f"picture {index}", int(label), None if index in self.unreadable else image)

    def fingerprint(self) -> str:
        return self.name


def pixels_of(store: ImageStore) -> np.ndarray:
    """All of them, in order."""
    return store.pixels.read(np.arange(len(store.labels)))


def test_images_are_kept_in_order(tmp_path: Path) -> None:
    """Pixels and labels belong together; every image is reported while it is prepared."""
    seen: list[int] = []
    store = open_store(CountingSource(IMAGES, LABELS), SHAPE, tmp_path, "train", lambda: seen.append(1))
    np.testing.assert_array_equal(pixels_of(store), IMAGES)
    np.testing.assert_array_equal(store.labels, LABELS)
    assert len(seen) == 5
    assert store.skipped == ()


def test_pixels_stay_on_the_disk(tmp_path: Path) -> None:
    """They are read when asked for, in any order, and nobody can change them by accident."""
    store = open_store(CountingSource(IMAGES, LABELS), SHAPE, tmp_path, "train")
    order = np.array([3, 0, 3])
    read = store.pixels.read(order)
    read[0] = 0
    np.testing.assert_array_equal(store.pixels.read(order), IMAGES[order])
    with pytest.raises(OSError, match="Bad file descriptor"):
        store.pixels.write(order, read)


def test_labelled_images_are_known(tmp_path: Path) -> None:
    """Training and validation choose among these only."""
    store = open_store(CountingSource(IMAGES, np.array([0, -1, 2, -1, 3])), SHAPE, tmp_path, "train")
    assert store.labelled.tolist() == [0, 2, 4]


def test_unreadable_images_are_skipped_and_named(tmp_path: Path) -> None:
    """The others keep their labels, and a second opening still knows the names."""
    source = CountingSource(IMAGES, LABELS, unreadable=(0, 3))
    for _ in range(2):
        store = open_store(source, SHAPE, tmp_path, "train")
        np.testing.assert_array_equal(pixels_of(store), IMAGES[[1, 2, 4]])
        np.testing.assert_array_equal(store.labels, LABELS[[1, 2, 4]])
        assert store.skipped == ("picture 0", "picture 3")
    assert source.reads == 1


def test_a_second_opening_reuses_the_first(tmp_path: Path) -> None:
    """A resumed run does not decode every photo again."""
    source = CountingSource(IMAGES, LABELS)
    open_store(source, SHAPE, tmp_path, "train")
    again = CountingSource(IMAGES, LABELS)
    np.testing.assert_array_equal(pixels_of(open_store(again, SHAPE, tmp_path, "train")), IMAGES)
    assert (source.reads, again.reads) == (1, 0)


def test_other_data_is_prepared_anew(tmp_path: Path) -> None:
    """A new fingerprint, or another image size, is never served the old pixels."""
    open_store(CountingSource(IMAGES, LABELS), SHAPE, tmp_path, "train")
    other = CountingSource(IMAGES[::-1], LABELS[::-1], name="second")
    np.testing.assert_array_equal(pixels_of(open_store(other, SHAPE, tmp_path, "train")), IMAGES[::-1])
    large = coloured_squares(5, size=16)[0]
    sized = CountingSource(large, LABELS, name="second")
    np.testing.assert_array_equal(pixels_of(open_store(sized, (16, 16, 3), tmp_path, "train")), large)


@given(file=st.sampled_from(["train.pixels", "train.json"]), bit=st.integers(0, 10**6))
@settings(deadline=None)
def test_what_rotted_is_prepared_anew(tmp_path_factory: pytest.TempPathFactory, file: str, bit: int) -> None:
    """A pixel of another colour, an image of another class: never trained on, and told where pixels were lost."""
    folder = tmp_path_factory.mktemp("rot")
    open_store(CountingSource(IMAGES, LABELS), SHAPE, folder, "train")
    rot(folder / file, lambda content: flipped(content, bit))
    notes: list[str] = []
    again = open_store(CountingSource(IMAGES, LABELS), SHAPE, folder, "train", note=notes.append)
    np.testing.assert_array_equal(pixels_of(again), IMAGES)
    np.testing.assert_array_equal(again.labels, LABELS)
    assert again.skipped == ()
    assert len(notes) == (file == "train.pixels")


@pytest.mark.parametrize("damage", ["removed", "cut short"])
def test_pixels_that_are_gone_are_prepared_anew(tmp_path: Path, damage: str) -> None:
    """The cache may be cleaned up between two parts of a run."""
    open_store(CountingSource(IMAGES, LABELS), SHAPE, tmp_path, "train")
    pixels = tmp_path / "train.pixels"
    if damage == "removed":
        pixels.unlink()
    else:
        pixels.write_bytes(pixels.read_bytes()[:-1])
    again = CountingSource(IMAGES, LABELS)
    np.testing.assert_array_equal(pixels_of(open_store(again, SHAPE, tmp_path, "train")), IMAGES)
    assert again.reads == 1


def test_a_damaged_index_is_prepared_anew(tmp_path: Path) -> None:
    """The cache can always be made again, so it is no reason to stop."""
    open_store(CountingSource(IMAGES, LABELS), SHAPE, tmp_path, "train")
    (tmp_path / "train.json").write_text("{")
    again = CountingSource(IMAGES, LABELS)
    np.testing.assert_array_equal(pixels_of(open_store(again, SHAPE, tmp_path, "train")), IMAGES)


def test_an_interruption_leaves_nothing_that_looks_complete(tmp_path: Path) -> None:
    """Ctrl-C while preparing: the next opening starts over, with every image."""
    with pytest.raises(KeyboardInterrupt):
        open_store(CountingSource(IMAGES, LABELS, fail_at=3), SHAPE, tmp_path, "train")
    assert listing(tmp_path) == {}
    np.testing.assert_array_equal(
        pixels_of(open_store(CountingSource(IMAGES, LABELS), SHAPE, tmp_path, "train")), IMAGES
    )


def test_an_interruption_while_replacing_forgets_the_old_data(tmp_path: Path) -> None:
    """Old pixels must not be taken for the new data's, nor the other way round."""
    open_store(CountingSource(IMAGES, LABELS), SHAPE, tmp_path, "train")
    with pytest.raises(KeyboardInterrupt):
        open_store(CountingSource(IMAGES, LABELS, name="second", fail_at=3), SHAPE, tmp_path, "train")
    assert not (tmp_path / "train.json").exists()


def test_two_stores_share_a_folder(tmp_path: Path) -> None:
    """Training and validation images of a run."""
    train = open_store(CountingSource(IMAGES[:3], LABELS[:3]), SHAPE, tmp_path, "train")
    validation = open_store(CountingSource(IMAGES[3:], LABELS[3:]), SHAPE, tmp_path, "validation")
    np.testing.assert_array_equal(pixels_of(train), IMAGES[:3])
    np.testing.assert_array_equal(pixels_of(validation), IMAGES[3:])


def test_no_images_is_an_error(tmp_path: Path) -> None:
    """There is nothing to train on."""
    with pytest.raises(TbftError, match="no images"):
        open_store(CountingSource(IMAGES[:0], LABELS[:0]), SHAPE, tmp_path, "train")


def test_only_unreadable_images_is_an_error_that_counts_them(tmp_path: Path) -> None:
    """The user learns that there were pictures, and that they are broken."""
    with pytest.raises(TbftError, match="5 could not be read"):
        open_store(CountingSource(IMAGES, LABELS, unreadable=(0, 1, 2, 3, 4)), SHAPE, tmp_path, "train")


def test_a_full_disk_leaves_no_half_store(tmp_path: Path) -> None:
    """Images that do not fit are not half there."""

    class FullDisk(CountingSource):
        def items(self) -> Iterator[Item]:
            yield from CountingSource.items(self)
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(TbftError, match="no space left"):
        open_store(FullDisk(IMAGES, LABELS), SHAPE, tmp_path, "train")
    assert listing(tmp_path) == {}
