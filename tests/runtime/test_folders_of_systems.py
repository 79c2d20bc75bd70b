"""What systems put beside pictures is no data, and where there are no classes it is said how folders have to lie."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.bundles import CLASSES, compiled
from support.toys import coloured_squares, png, save_folders
from tbft_artifacts.errors import TbftError
from tbft_runtime import DiagnoseOptions, diagnose, evaluate, predict
from tbft_runtime.data.listing import is_of_system, is_picture
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.sources import open_source

IMAGES, LABELS = coloured_squares(24)
OF_SYSTEMS = [
    *("lost+found", "System Volume Information", "@eaDir", "__MACOSX", "$RECYCLE.BIN", "$Recycle.Bin", "#recycle"),
    *(".Trash-1000", ".thumbnails", ".ipynb_checkpoints", "LOST.DIR", "RECYCLER"),
]


def littered(folder: Path) -> Path:
    """24 pictures, and what systems left beside them and among them."""
    save_folders(folder, IMAGES, LABELS)
    for place in (folder, folder / "ant"):
        for name in OF_SYSTEMS:
            (place / name).mkdir()
            (place / name / "picture.png").write_bytes(png(IMAGES[0]))
        for name in ("._0000.png", ".hidden.jpg", "Thumbs.db", "desktop.ini", ".DS_Store"):
            (place / name).write_bytes(png(IMAGES[0]))
    return folder


def test_training_data_is_what_the_user_put_there(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Some of these folders may not even be deleted; AppleDouble files are named like pictures."""
    for classes in (CLASSES, None):
        source = open_source(littered(tmp_path / str(classes)), classes, preprocessing)
        assert len(source) == 24
        assert source.classes is not None
        assert [*source.classes] == [*CLASSES]


def test_every_command_looks_at_the_same_pictures(tmp_path: Path) -> None:
    """What was not trained on is not predicted either."""
    data, bundle = littered(tmp_path / "data"), compiled("all-drifts")
    assert evaluate(bundle, data, 1).images == 24
    assert evaluate(bundle, data, 1).skipped_images == ()
    assert len(list(predict(bundle, [data], 1))) == 24
    assert diagnose(bundle, DiagnoseOptions(data=data, threads=1)).samples == 20


def test_what_is_named_itself_is_predicted(tmp_path: Path) -> None:
    """Whoever names a hidden folder or file means it."""
    folder = littered(tmp_path / ".data")
    found = predict(compiled("feature-frozen"), [folder / ".thumbnails", folder / ".hidden.jpg"], 1)
    assert [Path(each.image).name for each in found] == ["picture.png", ".hidden.jpg"]


def test_a_class_may_have_any_name(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """The bundle's names count first."""
    save_folders(tmp_path, IMAGES[:2], [0, 1], ("lost+found", "ant"))
    assert open_source(tmp_path, ("lost+found", "ant"), preprocessing).labels.tolist() == [1, 0]


@pytest.mark.parametrize(("name", "hint"), [("photos", "photos/ant"), ("ant", "give the folder above it")])
def test_pictures_without_class_folders_are_told_how_to_lie(
    tmp_path: Path, preprocessing: Preprocessing, name: str, hint: str
) -> None:
    """A folder of a camera, and the folder of one class."""
    (tmp_path / name).mkdir()
    for index in range(3):
        (tmp_path / name / f"{index}.png").write_bytes(png(IMAGES[index]))
    with pytest.raises(TbftError, match="3 pictures, and none in the folder of a class") as caught:
        open_source(tmp_path / name, CLASSES, preprocessing)
    assert hint in caught.value.hint


@pytest.mark.parametrize("command", ["open", "predict"])
def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, preprocessing: Preprocessing, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Its pictures are not silently left out."""
    save_folders(tmp_path, IMAGES[:4], LABELS[:4])
    locked = str(tmp_path / "bee")

    def unless_locked(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def called(path: object) -> object:
            if str(path) == locked:
                raise PermissionError(errno.EACCES, "Permission denied", locked)
            return function(path)

        return called

    monkeypatch.setattr("os.scandir", unless_locked(os.scandir))
    monkeypatch.setattr("os.listdir", unless_locked(os.listdir))
    commands: dict[str, Callable[[], object]] = {
        "open": lambda: open_source(tmp_path, CLASSES, preprocessing),
        "predict": lambda: list(predict(compiled("feature-frozen"), [tmp_path], 1)),
    }
    with pytest.raises(TbftError, match=r"bee' cannot be read \(Permission denied\)"):
        commands[command]()


@given(st.text(min_size=1, max_size=20))
def test_hidden_is_what_begins_with_a_dot(name: str) -> None:
    """Whatever else is in the name."""
    assert is_of_system(f".{name}")
    assert not is_picture(f".{name}.png")
    assert is_picture(f"a{name}.JPG")
