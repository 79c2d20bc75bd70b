"""The camera of the agent's demo: real digits, under a drift that changes from phase to phase, as files in a folder."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

# Of the digits so many are never shown, and measure.
HELD_OUT = 150
# Files that a call writes.
AT_ONCE = 12
# Dim light and a noisy camera, as in the demo of few labels, and a little more noise.
BLACK, CONTRAST, NOISE = 0.18, 0.4, 0.2
DIGITS = 10


@dataclass(frozen=True)
class Phase:
    """What the camera sees, and what the agent has to do before the next one begins."""

    name: str
    what: str
    until: str
    is_dim: bool
    is_renamed: bool
    most_seconds: float = 400.0

    def is_over(self, events: Sequence[str]) -> bool:
        return self.until in events


PHASES = (
    Phase("clean", "the camera sees digits as the network knows them", "asked", is_dim=False, is_renamed=False),
    Phase("dim", "the light goes down, and the camera begins to see noise", "passed", is_dim=True, is_renamed=False),
    Phase("renamed", "digits mean something else from now on: y is 9 - y", "passed", is_dim=True, is_renamed=True),
)


@dataclass
class Camera:
    """Writes digits into a folder, and remembers what each file shows."""

    images: np.ndarray
    labels: np.ndarray
    folder: Path
    _shows: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    @classmethod
    def open(cls, data: Path, folder: Path) -> Self:
        with np.load(data, allow_pickle=False) as arrays:
            return cls(arrays["images"], arrays["labels"], folder)

    def shoot(self, phase: Phase) -> None:
        """Some more pictures, each written under another name first, as careful programs do."""
        rng = np.random.default_rng(self._count)
        for number in rng.choice(len(self.images) - HELD_OUT, AT_ONCE, replace=False) + HELD_OUT:
            content = _png(_seen(self.images[number], phase, rng))
            self._shows[hashlib.sha256(content).hexdigest()] = int(self.labels[number])
            hidden = self.folder / f".{self._count:06}.png"
            hidden.write_bytes(content)
            hidden.rename(self.folder / f"{self._count:06}.png")
            self._count += 1

    def meaning(self, digest: str, phase: Phase) -> str | None:
        """What a person says that a picture shows; None where it is none of this camera."""
        digit = self._shows.get(digest)
        return None if digit is None else _named(digit, phase)

    def write_held_out(self, phase: Phase, path: Path) -> None:
        """Pictures that are never in the folder, and what they mean."""
        rng = np.random.default_rng(0)
        images = np.stack([_seen(image, phase, rng) for image in self.images[:HELD_OUT]])
        labels = [int(_named(digit, phase)) for digit in self.labels[:HELD_OUT].tolist()]
        classes = np.array([str(digit) for digit in range(DIGITS)])
        np.savez_compressed(path, images=images, labels=np.array(labels, np.int64), classes=classes)


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _seen(image: np.ndarray, phase: Phase, rng: np.random.Generator) -> np.ndarray:
    if not phase.is_dim:
        return image
    dim = BLACK + CONTRAST * image / 255 + rng.normal(0, NOISE, image.shape)
    found: np.ndarray = np.round(np.clip(dim, 0, 1) * 255).astype(np.uint8)
    return found


def _named(digit: int, phase: Phase) -> str:
    return str(DIGITS - 1 - digit if phase.is_renamed else digit)
