"""What is known of an image that is kept."""

from __future__ import annotations

import msgspec


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An image: its `digest` (sha256) is its name.

    `lived` is the agent's age in seconds when it came. `episode` counts drifts: images of one are of one kind. `label`
    is what somebody said that it shows; None while nobody has, and "" where it shows none of the classes. `held_out`
    ones are never trained on: they prove.
    """

    digest: str
    suffix: str
    bytes: int
    lived: float
    version: int
    episode: int
    answer: str
    confidence: float
    held_out: bool
    label: str | None
    asked: int | None
    """Its place among those that are asked for, from 0 on; None where nobody asks."""
    sampled: bool = False
    """Whether it was labelled because it was asked for: what people correct by themselves is wrong, and no sample. Only
    these prove."""

    @property
    def file(self) -> str:
        """Below the folder of images."""
        return f"{self.digest[:2]}/{self.digest}{self.suffix}"
