"""What a run remembers between epochs: one file, replaced as a whole, the one before it, and a history that grows."""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import open_regular
from tbft_artifacts.rights import shared_as
from tbft_artifacts.stamp import UNSTAMPED, Stamp
from tbft_artifacts.structs import Epochs as EpochNumber
from tbft_artifacts.structs import Large
from tbft_runtime.energy.parts import RunPart
from tbft_runtime.run.blends import Blend
from tbft_runtime.run.earlier_state import EarlierProgress
from tbft_runtime.run.epoch import Epoch, Evaluation
from tbft_runtime.run.exit_answers import ExitAnswers
from tbft_runtime.run.generations import keep_previous
from tbft_runtime.run.history import Epochs, Mark
from tbft_runtime.run.learned_record import Learned
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.unlabelled_record import Unlabelled
from tbft_runtime.timing import PhaseTime

# Tensors by name, to be changed.
Arrays = dict[str, np.ndarray]
_GROUPS = ("current", "slots", "best", "confusions", "exits")
_METADATA = "training"
# That of safetensors for everything that is no tensor.
_METADATA_LIMIT = 100_000_000
# In the metadata, JSON is a string of JSON.
STATE_STAMP = Stamp(rb"{\"sha256\":\"", last=False)
FORMAT = 2
# A disk that fails, and what is no file at all.
_NO_STATE = {errno.EIO, errno.EISDIR, errno.EINVAL}
_DAMAGE = (SafetensorError, UnicodeError, KeyError, TypeError, ValueError)
_T = TypeVar("_T")


class _Version(msgspec.Struct):
    """What tells formats apart; the first one did not say so."""

    format: int = 1


class _Progress(msgspec.Struct, kw_only=True):
    """The part of the state that is no tensor; `recent` epochs are those that are not in the history yet."""

    sha256: str = UNSTAMPED
    format: int = FORMAT
    epoch: EpochNumber
    step: Large
    best_epoch: EpochNumber
    best_loss: float | None
    best: Evaluation | None
    before: Evaluation | None
    adapted: Evaluation | None
    old_before: Evaluation | None = None
    old_after: Evaluation | None = None
    blends: tuple[Blend, ...] = ()
    history: Mark
    recent: list[Epoch]
    preparation: list[PhaseTime]
    parts: list[RunPart]
    run: RunFile | None
    learned: Learned | None = None
    unlabelled: Unlabelled | None = None


@dataclass
class TrainingState:
    """Weights that changed, optimizer state, the best weights so far, and the history.

    `current` and `best` hold trained parameters and running statistics by name; `slots` the optimizer's state by the
    names of the update graph. `best_epoch` 0 is the state before training; `before` evaluates the base model, `adapted`
    the same with re-estimated batch-norm statistics, and `after` the best state; `old_before` and `old_after` do so on
    kept images of the source domain, if there are any, and `blends` are models on the way from one to the other, once
    the run has ended. `confusions` has what the validation images were taken for, "before" and by the "best" state,
    each (k, 3) int64 as `Tally.confusion` gives it. `exits` is what each of several exits makes of them in the best
    state, from which a threshold is calibrated. `preparation` is what was done before the first epoch, `parts` what
    each process that worked on the run saw of its board. `run` is what `run.json` said when it was saved,
    `learned` the head that training began with where that was not the model's own. `unlabelled` is what a run
    without labels did so far.
    """

    current: Arrays
    slots: Arrays
    best: Arrays
    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    before: Evaluation | None = None
    adapted: Evaluation | None = None
    after: Evaluation | None = None
    old_before: Evaluation | None = None
    old_after: Evaluation | None = None
    blends: tuple[Blend, ...] = ()
    epochs: Epochs = field(default_factory=Epochs)
    confusions: Arrays = field(default_factory=dict)
    exits: ExitAnswers | None = None
    preparation: list[PhaseTime] = field(default_factory=list)
    parts: list[RunPart] = field(default_factory=list)
    run: RunFile | None = None
    learned: Learned | None = None
    unlabelled: Unlabelled | None = None

    @property
    def best_loss(self) -> float:
        """Of the validation images in the best state; infinite where none has a label."""
        return math.inf if self.after is None else self.after.loss

    def keep_best(
        self,
        epoch: int,
        validation: Evaluation | None,
        confusion: np.ndarray,
        exits: ExitAnswers | None,
        old: Evaluation | None,
    ) -> None:
        """Remember the current weights as the best, what they, and their exits, take the validation images for, and
        what of the old data they know.
        """
        self.best = {name: value.copy() for name, value in self.current.items()}
        self.best_epoch = epoch
        self.after = validation
        self.confusions["best"] = confusion
        self.exits = exits
        self.old_after = old
        self.blends = ()


