"""The weights of a bundle, as everything that computes with them wants them."""

from __future__ import annotations

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import DivergedError, TbftError
from tbft_runtime.graphs.sessions import Tensors


def load_weights(bundle: Bundle) -> dict[str, np.ndarray]:
    """Every tensor by name. Raises TbftError where the file cannot be read or holds what are no numbers."""
    try:
        weights: dict[str, np.ndarray] = load_file(bundle.weights)
    except (OSError, SafetensorError, TypeError, KeyError) as error:
        raise TbftError(f"'{bundle.weights}' cannot be read: {error}", "copy the bundle again") from error
    check_finite(weights, f"'{bundle.weights}'", "export the bundle again, from a model that learned")
    return weights


def check_finite(tensors: Tensors, where: str, hint: str) -> None:
    """Raises DivergedError that names the first tensor in `where` with a value that is infinite or no number."""
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise DivergedError(f"tensor '{name}' in {where} has values that are infinite or no number", hint)
