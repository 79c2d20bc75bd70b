"""Agents for tests: their settings, a clock that is turned, pictures of the world, and a pupil that learns nothing."""

from __future__ import annotations

import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from support.bundles import compiled
from support.toys import OLD_COLOURS, coloured_squares, png
from tbft_agent.adapting.energy import Metered, Spent
from tbft_agent.adapting.lesson import Candidate, HeldBackError, Lesson
from tbft_agent.adapting.proof import Proof, chance_of
from tbft_agent.agent import Agent
from tbft_agent.pupil import Proven
from tbft_agent.serving.served import Served
from tbft_agent.settings import Configured, Settings
from tbft_artifacts.errors import TbftError
from tbft_runtime.board.access import Board
from tbft_runtime.data.bounds import Room
from tbft_runtime.data.pictures import read_content
from tbft_runtime.going_back import Forgotten

# Quick to drift, and quick to adapt.
QUICK: dict[str, Any] = {
    "watch": {"window": 8, "images_per_day": 1000, "false_alarms_per_month": 1.0},
    "adapt": {
        "images": 32,
        "labels": 8,
        "unverified": True,
        "rest_hours": 0.01,
        "meter": "none",
        "memory": "512MB",
        "most_forgotten": 100,
    },
    "probation": {"images": 32},
    "keep": {"size": "10MB"},
    "ask": {"every_days": 0},
    "threads": 1,
}
# Two joules in a second.
METERED = Metered(joules=2.0, seconds=1.0, covered=1.0, mean_watts=2.0)
# Nothing of it can be read: neither hot, nor slow, nor short of memory.
NO_BOARD = Board(Path("/nonexistent"), lambda _: None)


