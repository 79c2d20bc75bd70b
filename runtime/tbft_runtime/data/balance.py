"""How many labelled images there are of each class to train on, and what to say where that is odd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tbft_artifacts.manifest import Manifest
from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.preprocessing import Noun
from tbft_runtime.data.dataset import Part
from tbft_runtime.progress import Progress

# A class with more than so many times the images of another one decides most of what is learned.
UNEQUAL = 5
_NAMED = 3


def images_per_class(labels: np.ndarray, classes: int) -> tuple[int, ...]:
    """labels (N,) -> how many images each of `classes` classes has; those without a label count nowhere."""
    counts: list[int] = np.bincount(labels[labels != NO_LABEL], minlength=classes).tolist()
    return tuple(counts)


def lacking(counts: Sequence[int], classes: Sequence[str], noun: Noun) -> str | None:
    """That some classes have no image at all, and what comes of it; None if each has one, or none has."""
    missing = [name for name, count in zip(classes, counts, strict=True) if not count]
    if not missing or len(missing) == len(classes):
        return None
    named = ", ".join(f"'{name}'" for name in missing[:_NAMED])
    if len(missing) > _NAMED:
        named += f" and {len(missing) - _NAMED:,} more"
    return f"no {noun} to train on of {named}: the model will forget them, unless it gets some"


def unequal(counts: Sequence[int], classes: Sequence[str]) -> str | None:
    """That some class has far more images than another that has any; None if no class has."""
    present = {name: count for name, count in zip(classes, counts, strict=True) if count}
    if not present:
        return None
    most, fewest = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
    if present[most] <= UNEQUAL * present[fewest]:
        return None
    return (
        f"'{most}' has {present[most]:,} to train on, '{fewest}' only {present[fewest]:,}: rare classes are "
        "answered too seldom"
    )


def note_classes(manifest: Manifest, train: Part, progress: Progress, *, balanced: bool, hint: bool) -> None:
    """A note for each of both that holds of the images to train on.

    `balanced`: classes count alike, and nothing is wrong with few images; `hint`: they could be made to.
    """
    counts = images_per_class(train.labels(train.indices), len(manifest.classes))
    if (missing := lacking(counts, manifest.classes, manifest.noun)) is not None:
        progress.note(missing)
    if not balanced and (odd := unequal(counts, manifest.classes)) is not None:
        progress.note(f"{odd}, unless `class_weights` is balanced" if hint else odd)
