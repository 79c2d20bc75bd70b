"""What a network takes: channels, height and width, of a picture or of a signal."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from msgspec import UNSET, Meta, UnsetType

from tbft_artifacts.structs import LARGEST_IMAGE

# No sensor has more channels, no window more samples.
MOST_CHANNELS = 1 << 12
LONGEST_SIDE = 1 << 20
# Values: of the largest RGB picture that any network takes.
MOST_VALUES = 3 * LARGEST_IMAGE**2
GREY, RGB = 1, 3

_Side = Annotated[int, Meta(ge=1, le=LONGEST_SIDE)]


class InputShape(NamedTuple):
    """(C, H, W) of one input; a window of a signal has one row, and as many columns as samples."""

    channels: Annotated[int, Meta(ge=1, le=MOST_CHANNELS)]
    height: _Side
    width: _Side

    @property
    def pixels(self) -> int:
        """How many values each channel has."""
        return self.height * self.width

    @property
    def values(self) -> int:
        """How many numbers one input has."""
        return self.channels * self.pixels

    @property
    def is_square_rgb(self) -> bool:
        """Whether one number, the side, says it all."""
        return self.channels == RGB and self.height == self.width

    @property
    def sides(self) -> str:
        """Height and width, in words."""
        return f"{self.height} × {self.width}"

    @property
    def words(self) -> str:
        """The shape as it is shown to people; one channel may be a grey picture's, or a patch of a sensor's numbers."""
        if self.channels == RGB and self.height > 1:
            return f"{self.sides} pixels"
        of = f"{self.width} samples" if self.height == 1 else self.sides
        return f"{self.channels} {'channel' if self.channels == 1 else 'channels'} of {of}"

    @property
    def short_words(self) -> str:
        """The same, where there is little room."""
        if self.is_square_rgb:
            return f"{self.width} px"
        return f"{self.sides} px" if self.channels == RGB and self.height > 1 else self.words


def square_rgb(side: int) -> InputShape:
    """That of a square colour picture."""
    return InputShape(RGB, side, side)


def said_shape(image_size: int | UnsetType, input_shape: InputShape | UnsetType) -> InputShape:
    """That of which one is said: the side of a square colour picture, or the shape itself. Raises ValueError."""
    if isinstance(input_shape, UnsetType):
        if isinstance(image_size, UnsetType):
            raise ValueError("no shape of the input")
        return square_rgb(image_size)
    if not isinstance(image_size, UnsetType):
        raise ValueError("two shapes of the input")
    return input_shape


def as_said(shape: InputShape) -> tuple[int | UnsetType, InputShape | UnsetType]:
    """`image_size` and `input_shape` of a manifest: as every version reads them where that is possible."""
    return (shape.width, UNSET) if shape.is_square_rgb else (UNSET, shape)
