"""What training each block costs, at 32 px with 10 classes and at 128 px with 17, as in the paper.

Time and energy depend on shapes alone, so networks are fresh and pixels random, from a seed; no data are
needed, and accuracies mean nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tbft_edge import fingerprint
from tbft_edge.reproduce.case import Case, Network, Parts
from tbft_edge.reproduce.datasets.images import LabelledImages
from tbft_edge.reproduce.preset import Extent
from tbft_edge.reproduce.suites.suite import Suite

SEED = 0


@dataclass(frozen=True)
class Setting:
    """One of the paper's two: the side of the images in pixels, classes, and how many images train here."""

    side: int
    classes: int
    images: int


SETTINGS = (Setting(32, 10, 512), Setting(128, 17, 128))


def system_cost(work: Path) -> Suite:
    """A case per setting, each block trained by the bundle's defaults and by the paper's protocol."""
    cases = tuple(
        Case(
            name=f"{setting.side} px",
            target="fc",
            network=_network(setting, work),
            load=partial(_load, setting),
            data_id=fingerprint.of_words(setting),
        )
        for setting in SETTINGS
    )
    return Suite(cases, Extent(sizes=(100,), repeats=1, policies=()))


def _network(setting: Setting, work: Path) -> Network:
    """He's initial weights, and running statistics that fit the pixels, so that no loss runs away."""
    import torch

    from tbft_edge.reproduce.pytorch.images import network_input
    from tbft_edge.reproduce.pytorch.source_progress import save_tensors
    from tbft_edge.reproduce.pytorch.source_training import fresh_network

    path = work / f"fresh-{setting.side}.safetensors"
    if not path.exists():
        network = fresh_network(setting.classes, setting.side, SEED).train()
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = None  # The plain mean of all passes, of which there is one.
        with torch.no_grad():
            network(network_input(_images(setting, 32).images))
        work.mkdir(parents=True, exist_ok=True)
        save_tensors(network.state_dict(), path)
    return Network(path, fingerprint.of_file(path), setting.side)


def _load(setting: Setting, _size: int) -> Parts:
    few = _images(setting, setting.images // 8)
    return Parts(_images(setting, setting.images), few, few)


def _images(setting: Setting, count: int) -> LabelledImages:
    rng = np.random.default_rng(SEED)
    pixels = rng.integers(0, 256, (count, setting.side, setting.side, 3), np.uint8)
    return LabelledImages(pixels, rng.integers(0, setting.classes, count), tuple(map(str, range(setting.classes))))
