"""How long corrupting takes: `python -m benchmarks.time_corruptions`, with the Python of a device environment."""

from __future__ import annotations

import sys
import time

import numpy as np

from tbft_runtime.corruptions.corrupt import CORRUPTIONS, SEVERITIES, corrupt

SMALL = (10_000, 32)
LARGE = (20, 224)


def main() -> None:
    """A Markdown table on stdout: seconds for 10,000 images of 32 pixels, milliseconds for one of 224."""
    sys.stdout.write("| corruption | 10,000 images of 32 px, s | one image of 224 px, ms |\n|---|---:|---:|\n")
    small, large = (np.random.default_rng(0).integers(0, 256, (*size, size[1], 3), np.uint8) for size in (SMALL, LARGE))
    for name in CORRUPTIONS:
        milliseconds = 1000 * _slowest(large, name) / len(large)
        sys.stdout.write(f"| {name} | {_slowest(small, name):.1f} | {milliseconds:.0f} |\n")
        sys.stdout.flush()


def _slowest(images: np.ndarray, name: str) -> float:
    """Seconds at the severity that takes longest; what is computed once is there already."""
    corrupt(images[:1], name, 1, 0)
    seconds = []
    for severity in SEVERITIES:
        started = time.perf_counter()
        corrupt(images, name, severity, 0)
        seconds.append(time.perf_counter() - started)
    return max(seconds)


if __name__ == "__main__":
    main()
