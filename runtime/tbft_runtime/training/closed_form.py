"""A last layer in closed form, with which training begins where there are too few images to train one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.plan import Plan
from tbft_artifacts.source import LinearHead
from tbft_runtime.boundary.activations import BoundaryActivations
from tbft_runtime.data.dataset import Part
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.heads.head import Head
from tbft_runtime.heads.learn import LearnedHead, learn_head
from tbft_runtime.heads.moments import KeptFeatures
from tbft_runtime.heads.record import learned_record
from tbft_runtime.heads.source_domain import load_source
from tbft_runtime.heads.stored import head_of, tensors_of, trains_only
from tbft_runtime.run.learned_record import Learned
from tbft_runtime.tally import Tally, per_class

# Images of a class, on average, from which on SGD finds as good a head by itself.
FEW = 25


@dataclass(frozen=True)
class StartingHead:
    """A head that was learned from `images`, and its tensors by name; `old` is the one before."""

    learned: LearnedHead
    tensors: Tensors
    old: Head
    images: int
    kept: KeptFeatures | None

    def record(self, classes: Sequence[str], tally: Tally) -> Learned:
        """What is told of it; `tally` counts its answers to images that it was made without."""
        return learned_record(
            self.learned,
            self.old,
            self.kept,
            classes=classes,
            added=(),
            images=self.images,
            right=per_class(tally.confusion()),
            passes=1.0,
        )


def too_few_for(bundle: Bundle, plan: Plan, train: Part) -> LinearHead | None:
    """The last layer, if it is what the plan trains, and there are few images of a class to train it with."""
    named, labels = bundle.manifest.head or None, train.labels(train.indices)
    if named is None or named.bias is None or (labels == NO_LABEL).any() or not len(labels):
        return None
    if not trains_only(plan, named):
        return None
    counts = np.bincount(labels)
    # One rare class among many images is none for which all of them are looked at at once.
    are_few = counts[counts > 0].min() < FEW and len(labels) < FEW * np.count_nonzero(counts)
    return named if are_few else None


def starting_head(
    bundle: Bundle,
    named: LinearHead,
    weights: Tensors,
    boundary: BoundaryActivations,
    train: Part,
    adapted: Collection[str],
) -> StartingHead:
    """The head that suits the features of the images to train on; `adapted` statistics make features others."""
    labels, old = train.labels(train.indices), head_of(weights, named)
    source = load_source(bundle, {*bundle.changed, *adapted})
    moments, kept = (None, None) if source is None else (source.moments, source.kept)
    learned = learn_head(old, boundary.read(train, train.indices), labels, old.classes, moments)
    return StartingHead(learned, tensors_of(learned.head, named), old, len(labels), kept)