@dataclass
class TurnedClock:
    """Stands still until a test turns it; the wall clock may jump as it likes."""

    seconds: float = 1000.0
    wall: datetime = datetime(2030, 5, 1, 12, tzinfo=UTC)

    def steady(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.wall

    def turn(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)


def configured(folder: Path, bundle: Path, **tables: Any) -> Configured:
    """Settings as a file has them, `QUICK` but for `tables`, with everything below `folder`."""
    merged: dict[str, Any] = {"bundle": str(bundle), "state": str(folder / "state")}
    for name, value in {**QUICK, **tables}.items():
        merged[name] = {**QUICK.get(name, {}), **value} if isinstance(value, dict) else value
    settings = msgspec.convert(merged, Settings)
    camera = None if settings.camera is None else folder / settings.camera.folder
    return Configured(folder / "agent.toml", settings, bundle, folder / "state", camera, None)


def started(found: Configured, clock: TurnedClock | None = None, board: Board = NO_BOARD) -> Agent:
    """An agent; whoever asks for it has made its folder."""
    (found.state / "versions").mkdir(parents=True, exist_ok=True)
    (found.state / "work").mkdir(exist_ok=True)
    return Agent(found, clock or TurnedClock(), board)


def old_pictures(count: int, seed: int = 0) -> list[bytes]:
    """Such as the network of bundle `kept` knows."""
    return [png(image) for image in coloured_squares(count, seed, colours=OLD_COLOURS)[0]]


def new_pictures(count: int, seed: int = 0) -> list[bytes]:
    """Such as it never saw: other colours."""
    return [png(image) for image in coloured_squares(count, seed)[0]]


def dark_pictures(count: int, seed: int = 0) -> list[bytes]:
    """Those that it knows, by a camera that lost a good part of its contrast."""
    images = coloured_squares(count, seed, colours=OLD_COLOURS)[0]
    return [png(np.clip(image * 0.35 + 120, 0, 255).astype(np.uint8)) for image in images]


def show(agent: Agent, pictures: list[bytes]) -> None:
    """Let it answer all of them."""
    for picture in pictures:
        agent.core.answering.answer(picture)


def answered(served: Served, content: bytes) -> str:
    """The answer, of which the agent hears nothing."""
    pixels = read_content(content, served.preprocessing, Room(None)).pixels
    assert pixels is not None
    return served.look(pixels[None])[0].answer.label


def until(holds: Callable[[], bool], agent: Agent, clock: TurnedClock, seconds: float = 60.0) -> None:
    """Let it look around until something holds; real children take real time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, (agent.core.memory, agent.core.waits_for, journal(agent)[-4:])
        clock.turn(1)
        agent.tick()
        if agent.core.pupil.is_busy:
            time.sleep(0.02)


def journal(agent: Agent) -> list[str]:
    """What it wrote."""
    return [f"{entry.what}: {entry.says}" for entry in agent.core.journal.latest(1000)]


@dataclass
class StandIn:
    """A pupil that ends as a test says: what it learns, and what it asks for, comes when the next look is taken."""

    learns: Iterator[Callable[[Lesson], Proven | TbftError | HeldBackError | None]]
    on_trained: Callable[[Candidate], None]
    is_busy: bool = False
    chosen: list[int] = field(default_factory=list)
    lessons: list[Lesson] = field(default_factory=list)
    _result: Proven | TbftError | HeldBackError | None = None
    took: Spent | None = None
    compares: list[Lesson] = field(default_factory=list)
    comparison: Proof | TbftError | None = None
    _asked: list[str] | None = None

    def learn(self, lesson: Lesson, known: Candidate | None = None) -> None:
        assert not self.is_busy
        self.lessons.append(lesson)
        self._result = next(self.learns)(lesson)
        if isinstance(self._result, Proven):
            self.on_trained(known or self._result.candidate)

    def choose(self, lesson: Lesson, count: int) -> None:
        assert not self.is_busy
        self.chosen.append(count)
        self._asked = [kept.digest for kept in lesson.pool[:count]]

    def compare(self, lesson: Lesson, answering: Candidate) -> None:
        assert not self.is_busy
        assert answering.run.is_dir()
        self.compares.append(lesson)
        self.is_busy = True

    def compared(self) -> Proof | TbftError | None:
        found, self.comparison = self.comparison, None
        self.is_busy = self.is_busy and found is None
        return found

    def result(self) -> Proven | TbftError | HeldBackError | None:
        found, self._result = self._result, None
        return found

    def asked(self) -> list[str] | None:
        found, self._asked = self._asked, None
        return found

    def spent(self) -> Spent | None:
        found, self.took = self.took, None
        return found

    def stop(self) -> None:
        self._result = self._asked = self.comparison = None
        self.is_busy = False


def proof_of(gained: int, lost: int, equal: int = 0) -> Proof:
    """Of so many images that the candidate alone gets right, the other one alone, and both."""
    return Proof(
        images=gained + lost + equal,
        right_before=lost + equal,
        right_after=gained + equal,
        chance=chance_of(gained, lost),
        against=chance_of(lost, gained),
    )


def proven(
    served: Served, gained: int, lost: int, equal: int = 0, forgotten: Forgotten | None = None
) -> Callable[[Lesson], Proven]:
    """A candidate that answers so many images rightly that the other does not, and the other way round."""

    def of(lesson: Lesson) -> Proven:
        run = lesson.work / "run"
        run.mkdir(parents=True, exist_ok=True)
        (run / "report.json").write_text("{}")
        candidate = Candidate(run, "made up", METERED, forgotten)
        return Proven(lesson, candidate, served, None, 0.9, replace(proof_of(gained, lost, equal), forgotten=forgotten))

    return of


def packed(name: str, path: Path) -> Path:
    """A compiled bundle as an archive."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for file in sorted(compiled(name).rglob("*")):
            tar.add(file, file.relative_to(compiled(name)).as_posix(), recursive=False)
    return path


def copied(run: Path, folder: Path) -> Path:
    """A copy of a run, to be given away."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(run, folder)
    return folder
