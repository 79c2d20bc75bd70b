"""What a finalized model says of itself, so that it can be fed, and exported again."""

from __future__ import annotations

import msgspec

from tbft_artifacts.preprocessing import PreprocessingStep
from tbft_artifacts.stamp import Stamp

# The key of the model's metadata.
METADATA = "tbft_edge"
# The card stands at the end of the file, as JSON.
STAMP = Stamp(b'"sha256":"', last=True)


class ModelCard(msgspec.Struct, frozen=True):
    """Where the model is from, its classes, and how pictures are prepared for it.

    `sha256` (hex) is that of the whole file, with its own 64 digits taken as zeros; files from before there was one
    have none.
    """

    bundle_id: str
    plan: str | None
    classes: tuple[str, ...]
    image_size: int
    preprocessing: tuple[PreprocessingStep, ...]
    sha256: str = ""
