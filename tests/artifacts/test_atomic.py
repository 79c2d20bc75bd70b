"""A reader, and a device whose plug is pulled, sees the old content or the new, never a part of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.files import listing
from tbft_artifacts.atomic import atomic_file, atomic_folder, clear_disk_errors
from tbft_artifacts.errors import TbftError

FULL = {"ENOSPC": errno.ENOSPC, "EDQUOT": errno.EDQUOT, "EFBIG": errno.EFBIG}
UNWRITABLE = {
    "EROFS": errno.EROFS,
    "EACCES": errno.EACCES,
    "EPERM": errno.EPERM,
    "ENOENT": errno.ENOENT,
    "ENOTDIR": errno.ENOTDIR,
    "EISDIR": errno.EISDIR,
    "EEXIST": errno.EEXIST,
}


def failing(number: int) -> Callable[..., Any]:
    """A system call that fails."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file with content that must not be lost."""
    path = tmp_path / "file"
    path.write_text("old")
    return path


def test_a_file_is_replaced_as_a_whole(old: Path) -> None:
    """Inside the block the old content is still there; behind it, the new, and no temporary file."""
    with atomic_file(old) as temporary:
        temporary.write_text("new")
        assert old.read_text() == "old"
    assert old.read_text() == "new"
    assert [path.name for path in old.parent.iterdir()] == ["file"]


def test_a_new_file_appears_at_the_end(tmp_path: Path) -> None:
    """It does not need an old one."""
    with atomic_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "file").exists()
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), TbftError("wrong", "hint")])
def test_a_failure_inside_keeps_the_old_file(old: Path, error: BaseException) -> None:
    """Whatever happens while writing, Ctrl-C included, the old file stays and no temporary one does."""
    before = listing(old.parent)

    def fail_halfway() -> None:
        with atomic_file(old) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(type(error)):
        fail_halfway()
    assert listing(old.parent) == before


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("name", [*FULL, *UNWRITABLE])
def test_a_disk_error_at_the_end_keeps_the_old_file(
    old: Path, call: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems report a full disk only when data is flushed or renamed."""
    before = listing(old.parent)
    monkeypatch.setattr(f"tbft_artifacts.atomic.os.{call}", failing((FULL | UNWRITABLE)[name]))
    with pytest.raises(TbftError) as caught, atomic_file(old) as temporary:
        temporary.write_text("new")
    monkeypatch.undo()
    assert str(old) in caught.value.message
    assert ("no space left" in caught.value.message) is (name in FULL)
    assert listing(old.parent) == before


def test_content_is_flushed_before_and_the_folder_behind_the_rename(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this order a pulled plug may leave an empty file under the new name."""
    events: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        flushed = Path(f"/proc/self/fd/{descriptor}").readlink()
        events.append("flush folder" if flushed.is_dir() else f"flush {flushed.read_text()}")
        real_fsync(descriptor)

    def replace(source: Path, target: Path) -> None:
        events.append("rename")
        real_replace(source, target)

    monkeypatch.setattr("tbft_artifacts.atomic.os.fsync", fsync)
    monkeypatch.setattr("tbft_artifacts.atomic.os.replace", replace)
    with atomic_file(old) as temporary:
        temporary.write_text("new")
    assert events == ["flush new", "rename", "flush folder"]


def test_two_writers_do_not_share_a_temporary_file(old: Path) -> None:
    """The last one to end wins; neither writes into the other's file."""
    with atomic_file(old) as first:
        first.write_text("first")
        with atomic_file(old) as second:
            assert first != second
            second.write_text("second")
        assert old.read_text() == "second"
    assert old.read_text() == "first"


def test_a_missing_parent_folder_is_an_error(tmp_path: Path) -> None:
    """A mistyped --out is not created piece by piece."""
    with pytest.raises(TbftError, match="cannot be written"), atomic_file(tmp_path / "nowhere" / "file") as temporary:
        temporary.write_text("new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    """`--out` that names a folder ends in words, and the folder stays."""
    (tmp_path / "file").mkdir()
    with pytest.raises(TbftError, match="cannot be written"), atomic_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert listing(tmp_path) == {"file": "folder"}


def test_a_folder_appears_at_the_end(tmp_path: Path) -> None:
    """With everything in it, at any depth."""
    out = tmp_path / "a" / "bundle"
    with atomic_folder(out) as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / "file").write_text("new")
        assert not out.exists()
    assert (out / "inner" / "file").read_text() == "new"
    assert [path.name for path in out.parent.iterdir()] == ["bundle"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    """`mkdir out` before `--out out` is no mistake."""
    (tmp_path / "bundle").mkdir()
    with atomic_folder(tmp_path / "bundle") as temporary:
        (temporary / "file").write_text("new")
    assert (tmp_path / "bundle" / "file").read_text() == "new"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_exists_is_not_replaced(tmp_path: Path, kind: str) -> None:
    """An export takes minutes of work to make again; it is never overwritten."""
    out = tmp_path / "bundle"
    if kind == "file":
        out.write_text("old")
    else:
        out.mkdir()
        (out / "manifest.json").write_text("old")
    before = listing(tmp_path)
    with pytest.raises(TbftError, match="exists already") as caught, atomic_folder(out):
        pytest.fail("the block must not run")
    assert "`out`" in caught.value.hint
    assert listing(tmp_path) == before


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), TbftError("wrong", "hint")])
def test_a_failure_inside_leaves_no_folder(tmp_path: Path, error: BaseException) -> None:
    """Half a bundle is not left behind, under any name."""

    def fail_halfway() -> None:
        with atomic_folder(tmp_path / "bundle") as temporary:
            (temporary / "inner").mkdir()
            (temporary / "inner" / "file").write_text("new")
            raise error

    with pytest.raises(type(error)):
        fail_halfway()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("name", [*FULL, *UNWRITABLE])
def test_a_disk_error_at_the_end_leaves_no_folder(
    tmp_path: Path, call: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for a disk that is full when data is flushed or renamed."""
    monkeypatch.setattr(f"tbft_artifacts.atomic.os.{call}", failing((FULL | UNWRITABLE)[name]))
    with pytest.raises(TbftError) as caught, atomic_folder(tmp_path / "bundle") as temporary:
        (temporary / "file").write_text("new")
    monkeypatch.undo()
    assert ("no space left" in caught.value.message) is (name in FULL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FULL)
def test_a_full_disk_says_what_to_do(tmp_path: Path, name: str) -> None:
    """One line that names the path, and a hint that nothing saved is lost."""
    with pytest.raises(TbftError, match="no space left on the disk") as caught, clear_disk_errors(tmp_path):
        failing(FULL[name])()
    assert str(tmp_path) in caught.value.message
    assert "free some space" in caught.value.hint


@pytest.mark.parametrize("name", UNWRITABLE)
def test_a_place_that_cannot_be_written_says_why(tmp_path: Path, name: str) -> None:
    """The operating system's own reason is in the message."""
    with pytest.raises(TbftError, match="cannot be written") as caught, clear_disk_errors(tmp_path):
        failing(UNWRITABLE[name])()
    assert os.strerror(UNWRITABLE[name]) in caught.value.message


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    """A broken disk (EIO) is not called a full one."""
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), clear_disk_errors(tmp_path):
        failing(errno.EIO)()
