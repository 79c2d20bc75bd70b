"""`python -m benchmarks.labels.alarms_page`: write docs/results/alarms.md from docs/results/alarms.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from benchmarks.kept import read_kept
from benchmarks.prepared import ROOT
from tbft_artifacts.atomic import atomic_file

KEPT = ROOT / "docs" / "results" / "alarms.json"
PAGE = ROOT / "docs" / "results" / "alarms.md"

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
    """Of months without drift, of so many classes at a time: how many alarms there were in each, `alarms` by the limit
    that the place teaches and `theory` by that of theory alone; and both limits, the first as it was in the end.
    """

    by: str
    classes: int
    alarms: tuple[int, ...]
    theory: tuple[int, ...]
    theory_limit: float
    limit: float


class Delay(msgspec.Struct, frozen=True):
    """Drifted images until the alarm, of each stream, by the limit of a place where so many classes are about; None
    where there was none.
    """

    by: str
    classes: int
    corruption: str
    severity: int
    images: tuple[int | None, ...]


class Results(msgspec.Struct, frozen=True):
    """`photos` are those that windows are drawn from; `chance` is what a window may have of being odd by chance, in
    theory; `quiet` pairs of windows teach what is usual.
    """

    photos: int
    window: int
    chance: float
    quiet: int
    false_alarms: tuple[FalseAlarms, ...]
    delays: tuple[Delay, ...]


def tables(results: Results) -> Iterator[str]:
    """Lines of Markdown."""
    yield "## Without drift"
    yield ""
    months = len(results.false_alarms[0].alarms)
    yield f"{months} months of 10,000 images a day, in windows of {results.window}, of {results.photos:,} photos; every"
    yield "ten windows other classes are about. Two odd windows in a row are an alarm; one a month was asked for. In"
    yield f"theory a window is odd by chance with {results.chance:.2%}; here the first {results.quiet} windows of each"
    yield "month teach more, and count. In brackets 95 % intervals of the mean over months (bootstrap); the months have"
    yield "their photos in common."
    yield ""
    yield "| normal | of classes | limit in theory | alarms a month | limit of the place | alarms a month |"
    yield "|---|---|---|---|---|---|"
    for each in results.false_alarms:
        yield (
            f"| {each.by} | {each.classes} | {each.theory_limit:.0f} | {_mean(each.theory)} | {each.limit:.0f} "
            f"| {_mean(each.alarms)} |"
        )
    yield ""
    yield "## With drift"
    yield ""
    yield "Drift begins anywhere in a window of all classes; the limit is that of a place where so many classes are"
    yield "about at a time. Means over 15 corruptions; the least is that of the corruption that is found least. Images:"
    yield "from the first drifted one to the alarm."
    yield ""
    yield "| normal | of classes | severity | at the first chance | within 20 windows | least | images, median | 95 % |"
    yield "|---|---|---|---|---|---|---|---|"
    for by, classes in dict.fromkeys((delay.by, delay.classes) for delay in results.delays):
        for severity in sorted({delay.severity for delay in results.delays}):
            some = [
                delay
                for delay in results.delays
                if (delay.by, delay.classes, delay.severity) == (by, classes, severity)
            ]
            yield _row(f"{by} | {classes}", severity, some, results.window)


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


def _mean(counts: Sequence[int]) -> str:
    """With an interval of means of as many months, drawn anew."""
    drawn = np.random.default_rng(0).choice(counts, (2000, len(counts))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{np.mean(counts):.1f} ({low:.1f} to {high:.1f})"


def main() -> None:
    """Write the page."""
    found = read_kept(KEPT, Results, "benchmarks.labels.alarms")
    with atomic_file(PAGE) as temporary:
        temporary.write_text("\n".join([_INTRO, *tables(found), ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