def history_of(path: Path) -> Path:
    """The file of epochs that belongs to the state at `path`."""
    return path.with_name("history.jsonl")


def previous_of(path: Path) -> Path:
    """Where the state before the one at `path` lies."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def save_state(state: TrainingState, path: Path) -> None:
    """Write the state atomically, and keep the one that was there as the previous one.

    The epochs that it refers to are flushed before. Raises TbftError if the disk is full.
    """
    state.epochs.write(history_of(path))
    progress = _Progress(
        epoch=state.epoch,
        step=state.step,
        best_epoch=state.best_epoch,
        best_loss=state.best_loss if math.isfinite(state.best_loss) else None,
        best=state.after,
        before=state.before,
        adapted=state.adapted,
        old_before=state.old_before,
        old_after=state.old_after,
        blends=state.blends,
        history=state.epochs.mark,
        recent=state.epochs.recent,
        preparation=state.preparation,
        parts=state.parts,
        run=state.run,
        learned=state.learned,
        unlabelled=state.unlabelled,
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
            raise disk_error(error, path) from error
        STATE_STAMP.put(temporary)
        keep_previous(path, previous_of(path))


def disk_error(error: SafetensorError, path: Path) -> Exception:
    """The operating system's error that `error` tells of in words, such as a full disk."""
    if number := re.search(r"os error (\d+)", str(error)):
        return OSError(int(number[1]), os.strerror(int(number[1])))
    return TbftError(f"'{path}' cannot be written: {error}", "choose another `out`")


class DamagedStateError(TbftError):
    """A state file is not as it was written, or a part of the disk under it cannot be read."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"'{path}' is damaged: {why}", "start again with another `out`")


def load_state(path: Path) -> TrainingState | None:
    """The saved state, or None if there is none. Raises DamagedStateError, or OSError if it may not be read."""
    if not path.exists():
        return None
    groups: dict[str, Arrays] = {group: {} for group in _GROUPS}
    try:
        # safetensors calls a file that may not be read missing, and waits for pipes; and it knows before anything
        # else is read whether a file is as long as it has to be.
        with open_regular(path) as whole, safe_open(path, "numpy") as file:
            as_stamped = STATE_STAMP.fits(whole)
            content = file.metadata()[_METADATA]
            for key in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                group, _, name = key.partition("/")
                groups[group][name] = file.get_tensor(key)
        state = _restored(content, groups, path)
    except _DAMAGE as error:
        raise DamagedStateError(path, str(error)) from error
    except OSError as error:
        if error.errno not in _NO_STATE:
            raise
        raise DamagedStateError(path, error.strerror or str(error)) from error
    if as_stamped is False or (as_stamped is None and _told(content, _Version, path).format >= FORMAT):
        raise DamagedStateError(path, "its content is not what was written")
    return state


def _told(content: str, kind: type[_T], path: Path) -> _T:
    try:
        return decode(content, kind, _METADATA_LIMIT, failed="its metadata", hint="")
    except TbftError as error:
        raise DamagedStateError(path, error.message) from error


def _restored(content: str, groups: dict[str, Arrays], path: Path) -> TrainingState:
    told_exits = groups["exits"]
    if told_exits and told_exits.keys() != {"confidence", "right"}:
        raise DamagedStateError(path, "it has other answers of exits")
    answers = ExitAnswers(told_exits["confidence"], told_exits["right"]) if told_exits else None
    state = TrainingState(
        current=groups["current"],
        slots=groups["slots"],
        best=groups["best"],
        confusions=groups["confusions"],
        exits=answers,
    )
    found: _Progress | EarlierProgress
    if _told(content, _Version, path).format < FORMAT:
        found = _told(content, EarlierProgress, path)
        state.epochs = Epochs(epoch.now() for epoch in found.epochs)
        state.preparation = [phase.now() for phase in found.preparation]
    else:
        found = _told(content, _Progress, path)
        state.epochs = Epochs(found.recent, history_of(path), found.history)
        state.preparation = found.preparation
        state.run, state.learned = found.run, found.learned
        state.old_before, state.old_after, state.blends = found.old_before, found.old_after, found.blends
        state.unlabelled = found.unlabelled
    state.epoch, state.step, state.best_epoch = found.epoch, found.step, found.best_epoch
    state.before, state.adapted, state.after, state.parts = found.before, found.adapted, found.best, found.parts
    return state


def is_worse(before: float | None, after: float | None) -> bool:
    """Whether `after` is known to be below `before`."""
    return before is not None and after is not None and after < before
