"""An `.npz` is streamed image by image, and whatever does not fit the bundle is refused before training."""

from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.bundles import CLASSES
from support.toys import coloured_squares
from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import square_rgb
from tbft_artifacts.names import NO_LABEL
from tbft_runtime.data.npz import NpzSource
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.sources import open_source
from tbft_runtime.data.store import open_store

SAVE = {"stored": np.savez, "compressed": np.savez_compressed}
IMAGES, LABELS = coloured_squares(6)


def refusal(path: Path, preprocessing: Preprocessing, classes: tuple[str, ...] = CLASSES) -> TbftError:
    """The error with which the data is refused, at the latest while it is read; it names the file."""
    with pytest.raises(TbftError) as caught:
        list(open_source(path, classes, preprocessing).items())
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("kind", SAVE)
def test_images_and_labels_are_read_in_order(tmp_path: Path, preprocessing: Preprocessing, kind: str) -> None:
    """Stored and compressed files give the same pixels and labels, and names to show."""
    SAVE[kind](tmp_path / "data.npz", images=IMAGES, labels=LABELS)
    source = open_source(tmp_path / "data.npz", CLASSES, preprocessing)
    items = list(source.items())
    assert len(source) == len(items) == 6
    assert [item.label for item in items] == LABELS.tolist()
    assert [item.name for item in items][:2] == ["data.npz[0]", "data.npz[1]"]
    np.testing.assert_array_equal(np.stack([item.pixels for item in items if item.pixels is not None]), IMAGES)


def test_a_source_can_be_read_twice(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Reading does not use it up."""
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=LABELS)
    source = open_source(tmp_path / "data.npz", CLASSES, preprocessing)
    first, second = ([item.pixels for item in source.items()] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_images_of_another_size_are_resized(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """As pictures in folders are."""
    large = coloured_squares(3, size=20)[0]
    np.savez(tmp_path / "data.npz", images=large, labels=[0, 1, 2])
    for item, image in zip(open_source(tmp_path / "data.npz", CLASSES, preprocessing).items(), large, strict=True):
        np.testing.assert_array_equal(item.pixels, preprocessing.prepare_array(image))


@pytest.mark.parametrize("kind", SAVE)
def test_memory_does_not_grow_with_the_number_of_images(
    tmp_path: Path, preprocessing: Preprocessing, kind: str
) -> None:
    """A data set larger than a Pi's memory can be prepared: it is never loaded whole."""

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.npz"
        SAVE[kind](path, images=np.zeros((count, 64, 64, 3), np.uint8), labels=np.zeros(count, np.int64))
        tracemalloc.start()
        try:
            source = open_source(path, CLASSES, preprocessing)
            open_store(source, preprocessing.row_shape, tmp_path, str(count))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    images = 64 * 64 * 3 * 1000
    few, many = peak(50), peak(1050)
    assert many - few < images / 50


LABEL_KINDS = ["int8", "uint8", "int32", "int64", "uint16"]


@pytest.mark.parametrize("dtype", LABEL_KINDS)
def test_labels_of_any_whole_number_type(tmp_path: Path, preprocessing: Preprocessing, dtype: str) -> None:
    """Saving labels as bytes is no mistake."""
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=LABELS.astype(dtype))
    source = open_source(tmp_path / "data.npz", CLASSES, preprocessing)
    assert [item.label for item in source.items()] == LABELS.tolist()


