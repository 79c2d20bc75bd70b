"""What the paper measured: accuracies in per cent, and costs on a Raspberry Pi.

Source: Y. Huang et al., "Towards Low-Energy Adaptive Personalization for Resource-Constrained Devices",
EuroMLSys 2024 (arXiv 2403.15905), its tables for CIFAR-10-C, Cifar-Flip, Living17, the motivation and
the system cost. Its images are the originals, so its figures stand beside ours for their order, not their height.
"""

from __future__ import annotations

from dataclasses import dataclass

from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock

Row = dict[PaperBlock, float]


def _row(*figures: float) -> Row:
    return dict(zip(BLOCKS, figures, strict=True))


# Suite -> per cent of the images that train -> accuracy by what is trained.
ACCURACY: dict[str, dict[int, Row]] = {
    "cifar10-c": {
        10: _row(73.53, 70.18, 70.17, 68.24, 73.21),
        20: _row(75.32, 71.08, 70.48, 68.86, 75.29),
        30: _row(76.75, 71.68, 71.20, 69.11, 76.78),
    },
    "living17": {
        10: _row(47.30, 55.57, 65.83, 59.06, 64.69),
        20: _row(48.72, 57.85, 68.88, 60.27, 67.47),
        30: _row(49.88, 59.40, 70.22, 60.86, 69.76),
    },
    "cifar-flip": {
        10: _row(15.94, 29.78, 54.20, 84.43, 50.86),
        20: _row(21.95, 40.32, 66.84, 84.87, 62.65),
        30: _row(25.87, 45.98, 71.78, 84.91, 69.81),
    },
}
# Which block got noise -> accuracy by what is trained then, on 5,000 images in 50 epochs.
MOTIVATION: dict[PaperBlock, Row] = {
    "block1": _row(84.88, 72.38, 56.86, 30.58, 83.56),
    "block2": _row(69.24, 83.74, 74.95, 46.94, 82.87),
    "block3": _row(43.44, 70.54, 83.04, 51.82, 82.14),
    "fc": _row(36.30, 67.86, 83.85, 84.28, 83.58),
}


@dataclass(frozen=True)
class Cost:
    """Seconds and joules of training a part, and the energy that it saves against everything, in per cent."""

    seconds: Row
    joules: Row
    saving: dict[PaperBlock, float]


def _cost(seconds: tuple[float, ...], joules: tuple[float, ...], saving: tuple[float, ...]) -> Cost:
    return Cost(_row(*seconds), _row(*joules), dict(zip(BLOCKS, saving, strict=False)))


# Image size -> costs. In every cell energy is time x 0.200 W (32 px) or 0.250 W (128 px).
SYSTEM_COST: dict[int, Cost] = {
    32: _cost((0.45, 0.33, 0.29, 0.17, 0.53), (0.090, 0.066, 0.058, 0.034, 0.106), (15.09, 37.74, 45.28, 67.92)),
    128: _cost((6.82, 5.40, 4.28, 2.46, 8.12), (1.705, 1.350, 1.070, 0.615, 2.030), (16.01, 33.50, 47.29, 69.70)),
}
