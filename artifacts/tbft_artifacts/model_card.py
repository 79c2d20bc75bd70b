"""What a finalized model says of itself, so that it can be fed, and exported again."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from tbft_artifacts.check_names import class_faults
from tbft_artifacts.check_preprocessing import preprocessing_faults
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import InputShape, said_shape
from tbft_artifacts.preprocessing import PreprocessingStep
from tbft_artifacts.stamp import Stamp
from tbft_artifacts.structs import Pixels, Score

# The key of the model's metadata.
METADATA = "tbft_edge"
# The card stands at the end of the file, as JSON.
STAMP = Stamp(b'"sha256":"', last=True)
# Ten thousand classes have a fifth of it.
_LIMIT = 4 * MIB


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """Where the model is from, its classes, and how pictures are prepared for it.

    `unknown_above` is the score above which an image is of no class: -log of the sum of the exponentials of its logits;
    left out where nothing tells. `sha256` (hex) is that of the whole file, with its own 64 digits taken as zeros; files
    from before there was one have none.
    """

    bundle_id: str
    plan: str | None
    classes: tuple[str, ...]
    image_size: Pixels | UnsetType = UNSET
    input_shape: InputShape | UnsetType = UNSET
    preprocessing: tuple[PreprocessingStep, ...]
    unknown_above: Score | UnsetType = UNSET
    sha256: str = ""

    def __post_init__(self) -> None:
        said_shape(self.image_size, self.input_shape)

    @property
    def shape(self) -> InputShape:
        """What the network takes: channels, height, width."""
        return said_shape(self.image_size, self.input_shape)


def decode_card(said: str, model: str) -> ModelCard:
    """What the model at `model` says of itself under `METADATA`. Raises TbftError where that makes no sense."""
    failed, hint = f"'{model}' does not say how it is fed", "give a file made by 'tbft-edge finalize'"
    card = decode(said, ModelCard, _LIMIT, failed=failed, hint=hint)
    for fault in (*class_faults(card.classes), *preprocessing_faults(card.preprocessing, card.shape)):
        raise TbftError(f"{failed}: it has {fault}", hint)
    return card