def test_minus_one_and_a_missing_array_mean_no_label(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Unlabelled images are welcome: batch-norm statistics need no labels."""
    np.savez(tmp_path / "some.npz", images=IMAGES, labels=[0, -1, 2, -1, 1, 3])
    np.savez(tmp_path / "none.npz", images=IMAGES)
    some, none = (open_source(tmp_path / f"{name}.npz", CLASSES, preprocessing) for name in ("some", "none"))
    assert [item.label for item in some.items()] == [0, NO_LABEL, 2, NO_LABEL, 1, 3]
    assert {item.label for item in none.items()} == {NO_LABEL}


@pytest.mark.parametrize(("wrong", "position"), [(4, 3), (-2, 0), (255, 5), (2**40, 1)])
def test_labels_out_of_range_are_named(tmp_path: Path, preprocessing: Preprocessing, wrong: int, position: int) -> None:
    """The message says which label of which image, and the hint what the range is."""
    labels = LABELS.copy()
    labels[position] = wrong
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=labels)
    error = refusal(tmp_path / "data.npz", preprocessing)
    assert f"label {wrong} of item {position}" in error.message
    assert "0 to 3" in error.hint


BAD_ARRAYS: dict[str, dict[str, Any]] = {
    "float labels": {"images": IMAGES, "labels": LABELS.astype(float)},
    "bool labels": {"images": IMAGES, "labels": LABELS > 1},
    "text labels": {"images": IMAGES, "labels": LABELS.astype(str)},
    "one-hot labels": {"images": IMAGES, "labels": np.eye(4, dtype=int)[LABELS]},
    "too few labels": {"images": IMAGES, "labels": LABELS[:-1]},
    "too many labels": {"images": IMAGES, "labels": np.append(LABELS, 0)},
    "a single label": {"images": IMAGES, "labels": np.int64(1)},
    "float images": {"images": IMAGES / 255, "labels": LABELS},
    "wide images": {"images": IMAGES.astype(np.uint16), "labels": LABELS},
    "grey images": {"images": IMAGES[..., 0], "labels": LABELS},
    "four channels": {"images": np.zeros((6, 8, 8, 4), np.uint8), "labels": LABELS},
    "channels first": {"images": IMAGES.transpose(0, 3, 1, 2).copy(), "labels": LABELS},
    "one image": {"images": IMAGES[0], "labels": LABELS},
    "no images array": {"pictures": IMAGES, "labels": LABELS},
    "object labels": {"images": IMAGES, "labels": np.array([0, None, 2, 3, 0, 1], object)},
    "object images": {"images": np.array([None] * 6, object), "labels": LABELS},
    "object classes": {"images": IMAGES, "labels": LABELS, "classes": np.array([*CLASSES], object)},
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, preprocessing: Preprocessing, case: str) -> None:
    """Wrong type, shape, order or name: the error comes before anything is computed."""
    np.savez(tmp_path / "data.npz", **BAD_ARRAYS[case])
    error = refusal(tmp_path / "data.npz", preprocessing)
    assert ("np.unique" in error.hint) == (case == "text labels")


class Trap:
    """Unpickling this would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("array", ["images", "labels", "classes"])
def test_nothing_in_the_data_is_ever_run(tmp_path: Path, preprocessing: Preprocessing, array: str) -> None:
    """Object arrays are pickles, and a pickle from a stranger runs what it likes."""
    trap = np.array([Trap(tmp_path / "sprung")] * 6, object)
    arrays: dict[str, Any] = {"images": IMAGES, "labels": LABELS, "classes": [*CLASSES]} | {array: trap}
    np.savez(tmp_path / "data.npz", **arrays)
    refusal(tmp_path / "data.npz", preprocessing)
    assert not (tmp_path / "sprung").exists()


def test_class_names_have_to_be_the_bundles(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """The same numbers may mean other things: another order of names is refused."""
    np.savez(tmp_path / "same.npz", images=IMAGES, labels=LABELS, classes=[*CLASSES])
    np.savez(tmp_path / "other.npz", images=IMAGES, labels=LABELS, classes=["bee", "ant", "cat", "dog"])
    assert len(open_source(tmp_path / "same.npz", CLASSES, preprocessing)) == 6
    error = refusal(tmp_path / "other.npz", preprocessing)
    assert "bee, ant, cat, dog" in error.message
    assert "ant, bee, cat, dog" in error.hint


def test_a_bundle_without_names_takes_any(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """A bundle that was exported with numbers only cannot know better."""
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=LABELS, classes=["bee", "ant", "cat", "dog"])
    assert len(open_source(tmp_path / "data.npz", ("0", "1", "2", "3"), preprocessing)) == 6


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_npz_is_refused(tmp_path: Path, preprocessing: Preprocessing, content: bytes) -> None:
    """A file that only has the name is no traceback."""
    (tmp_path / "data.npz").write_bytes(content)
    refusal(tmp_path / "data.npz", preprocessing)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.npz"])
def test_missing_data_is_named(tmp_path: Path, preprocessing: Preprocessing, name: str) -> None:
    """A mistyped path."""
    assert "does not exist" in refusal(tmp_path / name, preprocessing).message


def test_a_file_of_another_kind_is_refused(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """The hint says which kinds there are."""
    (tmp_path / "data.csv").touch()
    error = refusal(tmp_path / "data.csv", preprocessing)
    assert "neither a folder nor an .npz" in error.message


@pytest.mark.parametrize("kind", SAVE)
def test_images_that_end_early_are_refused(tmp_path: Path, preprocessing: Preprocessing, kind: str) -> None:
    """The header promises more images than follow."""
    path = tmp_path / "data.npz"
    SAVE[kind](path, images=IMAGES, labels=LABELS)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content[:-1] if name == "images.npy" else content)
    assert "it has 1,279 bytes" in refusal(path, preprocessing).message


@pytest.fixture(scope="module")
def good_npz(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("good")
    for kind, save in SAVE.items():
        save(folder / f"{kind}.npz", images=IMAGES, labels=LABELS)
    return {kind: (folder / f"{kind}.npz").read_bytes() for kind in SAVE}


@given(kind=st.sampled_from(sorted(SAVE)), place=st.floats(0, 1, exclude_max=True), mask=st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_damaged_files_end_in_an_error_or_the_same_images(
    tmp_path_factory: pytest.TempPathFactory,
    good_npz: dict[str, bytes],
    kind: str,
    place: float,
    mask: int,
) -> None:
    """Cut short (mask 0) or with a changed byte: never a traceback, never other pixels (they are checksummed)."""
    content = good_npz[kind]
    position = int(place * len(content))
    changed = bytes([content[position] ^ mask]) + content[position + 1 :]
    path = tmp_path_factory.mktemp("damaged") / "data.npz"
    path.write_bytes(content[:position] + (changed if mask else b""))
    preprocessing = Preprocessing((), square_rgb(8))
    try:
        items = list(NpzSource(path, CLASSES, preprocessing).items())
    except TbftError:
        return
    np.testing.assert_array_equal(np.stack([item.pixels for item in items if item.pixels is not None]), IMAGES)


def test_the_fingerprint_follows_the_content(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Equal data has an equal fingerprint wherever it lies; one pixel or label makes another."""
    one_pixel, one_label = IMAGES.copy(), LABELS.copy()
    one_pixel[0, 0, 0, 0] ^= 1
    one_label[0] = 3
    variants = {
        "first": (IMAGES, LABELS),
        "again": (IMAGES, LABELS),
        "pixel": (one_pixel, LABELS),
        "label": (IMAGES, one_label),
        "fewer": (IMAGES[:-1], LABELS[:-1]),
    }
    prints = {}
    for name, (images, labels) in variants.items():
        np.savez(tmp_path / f"{name}.npz", images=images, labels=labels)
        prints[name] = open_source(tmp_path / f"{name}.npz", CLASSES, preprocessing).fingerprint()
    assert prints["first"] == prints["again"]
    assert len(set(prints.values())) == 4
