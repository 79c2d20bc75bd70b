"""`tbft-edge corrupt` writes the same data with corrupted images, or nothing at all."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.bundles import CLASSES, compiled
from support.commands import DEVICE, refused, run
from support.files import listing
from support.smooth_images import smooth_images
from support.toys import coloured_squares, save_folders
from tbft_artifacts.errors import TbftError
from tbft_runtime import evaluate
from tbft_runtime.corruptions.corrupt import CORRUPTIONS, corrupt
from tbft_runtime.corruptions.data_set import corrupt_data

IMAGES, LABELS = coloured_squares(12)


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    path = tmp_path / "data.npz"
    np.savez(path, images=IMAGES, labels=LABELS.astype(np.int32), classes=np.array(CLASSES), camera=np.array([1.5]))
    return path


def test_an_npz_keeps_all_but_its_images(npz: Path, tmp_path: Path) -> None:
    """Labels, class names and what else is in it, in its types; the images are those of `corrupt`."""
    ended = run(
        DEVICE,
        "corrupt",
        npz,
        "--name",
        "shot_noise",
        "--severity",
        "2",
        "--seed",
        "3",
        "--out",
        "out.npz",
        "--json",
        cwd=tmp_path,
    )
    assert json.loads(ended.out) == {
        "out": "out.npz",
        "corruption": "shot_noise",
        "severity": 2,
        "seed": 3,
        "images": 12,
        "skipped_images": [],
    }
    with np.load(npz) as before, np.load(tmp_path / "out.npz") as after:
        assert set(after) == set(before)
        for name in ("labels", "classes", "camera"):
            np.testing.assert_array_equal(after[name], before[name])
            assert after[name].dtype == before[name].dtype
        np.testing.assert_array_equal(after["images"], corrupt(IMAGES, "shot_noise", 2, 3))


def test_labels_of_another_numbering_are_kept(tmp_path: Path) -> None:
    """The data has its own classes; no bundle decides."""
    np.savez_compressed(tmp_path / "a.npz", images=IMAGES[:3], labels=np.array([-1, 700, 2]))
    corrupt_data(tmp_path / "a.npz", "fog", 1, 0, tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as after:
        np.testing.assert_array_equal(after["labels"], [-1, 700, 2])


def test_the_same_command_writes_the_same_bytes(npz: Path, tmp_path: Path) -> None:
    """No date, no name of a temporary file."""
    for name in ("a.npz", "b.npz"):
        corrupt_data(npz, "snow", 5, 1, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_folder_keeps_names_and_classes(tmp_path: Path) -> None:
    """PNG files with the names of the pictures, in their sizes; unreadable ones are named and left out."""
    save_folders(tmp_path / "data", IMAGES, [0, 1, 2, 3, -1] + [0] * 7)
    (tmp_path / "data" / "cat" / "broken.png").touch()
    (tmp_path / "data" / "cat" / "notes.txt").touch()
    Image.fromarray(smooth_images(1, 21, 40)[0]).save(tmp_path / "data" / "dog" / "wide.JPG")
    ended = run(DEVICE, "corrupt", tmp_path / "data", "--name", "frost", "--out", tmp_path / "drifted")
    assert ended.code == 0, ended
    assert "cat/broken.png" in ended.err
    assert "13 images" in ended.out
    names = {path for path, kind in listing(tmp_path / "drifted").items() if kind != "folder"}
    before = {path for path, kind in listing(tmp_path / "data").items() if kind != "folder"}
    assert names == before - {"cat/broken.png", "cat/notes.txt", "dog/wide.JPG"} | {"dog/wide.png"}
    with Image.open(tmp_path / "drifted" / "dog" / "wide.png") as picture:
        assert picture.size == (40, 21)
    result = evaluate(compiled("feature-adapt"), tmp_path / "drifted", 1)
    assert result.images == 12


def test_an_image_has_the_index_of_its_place(tmp_path: Path) -> None:
    """Sorted by name, unreadable ones counted, whatever the sizes around it."""
    save_folders(tmp_path / "data", IMAGES[:6], [0, 0, 0, 1, 1, 1])
    (tmp_path / "data" / "ant" / "0001.png").write_bytes(b"no picture")
    corrupt_data(tmp_path / "data", "impulse_noise", 5, 4, tmp_path / "out")
    expected = corrupt(IMAGES[:6], "impulse_noise", 5, 4)
    for index, name in ((0, "ant/0000.png"), (2, "ant/0002.png"), (5, "bee/0005.png")):
        with Image.open(tmp_path / "out" / name) as picture:
            np.testing.assert_array_equal(np.asarray(picture), expected[index])


def test_names_that_would_meet_stay_apart(tmp_path: Path) -> None:
    """a.jpg and a.png in one folder are two pictures afterwards."""
    (tmp_path / "data" / "ant").mkdir(parents=True)
    for name in ("a.JPG", "a.jpg", "a.png", "a.jpg.png"):
        Image.fromarray(IMAGES[0]).save(tmp_path / "data" / "ant" / name)
    corrupt_data(tmp_path / "data", "contrast", 1, 0, tmp_path / "out")
    assert len(list((tmp_path / "out" / "ant").glob("*.png"))) == 4


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    """Four times as many images take less than one more batch."""
    peaks = []
    for count in (200, 800):
        np.savez(tmp_path / f"{count}.npz", images=smooth_images(8, 64, 64)[np.arange(count) % 8])
        tracemalloc.start()
        corrupt_data(tmp_path / f"{count}.npz", "brightness", 1, 0, tmp_path / f"{count}-out.npz")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1e6


def test_list_names_the_corruptions() -> None:
    """One a line, without any data."""
    assert run(DEVICE, "corrupt", "--list").out.split() == list(CORRUPTIONS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--name", "rain"), "no corruption 'rain'"),
        (("--name", "fog", "--severity", "6"), "severity 6"),
        (("--name", "fog", "--seed", "-1"), "seed -1"),
        (("--name", "fog", "--out", "data.npz"), "data.npz"),
        (("--name", "fog", "--out", "exists.npz"), "exists already"),
        (("--name", "fog", "--out", "folder"), "does not end in .npz"),
    ],
)
def test_bad_input_is_refused_and_writes_nothing(options: tuple[str, ...], words: str, npz: Path) -> None:
    """One line and a hint; what was there stays."""
    (npz.parent / "exists.npz").touch()
    before = listing(npz.parent)
    refusal = refused(
        run(DEVICE, "corrupt", npz, *(("--out", "new.npz") if "--out" not in options else ()), *options, cwd=npz.parent)
    )
    assert words in refusal.message
    assert listing(npz.parent) == before


def test_a_folder_is_copied_neither_into_itself_nor_into_an_npz(tmp_path: Path) -> None:
    """A copy among the originals would be a class of theirs."""
    save_folders(tmp_path / "data", IMAGES, LABELS)
    for out, words in ((tmp_path / "data" / "drifted", "lies in the data"), (tmp_path / "x.npz", "named like an .npz")):
        with pytest.raises(TbftError, match=words):
            corrupt_data(tmp_path / "data", "fog", 1, 0, out)
    assert not (tmp_path / "x.npz").exists()


def test_without_images_nothing_is_written(tmp_path: Path) -> None:
    """A folder whose only picture is broken, and an empty npz."""
    (tmp_path / "data" / "ant").mkdir(parents=True)
    (tmp_path / "data" / "ant" / "broken.png").touch()
    np.savez(tmp_path / "empty.npz", images=IMAGES[:0])
    before = listing(tmp_path)
    for data, out in (("data", "out"), ("empty.npz", "out.npz")):
        with pytest.raises(TbftError, match="no images"):
            corrupt_data(tmp_path / data, "fog", 1, 0, tmp_path / out)
    assert listing(tmp_path) == before


def test_a_damaged_npz_leaves_no_half_copy(npz: Path, tmp_path: Path) -> None:
    """Bytes that changed inside the images are noticed by the archive's checksum."""
    content = bytearray(npz.read_bytes())
    content[content.find(IMAGES[5].tobytes()[:40]) + 10] ^= 255
    npz.write_bytes(content)
    before = listing(tmp_path)
    with pytest.raises(TbftError, match="damaged"):
        corrupt_data(npz, "fog", 1, 0, tmp_path / "out.npz")
    assert listing(tmp_path) == before
