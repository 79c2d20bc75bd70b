"""Meters and boards that are none: known watts at known moments, and trees of files."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tbft_runtime.board.access import Board
from tbft_runtime.meters.meter import MeterError, Sample, Source

FAKE = Source(meter="fake", type="sensor", scope="nothing that exists", basis=("made up",))


@dataclass
class FakeMeter:
    """Draws `watts(seconds since start)`; cannot be read while `away` says so; sends samples `late` seconds late."""

    watts: Callable[[float], float] = lambda _: 5.0
    hertz: float = 100.0
    idle_watts: float | None = None
    away: Callable[[float], bool] = lambda _: False
    late: float = 0.0
    source: Source = FAKE
    measures: Literal["watts", "joules"] = "watts"
    started: float = 0.0
    stopped: bool = False
    _waiting: list[Sample] = field(default_factory=list)

    def start(self) -> None:
        self.started = time.perf_counter()

    def sample(self) -> Sequence[Sample]:
        now = time.perf_counter()
        if self.away(now - self.started):
            raise MeterError("the fake meter is away")
        self._waiting.append(Sample(now, self.watts(now - self.started)))
        ripe = [sample for sample in self._waiting if sample.seconds <= now - self.late]
        self._waiting = [sample for sample in self._waiting if sample.seconds > now - self.late]
        return ripe

    def stop(self) -> None:
        self.stopped = True


def write_tree(root: Path, files: dict[str, str]) -> Path:
    """Files below `root` with these texts."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def fake_board(root: Path, **answers: str) -> Board:
    """A board whose files lie below `root`; `answers` are what vcgencmd's sub-commands print."""

    def run(command: Sequence[str]) -> str | None:
        return answers.get(command[1]) if command[0] == "vcgencmd" else None

    return Board(root, run)
