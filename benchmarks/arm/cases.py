"""What is counted on emulated ARM: networks, image and batch sizes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.prepared import FOLDER
from benchmarks.protocol import Drift

BUNDLES = FOLDER / "arm"


@dataclass(frozen=True)
class Case:
    """A network at an image size, and the images of a step."""

    network: str
    image_size: int
    batch_size: int

    @property
    def name(self) -> str:
        return f"{self.network}-{self.image_size}"

    def bundle(self, drift: Drift) -> Path:
        """Where the bundle with the default plan for `drift` lies."""
        return BUNDLES / f"{self.name}-{drift}"


# At 224 px a step takes minutes under emulation, and of a single image every norm sees 49 values per channel or more.
CASES = (Case("resnet26", 32, 4), Case("mobilenet_v2", 224, 1), Case("resnet18", 224, 1))
