"""A trial of a baseline: adapted to a pool of images, tested on others."""

from __future__ import annotations

import time

import msgspec

from tbft_edge.reproduce.pytorch.evaluation import counted
from tbft_edge.reproduce.pytorch.loading import load_network, read_images, read_labelled
from tbft_edge.reproduce.pytorch.request import AdaptRequest
from tbft_edge.reproduce.pytorch.threads import torch_threads
from tbft_edge.reproduce.pytorch.unlabelled.adapt import adapt
from tbft_edge.reproduce.trial import Outcome
from tbft_runtime.tally import per_class


def run_baseline(request: AdaptRequest) -> Outcome:
    """Of the images of the pool nothing but pixels is read. Raises TbftError for weights that do not fit.

    `seconds` are those of the adaptation. What is answered in the end is tested, whatever came before it.
    """
    network = load_network(request.weights, request.image_size)
    test = read_labelled(request.test)
    with torch_threads(request.threads):
        began = time.perf_counter()
        answer = adapt(network, read_images(request.pool), request.baseline, request.seed)
        seconds = time.perf_counter() - began
        counts = per_class(counted(answer, test).confusion())
    epochs = request.baseline.epochs
    return Outcome(
        accuracy=_share(counts, tuple(counts)),
        test_images=len(test.labels),
        validation_accuracy=None,
        epochs=epochs,
        best_epoch=epochs,
        seconds=seconds,
        epoch_seconds=seconds / epochs if epochs else None,
        step_ms=None,
        joules=None,
        seen_accuracy=_share(counts, request.seen) if request.seen else msgspec.UNSET,
    )


def _share(counts: dict[int, tuple[int, int]], classes: tuple[int, ...]) -> float:
    """Which part of the images of `classes` is right, of class -> (images, right ones)."""
    images, right = (sum(counts[label][place] for label in classes if label in counts) for place in (0, 1))
    return right / images
