"""Short runs of compiled bundles, and what to compare of them. Device only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from support.bundles import compiled
from tbft_runtime import Silent, TrainOptions, TrainResult, train
from tbft_runtime.run.epoch import Epoch
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.state import TrainingState

# What a run leaves in its folder.
RUN_FILES = {
    ".tbft-edge.lock",
    "run.json",
    "state.safetensors",
    "state.previous.safetensors",
    "history.jsonl",
    "report.json",
}


def fine_tune(bundle: str | Path, data: Path, out: Path, progress: Silent | None = None, **options: Any) -> TrainResult:
    """Train a compiled bundle, given by name, or any by path; one thread unless told otherwise."""
    path = compiled(bundle) if isinstance(bundle, str) else bundle
    return train(path, TrainOptions(data=data, out=out, **{"threads": 1, **options}), progress)


def state_of(run: Path) -> TrainingState:
    """The saved state of a run."""
    state = RunFolder(run).read_state()
    assert state is not None
    return state


def tensors_of(run: Path) -> dict[str, np.ndarray]:
    """Everything in a run's state that training computes: current and best weights, optimizer state."""
    state = state_of(run)
    groups = {"current": state.current, "slots": state.slots, "best": state.best}
    return {f"{group}/{name}": value for group, arrays in groups.items() for name, value in arrays.items()}


def history_of(run: Path) -> list[tuple[Any, ...]]:
    """What a run says of its epochs, without times."""
    return [(epoch.number, epoch.train_loss, epoch.train_accuracy, epoch.validation) for epoch in state_of(run).epochs]


def assert_equal_runs(run: Path, other: Path) -> None:
    """Same tensors, bit for bit, and same history."""
    first, second = tensors_of(run), tensors_of(other)
    assert first.keys() == second.keys()
    different = [name for name, value in first.items() if value.tobytes() != second[name].tobytes()]
    assert different == []
    assert history_of(run) == history_of(other)
    assert state_of(run).step == state_of(other).step
    assert state_of(run).best_epoch == state_of(other).best_epoch


@dataclass
class Recorder(Silent):
    """Remembers what a run reports, and can press Ctrl-C after so many images of an epoch."""

    interrupt_epoch: int = 0
    interrupt_after: int = 0
    phases: list[str] = field(default_factory=list)
    epochs: list[tuple[int, int, bool]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    advanced: int = 0

    def begin(self, what: str, total: int) -> None:  # noqa: ARG002
        self.phases.append(what)
        self.advanced = 0

    def advance(self, images: int) -> None:
        self.advanced += images
        inside = self.phases[-1].startswith(f"epoch {self.interrupt_epoch} of")
        if inside and self.advanced >= self.interrupt_after:
            raise KeyboardInterrupt

    def epoch(self, epoch: Epoch, total: int, best: bool) -> None:
        self.epochs.append((epoch.number, total, best))

    def note(self, text: str) -> None:
        self.notes.append(text)
