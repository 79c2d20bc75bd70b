"""Run the graphs that a decision needs: two forward passes over the samples, or three."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.manifest import STATISTICS
from tbft_artifacts.plan import PREDICT, Plan
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.diagnosis.decide import SURE
from tbft_runtime.diagnosis.placement import module_of, norm_plans
from tbft_runtime.diagnosis.samples import Samples
from tbft_runtime.diagnosis.statistics_shift import GROUPS, group_statistics, norm_shift, reestimated
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.lanes import in_lanes
from tbft_runtime.graphs.memory import Room
from tbft_runtime.graphs.sessions import Tensors, load_graph
from tbft_runtime.heads.class_means import right_by_class_means
from tbft_runtime.heads.compare import standard_errors
from tbft_runtime.heads.ridge import right_by_fitted_head
from tbft_runtime.logits import check_logits
from tbft_runtime.run.diagnosis_record import LabelEvidence, NormShift
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import Arrays
from tbft_runtime.softmax import softmax
from tbft_runtime.training.batch_norm import check_batch


def statistics_evidence(
    bundle: Bundle, plans: Sequence[Plan], weights: Tensors, samples: Samples, threads: int
) -> tuple[tuple[NormShift, ...], Arrays]:
    """The shift of every batch norm, and their statistics as re-estimated on the samples; nothing without norms."""
    manifest = bundle.manifest
    norms = manifest.batch_norms
    if not norms:
        return (), {}
    check_batch(norms, len(samples) // GROUPS)
    graph = load_graph(
        bundle_graph(bundle, STATISTICS),
        weights,
        1,
        signature=roles.statistics(norms),
        room=Room(len(samples), manifest.shape),
    )
    statistics = group_statistics(graph, norms, samples.parts(GROUPS), threads)
    found = []
    for norm, plan in zip(norms, norm_plans(manifest, plans), strict=True):
        shift = norm_shift(norm, statistics, weights)
        found.append(
            NormShift(
                norm=module_of(norm.mean),
                plan=None if plan is None else plan.id,
                shift=float(np.sqrt(max(0.0, shift.distance))),
                noise=float(np.sqrt(shift.noise)),
            )
        )
    return tuple(found), reestimated(statistics)


def label_evidence(
    bundle: Bundle,
    head: Plan,
    settings: Settings,
    weights: Tensors,
    adapted: Arrays,
    samples: Samples,
    at_once: int | None = None,
) -> LabelEvidence:
    """What the features before the head know of the labels, against what the model says.

    `settings` are of the plan `head`. The whole model answers `at_once` images on each thread; None: a few groups.
    `adapted` are re-estimated statistics, empty without batch norms: an input drift, too, makes a new head better than
    the model, and there the model with those statistics is better still. A head that nobody trained is no measure:
    with it class means of the features as they are, are held against those with re-estimated statistics.
    """
    labels, classes = samples.labels, len(bundle.manifest.classes)
    prefix = load_prefix(bundle, head, settings, weights, images=len(samples))
    assert prefix is not None, "a head that is trained alone has the network before it"
    boundary = prefix.run(samples.images)[head.boundary.name]
    # Under batch statistics the boundary is not what the model as it is would make of an image.
    shared = head.prefix_is_fixed
    logits = (
        _head(bundle, head, weights, boundary)
        if shared
        else _whole(bundle, weights, samples, settings.threads, at_once)
    )
    right = logits.argmax(axis=1) == labels
    features = boundary.reshape(len(samples), -1)
    means = right_by_class_means(features, labels, classes)
    fitted = right_by_fitted_head(features, labels, classes)
    gain, adapted_accuracy = standard_errors(means, right), None
    renewed = None
    if adapted and bundle.head_is_fresh and shared:
        prefix = load_prefix(bundle, head, settings, {**weights, **adapted}, images=len(samples))
        assert prefix is not None
        features = prefix.run(samples.images)[head.boundary.name].reshape(len(samples), -1)
        renewed = right_by_class_means(features, labels, classes)
    # A pass that only matters where labels would be blamed.
    elif adapted and gain >= SURE and not bundle.head_is_fresh:
        answers = _whole(bundle, {**weights, **adapted}, samples, settings.threads, at_once).argmax(axis=1) == labels
        adapted_accuracy = float(answers.mean())
        gain = min(gain, standard_errors(means, answers))
    return LabelEvidence(
        accuracy=float(right.mean()),
        confidence=float(softmax(logits).max(axis=1).mean()),
        adapted_accuracy=adapted_accuracy,
        means_accuracy=float(means.mean()),
        fitted_accuracy=float(fitted.mean()),
        gain=gain,
        scatter=standard_errors(fitted, means),
        samples=len(samples),
        passes=1 + (not shared) + (adapted_accuracy is not None) + (renewed is not None),
        fresh=bundle.head_is_fresh,
        adapted_means_accuracy=None if renewed is None else float(renewed.mean()),
        restored=0.0 if renewed is None else standard_errors(renewed, means),
    )


def _head(bundle: Bundle, head: Plan, weights: Tensors, boundary: np.ndarray) -> np.ndarray:
    """Answers (n, classes) of the model's own head."""
    manifest = bundle.manifest
    graph = load_graph(
        bundle_graph(bundle, head.suffix),
        weights,
        1,
        signature=roles.suffix(head, len(manifest.classes)),
        room=Room(len(boundary), manifest.shape),
    )
    return check_logits(graph.answer(boundary))


def _whole(bundle: Bundle, weights: Tensors, samples: Samples, threads: int, at_once: int | None) -> np.ndarray:
    """Answers (n, classes) of the whole model, with fixed statistics."""
    manifest = bundle.manifest
    parts = samples.parts(GROUPS) if at_once is None else samples.parts_of(at_once)
    graph = load_graph(
        bundle_graph(bundle, PREDICT),
        weights,
        1,
        signature=roles.whole_model(len(manifest.classes)),
        room=Room(len(samples), manifest.shape),
    )

    def answers(images: np.ndarray) -> np.ndarray:
        return check_logits(graph.answer(images))

    return np.concatenate(in_lanes(threads, answers, parts))
