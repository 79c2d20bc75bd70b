"""What a choice of channels may cost."""

from __future__ import annotations

from dataclasses import dataclass

# Those of TinyTrain (arXiv 2307.09988).
DEFAULT_UPDATE_BYTES = 1_000_000
DEFAULT_COMPUTE = 0.15


@dataclass(frozen=True)
class Budgets:
    """`update_bytes` for trained values, their gradients and the optimizer's state, the head's included.

    `compute` is the floating-point operations of a step's backward pass, as a part (0 to 1) of full fine-tuning's.
    """

    update_bytes: int = DEFAULT_UPDATE_BYTES
    compute: float = DEFAULT_COMPUTE
