"""What a finalized model says of itself, so that it can be fed, and exported again."""

from __future__ import annotations

import msgspec

from tbft_artifacts.preprocessing import PreprocessingStep

# The key of the model's metadata.
METADATA = "tbft_edge"


class ModelCard(msgspec.Struct, frozen=True):
    """Where the model is from, its classes, and how pictures are prepared for it."""

    bundle_id: str
    plan: str | None
    classes: tuple[str, ...]
    image_size: int
    preprocessing: tuple[PreprocessingStep, ...]
