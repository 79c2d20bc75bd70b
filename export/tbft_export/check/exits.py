"""Run what was written of a plan with exits, and compare it with PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from tbft_artifacts.names import ACTIVATION, LABELS, LOGITS, NO_LABEL
from tbft_artifacts.plan import PREDICT, Plan
from tbft_export.check.answers import answers_in
from tbft_export.check.measure import PART, Answers, kernel_errors, relative_error
from tbft_export.check.network import CheckedNetwork
from tbft_export.check.result import SelfCheck, Worst, kernel_disagreement, worst_of
from tbft_export.check.written import Checked, Written, check_written
from tbft_export.exits.attach import FEATURES
from tbft_export.exits.network import ExitNetwork
from tbft_export.exits.personalisation import CONFIDENT, Personalisation
from tbft_export.graph.sessions import Session
from tbft_export.reference.exits import exit_step

# Features that many times as long, so that the last exit is unsure of some images and sure of others.
LENGTHS = (0.0, 0.5, 1.0, 4.0, 16.0)
# Where it is as close to the threshold as this, rounding decides.
ROUNDING = 1e-5


def check_exits(network: CheckedNetwork, plan: Plan, exits: ExitNetwork, personalisation: Personalisation) -> SelfCheck:
    """Compare logits with PyTorch, the stages with prefix and suffix, and loss and every gradient with torch.autograd.

    Of logits the last exit's can be, which begins as the model's own head. Raises DisagreementError if one is off by
    more than formulas or float32 explain.
    """
    images = network.batch.images
    features = [Session(network.folder, plan.prefix_in(form)).run(images) for form in plan.prefix_forms]
    forward = worst_of(_forward(network, plan, features))
    if not forward.error <= 1:
        raise kernel_disagreement(f"the exits of plan {plan.id}", forward)
    step = _check_step(network, plan, exits, personalisation, features[0])
    return SelfCheck(None, step.formula, worst_of([forward, step.kernel]))


def _forward(network: CheckedNetwork, plan: Plan, features: list[np.ndarray]) -> Iterator[Worst]:
    """By how much logits are off: of whole models and last exits from PyTorch's, of stages from those of all exits."""
    folder, images = network.folder, network.batch.images
    suffix = Session(folder, plan.suffix)
    logits = [suffix.run(each) for each in features]
    whole = [Session(folder, name).run(images) for name in (PREDICT, plan.predict)]
    exact, rounded = (Answers(0.0, {}, {LOGITS: each.logits}) for each in network.passed(()))
    for found in (*whole, *(each[:, -1] for each in logits)):
        yield Worst.among(kernel_errors(Answers(0.0, {}, {LOGITS: found}), exact, rounded), ())
    staged = _staged(network, plan)
    for each in logits:
        for number, one in enumerate(staged):
            yield Worst(f"the logits of stage {number}", relative_error(one, each[:, number]) / PART)


def _staged(network: CheckedNetwork, plan: Plan) -> list[np.ndarray]:
    """Logits (N, classes) of every exit, stage by stage."""
    logits, values = [], network.batch.images
    for number in range(len(plan.exits)):
        session = Session(network.folder, plan.stage(number))
        found = session.outputs({session.input: values})
        logits.append(found[LOGITS])
        values = found.get(ACTIVATION, values)
    return logits


def _check_step(
    network: CheckedNetwork, plan: Plan, exits: ExitNetwork, personalisation: Personalisation, features: np.ndarray
) -> Checked:
    """The loss and each gradient, with labels and without."""
    rng = np.random.default_rng(0)
    features = np.concatenate([length * features for length in LENGTHS]).astype(np.float32)
    tensors = [each for head in exits.heads for each in (head.weight, head.bias)]
    weights = {parameter.name: each for parameter, each in zip(plan.parameters, tensors, strict=True)}
    last = exits.heads[-1]
    logits = features[:, -last.weight.shape[1] :] @ last.weight.T + last.bias
    labels = rng.integers(NO_LABEL, len(last.bias), len(features))
    surest = torch.softmax(torch.from_numpy(logits), dim=1).amax(dim=1).numpy()
    labels[np.abs(surest - CONFIDENT) < ROUNDING] = 0
    labels[len(labels) // 2] = 0  # One at least has a label.

    def answers(dtype: torch.dtype) -> Answers:
        return Answers(*exit_step(features, labels, weights, personalisation, dtype=dtype), {})

    graph = Written(
        network.folder,
        plan.gradient,
        weights | {FEATURES: features, LABELS: labels},
        partial(answers_in, parameters=plan.parameters, norms=(), tensors={}),
        f"plan {plan.id}",
    )
    return check_written(graph, answers(torch.float64), answers(torch.float32), list)
