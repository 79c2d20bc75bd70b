"""Run what was written of a plan with exits, and compare it with PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.names import ACTIVATION, LABELS, LOGITS, LOSS, NO_LABEL
from tbft_artifacts.plan import PREDICT, Plan
from tbft_export.check.step import CHECK_BATCH, CHECK_PIXELS, SelfCheck, relative_error
from tbft_export.exits.attach import FEATURES
from tbft_export.exits.network import ExitNetwork
from tbft_export.exits.personalisation import CONFIDENT, Personalisation
from tbft_export.graph.sessions import Session
from tbft_export.reference.exits import exit_step
from tbft_export.reference.torch_reference import Reference

# Features that many times as long, so that the last exit is unsure of some images and sure of others.
LENGTHS = (0.0, 0.5, 1.0, 4.0, 16.0)
# Where it is as close to the threshold as this, rounding decides.
ROUNDING = 1e-5


def check_exits(
    folder: Path,
    manifest: Manifest,
    plan: Plan,
    network: ExitNetwork,
    personalisation: Personalisation,
    reference: Reference,
) -> SelfCheck:
    """Compare logits with PyTorch, the stages with prefix and suffix, and loss and every gradient with torch.autograd.

    Of logits the last exit's can be, which begins as the model's own head. Raises TbftError if one is off by more
    than `TOLERANCE`.
    """
    rng = np.random.default_rng(0)
    count = max(1, min(CHECK_BATCH, CHECK_PIXELS // manifest.shape.pixels))
    images = rng.standard_normal((count, *manifest.shape), np.float32)
    with torch.no_grad():
        expected = reference.logits(torch.from_numpy(images), batch_statistics=()).numpy()
    suffix = Session(folder, plan.suffix)
    features = [Session(folder, plan.prefix_in(form)).run(images) for form in plan.prefix_forms]
    logits = [suffix.run(each) for each in features]
    staged = _staged(folder, plan, images)
    forward = max(
        *(relative_error(Session(folder, name).run(images), expected) for name in (PREDICT, plan.predict)),
        *(relative_error(each[:, -1], expected) for each in logits),
        *(relative_error(each[:, number], one) for each in logits for number, one in enumerate(staged)),
    )
    loss, errors = _check_step(folder, plan, network, personalisation, features[0], rng)
    worst = max(errors, key=lambda name: errors[name])
    check = SelfCheck(max(loss, forward), errors[worst], worst, 0.0, ())
    if not check.passed:
        raise TbftError(
            f"the compiled exits disagree with PyTorch: logits {forward:.1e}, loss {loss:.1e}, gradients "
            f"{check.gradient:.1e} (worst: {worst})",
            "nothing was written; please report the model, this is a defect of the compiler",
        )
    return check


def _staged(folder: Path, plan: Plan, images: np.ndarray) -> list[np.ndarray]:
    """Logits (N, classes) of every exit, stage by stage."""
    logits, values = [], images
    for number in range(len(plan.exits)):
        session = Session(folder, plan.stage(number))
        found = session.outputs({session.input: values})
        logits.append(found[LOGITS])
        values = found.get(ACTIVATION, values)
    return logits


def _check_step(
    folder: Path,
    plan: Plan,
    network: ExitNetwork,
    personalisation: Personalisation,
    features: np.ndarray,
    rng: np.random.Generator,
) -> tuple[float, dict[str, float]]:
    """Deviation of the loss and of each gradient, with labels and without."""
    features = np.concatenate([length * features for length in LENGTHS]).astype(np.float32)
    tensors = [each for head in network.heads for each in (head.weight, head.bias)]
    weights = {parameter.name: each for parameter, each in zip(plan.parameters, tensors, strict=True)}
    last = network.heads[-1]
    logits = features[:, -last.weight.shape[1] :] @ last.weight.T + last.bias
    labels = rng.integers(NO_LABEL, len(last.bias), len(features))
    surest = torch.softmax(torch.from_numpy(logits), dim=1).amax(dim=1).numpy()
    labels[np.abs(surest - CONFIDENT) < ROUNDING] = 0
    labels[len(labels) // 2] = 0  # One at least has a label.

    found = Session(folder, plan.gradient).outputs(weights | {FEATURES: features, LABELS: labels})
    loss, gradients = exit_step(features, labels, weights, personalisation)
    errors = {each.name: relative_error(found[each.gradient], gradients[each.name]) for each in plan.parameters}
    return relative_error(found[LOSS], np.array(loss)), errors
