"""A run that forgot too much goes back towards the model that it began with, until it forgot no more than it may."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import keeps_inputs
from tbft_artifacts.more_classes import NEVER
from tbft_artifacts.plan import Plan
from tbft_artifacts.structs import Count, Part
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.kept.images import KeptImages, load_kept
from tbft_runtime.reporting.build import write_report
from tbft_runtime.reporting.read import read_report
from tbft_runtime.reporting.result import OldData
from tbft_runtime.run.blends import SHARES
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.state import TrainingState
from tbft_runtime.run.trained import open_trained
from tbft_runtime.training.blend import blended
from tbft_runtime.training.evaluator import Evaluator
from tbft_runtime.training.sparse_rows import merged, starting_rows

# Parts of a few images are no exact numbers.
_EXACTLY = 1e-9


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy (0 to 1) on `images` of the source domain: of the model `before`, of the `trained` one, and `after`.

    The last one is `share` of the way from the first (0) to the second (1).
    """

    images: Count
    before: Part
    trained: Part
    after: Part
    share: Part = 1.0


def loses_more(before: float, after: float, most: float) -> bool:
    """Whether accuracy fell by more than the part `most` (0 to 1) of all images."""
    return before - after > most + _EXACTLY


def go_back(run: str | os.PathLike[str], most: float, *, expect_id: str | None = None) -> Forgotten | None:
    """Measure what a run forgot of the source images that its bundle keeps, and if that is too much, take some back.

    Its best state becomes the furthest of nine models between the weights that it began with and the trained ones that
    lost no more than `most`. It stays as it is where none of them does, and where the run learned a class: half-way
    there no image would be taken for it.

    Args:
        run: The folder of a run, which has ended.
        most: Which part (0 to 1) of the kept images may be wrong that was not before.
        expect_id: The id, all 64 digits, that the run's bundle must have; None: whichever it has.

    Returns:
        What it forgot, and how far it is from the weights that it began with; None where nothing is kept that says
        something of this run.

    Raises:
        TbftError: There is no such run, its bundle is missing or another one, or the disk is full.
    """
    folder = RunFolder(Path(run))
    with open_trained(folder.path, expect_id=expect_id) as (bundle, record, state):
        plan, base = bundle.plan(record.settings.plan), load_weights(bundle)
        evaluator = _on_kept(bundle, plan, record.settings.threads, reestimates=record.settings.reestimates)
        if evaluator is None:
            return None
        before = _accuracy(evaluator, base)
        trained = _accuracy(evaluator, merged(plan, base, state.best))
        found = Forgotten(images=len(evaluator.part.measured), before=before, trained=trained, after=trained)
        if not loses_more(before, trained, most) or _learned_a_class(bundle, base):
            return found
        for share in SHARES[-2:0:-1]:
            best = _between(plan, base, state.best, share)
            after = _accuracy(evaluator, merged(plan, base, best))
            if not loses_more(before, after, most):
                found = msgspec.structs.replace(found, after=after, share=share)
                _keep(folder, state, best, found)
                break
        return found


class _OnKept(Evaluator):
    """An evaluator whose images are kept ones."""

    part: KeptImages


def _on_kept(bundle: Bundle, plan: Plan, threads: int, *, reestimates: bool) -> _OnKept | None:
    """The whole network, if any plan keeps its inputs; else what stands behind the activations that this one keeps.

    None where nothing is kept, or activations are no longer what the network makes of those images.
    """
    classes = len(bundle.manifest.classes)
    for each in bundle.manifest.plans:
        if each.kept and keeps_inputs(each):
            kept = load_kept(bundle, each)
            name = plan.predict if plan.has_prefix else plan.suffix
            return _OnKept(bundle, {name: roles.whole_model(classes)}, threads, kept, kept.read)
    trained = {parameter.name for parameter in plan.parameters}
    if not plan.kept or plan.exits or reestimates or not trained.issuperset(bundle.changed):
        return None
    kept = load_kept(bundle, plan)
    return _OnKept(bundle, {plan.suffix: roles.suffix(plan, classes)}, threads, kept, kept.read)


def _accuracy(evaluator: _OnKept, weights: Tensors) -> float:
    found = evaluator.evaluate(weights).evaluation()
    assert found is not None, "kept images have labels"
    return found.accuracy


def _learned_a_class(bundle: Bundle, base: Tensors) -> bool:
    head = bundle.manifest.head or None
    return head is not None and head.bias is not None and bool((base[head.bias] == NEVER).any())


def _between(plan: Plan, base: Tensors, best: Tensors, share: float) -> dict[str, np.ndarray]:
    """Every trained tensor so far from where it began; of chosen channels their rows."""
    numbers = {layer.channels: best[layer.channels] for layer in plan.sparse_layers if layer.channels in best}
    channels = {
        layer.weight: numbers[layer.channels].tolist() for layer in plan.sparse_layers if layer.channels in numbers
    }
    began = {**base, **starting_rows(plan, channels, base), **numbers}
    return dict(blended(began, best, share))


def _keep(folder: RunFolder, state: TrainingState, best: dict[str, np.ndarray], found: Forgotten) -> None:
    """Nothing is known of it on images to validate on, and there is no page of it."""
    state.best, state.after, state.blends = best, None, ()
    folder.write_state(state)
    # A damaged state is no reason to answer by the one that forgot too much.
    folder.previous_file.unlink(missing_ok=True)
    folder.page_file.unlink(missing_ok=True)
    try:
        report = read_report(folder.path)
    except TbftError:
        return
    old = OldData(images=found.images, accuracy_before=found.before, accuracy_after=found.after)
    result = msgspec.structs.replace(report.result, accuracy_after=None, loss_after=None, old=old)
    write_report(msgspec.structs.replace(report, result=result), folder.report_file)
