"""An agent that is killed again and again, and one for which two hours pass: the short form of the programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tbft_agent.memory import read_memory
from torture import agent_kills, agent_power, agent_soak
from torture.agent_world import make_world
from torture.power import why_not

SEED = 3


@pytest.mark.long
def test_killed_at_random_moments_it_answers_every_time(tmp_path: Path) -> None:
    """`make torture-agent` does it 300 times."""
    world = make_world(tmp_path / "world")
    counted = agent_kills.torture(world, 8, SEED)
    assert counted.problems == []
    assert counted.kills == 8
    assert read_memory(world.state / "memory.json") is not None


@pytest.mark.long
def test_what_reached_the_disk_when_the_power_was_cut_answers(tmp_path: Path) -> None:
    """`make torture-agent-power` does it 40 times."""
    reason = why_not(tmp_path)
    if reason is not None:
        pytest.skip(reason)
    world = make_world(tmp_path / "world")
    world.state.mkdir()
    counted = agent_power.torture(world, 3, SEED)
    assert counted.problems == []
    assert counted.kills == 3


def test_what_is_half_written_would_be_found(tmp_path: Path) -> None:
    """The test above can fail."""
    world = make_world(tmp_path / "world")
    process = world.start()
    assert world.answers(process) is not None
    process.terminate()
    process.join(30)
    assert process.exitcode == 0
    assert list(agent_kills.problems(world)) == []
    (world.state / "memory.json").write_bytes(b'{"state":')
    (world.state / "versions" / "000001").mkdir()
    (world.state / "images" / "images.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    (world.state / "journal.jsonl").write_bytes(b'{"time":}\n{}\n')
    assert len(list(agent_kills.problems(world))) == 4


@pytest.mark.long
def test_two_hours_of_a_turned_clock_leave_memory_and_disk_as_they_were(tmp_path: Path) -> None:
    """`make soak-agent` does it with 100,000 images, which leaves time for each training."""
    images = 1600
    seen = agent_soak.soak(tmp_path / "world", images, SEED)
    assert [found for found in agent_soak.problems(seen, images) if "swapped" not in found] == []
    assert sum(seen.swaps) > 0
