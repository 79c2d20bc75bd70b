"""Dockerfile.arm64 builds, and its image trains: on a stand-in for the published base image."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bundles import COMPILED
from support.stand_in import StandIn, why_not
from support.toys import save_squares
from tbft_edge.emulation.cpus import CPUS


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    reason = why_not()
    if reason is not None:
        pytest.skip(f"Dockerfile.arm64 was not built: {reason}")
    folder = tmp_path_factory.mktemp("containers")
    stand_in = StandIn(folder, CPUS["cortex-a72"])
    stand_in.build()
    warnings.warn("Dockerfile.arm64 was built on a stand-in base, not on the published image", stacklevel=1)
    yield stand_in
    shutil.rmtree(folder, ignore_errors=True)


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
