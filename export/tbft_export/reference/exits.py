"""Loss and gradients of exits as PyTorch's autograd gives them, where the compiler writes a closed form."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional

from tbft_artifacts.names import NO_LABEL
from tbft_export.exits.personalisation import CONFIDENT, Personalisation


def exit_step(
    features: np.ndarray,
    labels: np.ndarray,
    weights: Mapping[str, np.ndarray],
    personalisation: Personalisation,
    *,
    dtype: torch.dtype = torch.float32,
) -> tuple[float, dict[str, np.ndarray]]:
    """Loss and gradients in PyTorch's `dtype`, from features (N, F), labels (N,) and weights in the plan's order."""
    tensors = {name: torch.tensor(value, dtype=dtype, requires_grad=True) for name, value in weights.items()}
    listed = list(tensors.values())
    pairs = list(zip(listed[::2], listed[1::2], strict=True))
    parts = torch.split(torch.tensor(features, dtype=dtype), [weight.shape[1] for weight, _ in pairs], dim=1)
    logits = [functional.linear(part, *pair) for part, pair in zip(parts, pairs, strict=True)]
    answers = torch.softmax(torch.stack(logits).detach(), dim=2)
    teacher, together = answers[-1], answers.mean(dim=0)
    wanted, known = torch.from_numpy(labels), torch.from_numpy(labels != NO_LABEL)
    sure = ~known & (teacher.amax(dim=1) >= CONFIDENT)
    loss = torch.zeros((), dtype=dtype)
    for each in logits:
        loss = loss + functional.cross_entropy(each[known], wanted[known], reduction="sum")
        if personalisation == "distill":
            loss = loss + functional.cross_entropy(each[~known], together[~known], reduction="sum")
        if personalisation == "confident":
            loss = loss + functional.cross_entropy(each[sure], teacher.argmax(dim=1)[sure], reduction="sum")
    loss = loss / len(labels)
    gradients = torch.autograd.grad(loss, listed)
    return loss.item(), {name: gradient.numpy() for name, gradient in zip(tensors, gradients, strict=True)}
