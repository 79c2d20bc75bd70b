"""A device that is killed while it updates: the short form of the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from torture import fleet_kills
from torture.fleet_kills import make_world


@pytest.mark.long
def test_killed_at_random_moments_the_old_or_the_new_release_answers(tmp_path: Path) -> None:
    """`make torture-fleet` does it 100 times."""
    counted = fleet_kills.torture(make_world(tmp_path / "world"), 6, seed=3)
    assert counted.problems == []
    assert counted.kills == 6


def test_what_does_not_answer_would_be_found(tmp_path: Path) -> None:
    """The test above can fail."""
    world = make_world(tmp_path / "world")
    assert list(fleet_kills.problems(world)) == []
    (world.place.bundle(1) / "weights.safetensors").write_bytes(b"cut")
    world.place.update.unlink()
    assert len(list(fleet_kills.problems(world))) == 3
