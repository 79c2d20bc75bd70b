"""Decide which block of a bundle to train, and how, from a few images: `diagnose`."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from tbft_artifacts.archive import opened
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.plan import Plan
from tbft_artifacts.temporary_folder import temporary_folder
from tbft_runtime.data.balance import note_classes
from tbft_runtime.data.dataset import Part, open_data, open_sources
from tbft_runtime.diagnosis.advise import AtHand, advise
from tbft_runtime.diagnosis.budget import Scale, settings_for, within
from tbft_runtime.diagnosis.decide import decide
from tbft_runtime.diagnosis.evidence import label_evidence, statistics_evidence
from tbft_runtime.diagnosis.placement import candidates
from tbft_runtime.diagnosis.race import race, race_flops
from tbft_runtime.diagnosis.samples import FEWEST, Samples, draw_samples, draw_unlabelled
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.progress import Progress, Silent
from tbft_runtime.run.diagnosis_record import Candidate, Diagnosis, NormShift
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.settings import Settings
from tbft_runtime.timing import Stopwatch
from tbft_runtime.training.begun import begun_from

# More say hardly more; fewer cost less, and see less.
DEFAULT_SAMPLES = 128


@dataclass(frozen=True)
class DiagnoseOptions:
    """What a diagnosis looks at."""

    data: str | Path
    """Images: an .npz file, or a folder with a folder of pictures per class. If none has a label, input drift alone is
    told."""
    samples: int = DEFAULT_SAMPLES
    """How many of them to look at, at most."""
    seed: int = 0
    """Decides which, as it does for `train`."""
    threads: int | None = None
    """How many compute; None: one for each core that the process may use."""
    base: str | Path | None = None
    """What `train` would begin with: an earlier run of the bundle, or a `.safetensors`; None: the bundle's weights."""
    expect_id: str | None = None
    """The id that the bundle must have, all 64 digits; None: whichever it has."""


def diagnose(bundle: str | os.PathLike[str], options: DiagnoseOptions, progress: Progress | None = None) -> Diagnosis:
    """Which block of the bundle to train for these images, and why; trains nothing.

    Looks at images that `train` with the same data and seed would train on, so that both decide alike.

    Args:
        bundle: A folder or `.tar.gz` with several plans, as `export` writes with drift "all".
        options: Where labelled images are, and how many to look at.
        progress: Hears how many images were looked at; None: nobody does.

    Returns:
        The plan, its blocks and drift, the reasons in sentences and figures, and which way of adapting is right.

    Raises:
        TbftError: Bundle or images do not fit, too few images have a label while some have one, or there is only one
            plan.

    Example:
        >>> from tbft_runtime import DiagnoseOptions, diagnose
        >>> diagnosis = diagnose("bundle", DiagnoseOptions(data="photos"))
        >>> diagnosis.drift, diagnosis.blocks
        ('output', ('fc',))
    """
    progress = progress or Silent()
    with opened(bundle, options.expect_id) as verified, temporary_folder() as folder:
        if options.base is not None:
            verified = begun_from(verified, Path(options.base)).bundle
        plans = deciding_plans(verified)
        asked = TrainOptions(data=options.data, out=folder, seed=options.seed, threads=options.threads)
        # Of these settings only those matter that are the same for every plan.
        settings = resolve(asked, plans[0], verified)
        sources = open_sources(verified, replace(settings, labels="none"))
        if (sources.train.labels == NO_LABEL).all():
            settings = replace(settings, labels="none")
            progress.note(f"no {verified.manifest.noun} has a label: what is told is whether the input drifted")
        data = open_data(plans[0], settings, sources, folder, progress, Stopwatch())
        if settings.labels == "all":
            hint = all(plan.soft_targets for plan in plans)
            note_classes(verified.manifest, data.train, progress, balanced=False, hint=hint)
        return diagnose_part(verified, data.train, settings, options.samples, load_weights(verified), progress)


def deciding_plans(bundle: Bundle) -> tuple[Plan, ...]:
    """The plans to decide between. Raises TbftError if there is but one."""
    plans = candidates(bundle.manifest)
    if len(plans) < 2:
        only = ", ".join(plan.id for plan in bundle.manifest.plans)
        raise TbftError(
            f"bundle '{bundle.folder}' leaves no block to choose: it has only {only}",
            "train without `drift` auto, or export a bundle with `drift` all",
        )
    return plans


