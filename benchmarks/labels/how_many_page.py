"""`python -m benchmarks.labels.how_many_page`: write docs/results/how-many-labels.md from its results there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np

from benchmarks.kept import read_kept
from benchmarks.prepared import ROOT
from tbft_artifacts.atomic import atomic_file

KEPT = ROOT / "docs" / "results" / "how-many-labels.json"
PAGE = ROOT / "docs" / "results" / "how-many-labels.md"

# What drifted: the input, twice; what answers mean; what things look like.
Drifted = Literal["gaussian_noise", "fog", "labels", "source5"]
Way = Literal["before", "statistics", "unlabelled", "checked", "hidden", "train", "learn"]

_INTRO = """# How many labels

What each number of labels is good for, by what drifted ([which way to take](../few-labels.md)). Released ResNet-26,
CIFAR-10's test photos after JPEG; accuracy in per cent on {tested:,} other photos, mean and standard deviation of
{draws} draws, each with other photos to learn from and to test on. `train` has its defaults and the plan that the drift
calls for; of its photos it holds 15 % out, and cannot begin with one of each class.

```
python -m benchmarks.labels.how_many --data PHOTOS.npz --ten RESNET26-CIFAR10.pth --five RESNET26-SOURCE5.pth
python -m benchmarks.labels.how_many_page
```
"""
WITH_LABELS: tuple[Way, ...] = ("train", "learn")
# Of as many photos, of which no label is told.
_COLUMNS: dict[Way, str] = {"train": "`train`", "learn": "`learn`", "hidden": "these photos by `train --labels none`"}
_TITLES: dict[Drifted, str] = {
    "gaussian_noise": "Drift of the input: Gaussian noise, severity 5",
    "fog": "Drift of the input: fog, severity 5",
    "labels": "Drift of the output: every label is another class's",
    "source5": "Drift of features: kinds that the network never saw, under the names of those it knows",
}
_NO_LABEL: dict[Way, str] = {
    "before": "before",
    "statistics": "statistics alone, of {pooled:,} photos (`train --bn adapt --epochs 0`)",
    "unlabelled": "`train --labels none`, {pooled:,} photos",
    "checked": "the same with `--check-labels {checks}`",
}


class Trial(msgspec.Struct, frozen=True, order=True):
    """What drifted, which draw of photos, what was done about it, and with how many labels of each class."""

    drifted: Drifted
    draw: int
    way: Way
    labels: int


class Outcome(msgspec.Struct, frozen=True):
    """Accuracy (0 to 1) on other photos; None, and `refused` says why, where the command cannot do that."""

    trial: Trial
    accuracy: float | None
    refused: str = ""


class Results(msgspec.Struct, frozen=True):
    """Photos without labels, those tested on, labels that check, and what came out."""

    pooled: int
    tested: int
    checks: int
    outcomes: tuple[Outcome, ...]


def main() -> None:
    """Write the page."""
    results = read_kept(KEPT, Results, "benchmarks.labels.how_many")
    with atomic_file(PAGE) as temporary:
        temporary.write_text(page(results), encoding="utf-8")


def page(results: Results) -> str:
    """The page, in Markdown."""
    draws = len({each.trial.draw for each in results.outcomes})
    return "\n".join([_INTRO.format(tested=results.tested, draws=draws), *tables(results)]) + "\n"


def tables(results: Results) -> Iterator[str]:
    """Markdown: for each drift what is had without labels, and a row for each number of them."""
    for number, (drifted, title) in enumerate(_TITLES.items()):
        some = [each for each in results.outcomes if each.trial.drifted == drifted]
        yield from ([] if number == 0 else [""])
        yield from (f"## {title}", "", "| labels | way | accuracy |", "|---|---|---|")
        for way, words in _NO_LABEL.items():
            found = [each for each in some if each.trial.way == way]
            if found:
                told = f"{results.checks} in all" if way == "checked" else "none"
                said = words.format(pooled=results.pooled, checks=results.checks)
                yield f"| {told} | {said} | {_percent(found)} |"
        ways = [way for way in _COLUMNS if any(each.trial.way == way for each in some)]
        yield from ("", f"| labels of each class | {' | '.join(_COLUMNS[way] for way in ways)} |")
        yield f"|{'---|' * (1 + len(ways))}"
        for labels in sorted({each.trial.labels for each in some if each.trial.way in ways}):
            yield f"| {labels} | {' | '.join(_percent(_of(some, way, labels)) for way in ways)} |"


def _of(outcomes: Sequence[Outcome], way: Way, labels: int) -> list[Outcome]:
    return [each for each in outcomes if (each.trial.way, each.trial.labels) == (way, labels)]


def _percent(outcomes: Sequence[Outcome]) -> str:
    """Mean, and of several the standard deviation; – where the command refuses."""
    known = [100 * each.accuracy for each in outcomes if each.accuracy is not None]
    if not known:
        return "–"
    return f"{np.mean(known):.1f}" if len(known) == 1 else f"{np.mean(known):.1f} ± {np.std(known, ddof=1):.1f}"


if __name__ == "__main__":
    main()
