"""Settings that make no sense, and those that a plan does not allow: each check raises TbftError for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args

from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import keeps_inputs
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.plan import Plan
from tbft_artifacts.structs import LARGEST_BATCH, LARGEST_BUDGET, LARGEST_RATE, MOST_EPOCHS
from tbft_runtime.graphs.sessions import checked_threads
from tbft_runtime.run.options import ClassWeights, StartingHead
from tbft_runtime.run.settings import Settings

# At most; some images of a batch have to be new. Of fewer kept ones none would be left to measure on.
MOST_REMEMBERED, FEWEST_KEPT = 0.9, 2
# A batch with at least one of each.
MIXED = 2

Check = Callable[[Settings, Plan], None]


def anything(_settings: Settings, _plan: Plan) -> None:
    """There is nothing to object to."""


def counts(settings: Settings, _plan: Plan) -> None:
    """All of them in one message: each says how long a run lasts, or how wide it is."""
    if settings.batch_size < 1 or settings.threads < 1 or settings.epochs < 0 or settings.patience < 1:
        raise TbftError(
            f"batch size {settings.batch_size}, threads {settings.threads}, patience {settings.patience} and "
            f"epochs {settings.epochs} must be positive (epochs may be 0)",
            "correct the option",
        )
    for name, most in {"batch_size": LARGEST_BATCH, "patience": MOST_EPOCHS, "epochs": MOST_EPOCHS}.items():
        value = getattr(settings, name)
        if value > most:
            raise TbftError(f"`{name}` {value} is more than {most:,}", "correct the option")
    checked_threads(settings.threads)


def from_zero(name: str) -> Check:
    """The check of a number from 0 up."""

    def check(settings: Settings, _plan: Plan) -> None:
        value = getattr(settings, name)
        if not (math.isfinite(value) and 0 <= value <= LARGEST_RATE):
            raise TbftError(f"`{name}` {value} is not a number from 0 up to {LARGEST_RATE:g}", "correct the option")

    return check


def seed(settings: Settings, _plan: Plan) -> None:
    """What numpy's generators take, and JSON keeps."""
    if not 0 <= settings.seed < 2**63:
        raise TbftError(f"`seed` {settings.seed} is not a whole number from 0 up", "correct the option")


def val_fraction(settings: Settings, _plan: Plan) -> None:
    """Something has to be left on either side."""
    if not 0 < settings.val_fraction < 1:
        raise TbftError(f"`val_fraction` {settings.val_fraction} is not between 0 and 1", "0.15 is a good start")


def budget(name: str, most: float) -> Check:
    """The check of a budget up to `most`: it needs a plan that leaves something to choose."""

    def check(settings: Settings, plan: Plan) -> None:
        value = getattr(settings, name)
        if value is None:
            return
        if plan.sparse is None:
            raise TbftError(
                f"plan '{plan.id}' says itself what is trained, and takes no `{name}`",
                f"leave out `{name}`, or export a bundle whose channels the device chooses",
            )
        if not 0 < value <= min(most, LARGEST_BUDGET):
            raise TbftError(f"`{name}` {value} is out of range", "for example `update_budget` 1MB `compute_budget` 15%")

    return check


def exit_accuracy(settings: Settings, plan: Plan) -> None:
    """It needs a plan with exits, and is a part of the images."""
    wanted = settings.exit_accuracy
    if wanted is None:
        return
    if not plan.exits:
        raise TbftError(
            f"plan '{plan.id}' has no exits, and so no use for `exit_accuracy`", "leave out `exit_accuracy`"
        )
    if not 0 < wanted <= 1:
        raise TbftError(f"`exit_accuracy` {wanted} is not above 0 and at most 1", "0.85 means 85 %")


def remember(settings: Settings, plan: Plan) -> None:
    """It needs images that the bundle keeps, as activations that training sees, and leaves room for the run's own."""
    part = settings.remember
    if part is None:
        return
    if not 0 <= part <= MOST_REMEMBERED:
        raise TbftError(
            f"`remember` {part} is not from 0 to {MOST_REMEMBERED}", "0.3 is a good start: three of ten images"
        )
    if plan.kept < FEWEST_KEPT:
        raise TbftError(
            f"plan '{plan.id}' keeps {plan.kept or 'no'} images of the source domain, and `remember` needs some",
            "export a bundle with `source` and `keep` 20, or leave out `remember`",
        )
    if settings.batch_size < MIXED:
        raise TbftError(f"`batch_size` {settings.batch_size} leaves no room for `remember`", "take 2 or more")
    if settings.reestimates and not keeps_inputs(plan):
        raise TbftError(
            f"plan '{plan.id}' keeps activations from before `batch_norm` adapt changes them",
            "export with `batch_norm` adapt, which keeps images instead, or leave out `remember`",
        )


def distill(settings: Settings, plan: Plan) -> None:
    """It needs a gradient graph that takes targets, and something of the labels."""
    _part_of_labels("distill", settings.distill, plan, "0.5 is a good start: half label, half old answer")


def label_smoothing(settings: Settings, plan: Plan) -> None:
    """The same."""
    _part_of_labels("label_smoothing", settings.label_smoothing, plan, "0.1 is usual")


def _part_of_labels(name: str, part: float | None, plan: Plan, usual: str) -> None:
    if not part:
        return
    if not 0 < part < 1:
        raise TbftError(f"`{name}` {part} is not from 0 up to 1", usual)
    if not plan.soft_targets:
        raise TbftError(
            f"plan '{plan.id}' has no graph that takes targets, which `{name}` needs",
            "export the bundle again; plans with exits, or with channels to choose, train with labels alone",
        )


