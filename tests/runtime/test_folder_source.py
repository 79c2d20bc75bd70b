"""A folder of pictures per class: names are checked, and what cannot be read is skipped, counted and named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.bundles import CLASSES
from support.toys import coloured_squares, png, save_folders
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.sources import open_source

IMAGES, LABELS = coloured_squares(8)


def test_a_folder_per_class(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """The folder's name is the label, the order is that of the names, on every file system."""
    save_folders(tmp_path, IMAGES, LABELS)
    items = list(open_source(tmp_path, CLASSES, preprocessing).items())
    assert [item.name for item in items] == sorted(item.name for item in items)
    assert [CLASSES[item.label] for item in items] == [item.name.split("/")[0] for item in items]
    for item in items:
        np.testing.assert_array_equal(item.pixels, IMAGES[int(Path(item.name).stem)])


def test_jpeg_and_png_in_any_spelling(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Cameras write .JPG; other files beside the pictures are none of our business."""
    (tmp_path / "ant").mkdir()
    for name in ("a.jpg", "b.JPG", "c.jpeg", "d.png", "e.PNG"):
        Image.fromarray(IMAGES[0]).save(tmp_path / "ant" / name)
    (tmp_path / "ant" / "Thumbs.db").touch()
    (tmp_path / "notes.txt").touch()
    items = list(open_source(tmp_path, CLASSES, preprocessing).items())
    assert len(items) == 5
    assert all(item.pixels is not None and item.label == 0 for item in items)


def test_classes_may_be_missing(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """A user need not have every class at hand, and the numbers do not shift."""
    save_folders(tmp_path, IMAGES[2:3], [3])
    assert [item.label for item in open_source(tmp_path, CLASSES, preprocessing).items()] == [3]


def test_an_unknown_class_is_refused(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """A misspelt class is not trained as something else, nor left out in silence."""
    save_folders(tmp_path, IMAGES[:1], [0])
    (tmp_path / "cats").mkdir()
    with pytest.raises(TbftError, match="cats' is no class") as caught:
        open_source(tmp_path, CLASSES, preprocessing)
    assert "ant, bee, cat, dog" in caught.value.hint
    assert "unlabelled" in caught.value.hint


def test_unlabelled_and_hidden_folders(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """`unlabelled` means no label; a hidden folder, such as one of thumbnails, is no class."""
    save_folders(tmp_path, IMAGES[:3], [0, -1, -1])
    (tmp_path / ".thumbnails").mkdir()
    labels = [item.label for item in open_source(tmp_path, CLASSES, preprocessing).items()]
    assert labels == [0, NO_LABEL, NO_LABEL]


def test_a_class_may_itself_be_called_unlabelled(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """The special folder wins: images in it have no label, as documented."""
    save_folders(tmp_path, IMAGES[:1], [-1])
    (item,) = open_source(tmp_path, ("unlabelled", "other"), preprocessing).items()
    assert item.label == NO_LABEL


def test_unreadable_pictures_are_given_without_pixels(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Cut short, empty, of another kind, a folder or a dangling link: each is known by its name."""
    save_folders(tmp_path, IMAGES[:1], [0])
    folder = tmp_path / "ant"
    whole = png(IMAGES[0])
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("no picture")
    (folder / "folder.png").mkdir()
    (folder / "link.png").symlink_to("nowhere")
    items = list(open_source(tmp_path, CLASSES, preprocessing).items())
    unreadable = {item.name for item in items if item.pixels is None}
    assert unreadable == {f"ant/{name}" for name in ("cut.png", "empty.jpg", "text.png", "folder.png", "link.png")}
    assert len(items) == 6


def test_an_empty_folder_has_no_images(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """It can be opened, and whoever needs images says that there are none."""
    assert len(open_source(tmp_path, CLASSES, preprocessing)) == 0


def test_the_fingerprint_follows_names_and_sizes(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """A picture that is added, moved to another class or replaced by a larger one is noticed."""
    save_folders(tmp_path / "a", IMAGES, LABELS)
    shutil.copytree(tmp_path / "a", tmp_path / "b")

    def fingerprint(name: str) -> str:
        return open_source(tmp_path / name, CLASSES, preprocessing).fingerprint()

    assert fingerprint("a") == fingerprint("b")
    seen = [fingerprint("a")]
    (tmp_path / "a" / "ant" / "0000.png").rename(tmp_path / "a" / "bee" / "0000.png")
    seen.append(fingerprint("a"))
    (tmp_path / "a" / "cat" / "new.png").write_bytes(png(IMAGES[0]))
    seen.append(fingerprint("a"))
    (tmp_path / "a" / "cat" / "new.png").write_bytes(png(coloured_squares(1, size=16)[0][0]))
    seen.append(fingerprint("a"))
    assert len(set(seen)) == 4
