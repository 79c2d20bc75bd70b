"""The commands of rounds say in one line what they lack."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.commands import Ended, refused
from support.made_up_rounds import World

WITHOUT_FLOWER = pytest.mark.skipif(find_spec("flwr") is not None, reason="flwr is installed here")
Command = Callable[..., Ended]


@WITHOUT_FLOWER
def test_without_flower_a_device_takes_no_part(command: Command, tmp_path: Path) -> None:
    """And says which extra brings it."""
    place = World(tmp_path).device("pi-7", images=0)
    certificate = tmp_path / "ca.crt"
    certificate.touch()
    ended = command("fleet", "node", place.folder, "--superlink", "127.0.0.1:1", "--certificate", certificate)
    found = refused(ended)
    assert "package 'flwr' is not installed here" in found.message
    assert "pip install 'tbft-edge[federated]'" in found.hint


def test_a_folder_of_no_device_takes_no_part(command: Command, tmp_path: Path) -> None:
    ended = command("fleet", "node", tmp_path, "--superlink", "127.0.0.1:1", "--certificate", tmp_path)
    assert "is no folder of a device" in refused(ended).message


def test_a_device_needs_the_certificate(command: Command, tmp_path: Path) -> None:
    place = World(tmp_path).device("pi-7", images=0)
    ended = command("fleet", "node", place.folder, "--superlink", "127.0.0.1:1", "--certificate", tmp_path / "gone")
    assert "there is no certificate" in refused(ended).message


def test_rounds_need_a_superlink(command: Command, tmp_path: Path) -> None:
    world = World(tmp_path)
    ended = command("fleet", "rounds", world.fleet.folder, "--rounds", "1", "--epochs", "1")
    assert "no SuperLink was begun" in refused(ended).message