def diagnose_part(
    bundle: Bundle,
    part: Part,
    settings: Settings,
    count: int,
    weights: Tensors,
    progress: Progress,
    memory_budget: int | None = None,
) -> Diagnosis:
    """The same for images that are prepared already, at most `count` of them, and the bundle's weights.

    Seed, threads, whether labels are looked at and the epochs to come are those of `settings`, whichever plan they are
    for. Within `memory_budget`
    bytes, if there is such a bound, fewer images are looked at if need be; raises TbftError if there is no way.
    """
    plans = deciding_plans(bundle)
    scale = within(bundle, plans, settings, min(count, max(FEWEST, len(part))), memory_budget)
    if scale.samples < min(count, len(part)):
        progress.note(f"deciding by {scale.samples} {bundle.manifest.noun}s only: `memory_budget` has no room for more")
    labelled = settings.labels == "all"
    draw = draw_samples if labelled else draw_unlabelled
    samples = draw(part, scale.samples if memory_budget is not None else count, settings.seed)
    progress.begin("deciding which block to train", len(samples))
    began = time.perf_counter()
    norms, adapted = statistics_evidence(bundle, plans, weights, samples, scale.threads)
    gc.collect()  # A loaded graph refers to itself: its memory is free only after a collection.
    placed = any(norm.plan is not None for norm in norms)
    if not placed and not labelled:
        raise TbftError(
            "the model has no batch norms whose statistics could tell what drifted, and no label is looked at",
            f"label at least {FEWEST} {bundle.manifest.noun}s, or name the drift: `drift` input",
        )
    head = next((plan for plan in plans if plan.drift == "output"), None)
    labels = None
    if head is not None and labelled:
        own = settings_for(bundle, head, settings, scale)
        labels = label_evidence(bundle, head, own, weights, adapted, samples, scale.images)
        gc.collect()
    raced = {} if placed else _race(bundle, plans, settings, weights, samples, scale)
    seen = tuple(_candidate(plan, norms, raced.get(plan.id)) for plan in plans)
    # Without labels nobody sees that they mean something else.
    deciding = plans if labelled else [plan for plan in plans if plan is not head]
    plan, reasons = decide(deciding, norms, labels, () if placed else seen)
    at_hand = AtHand(len(part.store.labels), len(part.store.labelled), labelled)
    seconds = time.perf_counter() - began
    assert plan.drift is not None  # Candidates answer one.
    progress.advance(len(samples))
    passes = bool(norms) + (0 if labels is None else labels.passes)
    cost = passes * len(samples) * (plan.cost.prefix_flops + plan.cost.forward_flops)
    cost += 0 if placed else sum(race_flops(each, len(samples)) for each in plans)
    return Diagnosis(
        bundle_id=bundle.manifest.bundle_id,
        plan=plan.id,
        drift=plan.drift,
        blocks=plan.blocks,
        reasons=reasons,
        candidates=seen,
        norms=norms,
        labels=labels,
        samples=len(samples),
        seed=settings.seed,
        seconds=seconds,
        share=_share(cost, plan, len(part), settings.epochs),
        train_images=len(part),
        epochs=settings.epochs,
        labelled=labelled,
        advice=advise(bundle, plan, norms, labels, at_hand),
    )


def _race(
    bundle: Bundle, plans: Sequence[Plan], settings: Settings, weights: Tensors, samples: Samples, scale: Scale
) -> dict[str, float]:
    """Accuracy of each plan after its race, by its id."""
    accuracies = {}
    for plan in plans:
        own = settings_for(bundle, plan, settings, scale)
        accuracies[plan.id] = race(bundle, plan, own, weights, samples, scale.images)
        gc.collect()
    return accuracies


def _candidate(plan: Plan, norms: Sequence[NormShift], raced: float | None) -> Candidate:
    own = [norm for norm in norms if norm.plan == plan.id]
    largest = max(own, key=lambda norm: norm.shift, default=None)
    assert plan.drift is not None  # Candidates answer one.
    return Candidate(
        plan=plan.id,
        drift=plan.drift,
        blocks=plan.blocks,
        norm=None if largest is None else largest.norm,
        shift=None if largest is None else largest.shift,
        noise=None if largest is None else largest.noise,
        raced=raced,
    )


def _share(flops: int, plan: Plan, images: int, epochs: int) -> float | None:
    """The decision's operations over those saved: of training everything, less those of training `plan`."""
    if plan.full_cost is None:
        return None
    cost = plan.cost
    behind = epochs * (cost.forward_flops + cost.backward_flops)
    # Every image goes through a fixed prefix once.
    own = cost.prefix_flops * (1 if plan.prefix_is_fixed else epochs) + behind
    saved = images * (epochs * plan.full_cost.step_flops - own)
    return flops / saved if saved > 0 else None
