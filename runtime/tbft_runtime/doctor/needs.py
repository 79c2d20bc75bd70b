"""What training a bundle takes: memory and disk, estimated from its manifest."""

from __future__ import annotations

from dataclasses import dataclass

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.manifest import WEIGHTS
from tbft_artifacts.plan import Plan
from tbft_runtime.run.options import DEFAULT_UPDATE_BYTES

# Python, numpy, Pillow and ONNX Runtime with small graphs loaded, measured with `tbft-edge bench`.
PROCESS_BYTES = 90_000_000
# A process that reads a picture of 12 megapixels which cannot be decoded smaller, measured.
PICTURE_BYTES = PROCESS_BYTES + 70_000_000
# Activations are held once for the backward pass, and about as much again while it runs.
ACTIVATION_FACTOR = 2
# Weights as read, packed by ONNX Runtime for each of two loaded graphs, and once more while evaluating.
WEIGHT_FACTOR = 4
# Current, best, gradient and up to two slots of optimizer state.
PARAMETER_FACTOR = 5


@dataclass(frozen=True)
class Needs:
    """Estimated bytes of memory, and of disk without the images, at the plan's batch size."""

    memory: int
    disk: int


def needs(bundle: Bundle, plan: Plan) -> Needs:
    """Estimate from sizes that the manifest states; a run reports what it really took."""
    weights = bundle.manifest.files[WEIGHTS].bytes
    parameters = _parameter_bytes(plan) * PARAMETER_FACTOR
    activations = plan.cost.activation_bytes * plan.batch_size * ACTIVATION_FACTOR
    # The state file is written beside the old one before it replaces it.
    return Needs(PROCESS_BYTES + weights * WEIGHT_FACTOR + parameters + activations, 2 * parameters)


def _parameter_bytes(plan: Plan) -> int:
    """Trained parameters; where the device chooses channels, as many as the default budget allows."""
    if plan.sparse is None:
        return plan.cost.parameter_bytes
    return max(plan.cost.parameter_bytes, DEFAULT_UPDATE_BYTES // (2 + len(plan.optimizer.slots)))
