"""What the user says of a network's input, where the model itself does not say it."""

from __future__ import annotations

from dataclasses import dataclass

from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import RGB, InputShape, square_rgb


@dataclass(frozen=True)
class GivenShape:
    """Height and width, and how many channels; None where nothing was said."""

    sides: tuple[int, int] | None = None
    channels: int | None = None

    def of_module(self, name: str) -> InputShape:
        """For a torch module, which takes RGB unless something else is said. Raises TbftError without a size."""
        if self.sides is None:
            raise TbftError(f"the image size of '{name}' is not known", "give `image_size`")
        return InputShape(RGB if self.channels is None else self.channels, *self.sides)

    def square_rgb(self, name: str, side: int) -> InputShape:
        """For a built-in network, by default of that side. Raises TbftError for what is not square or not RGB."""
        height, width = self.sides or (side, side)
        if height != width or self.channels not in (None, RGB):
            raise TbftError(
                f"model '{name}' takes square RGB images",
                "give one number as `image_size` and leave `channels` out, or a module of your own",
            )
        return square_rgb(width)
