"""`python -m benchmarks.labels.unlabelled_page`: write docs/results/unlabelled.md from docs/results/unlabelled.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np

from benchmarks.kept import read_kept
from benchmarks.prepared import ROOT
from tbft_artifacts.atomic import atomic_file

KEPT = ROOT / "docs" / "results" / "unlabelled.json"
PAGE = ROOT / "docs" / "results" / "unlabelled.md"

_INTRO = """# Drift of the input without labels

The network as it came, statistics alone, and `train --labels none` ([how](../labels.md)): released ResNet-26, its
front block, 1,000 of CIFAR-10's test photos after JPEG to learn from, and 2,000 others to test on; accuracy in per
cent. A difference of two columns has a standard error of about one point. KEPT.json is docs/results/unlabelled.json.

```
python -m benchmarks.labels.unlabelled --data PHOTOS.npz --weights RESNET26.pth --seeds 3 --out KEPT.json
python -m benchmarks.labels.unlabelled … --seeds 3 --out KEPT.json --pools three
python -m benchmarks.labels.unlabelled … --seeds 1 --out KEPT.json --pools sorted --severities 5
python -m benchmarks.labels.unlabelled_page
```

Pools of three classes are of 2026-12-01. The others are older than the guard's rule for answers of few classes, which
left the decision on a pool of all classes under each drift as it was."""

# What the device collects: photos as they come, all of them in the order of their classes, or those of three classes.
Pool = Literal["mixed", "sorted", "three"]
POOLS: tuple[Pool, ...] = ("mixed", "sorted", "three")
_WORDS: dict[Pool, str] = {
    "mixed": "photos of all classes",
    "sorted": "the same, in the order of their classes",
    "three": "those of three classes, tested on others of these",
}


class Trial(msgspec.Struct, frozen=True, order=True):
    """One device: what its input became, what it collects, and the seed of everything random."""

    corruption: str
    severity: int
    pool: Pool
    seed: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracies (0 to 1) on other photos, and what the run without labels did."""

    trial: Trial
    before: float
    """Of the network as it came."""
    statistics: float
    """With statistics re-estimated on the photos of the pool."""
    unlabelled: float
    """After `train --labels none`."""
    decision: str
    share: float
    """Which part (0 to 1) of the statistics is the network's own."""
    saved: float
    """Which part (0 to 1) of the backward passes was saved by leaving unsure photos out."""
    seconds: float
    """Of the epochs."""


def page(outcomes: Sequence[Outcome]) -> str:
    """The whole page."""
    return "\n".join([_INTRO, *tables(outcomes), ""])


def tables(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Markdown: for each kind of pool a row per drift, means over seeds in per cent; and of all, the differences."""
    for pool in POOLS:
        chosen = [outcome for outcome in outcomes if outcome.trial.pool == pool]
        if chosen:
            yield from ("", f"**Pool: {_WORDS[pool]}**", "", *_table(chosen))


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    columns = ("drift", "before", "statistics alone", "without labels", "against those", "against before", "own share")
    yield f"| {' | '.join((*columns, 'done'))} |"
    yield f"|{'---|' * (len(columns) + 1)}"
    drifts = sorted({(outcome.trial.corruption, outcome.trial.severity) for outcome in outcomes})
    for corruption, severity in drifts:
        of = [each for each in outcomes if (each.trial.corruption, each.trial.severity) == (corruption, severity)]
        cells = [f"{corruption} {severity}"]
        cells += [_percent([getattr(each, name) for each in of]) for name in ("before", "statistics", "unlabelled")]
        cells += [_points(_differences(of, name)) for name in ("statistics", "before")]
        cells += [f"{np.mean([each.share for each in of]):.2f}", ", ".join(sorted({each.decision for each in of}))]
        yield f"| {' | '.join(cells)} |"
    means = (_percent([getattr(each, name) for each in outcomes]) for name in ("before", "statistics", "unlabelled"))
    against = (_points(_differences(outcomes, name)) for name in ("statistics", "before"))
    yield f"| all, mean | {' | '.join(means)} | {' | '.join(against)} | | |"
    least = (_least(outcomes, name) for name in ("statistics", "before"))
    yield f"| the worst drift, mean over seeds | | | | {' | '.join(least)} | | |"
    saved = np.mean([each.saved for each in outcomes if each.decision == "train"] or [0.0])
    yield ""
    yield f"Of the backward passes of those that trained {100 * saved:.0f} % were saved by leaving unsure photos out."


def _differences(outcomes: Sequence[Outcome], name: str) -> list[float]:
    return [each.unlabelled - getattr(each, name) for each in outcomes]


def _least(outcomes: Sequence[Outcome], name: str) -> str:
    drifts = {(each.trial.corruption, each.trial.severity) for each in outcomes}
    means = [
        np.mean(
            _differences([each for each in outcomes if (each.trial.corruption, each.trial.severity) == drift], name)
        )
        for drift in drifts
    ]
    return f"{100 * min(means):+.1f}"


def _percent(values: Sequence[float]) -> str:
    spread = f" ± {100 * np.std(values):.1f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.1f}{spread}"


def _points(differences: Sequence[float]) -> str:
    return f"{100 * np.mean(differences):+.1f}"


def main() -> None:
    """Write the page."""
    with atomic_file(PAGE) as temporary:
        temporary.write_text(page(read_kept(KEPT, list[Outcome], "benchmarks.labels.unlabelled")), encoding="utf-8")


if __name__ == "__main__":
    main()