def batch_norm(settings: Settings, plan: Plan) -> None:
    """A policy has to be one that the plan's graphs allow: those with fixed statistics are the same for two of them.

    Any statistics can be re-estimated; what is fixed stays so from there on, and what moves goes on from there.
    """
    asked = settings.batch_norm
    if asked == "adapt" and plan.int8 is not None:
        raise TbftError(
            f"plan '{plan.id}' has an int8 prefix, whose batch-norm statistics cannot be re-estimated",
            "train without `batch_norm` adapt, or export without `prefix` int8",
        )
    if asked in (plan.batch_norm, "adapt"):
        return
    if asked in ("block", "batch") or plan.batch_norm == "batch" or plan.batch_statistics:
        raise TbftError(
            f"plan '{plan.id}' was compiled for `batch_norm` {plan.batch_norm}, and cannot train with "
            f"`batch_norm` {asked}",
            f"export a bundle with `batch_norm` {asked}",
        )


def purpose(settings: Settings, plan: Plan) -> None:
    """A new run has to do something: to train as its plan can, or at least to re-estimate statistics."""
    if settings.epochs == 0 and settings.batch_norm != "adapt":
        raise TbftError(
            "with `epochs` 0 nothing is trained", "add `batch_norm` adapt to re-estimate batch-norm statistics"
        )
    if settings.epochs and settings.batch_norm == "adapt" and plan.batch_norm == "batch":
        raise TbftError(
            f"plan '{plan.id}' was compiled for `batch_norm` batch, and cannot train with `batch_norm` adapt",
            "export a bundle with `batch_norm` adapt, or only re-estimate the statistics with `epochs` 0",
        )


def cache(settings: Settings, _plan: Plan) -> None:
    """Nothing can be kept of images that are others in each epoch."""
    if settings.augment and settings.cache != "off":
        raise TbftError(
            f"`cache` {settings.cache} keeps what the frozen part makes of images, which `augment` changes in each "
            "epoch",
            "leave one of them out",
        )


def class_weights(settings: Settings, plan: Plan) -> None:
    """They need a gradient graph that takes targets, which plans with exits or with channels to choose do not have."""
    if settings.class_weights not in get_args(ClassWeights):
        raise TbftError(f"`class_weights` '{settings.class_weights}' is not known", "balanced, or leave it out")
    if settings.class_weights != "none" and not plan.soft_targets:
        raise TbftError(
            f"plan '{plan.id}' has no gradient graph that takes `class_weights`",
            "leave it out, or export the bundle again; plans with exits, or with channels to choose, take labels alone",
        )


def starting_head(settings: Settings, _plan: Plan) -> None:
    """There are two ways to choose it."""
    if settings.starting_head not in get_args(StartingHead):
        raise TbftError(f"`starting_head` '{settings.starting_head}' is not known", "kept, or leave it out")


def augment(settings: Settings, manifest: Manifest) -> None:
    """Pictures may be mirrored and shifted, and only to be trained on; nobody mirrors time, or swaps channels."""
    if settings.augment and manifest.noun != "image":
        raise TbftError(
            f"the network takes {manifest.noun}s of a sensor, which cannot be changed by `augment` as pictures can",
            "leave out `augment`",
        )
    if settings.augment and not settings.epochs:
        raise TbftError("with `epochs` 0 nothing is trained on, and so nothing to `augment`", "leave out `augment`")


def labels(settings: Settings, plan: Plan) -> None:
    """Without labels a plan needs a gradient graph that takes targets, and answers that what drifted left in order."""
    if settings.labels != "none":
        return
    if plan.drift == "output":
        raise TbftError(
            f"plan '{plan.id}' is for classes that changed their names, which no picture shows without its label",
            "train with labels, or another plan: `drift` input",
        )
    if not plan.soft_targets:
        why = "has several exits" if plan.exits else "lets the device choose channels" if plan.sparse else "is too old"
        raise TbftError(
            f"plan '{plan.id}' {why}, and cannot train with `labels` none",
            "export the bundle again"
            if why == "is too old"
            else "train with labels, or export another method's bundle",
        )
    if plan.int8 is not None:
        raise TbftError(
            f"plan '{plan.id}' has an int8 prefix, whose batch-norm statistics cannot be re-estimated, as `labels` "
            "none begins by",
            "train with labels, or export without `prefix` int8",
        )
    others = {
        "remember": settings.remember,
        "distill": settings.distill,
        "label_smoothing": settings.label_smoothing,
        "class_weights": settings.class_weights,
    }
    for name, value in others.items():
        if value not in (None, 0, "none"):
            raise TbftError(f"`{name}` is for training with labels, and `labels` is none", f"leave out `{name}`")
    if not settings.epochs:
        raise TbftError(
            "with `epochs` 0 nothing is trained, with or without labels",
            "for statistics alone leave out `labels`: `batch_norm` adapt `epochs` 0",
        )


def check_labels(settings: Settings, _plan: Plan) -> None:
    """They decide what is kept where no label is trained on; elsewhere `validation` does."""
    if settings.check_labels is None:
        return
    if settings.labels == "all":
        raise TbftError(
            "`check_labels` is for `labels` none", "with labels those held out decide: `val_fraction` or `validation`"
        )
    if settings.check_labels < 1:
        raise TbftError(f"`check_labels` {settings.check_labels} is not a number from 1 up", "50 is a good start")
