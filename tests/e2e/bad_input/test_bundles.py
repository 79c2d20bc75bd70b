"""Bundles that cannot be used: one error line and a hint, exit code 2, and nothing half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import Step
from support.desk import refused_here
from tbft_artifacts.manifest import FORMAT, MANIFEST


@pytest.fixture
def spoilt(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle to damage."""
    return shutil.copytree(bundle, tmp_path / "spoilt")


def flip_a_byte(folder: Path) -> None:
    (path,) = folder.rglob("gradient.onnx")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def remove_weights(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()


def make_newer(folder: Path) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | {"format": FORMAT + 1, "novelty": True}))


def break_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


SPOILT: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "changed byte": (flip_a_byte, "gradient.onnx", "copy"),
    "missing file": (remove_weights, "weights.safetensors", "copy"),
    "newer format": (make_newer, f"format {FORMAT + 1}", "upgrade"),
    "broken manifest": (break_manifest, MANIFEST, "export"),
}


@pytest.mark.parametrize(
    ("name", "case"), [*(("train", case) for case in SPOILT), ("eval", "changed byte"), ("inspect", "newer format")]
)
def test_a_spoilt_bundle(case: str, name: str, spoilt: Path, data: Path, desk: Path) -> None:
    """Every command that reads a bundle names what is wrong with it, and says what to do."""
    spoil, words, hint = SPOILT[case]
    spoil(spoilt)
    arguments = {"train": ("--data", data, "--out", desk / "run"), "eval": ("--data", data), "inspect": ()}[name]
    refusal = refused_here(desk, name, spoilt, *arguments)
    assert words in refusal.message
    assert hint in refusal.hint


def test_a_damaged_archive(exported: Step, data: Path, desk: Path, tmp_path: Path) -> None:
    """Cut short on the way to the device: the archive is named, and no part of it stays in the run."""
    archive = tmp_path / "cut.tar.gz"
    archive.write_bytes(exported.path.read_bytes()[:-1000])
    refusal = refused_here(desk, "train", archive, "--data", data, "--out", desk / "run")
    assert str(archive) in refusal.message
    assert "damaged" in refusal.message
