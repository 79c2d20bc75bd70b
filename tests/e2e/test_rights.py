"""Who may read a run: its owner, unless its folder was made for others; and who may read what is made for others."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import DEVICE, Step, refused, run, start


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def train(bundle: Path, data: Path, out: Path, *more: str | Path) -> None:
    options = ("--data", data, "--out", out, "--epochs", "1", "--threads", "1", "--meter", "none")
    ended = run(DEVICE, "train", bundle, *options, *more)
    assert ended.code == 0, ended


def test_a_new_run_is_its_owners(exported: Step, data: Path, tmp_path: Path) -> None:
    """Folders above it are as always; what was computed from photos is read by nobody else, nor is the bundle."""
    out = tmp_path / "above" / "run"
    train(exported.path, data, out)
    assert mode(out.parent) == 0o755
    assert [path.name for path in (out, *out.rglob("*")) if mode(path) & 0o077] == []


@pytest.mark.parametrize(("folder", "file"), [(0o755, 0o644), (0o750, 0o640), (0o2770, 0o640)])
def test_a_folder_that_was_made_for_others_stays_so(
    folder: int, file: int, exported: Step, data: Path, tmp_path: Path
) -> None:
    """Its files follow it, the state included; the pictures and activations do not."""
    out = tmp_path / "run"
    out.mkdir()
    out.chmod(folder)
    process = start(
        DEVICE, "train", exported.path, "--data", data, "--out", out, "--epochs", "100000", "--patience", "99999"
    )
    seen: dict[str, int] = {}
    while not (out / "state.safetensors").exists() and process.poll() is None:
        for path in (out / "cache", *(out / "cache").glob("*")):
            with contextlib.suppress(FileNotFoundError):  # It was renamed meanwhile.
                seen[path.name] = mode(path)
    process.terminate()
    process.communicate(timeout=60)
    assert mode(out) == folder
    assert {mode(out / name) for name in ("state.safetensors", "run.json", ".tbft-edge.lock")} == {file}
    assert seen
    assert all(not found & 0o077 for found in seen.values())
    assert mode(out / "bundle" / "manifest.json") == file


def test_what_others_read_follows_the_umask(bundle: Path, data: Path, tmp_path: Path) -> None:
    """A node exporter is another user, and so is who deploys a model."""
    train(bundle, data, tmp_path / "run", "--metrics-file", tmp_path / "run.prom")
    assert run(DEVICE, "finalize", tmp_path / "run", "--out", tmp_path / "m.onnx", "--allow-worse").code == 0
    assert mode(tmp_path / "run.prom") == mode(tmp_path / "m.onnx") == 0o644


def test_a_lock_follows_no_link(bundle: Path, data: Path, tmp_path: Path) -> None:
    """Somebody prepared it in a shared folder, so that another file is emptied."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".tbft-edge.lock").symlink_to(victim)
    refusal = refused(run(DEVICE, "train", bundle, "--data", data, "--out", tmp_path / "run"))
    assert str(tmp_path / "run") in refusal.message
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("name", ["activations-{}.rows", "activations-{}.json", "train.pixels", "train.json"])
def test_the_cache_follows_no_link(name: str, bundle: Path, data: Path, tmp_path: Path) -> None:
    """Nor do its files."""
    train(bundle, data, tmp_path / "first")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    cache = tmp_path / "run" / "cache"
    cache.mkdir(parents=True)
    (tmp_path / "run" / ".tbft-edge.lock").touch()
    (cache / name.format("0" * 32)).symlink_to(victim)
    train(bundle, data, tmp_path / "run")
    assert victim.read_text() == "precious"
