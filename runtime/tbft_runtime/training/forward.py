"""The graphs by which a run evaluates, as its weights are at the moment."""

from __future__ import annotations

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.activations import BoundaryActivations
from tbft_runtime.data.dataset import Part
from tbft_runtime.graphs import roles
from tbft_runtime.run.settings import Settings
from tbft_runtime.training.class_weights import balanced_weights
from tbft_runtime.training.evaluator import Evaluator


def evaluator_of(
    bundle: Bundle, plan: Plan, settings: Settings, part: Part, boundary: BoundaryActivations | None
) -> Evaluator:
    """Only the suffix, where the prefix is fixed; its batch statistics would be of no use here."""
    threads, images = settings.threads, settings.execution.evaluation_images
    manifest = bundle.manifest
    classes = len(manifest.classes)
    balanced = settings.class_weights == "balanced"
    # So that the best state is the best one for every class.
    weights = balanced_weights(part.labels(part.indices), classes) if balanced else None
    suffix = {plan.suffix: roles.suffix(plan, classes)}
    if boundary is not None:
        return Evaluator(bundle, suffix, threads, part, lambda indices: boundary.read(part, indices), images, weights)
    if plan.exits:
        # The whole model as one graph has the last of them only.
        prefix = {plan.prefix: roles.prefix(plan, manifest.moving_norms(plan))}
        return Evaluator(bundle, prefix | suffix, threads, part, part.images, images, weights)
    whole = {plan.predict: roles.whole_model(classes)} if plan.has_prefix else suffix
    return Evaluator(bundle, whole, threads, part, part.images, images, weights)
