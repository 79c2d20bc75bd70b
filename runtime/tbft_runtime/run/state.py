"""What a run remembers between epochs: one file, replaced as a whole."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_artifacts.rights import shared_as
from tbft_runtime.energy.parts import RunPart
from tbft_runtime.run.epoch import Epoch, Evaluation
from tbft_runtime.run.exit_answers import ExitAnswers
from tbft_runtime.timing import PhaseTime

# Tensors by name, to be changed.
Arrays = dict[str, np.ndarray]
_EpochText = TypeVar("_EpochText")
_GROUPS = ("current", "slots", "best", "confusions", "exits")
_METADATA = "training"


class _Progress(msgspec.Struct, Generic[_EpochText]):
    """The part of the state that is no tensor; epochs as they are, or as JSON already."""

    epoch: int
    step: int
    best_epoch: int
    best_loss: float | None
    before: Evaluation | None
    adapted: Evaluation | None
    epochs: list[_EpochText]
    preparation: list[PhaseTime]
    parts: list[RunPart]


@dataclass
class TrainingState:
    """Weights that changed, optimizer state, the best weights so far, and the history.

    `current` and `best` hold trained parameters and running statistics by name; `slots` the
    optimizer's state by the names of the update graph. `best_epoch` 0 is the state before training;
    `before` evaluates the base model, `adapted` the same with re-estimated batch-norm statistics.
    `confusions` has what the validation images were taken for, "before" and by the "best" state, each
    (k, 3) int64 as `Tally.confusion` gives it. `exits` is what each of several exits makes of them in the best state,
    from which a threshold is calibrated. `preparation` is what was done before the first epoch,
    `parts` what each process that worked on the run saw of its board.
    """

    current: Arrays
    slots: Arrays
    best: Arrays
    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    before: Evaluation | None = None
    adapted: Evaluation | None = None
    epochs: list[Epoch] = field(default_factory=list)
    confusions: Arrays = field(default_factory=dict)
    exits: ExitAnswers | None = None
    preparation: list[PhaseTime] = field(default_factory=list)
    parts: list[RunPart] = field(default_factory=list)
    _written: list[tuple[Epoch, msgspec.Raw]] = field(default_factory=list, repr=False, compare=False)

    def keep_best(self, epoch: int, loss: float, confusion: np.ndarray, exits: ExitAnswers | None) -> None:
        """Remember the current weights as the best, and what they, and their exits, take the validation images for."""
        self.best = {name: value.copy() for name, value in self.current.items()}
        self.best_epoch = epoch
        self.best_loss = loss
        self.confusions["best"] = confusion
        self.exits = exits

    def epoch_texts(self) -> list[msgspec.Raw]:
        """Each epoch as JSON. Made once: an epoch has the time of each of its steps, and a run is saved after each."""
        for index, epoch in enumerate(self.epochs):
            if index == len(self._written) or self._written[index][0] is not epoch:
                self._written[index : index + 1] = [(epoch, msgspec.Raw(msgspec.json.encode(epoch)))]
        return [text for _, text in self._written[: len(self.epochs)]]


def save_state(state: TrainingState, path: Path) -> None:
    """Write the state atomically. Raises TbftError if the disk is full."""
    progress = _Progress(
        epoch=state.epoch,
        step=state.step,
        best_epoch=state.best_epoch,
        best_loss=state.best_loss if math.isfinite(state.best_loss) else None,
        before=state.before,
        adapted=state.adapted,
        epochs=state.epoch_texts(),
        preparation=state.preparation,
        parts=state.parts,
    )
    groups: Mapping[str, Arrays] = {
        "current": state.current,
        "slots": state.slots,
        "best": state.best,
        "confusions": state.confusions,
        "exits": {} if state.exits is None else vars(state.exits),
    }
    tensors = {
        f"{group}/{name}": np.ascontiguousarray(value)
        for group, arrays in groups.items()
        for name, value in arrays.items()
    }
    with atomic_file(path, mode=shared_as(path.parent)) as temporary:
        try:
            save_file(tensors, temporary, {_METADATA: msgspec.json.encode(progress).decode()})
        except SafetensorError as error:
            raise _cause(error, path) from error


def _cause(error: SafetensorError, path: Path) -> Exception:
    """The operating system's error that `error` tells of in words, such as a full disk."""
    if number := re.search(r"os error (\d+)", str(error)):
        return OSError(int(number[1]), os.strerror(int(number[1])))
    return TbftError(f"'{path}' cannot be written: {error}", "choose another `out`")


def load_state(path: Path) -> TrainingState | None:
    """The saved state, or None if there is none. Raises TbftError if the file is damaged."""
    if not path.exists():
        return None
    groups: dict[str, Arrays] = {group: {} for group in _GROUPS}
    # safetensors calls a file that may not be read missing; the system says why.
    path.open("rb").close()
    try:
        with safe_open(path, "numpy") as file:
            progress = msgspec.json.decode(file.metadata()[_METADATA], type=_Progress[Epoch])
            for key in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                group, _, name = key.partition("/")
                groups[group][name] = file.get_tensor(key)
    except (SafetensorError, msgspec.DecodeError, KeyError, TypeError) as error:
        raise TbftError(f"'{path}' is damaged: {error}", "start again with another `out`") from error
    return TrainingState(
        current=groups["current"],
        slots=groups["slots"],
        best=groups["best"],
        epoch=progress.epoch,
        step=progress.step,
        best_epoch=progress.best_epoch,
        best_loss=math.inf if progress.best_loss is None else progress.best_loss,
        before=progress.before,
        adapted=progress.adapted,
        epochs=progress.epochs,
        confusions=groups["confusions"],
        exits=ExitAnswers(**groups["exits"]) if groups["exits"] else None,
        preparation=progress.preparation,
        parts=progress.parts,
    )


def is_worse(before: float | None, after: float | None) -> bool:
    """Whether `after` is known to be below `before`."""
    return before is not None and after is not None and after < before


def after(state: TrainingState) -> Evaluation | None:
    """The validation of the best state."""
    if state.best_epoch:
        return state.epochs[state.best_epoch - 1].validation
    return state.adapted if state.adapted is not None else state.before
