"""What a killed process left in TMPDIR, on boards often memory, goes with the next one; nothing else ever does."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.bundles import made_up_bundle
from support.commands import surroundings
from support.files import listing
from support.tars import END, members, pack
from tbft_artifacts.archive import opened
from tbft_artifacts.errors import TbftError
from tbft_artifacts.temporary_folder import temporary_folder

KILLED = """
import os, signal, sys
from tbft_artifacts.archive import opened
with opened(sys.argv[1]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TMPDIR."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    made_up_bundle(source)
    return pack(tmp_path / "b.tar.gz", *members(source), END)


def left(place: Path, archive: Path) -> Path:
    """A folder as a process leaves it that is killed while it uses the bundle."""
    before = set(place.iterdir())
    variables = surroundings({"TMPDIR": str(place), "OMP_NUM_THREADS": "1"})
    ended = subprocess.run([sys.executable, "-c", KILLED, archive], env=variables, check=False)
    assert ended.returncode == -signal.SIGKILL
    (folder,) = set(place.iterdir()) - before
    assert (folder / "bundle" / "manifest.json").exists()
    return folder


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """As by a process that is still there."""
    with (folder / ".held").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_what_a_killed_process_left_is_removed(place: Path, archive: Path) -> None:
    """By whoever unpacks next, however many there are."""
    folders = [left(place, archive) for _ in range(2)]
    assert not folders[0].exists()
    with opened(archive) as bundle:
        assert [*place.iterdir()] == [bundle.folder.parent]
    assert listing(place) == {}


def test_nobody_else_looks_into_it(place: Path) -> None:
    """Activations show what was in the pictures."""
    with temporary_folder() as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o777 == 0o700


def test_what_is_in_use_stays(place: Path, archive: Path) -> None:
    """By another process, or by this one."""
    folder = left(place, archive)
    with held(folder), opened(archive) as one, opened(archive) as other:
        assert {*place.iterdir()} == {folder, one.folder.parent, other.folder.parent}
    assert [*place.iterdir()] == [folder]


def test_what_only_looks_like_it_stays(place: Path, archive: Path) -> None:
    """What others made, by whatever name: a link, a folder that others may read, one without our mark, a file."""
    precious = place.parent / "precious"
    precious.mkdir()
    (precious / ".held").touch()
    (place / "tbft-edge-temporary-aaaaaaaa").symlink_to(precious)
    for name, mode in {"bbbbbbbb": 0o755, "cccccccc": 0o700, "ddddddddd": 0o700}.items():
        folder = place / f"tbft-edge-temporary-{name}"
        folder.mkdir(mode)
        folder.chmod(mode)
        (folder / "notes").write_text("mine")
        if name != "cccccccc":
            (folder / ".held").touch()
    (place / "tbft-edge-temporary-eeeeeeee").write_text("mine")
    marked = place / "tbft-edge-temporary-ffffffff"
    marked.mkdir(0o700)
    (marked / ".held").symlink_to(precious / ".held")
    before = listing(place.parent)
    with opened(archive):
        pass
    assert listing(place.parent) == before


def test_links_in_what_was_left_are_not_followed(place: Path, archive: Path) -> None:
    """They are removed, and what they point at stays."""
    precious = place.parent / "precious"
    precious.mkdir()
    (precious / "notes").write_text("mine")
    folder = left(place, archive)
    (folder / "link").symlink_to(precious)
    (folder / "bundle" / "link").symlink_to(precious)
    with temporary_folder():
        assert not folder.exists()
    assert (precious / "notes").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_another_users_stay(place: Path, archive: Path) -> None:
    """Root does not clean up after others, whose locks mean nothing to it."""
    folder = left(place, archive)
    os.chown(folder, 12345, 12345)
    with temporary_folder():
        assert folder.exists()


def test_what_is_not_even_begun_is_removed(place: Path) -> None:
    """Killed between the folder and its lock, or while it was removed: then there is nothing in it."""
    (place / "tbft-edge-temporary-00000000").mkdir(0o700)
    with temporary_folder() as folder:
        assert [*place.iterdir()] == [folder]


def test_many_at_once_leave_each_other_alone(place: Path) -> None:
    """Each sweeps while others begin and end; a folder that is lost on the way is made again."""

    def use(number: int) -> bool:
        with temporary_folder() as folder:
            (folder / "file").write_text(str(number))
            return (folder / "file").read_text() == str(number)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(300)))
    assert listing(place) == {}


def test_a_folder_that_is_taken_for_a_leftover_is_made_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may sweep between any two steps."""
    made, opened_file = tempfile.mkdtemp, os.open
    swept = []

    def mkdtemp(**options: str) -> str:
        folder = made(**options)
        if not swept:
            Path(folder).rmdir()
            swept.append(folder)
        return folder

    def open_then_lose(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = opened_file(path, flags, mode)
        if len(swept) == 1 and flags & os.O_EXCL:
            Path(path).unlink()
            swept.append(str(path))
        return descriptor

    monkeypatch.setattr("tbft_artifacts.temporary_folder.tempfile.mkdtemp", mkdtemp)
    monkeypatch.setattr("tbft_artifacts.temporary_folder.os.open", open_then_lose)
    with temporary_folder() as folder:
        assert folder.is_dir()
    assert len(swept) == 2
    monkeypatch.undo()


def test_a_disk_without_locks_holds_them_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There nobody can tell what is in use, so nobody removes it."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("tbft_artifacts.locks.fcntl.flock", refuse)
    with temporary_folder() as one, temporary_folder() as other:
        assert one.is_dir()
        assert other.is_dir()
    assert listing(place) == {}


def test_no_place_for_temporary_files(tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only container without a TMPDIR: the line says so, and nothing of a damaged archive."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(TbftError, match=r"gone'") as caught, opened(archive):
        pass
    assert "TMPDIR" in caught.value.hint

    def nowhere() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(TbftError, match="No usable temporary directory") as caught, opened(archive):
        pass
    assert "TMPDIR" in caught.value.hint
