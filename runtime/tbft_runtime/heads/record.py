"""What is told of a head that was learned: its kind, the others, and what became of each class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tbft_runtime.heads.head import Head
from tbft_runtime.heads.judge import judged
from tbft_runtime.heads.learn import LearnedHead
from tbft_runtime.heads.moments import KeptFeatures
from tbft_runtime.run.learned_record import ClassRecall, HeadCandidate, Learned


def learned_record(
    learned: LearnedHead,
    old: Head,
    kept: KeptFeatures | None,
    *,
    classes: Sequence[str],
    added: Sequence[str],
    images: int,
    right: Mapping[int, tuple[int, int]],
    passes: float,
    moments: str | None = None,
) -> Learned:
    """`right` has images and right ones of each class, all of them made without; `kept` images are of the source."""
    return Learned(
        head=learned.kind,
        candidates=tuple(
            HeadCandidate(head=each.kind, accuracy=_known(each.accuracy), standard_error=_known(each.standard_error))
            for each in learned.candidates
        ),
        images=images,
        added=tuple(added),
        recalls=tuple(_recall(name, *right.get(number, (0, 0))) for number, name in enumerate(classes)),
        kept_images=0 if kept is None else len(kept.labels),
        kept_before=_on_kept(old, kept),
        kept_after=_on_kept(learned.head, kept),
        passes=passes,
        moments=moments,
    )


def _recall(name: str, images: int, right: int) -> ClassRecall:
    return ClassRecall(name=name, images=images, recall=right / images if images else None)


def _on_kept(head: Head, kept: KeptFeatures | None) -> float | None:
    """The mean recall of the classes that features were kept of."""
    return None if kept is None else _known(judged("old", head.logits(kept.features), kept.labels).accuracy)


def _known(value: float | np.floating) -> float | None:
    return None if math.isnan(value) else float(value)
