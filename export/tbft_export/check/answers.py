"""Train steps of PyTorch and of written graphs, in the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from tbft_artifacts.manifest import BatchNorm
from tbft_artifacts.names import BATCH_SUFFIX, LOGITS, LOSS
from tbft_artifacts.plan import Parameter
from tbft_export.check.measure import Answers
from tbft_export.reference.torch_reference import ReferenceStep

# A norm whose largest variance is less than this has nothing to scale with.
_NO_VARIANCE = 1e-30


def answers_of(step: ReferenceStep, norms: Sequence[BatchNorm], tensors: Mapping[str, Tensor]) -> Answers:
    """A step in PyTorch in which `norms` moved their averages; `tensors` holds what they were before."""
    return Answers(step.loss, step.gradients, _scaled(step.statistics, norms, _averages(norms, tensors)))


def answers_in(
    found: Mapping[str, np.ndarray],
    parameters: Sequence[Parameter],
    norms: Sequence[BatchNorm],
    tensors: Mapping[str, Tensor],
) -> Answers:
    """The outputs of a gradient graph, which gives the statistics of the batch."""
    before = _averages(norms, tensors)
    moved = {
        name: (1 - norm.momentum) * before[name] + norm.momentum * found[name + BATCH_SUFFIX]
        for norm in norms
        for name in (norm.mean, norm.variance)
    }
    gradients = {parameter.name: found[parameter.gradient] for parameter in parameters}
    return Answers(float(found[LOSS]), gradients, _scaled(moved, norms, before))


def with_logits(answers: Answers, logits: np.ndarray) -> Answers:
    """The same beside the logits (N, C)."""
    return answers._replace(averages={**answers.averages, LOGITS: logits})


def _averages(norms: Sequence[BatchNorm], tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: tensors[name].detach().double().numpy() for norm in norms for name in (norm.mean, norm.variance)}


def _scaled(
    moved: Mapping[str, np.ndarray], norms: Sequence[BatchNorm], before: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What did not move at all, as of a norm behind a dead layer, is not among `moved`."""
    scaled = {}
    for norm in norms:
        # Of both computations what the variance was, so that one that is wrong does not scale its own error.
        variance = max(float(before[norm.variance].max()), _NO_VARIANCE)
        for name, size in ((norm.mean, variance**0.5), (norm.variance, variance)):
            scaled[name] = moved.get(name, before[name]) / size
    return scaled
