"""Source images that a bundle keeps are trained on, too, as long as they are still called what they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from support.agent_stage import Stage
from support.agents import copied, old_pictures, show
from support.bundles import ALL_DRIFTS, FRONT, LAST, compiled
from tbft_agent.adapting.child import Commands
from tbft_agent.adapting.lesson import Lesson, take
from tbft_agent.versions import BUNDLE, Version


class Told(Commands):
    """Diagnoses as it was told, trains nothing, and knows what it was asked to do."""

    def __init__(self, plan: str) -> None:
        super().__init__()
        self.plan = plan
        self.trained: tuple[str, ...] = ()
        self.limit: str | None = None

    def call(self, module: str, *words: str | Path) -> bytes:
        said = [str(word) for word in words]
        if module != "tbft_edge":
            self.limit = said[1]
            return b'{"forgotten": null}'
        if said[0] == "diagnose":
            return json.dumps({"plan": self.plan, "drift": "input"}).encode()
        self.trained = tuple(said)
        return b'{"energy": {}}'


@pytest.fixture
def lesson(tmp_path: Path) -> Lesson:
    """With labels, and enough of them for a diagnosis."""
    stage = Stage(tmp_path, adapt={"most_forgotten": 5})
    show(stage.agent, old_pictures(48))
    for kept in stage.agent.core.store.recent(48):
        stage.agent.label(kept.digest, "ant")
    stage.agent.core.remember(needs_labels=True)
    return stage.agent.core.lesson()


@pytest.mark.parametrize("plan", [FRONT, LAST])
def test_three_of_ten_images_are_kept_ones(lesson: Lesson, plan: str) -> None:
    commands = Told(plan)
    take(lesson, commands)
    assert commands.trained[commands.trained.index("--remember") + 1] == "0.3"
    assert commands.limit == "0.05"


def test_without_kept_images_there_are_none(lesson: Lesson) -> None:
    commands = Told(FRONT)
    take(replace(lesson, bundle=compiled(ALL_DRIFTS)), commands)
    assert "--plan" in commands.trained
    assert "--remember" not in commands.trained


def test_what_is_called_otherwise_now_is_not_learned_again_nor_missed(lesson: Lesson) -> None:
    """Labels of kept images are wrong then."""
    commands = Told(FRONT)
    take(replace(lesson, renamed=True), commands)
    assert "--remember" not in commands.trained
    assert commands.limit == "1.0"


def test_also_of_the_models_that_come_after(tmp_path: Path, run_of_kept: Path) -> None:
    stage = Stage(tmp_path)
    core = stage.agent.core
    assert not core.lesson().renamed
    core.versions.keep(copied(run_of_kept, core.place.work / "run"), Version(number=1, before=BUNDLE, renamed=True))
    core.versions.activate(1)
    core.take_over(core.load(1), 1)
    assert core.lesson().renamed
    assert stage.agent.adapt_now()
    show(stage.agent, old_pictures(40))
    stage.outcomes = [stage.better()]
    stage.tick(3)
    version = core.versions.get(2)
    assert version is not None
    assert version.renamed
