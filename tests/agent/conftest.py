"""What tests of the agent start from."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from support.agent_life import Life
from support.agents import configured
from support.bundles import compiled
from support.runs import fine_tune
from tbft_agent.states import State


@pytest.fixture(scope="session")
def run_of_kept(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of bundle `kept` that learned one epoch; tests copy it."""
    out = tmp_path_factory.mktemp("run") / "run"
    fine_tune("kept", squares, out, drift="output", epochs=1)
    return out


@pytest.fixture
def life(tmp_path: Path) -> Life:
    """An agent over several starts."""
    return Life(configured(tmp_path, compiled("kept"), watch={"quiet_images": 64}))


@pytest.fixture
def swapped(life: Life, run_of_kept: Path) -> Life:
    """Version 1 answers, and everybody knows."""
    life.swap(run_of_kept, 1)
    life.begin().close()
    life.remember(msgspec.structs.replace(life.memory, state=State.WATCHING))
    return life
