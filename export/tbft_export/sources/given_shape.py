"""What the user says of a network's input, where the model itself does not say it."""

from __future__ import annotations

from dataclasses import dataclass

from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import RGB, InputShape, square_rgb
from tbft_export.sources.sound import SoundOptions


@dataclass(frozen=True)
class GivenShape:
    """Height and width, and how many channels; None where nothing was said."""

    sides: tuple[int, int] | None = None
    channels: int | None = None
    is_signal: bool = False
    """Whether the values are a sensor's, and no pixels."""
    sound: SoundOptions | None = None
    """What is computed of them ahead of the network, if they are sound."""

    def of_module(self, name: str) -> InputShape:
        """For a torch module, which takes RGB pictures or one channel of a signal unless something else is said.

        Raises TbftError without a size.
        """
        if self.sides is None:
            raise TbftError(
                f"the image size of '{name}' is not known", "give `image_size`; of signals `window` or `patch`"
            )
        usual = 1 if self.is_signal else RGB
        return InputShape(usual if self.channels is None else self.channels, *self.sides)

    def check_file(self, name: str, shape: InputShape) -> None:
        """Raises TbftError where the shape that the file of a model has is another one than was said."""
        wrong = self.sides not in (None, (shape.height, shape.width)) or self.channels not in (None, shape.channels)
        if wrong:
            raise TbftError(
                f"model '{name}' takes {shape.words}, which is not what was said of it",
                "leave size and channels out: the file says them",
            )

    def square_rgb(self, name: str, side: int) -> InputShape:
        """For a built-in network, by default of that side. Raises TbftError for what is not square or not RGB."""
        height, width = self.sides or (side, side)
        if height != width or self.channels not in (None, RGB) or self.is_signal:
            raise TbftError(
                f"model '{name}' takes square RGB images",
                "give one number as `image_size` and leave `channels` out, or a module of your own",
            )
        return square_rgb(width)


NOTHING_SAID = GivenShape()
