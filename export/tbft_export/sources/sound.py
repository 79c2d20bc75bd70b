"""What the user says of sound: how recordings are read, and what is computed of them ahead of a network."""

from __future__ import annotations

from dataclasses import dataclass

from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import InputShape


@dataclass(frozen=True)
class LogMelOptions:
    """Samples of a frame, samples from frame to frame, and how many mel bands."""

    frame: int
    hop: int
    bands: int

    def shape(self, length: int) -> InputShape:
        """(1, frames, bands) of a sound of so many samples. Raises TbftError for one that is shorter than a frame."""
        if self.frame > length or self.frame < 2 or self.hop < 1 or not 1 <= self.bands <= self.frame // 2:
            raise TbftError(
                f"`log_mel` {self.frame},{self.hop},{self.bands} does not fit into `window` {length}",
                "frames are no longer than the window, and have two samples or more for each mel band",
            )
        return InputShape(1, 1 + (length - self.frame) // self.hop, self.bands)


@dataclass(frozen=True)
class SoundOptions:
    """Samples a second, and what is computed ahead of the network, if it takes no samples itself."""

    rate: int
    log_mel: LogMelOptions | None = None
