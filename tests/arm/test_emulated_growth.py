"""What a device makes of a bundle by itself is the same on an emulated ARM processor: a new class, a head, features."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import COMPILED
from support.toys import coloured_squares, save_folders
from tbft_edge.emulation.cpus import CPUS
from tbft_edge.emulation.qemu_user import QemuUser

PI_MEMORY = 512 << 20
YELLOW = np.array([230, 230, 40])
OF_ONE_CORE = ("--threads", "1")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Of the bundle's classes, and of one more."""
    folder = save_folders(tmp_path / "photos", *coloured_squares(40))
    noise = np.random.default_rng(1).normal(0, 25, (10, 8, 8, 3))
    return save_folders(folder, np.clip(YELLOW + noise, 0, 255).astype(np.uint8), np.zeros(10, int), ("frog",))


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="a memory limit takes root")
def test_a_grown_network_learns_and_answers_as_here(emulator: QemuUser, photos: Path, tmp_path: Path) -> None:
    """A head in closed form, an epoch of the graphs that grew by a class, and the graph that gives features."""
    bundle, answers = COMPILED / "kept", {}
    for place in ("here", "there"):
        grown, run = tmp_path / f"grown-{place}", tmp_path / f"run-{place}"
        learn = ["learn", bundle, "--data", photos, "--add-class", "frog", "--out", grown]
        plan = ["--plan", "output-frozen-sgd", "--epochs", "1"]
        train = ["train", bundle, "--from", grown, "--data", photos, *plan, "--out", run]
        predict = ["predict", run, photos, "--unknown", "--json"]
        for command in (learn, train, predict):
            arguments = ["-m", "tbft_edge", *map(str, command), *OF_ONE_CORE]
            printed = _there(emulator, arguments) if place == "there" else _here(arguments)
        answers[place] = json.loads(printed)
    assert_alike(answers["there"], answers["here"])
    weights = [load_file(tmp_path / f"run-{place}" / "state.safetensors") for place in ("there", "here")]
    grown_weights = [name for name, value in weights[1].items() if value.ndim == 2 and len(value) == 5]
    assert grown_weights
    for name in grown_weights:
        np.testing.assert_allclose(weights[0][name], weights[1][name], atol=1e-4)


def _there(emulator: QemuUser, arguments: list[str]) -> str:
    return emulator.run(arguments, CPUS["cortex-a72"], memory=PI_MEMORY).stdout


def _here(arguments: list[str]) -> str:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True).stdout


def assert_alike(there: list[dict[str, Any]], here: list[dict[str, Any]]) -> None:
    """Rounding may differ between processors; anything else would be a wrong kernel."""
    assert "frog" in {answer["label"] for answer in here}
    for one, other in zip(there, here, strict=True):
        assert (one["label"], one["unknown"]) == (other["label"], other["unknown"])
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-3)
