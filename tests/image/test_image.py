"""Dockerfile.arm64 builds, and its image trains: on a stand-in for the published base image."""

from __future__ import annotations

import json
from pathlib import Path

from support.bundles import COMPILED
from support.stand_in import StandIn
from support.toys import save_squares


def test_image_fine_tunes_read_only_without_network_or_root(image: StandIn, tmp_path: Path) -> None:
    """The documented container trains a bundle under a Pi's memory, and is not root."""
    data = tmp_path / "data"
    data.mkdir()
    save_squares(data / "squares.npz", 32)
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o777)  # The image's user is another one.
    tmp_path.chmod(0o755)
    volumes = [(COMPILED / "feature-frozen", "/bundle", "ro"), (data, "/data", "ro"), (out, "/run-folder", "rw")]
    arguments = [
        "train",
        "/bundle",
        "--data",
        "/data/squares.npz",
        "--out",
        "/run-folder/run",
        "--epochs",
        "1",
        "--json",
    ]
    result = json.loads(image.run(arguments, volumes, "512m"))
    assert result["epochs"] == 1
    assert result["runtime"]["machine"] == "aarch64"
    assert (out / "run" / "state.safetensors").stat().st_uid != 0


def test_image_says_its_version_and_help(image: StandIn) -> None:
    """The entry point is the command itself."""
    assert image.run(["--version"], [], "512m").strip()
    assert "doctor" in image.run([], [], "512m")
