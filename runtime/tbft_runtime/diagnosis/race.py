"""A short race of the candidates: how each does on images that it was not trained on, after a few steps.

For networks without batch norms, which keep no statistics of the source. It is dear and says little in close cases.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.random import default_rng

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.diagnosis.samples import Samples
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.memory import Room
from tbft_runtime.graphs.sessions import Tensors, load_graph
from tbft_runtime.heads.class_means import learned_by_class_means
from tbft_runtime.run.settings import Settings
from tbft_runtime.training.step import TrainStep, initial_state

# Long enough that the last stage gets past its first, wild steps.
EPOCHS = 4
BATCH = 16


def race(
    bundle: Bundle, plan: Plan, settings: Settings, weights: Tensors, samples: Samples, at_once: int | None = None
) -> float:
    """Accuracy (0 to 1) on the second half of the samples once `plan` was trained on the first; 0 if it diverged.

    A head needs no steps: class means are what they would come to. Of the second half `at_once` images are answered
    at once; None: all.
    """
    half = len(samples) // 2
    step = TrainStep(bundle, plan, settings, weights, load_prefix(bundle, plan, settings, weights, images=len(samples)))
    boundary = step.to_boundary(samples.images)[plan.boundary.name]
    first, second = samples.labels[:half], samples.labels[half:]
    if plan.drift == "output":
        features = boundary.reshape(len(boundary), -1)
        classes = len(bundle.manifest.classes)
        return float(learned_by_class_means(features[:half], first, features[half:], second, classes).mean())
    state = initial_state(bundle, plan, settings, weights)
    for indices in _batches(half, settings.seed):
        result = step.run_from_boundary(state, {plan.boundary.name: boundary[indices]}, first[indices])
        if not math.isfinite(result.loss):
            return 0.0
    suffix = load_graph(
        bundle_graph(bundle, plan.suffix),
        {**weights, **state.current},
        settings.threads,
        signature=roles.suffix(plan, len(bundle.manifest.classes)),
        room=Room(len(samples), bundle.manifest.shape),
    )
    right = 0
    for start in range(0, len(second), at_once or len(second)):
        part = slice(start, start + (at_once or len(second)))
        logits = suffix.answer(boundary[half:][part])
        if not np.isfinite(logits).all():
            return 0.0
        right += int((logits.argmax(axis=1) == second[part]).sum())
    return right / len(second)


def race_flops(plan: Plan, samples: int) -> int:
    """Floating-point operations of one plan's race."""
    cost = plan.cost
    steps = 0 if plan.drift == "output" else EPOCHS * (cost.forward_flops + cost.backward_flops)
    return samples * cost.prefix_flops + samples // 2 * (steps + cost.forward_flops)


def _batches(count: int, seed: int) -> Iterator[np.ndarray]:
    """Indices of each batch of each epoch."""
    rng = default_rng(seed)
    for _ in range(EPOCHS):
        order = rng.permutation(count)
        yield from np.array_split(order, max(1, count // BATCH))
