"""What a run folder says, held against its bundle: whoever wrote it, nothing is computed from what does not fit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.plan import Plan
from tbft_runtime.graphs.weights import check_finite
from tbft_runtime.run.execution import why_not_executed
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.selection_record import Selection
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState

_AGAIN = "start again with another `out`"


def check_settings(settings: Settings, bundle: Bundle, run: Path) -> None:
    """Raises TbftError for settings of a run in `run` that its plan cannot follow."""
    reason = why_not_executed(settings.execution, bundle.plan(settings.plan))
    if reason is not None:
        raise TbftError(f"the run in '{run}' asks for {reason}, which plan '{settings.plan}' does not have", _AGAIN)


def check_selection(selection: Selection, plan: Plan, run: Path) -> None:
    """Raises TbftError for chosen channels that the layers of `plan` do not have."""
    layers = {layer.weight: layer.shape[0] for layer in plan.sparse_layers}
    weights = [layer.weight for layer in selection.layers]
    for choice in selection.layers:
        rows = choice.channels
        # Layers that only deeper plans reach are told, too, without channels.
        known = layers.get(choice.weight, 0)
        ascending = all(low < high for low, high in itertools.pairwise(rows))
        if weights.count(choice.weight) > 1 or not ascending or (rows and not 0 <= rows[0] <= rows[-1] < known):
            raise TbftError(f"the run in '{run}' chose channels of '{choice.weight}' that its plan lacks", _AGAIN)


def check_state(state: TrainingState, manifest: Manifest, plan: Plan, record: RunFile, run: Path) -> None:
    """Raises TbftError for a state that no run of `plan`, with the channels it chose, can have left.

    And DivergedError for values that are no numbers, from which nobody could go on.
    """
    if record.settings.labels == "none" and state.unlabelled is None:
        raise TbftError(f"the state of the run in '{run}' is damaged: it does not say how it learns", _AGAIN)
    for fault in (*_history(state, len(manifest.classes), len(plan.exits)), *_tensors(state, manifest, plan, record)):
        raise TbftError(f"the state of the run in '{run}' is damaged: {fault}", _AGAIN)
    for group in (state.current, state.slots, state.best):
        check_finite(group, f"the state of the run in '{run}'", "start again with another `out` and a lower `lr`")


def _history(state: TrainingState, classes: int, exits: int) -> Iterator[str]:
    # Lines of the history may be lost to a disk that rots.
    numbers = [0, *(epoch.number for epoch in state.epochs)]
    if any(low >= high for low, high in itertools.pairwise(numbers)) or numbers[-1] > state.epoch:
        yield f"its epochs are {numbers[1:4]}…, of which it says {state.epoch}"
    if state.best_epoch > state.epoch:
        yield f"its best epoch is {state.best_epoch} of {state.epoch}"
    for name, cells in state.confusions.items():
        if name not in ("before", "best") or cells.dtype != np.int64 or cells.ndim != 2 or cells.shape[1] != 3:
            yield f"'{name}' is no confusion of classes"
        elif cells.size and (cells.min() < 0 or cells[:, :2].max() >= classes):
            yield f"'{name}' confuses classes that there are not"
    answers = state.exits
    if answers is not None and (
        answers.confidence.ndim != 2
        or answers.confidence.shape != answers.right.shape
        or answers.confidence.shape[1] != exits
        or not answers.images
        or answers.right.dtype != bool
        or not ((answers.confidence >= 0) & (answers.confidence <= 1)).all()
    ):
        yield "its exits answer otherwise than those of the plan"


def _tensors(state: TrainingState, manifest: Manifest, plan: Plan, record: RunFile) -> Iterator[str]:
    """Trained tensors, the statistics that move, and the optimizer's state: each of them, and in its shape."""
    trained = {parameter.name: parameter.shape for parameter in plan.parameters} if record.trains else {}
    slots = {parameter.state(slot): parameter.shape for parameter in plan.parameters for slot in plan.optimizer.slots}
    rows = {layer.channels: (trained[layer.rows][0],) for layer in plan.sparse_layers if layer.rows in trained}
    norms = manifest.batch_norms if record.settings.reestimates else manifest.moving_norms(plan)
    moving = {name for norm in norms for name in (norm.mean, norm.variance)}
    for group, arrays in {"current": state.current, "best": state.best}.items():
        yield from _shapes(group, arrays, trained | rows, moving)
    yield from _shapes("slots", state.slots, slots, set())


def _shapes(
    group: str, arrays: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]], vectors: set[str]
) -> Iterator[str]:
    if arrays.keys() != expected.keys() | vectors:
        yield f"'{group}' has other tensors than its plan trains"
        return
    for name, array in arrays.items():
        fits = array.ndim == 1 if name in vectors else array.shape == expected[name]
        kind = np.int64 if name.endswith(".channels") and name in expected else np.float32
        if not fits or array.dtype != kind:
            yield f"'{name}' in '{group}' is {array.dtype} {array.shape}"
