"""A full disk ends in one error line; what was saved before stays, and the run goes on once there is space."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.commands import DEVICE, EXPORT, Step, refused, run
from support.files import listing
from support.in_process import run_in_process
from support.states import assert_equal_states, epoch_of

PAGE = 4096


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system in memory, with the options given, at the same place each time."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        if os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("mounting a small disk needs root and mount(8)")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.decode().strip()}")
        return place

    yield mount
    if place.is_mount():
        subprocess.run(["umount", place], check=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, bundle: Path, data: Path) -> Path:
    """A run on a disk with space."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert train(bundle, data, out) == 0
    return out


OPTIONS = ("--epochs", "3", "--threads", "1")


def train(bundle: Path, data: Path, out: Path) -> int:
    return run(DEVICE, "train", bundle, "--data", data, "--out", out, *OPTIONS, "--resume").code


@pytest.mark.parametrize("pages", [1, 3, 4, 5, 6, 8])
def test_a_run_that_fills_the_disk(
    pages: int, small_disk: Callable[[str], Path], bundle: Path, data: Path, whole: Path
) -> None:
    """Wherever it gets full: no half-written file counts, and --resume ends in the weights of a whole run."""
    disk = small_disk(f"size={pages * PAGE}")
    out = disk / "run"
    ended = run(DEVICE, "train", bundle, "--data", data, "--out", out, *OPTIONS)
    refusal = refused(ended)
    assert "no space left" in refusal.message
    assert "free some space" in refusal.hint
    if out.exists():
        assert epoch_of(out) <= 3
        assert not list(disk.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=1m", disk], check=True)
    assert train(bundle, data, out) == 0
    assert_equal_states(out, whole)


def test_a_cache_that_has_too_little_room(
    small_disk: Callable[[str], Path], bundle: Path, data: Path, whole: Path
) -> None:
    """It takes a quarter of what is free, says so, and the weights are those of a run with all of it."""
    out = small_disk(f"size={40 * PAGE}") / "run"
    ended = run(DEVICE, "train", bundle, "--data", data, "--out", out, *OPTIONS, "--json")
    assert ended.code == 0, ended
    cache = json.loads(ended.out)["cache"]
    assert 0 < cache["bytes"] <= 10 * PAGE
    assert f"the activation cache has room for {cache['cached_images']} of 48 images" in ended.err
    assert_equal_states(out, whole)


def test_a_run_on_a_disk_that_is_read_only(small_disk: Callable[[str], Path], bundle: Path, data: Path) -> None:
    """Said in words, with the path."""
    disk = small_disk("size=1m,ro")
    refusal = refused(run(DEVICE, "train", bundle, "--data", data, "--out", disk / "run"))
    assert "cannot be written" in refusal.message
    assert str(disk / "run") in refusal.message


def test_finalize_on_a_full_disk(small_disk: Callable[[str], Path], trained: Step) -> None:
    """An older model that is deployed stays as it is."""
    disk = small_disk(f"size={2 * PAGE}")
    (disk / "model.onnx").write_text("older")
    before = listing(disk)
    refusal = refused(run(DEVICE, "finalize", trained.path, "--out", disk / "model.onnx"))
    assert "no space left" in refusal.message
    assert listing(disk) == before


@pytest.mark.parametrize("name", ["bundle", "bundle.tar.gz"])
def test_export_on_a_full_disk(name: str, small_disk: Callable[[str], Path], capfd: pytest.CaptureFixture[str]) -> None:
    """No half bundle, in either form."""
    disk = small_disk(f"size={3 * PAGE}")
    refusal = refused(run_in_process(capfd, *EXPORT, "--out", disk / name))
    assert "no space left" in refusal.message
    assert listing(disk) == {}


def test_an_archive_that_cannot_be_unpacked(small_disk: Callable[[str], Path], exported: Step, data: Path) -> None:
    """`eval` of an archive unpacks it in the folder for temporary files."""
    disk = small_disk(f"size={8 * PAGE}")
    ended = run(DEVICE, "eval", exported.path, "--data", data, variables={"TMPDIR": str(disk)})
    assert "no space left" in refused(ended).message
    assert listing(disk) == {}


@pytest.mark.parametrize("limit", [100, 3000])
def test_a_limit_on_file_size(limit: int, bundle: Path, data: Path, tmp_path: Path) -> None:
    """A quota on single files is no different: an error, not a signal that kills."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    ended = run(DEVICE, "train", bundle, "--data", data, "--out", tmp_path / "run", before=limited)
    assert "no space left" in refused(ended).message
    assert listing(tmp_path) == {}
