"""What a run still knows of the source domain, by the images that its bundle keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.kept.images import KeptImages
from tbft_runtime.run.blends import SHARES, Blend
from tbft_runtime.run.epoch import Evaluation
from tbft_runtime.run.state import TrainingState
from tbft_runtime.training.blend import blended
from tbft_runtime.training.evaluator import Evaluator


def old_data(evaluator: Evaluator, kept: KeptImages, weights: Tensors) -> Evaluation | None:
    """Of the kept images that are measured on, by the graphs of `evaluator`; None without any."""
    if not len(kept.measured):
        return None
    return dataclasses.replace(evaluator, part=kept, read=kept.read, weights=None).evaluate(weights).evaluation()


def blends(
    evaluator: Evaluator, kept: KeptImages, base: Tensors, trained: Tensors, state: TrainingState
) -> Iterator[Blend]:
    """The models from the base one to the best state, whose weights are `trained`, each measured on new and old data.

    The ends are known already. None where nothing is kept, or neither validation image has a label.
    """
    ends = ((state.before, state.old_before), (state.after, state.old_after))
    for share in SHARES:
        if 0 < share < 1:
            weights = blended(base, trained, share)
            new, old = evaluator.evaluate(weights).evaluation(), old_data(evaluator, kept, weights)
        else:
            new, old = ends[round(share)]
        if new is None or old is None:
            return
        yield Blend(share=share, accuracy=new.accuracy, old_accuracy=old.accuracy)
