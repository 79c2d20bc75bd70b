"""What a model answers, held against what it may be; its type and shape are those of its graph's signature."""

from __future__ import annotations

import numpy as np

from tbft_artifacts.errors import DivergedError


def check_logits(logits: np.ndarray) -> np.ndarray:
    """`logits` (N, classes), if they are finite. Raises DivergedError for what is infinite or no number."""
    bad = int(np.count_nonzero(~np.isfinite(logits).all(axis=1)))
    if bad:
        raise DivergedError(
            f"the model answers {bad} of {len(logits)} inputs with what is infinite or no number",
            "it diverged, or is damaged: train it again with a lower `lr`, or copy it again",
        )
    return logits
