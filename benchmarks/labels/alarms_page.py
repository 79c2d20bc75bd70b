"""`python -m benchmarks.labels.alarms_page`: write docs/results/alarms.md from docs/results/alarms.json."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from benchmarks.kept import read_kept
from benchmarks.prepared import ROOT
from tbft_artifacts.atomic import atomic_file

KEPT = ROOT / "docs" / "results" / "alarms.json"
PAGE = ROOT / "docs" / "results" / "alarms.md"

# Of the standard normal distribution: 95 % lie within.
_TWO_SIDED = 1.96
_INTRO = """# Alarms of drift

How often an agent calls an alarm without drift, how often with, and after how many images
([how](../agent.md)). Released ResNet-26, CIFAR-10's test photos after JPEG. SOURCE and PHOTOS, 3,000 and 5,000,
are photos that the network was not trained on, and none is in both.

```
tbft-edge export --model resnet26 --weights RESNET26-CIFAR10.pth --drift all --source SOURCE.npz --out bundle
python -m benchmarks.labels.alarms --bundle bundle --data PHOTOS.npz
python -m benchmarks.labels.alarms_page
```
"""


class FalseAlarms(msgspec.Struct, frozen=True):
    """Of so many windows without drift, of so many classes: how many were odd, and how many were behind an odd one."""

    by: str
    classes: int
    windows: int
    odd: int
    twice: int


class Delay(msgspec.Struct, frozen=True):
    """Drifted images until the alarm, of each stream; None where there was none."""

    by: str
    corruption: str
    severity: int
    images: tuple[int | None, ...]


class Results(msgspec.Struct, frozen=True):
    """`photos` are those that windows are drawn from; `chance` is what a window may have of being odd by chance."""

    photos: int
    window: int
    chance: float
    false_alarms: tuple[FalseAlarms, ...]
    delays: tuple[Delay, ...]


def tables(results: Results) -> Iterator[str]:
    """Lines of Markdown."""
    yield "## Without drift"
    yield ""
    yield f"Windows of {results.window} of {results.photos:,} photos; every ten windows other classes are about."
    yield f"A window may be odd by chance with {results.chance:.2%}, so that two in a row are one alarm a month at"
    yield "10,000 images a day. In brackets Wilson's interval of 95 %, as if windows had no photo in common."
    yield ""
    yield "| normal | of classes | odd windows | alarms: two in a row | a month at 10,000 images a day |"
    yield "|---|---|---|---|---|"
    for each in results.false_alarms:
        month = each.twice / each.windows * 10_000 * 30 / results.window
        yield (
            f"| {each.by} | {each.classes} | {_share(each.odd, each.windows)} | {_share(each.twice, each.windows)} "
            f"| {month:.1f} |"
        )
    yield ""
    yield "## With drift"
    yield ""
    yield "Drift begins anywhere in a window; two odd windows in a row are an alarm. Means over 15 corruptions; the"
    yield "least is that of the corruption that is found least. Images: from the first drifted one to the alarm."
    yield ""
    yield "| normal | severity | found at the first chance | within 20 windows | least | images, median | 95 % |"
    yield "|---|---|---|---|---|---|---|"
    for by in dict.fromkeys(delay.by for delay in results.delays):
        for severity in sorted({delay.severity for delay in results.delays}):
            some = [delay for delay in results.delays if (delay.by, delay.severity) == (by, severity)]
            yield _row(by, severity, some, results.window)


def _row(by: str, severity: int, delays: Sequence[Delay], window: int) -> str:
    found = {delay.corruption: np.mean([images is not None for images in delay.images]) for delay in delays}
    every = [images for delay in delays for images in delay.images]
    known = [images for images in every if images is not None]
    # The window in which drift begins may pass; the two after it do not.
    soon = np.mean([images is not None and images <= 3 * window for images in every])
    least = min(found, key=lambda name: found[name])
    median, late = np.percentile(known, [50, 95])
    return (
        f"| {by} | {severity} | {soon:.1%} | {np.mean(list(found.values())):.1%} | {found[least]:.0%} "
        f"({least.replace('_', ' ')}) | {median:.0f} | {late:.0f} |"
    )


def _share(some: int, count: int) -> str:
    """With Wilson's interval."""
    part, square = some / count, _TWO_SIDED**2
    middle = (part + square / (2 * count)) / (1 + square / count)
    half = _TWO_SIDED * math.sqrt(part * (1 - part) / count + square / (4 * count**2)) / (1 + square / count)
    return f"{part:.2%} ({max(0.0, middle - half):.2%} to {middle + half:.2%})"


def main() -> None:
    """Write the page."""
    found = read_kept(KEPT, Results, "benchmarks.labels.alarms")
    with atomic_file(PAGE) as temporary:
        temporary.write_text("\n".join([_INTRO, *tables(found), ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
