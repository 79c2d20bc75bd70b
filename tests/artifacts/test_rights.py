"""Who may read what was written, whatever wrote it, and where no such rights exist."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tbft_artifacts.atomic import atomic_file, atomic_folder
from tbft_artifacts.rights import private_folder, restrict, shared_as


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o002, 0o077, 0o027], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("library", ["python", "safetensors"])
def test_a_file_has_the_rights_of_the_umask(library: str, umask: int, tmp_path: Path) -> None:
    """safetensors would make one for its owner alone, and so does everything that goes by mkstemp."""
    with atomic_file(tmp_path / "file") as temporary:
        if library == "python":
            temporary.write_bytes(b"content")
        else:
            save_file({"x": np.zeros(3)}, temporary)
    assert mode(tmp_path / "file") == 0o666 & ~umask


def test_a_folder_is_hidden_until_it_is_whole(umask: int, tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "folder") as temporary:
        assert mode(temporary) == 0o700
        (temporary / "file").touch()
    assert mode(tmp_path / "folder") == 0o777 & ~umask
    assert mode(tmp_path / "folder" / "file") == 0o666 & ~umask


@pytest.mark.parametrize(
    ("folder", "file"),
    [(0o700, 0o600), (0o755, 0o644), (0o750, 0o640), (0o2770, 0o640), (0o711, 0o644), (0o744, 0o600), (0o701, 0o604)],
)
def test_a_runs_files_are_for_whoever_may_enter_its_folder(folder: int, file: int, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        tmp_path.chmod(folder)
        with atomic_file(tmp_path / "file", mode=shared_as(tmp_path)) as temporary:
            save_file({"x": np.zeros(3)}, temporary)
        assert mode(tmp_path / "file") == file
    finally:
        os.umask(before)


def test_what_lies_in_a_folder_is_restricted_as_a_whole(tmp_path: Path) -> None:
    """A bundle that is unpacked into a run; links stay, and what they lead to keeps its rights."""
    outside = tmp_path / "outside"
    outside.touch(mode=0o644)
    inner = tmp_path / "folder" / "inner"
    inner.mkdir(parents=True, mode=0o755)
    (inner / "file").touch(mode=0o644)
    (inner / "program").touch(mode=0o755)
    (inner / "link").symlink_to(outside)
    restrict(tmp_path / "folder", 0o600)
    assert {path.name: mode(path) for path in (inner.parent, inner, inner / "file", inner / "program", outside)} == {
        "folder": 0o700,
        "inner": 0o700,
        "file": 0o600,
        "program": 0o700,
        "outside": 0o644,
    }


def test_a_private_folder_is_made_private(tmp_path: Path) -> None:
    """Also one that was there, of an earlier version or made by hand."""
    (tmp_path / "old").mkdir(mode=0o755)
    for name in ("old", "new"):
        private_folder(tmp_path / name)
        assert mode(tmp_path / name) == 0o700


def test_a_link_of_somebody_else_is_no_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that others can write to it would lead photos elsewhere. One's own link may."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "disk")
    private_folder(tmp_path / "cache")
    monkeypatch.setattr("tbft_artifacts.rights.os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError, match="somebody else"):
        private_folder(tmp_path / "cache")


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EROFS])
def test_file_systems_without_rights_do(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """vfat, CIFS: every file has those of the mount."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pathlib.Path.chmod", refuse)
    with atomic_file(tmp_path / "file") as temporary:
        save_file({"x": np.zeros(3)}, temporary)
    with atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "file").touch()
    private_folder(tmp_path / "folder")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}
