"""A folder that a camera fills: each picture once, whole, whatever camera, disk and clock do."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tbft_agent.camera import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def names(folder: Folder, steady: float = 0.0) -> list[str]:
    return [shot.path.name for shot in folder.news(steady)]


def test_a_picture_is_told_once_when_it_stopped_growing(folder: Folder) -> None:
    (folder.path / "a.png").write_bytes(b"half")
    assert names(folder) == []
    (folder.path / "a.png").write_bytes(b"half and half")
    assert names(folder) == []
    assert names(folder) == ["a.png"]
    assert names(folder) == []


def test_what_was_there_before_is_none(folder: Folder) -> None:
    (folder.path / "old.png").write_bytes(b"old")
    assert folder.begin() == 1
    assert names(folder) == names(folder) == []
    (folder.path / "old.png").write_bytes(b"another")
    names(folder)
    assert names(folder) == ["old.png"]


def test_ten_thousand_at_once_come_a_few_at_a_time(folder: Folder) -> None:
    for number in range(10_000):
        (folder.path / f"{number:05}.jpg").touch()
    names(folder)
    began = time.process_time()
    told = [name for _ in range(5) for name in names(folder)]
    assert told == [f"{number:05}.jpg" for number in range(5 * 64)]
    # On a board each look must take less than a second.
    assert (time.process_time() - began) / 5 < 0.5
    for path in folder.path.iterdir():
        path.unlink()
    names(folder)
    assert folder._seen == folder._before == folder._damaged == {}


def test_a_name_that_is_no_utf_8_is_a_name(folder: Folder) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (folder.path / name).write_bytes(b"content")
    names(folder)
    assert names(folder) == [name]


def test_a_folder_that_vanishes_and_comes_back(folder: Folder) -> None:
    """A card that is pulled and put back shows its old pictures to nobody twice."""
    (folder.path / "a.png").write_bytes(b"a")
    names(folder)
    assert names(folder) == ["a.png"]
    away = folder.path.with_name("away")
    shutil.move(folder.path, away)
    with pytest.raises(OSError, match="No such file"):
        names(folder)
    shutil.move(away, folder.path)
    (folder.path / "b.png").write_bytes(b"b")
    names(folder)
    assert names(folder) == ["b.png"]


def test_a_half_written_picture_comes_again_until_it_is_given_up(folder: Folder) -> None:
    (folder.path / "a.png").write_bytes(b"half")
    names(folder)
    for second in range(0, 50, 10):
        (shot,) = folder.news(float(second))
        assert folder.again(shot, float(second)) == (second <= 30)
    assert names(folder, 50) == []
    # Somebody finishes it an hour later.
    (folder.path / "a.png").write_bytes(b"half and half")
    names(folder, 3600)
    (shot,) = folder.news(3601)
    assert shot.content == b"half and half"


def test_one_that_grows_slowly_is_not_given_up(folder: Folder) -> None:
    """A camera on a slow link paused in between, and after thirty seconds each pause was the end."""
    for second in range(0, 100, 10):
        (folder.path / "a.png").write_bytes(b"x" * (second + 1))
        names(folder, second)
        (shot,) = folder.news(second + 1)
        assert folder.again(shot, second + 1)


def test_damaged_ones_keep_no_other_waiting(folder: Folder) -> None:
    for number in range(100):
        (folder.path / f"a{number:03}.png").write_bytes(b"damaged")
    names(folder)
    for shot in folder.news(0):
        folder.again(shot, 0)
    (folder.path / "b.png").write_bytes(b"good")
    names(folder)
    assert "b.png" in names(folder)


def test_one_that_nobody_had_time_for_is_not_lost(folder: Folder) -> None:
    """However long it waited: it was given up like one that nobody finishes."""
    (folder.path / "a.png").write_bytes(b"a")
    names(folder)
    for second in (0, 100, 10_000):
        (shot,) = folder.news(second)
        folder.later(shot)
    assert names(folder, 20_000) == ["a.png"]


def test_one_that_cannot_be_read_yet_comes_again(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share that gave an error once: the picture never came."""
    import tbft_agent.camera as module

    (folder.path / "a.png").write_bytes(b"a")
    names(folder)

    def failing(_path: Path, _limit: int) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(module, "read_at_most", failing)
        assert names(folder) == []
    assert names(folder) == ["a.png"]


def test_another_picture_of_the_same_name_is_not_removed(folder: Folder) -> None:
    """A camera that always writes `latest.jpg`."""
    path = folder.path / "latest.jpg"
    path.write_bytes(b"first")
    names(folder)
    (shot,) = folder.news(0)
    path.write_bytes(b"second one")
    folder.remove(shot)
    assert path.read_bytes() == b"second one"
    names(folder)
    (shot,) = folder.news(0)
    folder.remove(shot)
    assert not path.exists()


def test_folders_links_to_nowhere_and_hidden_files_are_no_pictures(folder: Folder) -> None:
    (folder.path / "folder.png").mkdir()
    (folder.path / "link.png").symlink_to("nowhere")
    (folder.path / ".hidden.png").write_bytes(b"a")
    (folder.path / "words.txt").write_bytes(b"a")
    os.mkfifo(folder.path / "pipe.png")
    names(folder)
    assert names(folder) == []
