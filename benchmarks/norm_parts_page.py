"""`python -m benchmarks.norm_parts_page`: write docs/results/norm-parts.md from docs/results/norm-parts.json."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from benchmarks.kept import read_kept
from benchmarks.prepared import ROOT
from tbft_artifacts.atomic import atomic_file

KEPT = ROOT / "docs" / "results" / "norm-parts.json"
PAGE = ROOT / "docs" / "results" / "norm-parts.md"

CORRUPTIONS = ("gaussian_noise", "contrast", "fog", "jpeg_compression")
DRIFTS = ("input", "full")
PARTS = ("whole", "8", "4")
TRAINED, TESTED = 1000, 2000

_INTRO = f"""# Batch statistics of parts

How accurate training is where each part of a batch is normalised by its own statistics
([why, and how](../device.md#parts-of-a-batch-side-by-side)), beside whole batches of 32. The released ResNet-26 of ten
classes; CIFAR-10's test photos after JPEG, corrupted at severity 5: the first {TRAINED:,} train and validate, the next
{TESTED:,} test. Every plan by the bundle's defaults, one thread; the same images in the same order for each column.

```
python -m benchmarks.norm_parts --data PHOTOS.npz --weights RESNET26.pth
python -m benchmarks.norm_parts_page
```
"""


class Trial(msgspec.Struct, frozen=True, order=True):
    """One training."""

    corruption: str
    drift: str
    seed: int
    part: str


class Outcome(msgspec.Struct, frozen=True):
    """Accuracies on the test images, and how long training took with another one beside it."""

    trial: Trial
    accuracy: float
    seconds: float


def main() -> None:
    """Write the page."""
    results = read_kept(KEPT, list[Outcome], "benchmarks.norm_parts")
    with atomic_file(PAGE) as temporary:
        temporary.write_text(page(results), encoding="utf-8")


def page(outcomes: Sequence[Outcome]) -> str:
    """The page, in Markdown."""
    seeds = len({outcome.trial.seed for outcome in outcomes})
    said = (
        f"Test accuracy, mean of {seeds} seeds. The difference of two accuracies on {TESTED:,} images has a standard",
        "error of about a point, less where the same images are wrong.",
    )
    return "\n".join([_INTRO, *said, "", *table(outcomes)]) + "\n"


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Markdown: a row per drift and trained part, mean over seeds; and of all what parts change, in points."""
    found = {outcome.trial: outcome.accuracy for outcome in outcomes}
    seeds = sorted({trial.seed for trial in found})
    yield f"| drift | trained | {' | '.join(_column(part) for part in PARTS)} |"
    yield f"|---|---|{'---|' * len(PARTS)}"
    for corruption, drift in itertools.product(CORRUPTIONS, DRIFTS):
        means = [np.mean([found[Trial(corruption, drift, seed, part)] for seed in seeds]) for part in PARTS]
        yield f"| {corruption} | {drift} | {' | '.join(f'{100 * mean:.1f} %' for mean in means)} |"
    for trained, drifts in (*((drift, (drift,)) for drift in DRIFTS), ("both", DRIFTS)):
        differences = map(_difference({trial: found[trial] for trial in found if trial.drift in drifts}), PARTS[1:])
        yield f"| difference in points, mean (least to most) | {trained} | – | {' | '.join(differences)} |"


def _column(part: str) -> str:
    return "whole batch of 32" if part == "whole" else f"parts of {part}"


def _difference(found: dict[Trial, float]) -> Callable[[str], str]:
    def words(part: str) -> str:
        points = [
            100 * (accuracy - found[msgspec.structs.replace(trial, part="whole")])
            for trial, accuracy in found.items()
            if trial.part == part
        ]
        return f"{np.mean(points):+.2f} ({min(points):+.1f} to {max(points):+.1f})"

    return words


if __name__ == "__main__":
    main()
