"""Images for the exporter, read as a device reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tbft_artifacts.manifest import Manifest
from tbft_edge.console import say

if TYPE_CHECKING:
    from tbft_runtime.data.preprocessing import Preprocessing
    from tbft_runtime.data.store import ImageStore


@dataclass(frozen=True)
class CalibrationImages:
    """The labelled images of a folder or an `.npz`; prepared pixels lie in a file, not in memory."""

    store: ImageStore
    preprocessing: Preprocessing

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64."""
        labels: np.ndarray = self.store.labels[self.store.labelled]
        return labels

    def images(self, indices: np.ndarray) -> np.ndarray:
        """The model's input (n, C, H, W) float32 for indices (n,)."""
        return self.preprocessing.normalize(self.store.pixels.read(self.store.labelled[indices]))


def read_images(data: Path, manifest: Manifest, cache: Path, name: str = "calibration") -> CalibrationImages:
    """Prepare the images at `data` into the folder `cache`.

    They lie there under a `name` of their own. Raises TbftError as training does.
    """
    from tbft_runtime.data.items import skipped_note
    from tbft_runtime.data.preprocessing import Preprocessing
    from tbft_runtime.data.sources import open_source
    from tbft_runtime.data.store import open_store

    preprocessing = Preprocessing(manifest.preprocessing, manifest.shape)
    source = open_source(data, manifest.classes, preprocessing)
    store = open_store(source, preprocessing.row_shape, cache, name)
    if store.skipped:
        say(skipped_note(store.skipped_with_reasons, preprocessing.noun, f" in '{data}'"))
    return CalibrationImages(store, preprocessing)
