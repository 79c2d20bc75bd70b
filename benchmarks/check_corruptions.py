"""Hold our corruptions against the PyPI package `imagecorruptions-imaug`, which has the strengths of ImageNet-C.

    python3.11 -m venv check
    check/bin/pip install imagecorruptions-imaug .
    check/bin/python -m benchmarks.check_corruptions

The package takes 700 MB, so it has an environment of its own; its scikit-image brings the photographs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from tbft_runtime.corruptions.corrupt import CORRUPTIONS, SEVERITIES, corrupt
from tbft_runtime.corruptions.corruption import to_bytes, to_floats
from tbft_runtime.corruptions.elastic import ElasticTransform

SIDE = 224
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
# Draws of a random corruption for each photograph and severity.
DRAWS = 50
DETERMINISTIC = frozenset(
    {
        "defocus_blur",
        "zoom_blur",
        "brightness",
        "contrast",
        "pixelate",
        "jpeg_compression",
        "gaussian_blur",
        "saturate",
    }
)
# The package displaces by U(-0.005, 0.005) of the side, blurred with 0.01 of it, times these; no affine map.
PACKAGE_ELASTIC = [ElasticTransform(250 * factor * 0.005, 0.01, 0) for factor in (0.05, 0.065, 0.085, 0.1, 0.12)]


@dataclass(frozen=True)
class Change:
    """What a corruption adds to the bytes of an image: mean and standard deviation over pixels and draws."""

    mean: float
    deviation: float


def main() -> None:
    """Two Markdown tables on stdout: deterministic corruptions byte by byte, random ones by their statistics."""
    package = importlib.import_module("imagecorruptions")
    photographs = _photographs()
    severities = " | ".join(f"severity {severity}" for severity in SEVERITIES)
    _write(f"| deterministic: mean (largest) difference | {severities} |")
    _write("|---" * 6 + "|")
    for name in sorted(DETERMINISTIC, key=CORRUPTIONS.index):
        cells = [_differences(package, name, severity, photographs) for severity in SEVERITIES]
        _write(f"| {name} | {' | '.join(cells)} |")
    _write(f"\n| random: mean ± deviation of the change, theirs / ours | {severities} |")
    _write("|---" * 6 + "|")
    for name in CORRUPTIONS:
        if name not in DETERMINISTIC:
            cells = [_statistics(package, name, severity, photographs) for severity in SEVERITIES]
            _write(f"| {name} | {' | '.join(cells)} |")


def _photographs() -> np.ndarray:
    """(N, SIDE, SIDE, 3) uint8: the middle of each, reduced."""
    data = importlib.import_module("skimage.data")
    pictures = []
    for name in PHOTOGRAPHS:
        pixels = getattr(data, name)()
        side = min(pixels.shape[:2])
        top, left = ((length - side) // 2 for length in pixels.shape[:2])
        square = Image.fromarray(pixels[top : top + side, left : left + side])
        pictures.append(np.asarray(square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)))
    return np.stack(pictures)


def _differences(package: Any, name: str, severity: int, photographs: np.ndarray) -> str:
    theirs = _theirs(package, name, severity, photographs)
    difference = np.abs(theirs.astype(int) - corrupt(photographs, name, severity, seed=0))
    return f"{difference.mean():.2f} ({difference.max()})"


def _statistics(package: Any, name: str, severity: int, photographs: np.ndarray) -> str:
    np.random.seed(severity)  # The package draws from numpy's global generator.
    theirs = [_theirs(package, name, severity, photographs) for _ in range(DRAWS)]
    ours = [_ours(name, severity, seed, photographs) for seed in range(DRAWS)]
    return " / ".join(
        f"{change.mean:.1f} ± {change.deviation:.1f}"
        for change in (_change(theirs, photographs), _change(ours, photographs))
    )


def _theirs(package: Any, name: str, severity: int, photographs: np.ndarray) -> np.ndarray:
    return np.stack([package.corrupt(pixels, severity, name) for pixels in photographs])


def _ours(name: str, severity: int, seed: int, photographs: np.ndarray) -> np.ndarray:
    if name != "elastic_transform":
        return corrupt(photographs, name, severity, seed)
    rngs = [np.random.default_rng([seed, index]) for index in range(len(photographs))]
    return to_bytes(PACKAGE_ELASTIC[severity - 1](to_floats(photographs), rngs))


def _change(draws: Sequence[np.ndarray], photographs: np.ndarray) -> Change:
    added = np.stack(draws).astype(np.float32) - photographs
    return Change(float(added.mean()), float(added.std()))


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
