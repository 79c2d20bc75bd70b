"""The head that suits labelled images best, in one pass: several in closed form, chosen by leaving images out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_runtime.heads.class_means import class_means
from tbft_runtime.heads.compare import standard_errors
from tbft_runtime.heads.head import Fit, Head
from tbft_runtime.heads.judge import HeadKind, Judged, best, best_for_single_images, judged, told
from tbft_runtime.heads.lda import lda
from tbft_runtime.heads.moments import KeptFeatures, SourceMoments
from tbft_runtime.heads.renamed import renamed
from tbft_runtime.heads.ridge import ridge
from tbft_runtime.heads.room import check_room
from tbft_runtime.heads.scale import likeliest_scale, spread

# A head takes the old one's place if it is right more often by more than so many standard errors: one image more is
# chance, and the old head was made from many.
REPLACES = 1.0


@dataclass(frozen=True)
class LearnedHead:
    """The `head` of the `kind` that was chosen, among `candidates`, each judged by images that it did not see.

    `left_out` (n, K) are logits of each image by a head of that kind, as sure as this one, that was made without it;
    its own class has -inf there where it is the only one.
    """

    kind: HeadKind
    head: Head
    candidates: tuple[Judged, ...]
    left_out: np.ndarray

    @property
    def judged(self) -> Judged:
        return next(each for each in self.candidates if each.kind == self.kind)


def learn_head(
    old: Head,
    features: np.ndarray,
    labels: np.ndarray,
    classes: int,
    source: SourceMoments | None = None,
    kept: KeptFeatures | None = None,
) -> LearnedHead:
    """For features (n, F) with labels (n,) below `classes`: as many as `old` has rows, or more, the new ones last.

    Class means and ridge regression need images of every class; `lda` takes from `source` what is not there. With new
    classes old labels mean what they did, and `kept` features tell how good old classes are of which there is no image.

    Raises TbftError for a new class without an image, and where nothing tells what an old one is beside it.
    """
    check_room()
    added = classes > old.classes
    if added:
        _check_added(np.bincount(labels, minlength=classes), old.classes, source)
    fits = list(_fits(old, features, labels, classes, source))
    if added and kept is not None:
        unseen = [np.concatenate([fit.left_out, fit.head.logits(kept.features)]) for _, fit in fits]
        their_labels = np.concatenate([labels, kept.labels])
    else:
        unseen, their_labels = [fit.left_out for _, fit in fits], labels
    # All are compared by the same images, if those are most.
    compared = np.logical_and.reduce([told(logits, their_labels) for logits in unseen])
    single = 2 * int(compared.sum()) < len(their_labels)
    if single:
        compared = np.ones(len(their_labels), bool)
    candidates = tuple(
        judged(kind, logits[compared], their_labels[compared]) for (kind, _), logits in zip(fits, unseen, strict=True)
    )
    winner = (best_for_single_images if single else best)(candidates)
    place = next(place for place, each in enumerate(candidates) if each is winner)
    if not (single or added) and winner.kind != "old":
        by_winner, by_old = (unseen[each].argmax(axis=1) == labels for each in (place, 0))
        if standard_errors(by_winner[compared], by_old[compared]) <= REPLACES:
            place, winner = 0, candidates[0]
    fit = fits[place][1]
    factor = 1.0
    if winner.kind != "old":
        # Renamed rows learn so little from an image that they may be judged with it, and an only image needs that.
        logits = fit.head.logits(features) if winner.kind == "renamed" else unseen[place]
        factor = _sureness(fit.head, logits, their_labels, old, features)
    head = fit.head if factor == 1 else fit.head.scaled(factor)
    return LearnedHead(winner.kind, head, candidates, fit.left_out * factor)


def _check_added(counts: np.ndarray, before: int, source: SourceMoments | None) -> None:
    """Raises TbftError unless there are images of all new classes, and images or moments of all others."""
    if not counts[before:].all():
        raise TbftError("a new class has no image", "give at least one, better ten")
    missing = int((counts[:before] == 0).sum())
    if source is None and missing:
        raise TbftError(
            f"nothing tells what {missing} of the {before} old classes look like beside a new one",
            "export the bundle with `source`, or give images of every class: else all would be called the new one",
        )


def _fits(
    old: Head, features: np.ndarray, labels: np.ndarray, classes: int, source: SourceMoments | None
) -> Iterator[tuple[HeadKind, Fit]]:
    """Every head that there can be, those first that learn least from the images."""
    counts = np.bincount(labels, minlength=classes)
    if classes == old.classes:
        yield "old", Fit(old, old.logits(features))
        yield "renamed", renamed(old, features, labels)
    if source is not None and (counts[: source.classes] + source.counts > 0).all() and counts[source.classes :].all():
        yield "lda", lda(source, features, labels, classes)
    if counts.all():
        yield "class means", class_means(features, labels, classes)
        yield "ridge", ridge(features, labels, classes)


def _sureness(head: Head, unseen: np.ndarray, labels: np.ndarray, old: Head, features: np.ndarray) -> float:
    """What makes `head` as sure as left-out images allow; where they are of too few classes to say, as the old one."""
    seen = len(np.unique(labels[told(unseen, labels)]))
    factor = likeliest_scale(unseen, labels) if 2 * seen > head.classes else None
    if factor is None:
        apart = spread(head.logits(features))
        factor = spread(old.logits(features)) / apart if apart else 1.0
    return factor
