"""`python -m benchmarks.labels.heads_page`: write docs/results/heads.md from docs/results/heads.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from benchmarks.kept import read_kept
from benchmarks.prepared import ROOT
from tbft_artifacts.atomic import atomic_file

KEPT = ROOT / "docs" / "results" / "heads.json"
PAGE = ROOT / "docs" / "results" / "heads.md"

_INTRO = """# Heads in closed form

What the last layer learns in one pass, without epochs or a learning rate ([how](../diagnosis.md#which-images-to-label)
its labels are best chosen). Released ResNet-26, CIFAR-10's test photos after JPEG; each draw takes other photos to
learn from, and is tested on all that are left.

```
tbft-edge export --model resnet26 --weights RESNET26-CIFAR10.pth --drift output --out ten
tbft-edge export --model resnet26 --weights RESNET26-SOURCE5.pth --drift output --out five
python -m benchmarks.labels.heads --ten ten --five five --data PHOTOS.npz --source TRAINING-PHOTOS.npz
python -m benchmarks.labels.heads_page
```
"""


class Renamed(msgspec.Struct, frozen=True):
    """Ten classes under other labels: photos per class, the head that was chosen, accuracy on the rest."""

    photos: int
    draw: int
    kind: str
    accuracy: float


class Added(msgspec.Struct, frozen=True):
    """A sixth class beside five: recall of the old ones and of the new one on photos that are left, and as foretold.

    `moments` are of which photos; `seen_old` by kept features, `seen_new` by leaving photos out, None where there is
    but one.
    """

    moments: str
    name: str
    photos: int
    draw: int
    old: float
    new: float
    seen_old: float
    seen_new: float | None

    @property
    def balanced(self) -> float:
        return (5 * self.old + self.new) / 6


class Unknown(msgspec.Struct, frozen=True):
    """Photos of five classes that a network of five others never met, by one score.

    `auroc`; and at a threshold that five in a hundred kept photos exceed, how many known ones do and how many unknown.
    """

    score: str
    auroc: float
    false_alarms: float
    found: float


class Asked(msgspec.Struct, frozen=True):
    """Ten classes under a `drift`, of which few photos were labelled: those named by `choice`."""

    drift: str
    choice: str
    photos: int
    draw: int
    classes: int
    accuracy: float


class Results(msgspec.Struct, frozen=True):
    """All of it, and what the networks got right before: of ten classes, and the old recall of five."""

    ten_before: float
    five_before: float
    renamed: tuple[Renamed, ...]
    added: tuple[Added, ...]
    unknown: tuple[Unknown, ...]
    asked: tuple[Asked, ...]


def main() -> None:
    """Write the page."""
    results = read_kept(KEPT, Results, "benchmarks.labels.heads")
    with atomic_file(PAGE) as temporary:
        temporary.write_text(page(results), encoding="utf-8")


def page(results: Results) -> str:
    """The page, in Markdown."""
    return "\n".join([_INTRO, *tables(results)]) + "\n"


def tables(results: Results) -> Iterator[str]:
    """Markdown: a table for each kind of result, mean and standard deviation over draws."""
    yield from ("## Other labels", "")
    yield f"Every label is another class's; of its own labels the head had {_percent([results.ten_before])} right."
    yield from ("", "| photos per class | accuracy | least | chosen |", "|---|---|---|---|")
    for photos in sorted({each.photos for each in results.renamed}):
        some = [each for each in results.renamed if each.photos == photos]
        kinds = [each.kind for each in some]
        chosen = ", ".join(f"{kind} {kinds.count(kind)}" for kind in sorted(set(kinds)))
        found = [each.accuracy for each in some]
        yield f"| {photos} | {_percent(found)} | {100 * min(found):.1f} | {chosen} |"

    yield from ("", "## A sixth class", "")
    yield "From photos of the new class alone, and moments of the five old ones; each of five other classes was the"
    yield f"sixth, with several draws. Before, old classes had {_percent([results.five_before])}. Balanced: the mean of"
    yield "six recalls. Foretold: what a device can know, by leaving each photo of the new class out, and of the old"
    yield "classes by 40 kept features of each. Those must be of photos that the network was not trained on, or they"
    yield "promise too much."
    yield ""
    yield "| moments of | photos | old | new | balanced | foretold: old | new |"
    yield "|---|---|---|---|---|---|---|"
    for moments, photos in sorted({(each.moments, each.photos) for each in results.added}):
        rows = [each for each in results.added if (each.moments, each.photos) == (moments, photos)]
        parts = ([getattr(each, name) for each in rows] for name in ("old", "new", "balanced", "seen_old", "seen_new"))
        yield f"| {moments} | {photos} | {' | '.join(map(_percent, parts))} |"

    yield from ("", "## Unknown objects", "")
    yield "Photos of five classes that are not the network's, among those of its own five. At a threshold that 5 % of"
    yield "other photos of its own classes exceed:"
    yield from ("", "| score | AUROC | false alarms | found |", "|---|---|---|---|")
    for each in results.unknown:
        yield f"| {each.score} | {each.auroc:.3f} | {_percent([each.false_alarms])} | {_percent([each.found])} |"

    yield from ("", "## Which photos to label", "")
    yield "Of 1,000 photos of ten classes, so many in all. Gain: mean of the draws and its standard error."
    choices = sorted({each.choice for each in results.asked})
    yield ""
    columns = (f"{choice}: accuracy | classes met" for choice in choices)
    yield f"| drift | labels | {' | '.join(columns)} | gain in points |"
    yield f"|---|---|{'---|---|' * len(choices)}---|"
    for drift, photos in sorted({(each.drift, each.photos) for each in results.asked}):
        asked = [each for each in results.asked if (each.drift, each.photos) == (drift, photos)]
        cells = []
        for choice in choices:
            few = [each for each in asked if each.choice == choice]
            cells += [_percent([each.accuracy for each in few]), f"{np.mean([each.classes for each in few]):.1f}"]
        yield f"| {drift} | {photos} | {' | '.join(cells)} | {_gain(asked)} |"


def _percent(parts: Sequence[float | None]) -> str:
    """Mean, and of several the standard deviation; – where nothing told."""
    known = [100 * part for part in parts if part is not None]
    if not known:
        return "–"
    return f"{np.mean(known):.1f} %" if len(known) == 1 else f"{np.mean(known):.1f} ± {np.std(known, ddof=1):.1f} %"


def _gain(asked: Sequence[Asked]) -> str:
    """Of `--ask` over random choice, draw by draw: mean and its standard error."""
    named, drawn = (
        {each.draw: each.accuracy for each in asked if each.choice == choice} for choice in ("--ask", "random")
    )
    gains = [100 * (named[draw] - drawn[draw]) for draw in drawn]
    return f"{np.mean(gains):+.1f} ± {np.std(gains, ddof=1) / np.sqrt(len(gains)):.1f}"


if __name__ == "__main__":
    main()
