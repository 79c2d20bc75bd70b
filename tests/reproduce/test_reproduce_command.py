"""What `tbft-edge reproduce` cannot run ends in one line with a hint, before anything is trained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def refusal(*arguments: str | Path) -> str:
    """What stands on stderr of a command that ends with exit code 2."""
    command = [sys.executable, "-m", "tbft_edge", "reproduce", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("error: ") == 1
    assert "\nhint: " in done.stderr
    return done.stderr


def test_data_and_a_network_are_needed(tmp_path: Path) -> None:
    assert "--weights or --train-source" in refusal("cifar-flip", "--out", tmp_path / "out", "--data", tmp_path)


def test_weights_have_to_be_there(tmp_path: Path) -> None:
    words = refusal("cifar-flip", "--out", tmp_path / "out", "--data", tmp_path, "--weights", tmp_path / "none.pth")
    assert "none.pth' do not exist" in words


def test_a_suite_has_to_exist(tmp_path: Path) -> None:
    assert "cifar-flip" in refusal("cifar-flop", "--out", tmp_path)


@pytest.mark.parametrize("preset", ["whole"])
def test_a_preset_has_to_exist(tmp_path: Path, preset: str) -> None:
    assert "quick" in refusal("cifar-flip", "--out", tmp_path, "--preset", preset)
