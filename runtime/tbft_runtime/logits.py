"""What a model answers, held against what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tbft_artifacts.errors import DivergedError, TbftError


def only_output(outputs: Mapping[str, Any]) -> Any:
    """The one that there is. Raises TbftError for none and for several."""
    if len(outputs) != 1:
        raise TbftError(f"the model has {len(outputs)} outputs, and one is taken for its logits", "export it again")
    return next(iter(outputs.values()))


def check_logits(logits: Any, images: int, classes: int) -> np.ndarray:
    """`logits`, if they are one finite number for each class of each image.

    Raises TbftError for other types and shapes, and DivergedError for what is infinite or no number.
    """
    check_shape(logits, images, classes)
    bad = int(np.count_nonzero(~np.isfinite(logits).all(axis=1)))
    if bad:
        raise DivergedError(
            f"the model answers {bad} of {images} images with what is infinite or no number",
            "it diverged, or is damaged: train it again with a lower `lr`, or copy it again",
        )
    found: np.ndarray = logits
    return found


def check_shape(logits: Any, images: int, classes: int) -> None:
    """Raises TbftError for logits that are not one number, finite or not, for each class of each image."""
    if not isinstance(logits, np.ndarray) or logits.dtype.kind != "f" or logits.shape != (images, classes):
        found = f"{logits.dtype} {logits.shape}" if isinstance(logits, np.ndarray) else type(logits).__name__
        raise TbftError(
            f"the model answers {images} images with {found}, and not with a number for each of its {classes} classes",
            "export it again",
        )
