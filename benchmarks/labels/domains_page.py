"""`python -m benchmarks.labels.domains_page`: write docs/results/domains.md from docs/results/domains.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from benchmarks.kept import read_kept
from benchmarks.prepared import ROOT
from tbft_artifacts.atomic import atomic_file

KEPT = ROOT / "docs" / "results" / "domains.json"
PAGE = ROOT / "docs" / "results" / "domains.md"

_INTRO = """# A bank of domains

Which domain windows of photos are sent to, when none is said to fit, and what several models get right together
([how](../domains.md)). Released ResNet-26, CIFAR-10's test photos after JPEG, clean and under 15 corruptions at
severity 5. SOURCE, PHOTOS and OTHERS, 2,000, 2,000 and 1,000, are photos that the network was not trained on,
and none of them is in two of these files.

```
tbft-edge corrupt OTHERS.npz --name gaussian_noise --out NOISY.npz
tbft-edge export --model resnet26 --weights RESNET26-CIFAR10.pth --drift all --source SOURCE.npz --out bundle
tbft-edge train bundle --drift input --data NOISY.npz {options} --threads 1 --out noise
tbft-edge train bundle --drift input --data OTHERS.npz --from noise --bn adapt --epochs 0 --threads 1 --out clean
tbft-edge bank light.bank --add noise=noise --add source=clean
python -m benchmarks.labels.domains --bundle bundle --bank light.bank --run noise --data PHOTOS.npz --seen OTHERS.npz
python -m benchmarks.labels.domains_page
```
"""
# Of the run under noise.
_OPTIONS = "--epochs 16 --patience 6 --augment flip --val-fraction 0.1 --seed 1"


class Routed(msgspec.Struct, frozen=True):
    """Windows of so many photos, of so many classes, under one domain: how many of them were sent to it.

    `unfit`: how many were said to fit no domain; `found`: how many were, of a bank without this domain.
    """

    draw: int
    classes: int
    window: int
    domain: str
    right: float
    unfit: float
    found: float


class Answered(msgspec.Struct, frozen=True):
    """How often `by` is right of `photos`, and of the bank, which part of windows each domain answered."""

    photos: str
    by: str
    accuracy: float
    sent: dict[str, float]
    unfit: float


class Results(msgspec.Struct, frozen=True):
    """All of it."""

    routed: tuple[Routed, ...]
    answered: tuple[Answered, ...]


def main() -> None:
    """Write the page."""
    results = read_kept(KEPT, Results, "benchmarks.labels.domains")
    with atomic_file(PAGE) as temporary:
        temporary.write_text(page(results), encoding="utf-8")


def page(results: Results) -> str:
    """The page, in Markdown."""
    return "\n".join([_INTRO.format(options=_OPTIONS), *tables(results)]) + "\n"


def tables(results: Results) -> Iterator[str]:
    """Markdown: a table for each kind of result."""
    draws = len({each.draw for each in results.routed})
    yield from ("## Which domain", "")
    yield "Sixteen domains: clean photos, by the moments in the bundle, and each corruption, by 128 photos of its own"
    yield f"without labels; {draws} draws of these, mean and standard deviation. A false alarm is a window of a known"
    yield "domain that is said to fit none. Unknown: each domain in turn is left out of the bank; found is a window of"
    yield "it that is said to fit none, and the least that of the domain that is found least."
    yield ""
    yield "| photos in a window | of classes | sent to its domain | least | false alarms | unknown found | least |"
    yield "|---|---|---|---|---|---|---|"
    for classes, window in dict.fromkeys((each.classes, each.window) for each in results.routed):
        some = [each for each in results.routed if (each.classes, each.window) == (classes, window)]
        right, unfit, found = (_of_draws(some, name) for name in ("right", "unfit", "found"))
        worst, missed = _least(some, "right"), _least(some, "found")
        yield f"| {window} | {classes} | {right} | {worst} | {unfit} | {found} | {missed} |"

    yield from ("", "## One bank for noise and clean photos", "")
    yield "2,000 photos, in windows of 16. The bank holds a run on noisy photos, and that run's weights with the"
    yield "statistics of clean ones, which answers where the bundle as it came would."
    yield from ("", "| photos | by | accuracy | windows sent to | said to fit none |", "|---|---|---|---|---|")
    for each in results.answered:
        sent = ", ".join(f"{name} {part:.1%}" for name, part in each.sent.items()) or "–"
        unfit = f"{each.unfit:.1%}" if each.sent else "–"
        yield f"| {each.photos} | {each.by} | {each.accuracy:.1%} | {sent} | {unfit} |"


def _of_draws(some: Sequence[Routed], name: str) -> str:
    """Mean over domains, and its standard deviation over draws."""
    means = [
        100 * np.mean([getattr(each, name) for each in some if each.draw == draw])
        for draw in sorted({each.draw for each in some})
    ]
    return f"{means[0]:.1f} %" if len(means) == 1 else f"{np.mean(means):.1f} ± {np.std(means, ddof=1):.1f} %"


def _least(some: Sequence[Routed], name: str) -> str:
    """The domain with the least mean over draws, and that."""
    means = {
        domain: 100 * float(np.mean([getattr(each, name) for each in some if each.domain == domain]))
        for domain in dict.fromkeys(each.domain for each in some)
    }
    least = min(means, key=lambda domain: means[domain])
    return f"{means[least]:.0f} % ({least.replace('_', ' ')})"


if __name__ == "__main__":
    main()
