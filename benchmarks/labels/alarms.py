"""How often an agent calls an alarm without drift, how often with, and after how many images.

    python -m benchmarks.labels.alarms --bundle BUNDLE --data PHOTOS.npz

In the device environment, from a bundle of ResNet-26 that was exported with --source. Photos are those of neither
training nor source. Half of them tell the normal where it has to be learned; the streams are of the other half.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator, default_rng

from benchmarks.kept import clear_errors, write_kept
from benchmarks.labels.alarms_page import KEPT, Delay, FalseAlarms, Results, tables
from tbft_agent.serving.served import Served, serve
from tbft_agent.settings import Watching
from tbft_agent.watching.chance import IN_A_ROW, chance_of_alarm, chance_per_window, windows_per_month
from tbft_agent.watching.normal import Normal
from tbft_agent.watching.pixels import numbers_of
from tbft_agent.watching.quiet import ENOUGH, Evidence
from tbft_artifacts.errors import TbftError
from tbft_edge.console import say
from tbft_runtime.corruptions.corrupt import CORRUPTIONS, corrupt

WATCHING = Watching()
SEVERITIES = (1, 3, 5)
CLASSES = 10
# Of how many classes the windows are.
OF_CLASSES = (10, 3, 1)
# Months without drift, streams for each corruption and severity, and windows after which nobody waits any more.
MONTHS, STREAMS, MOST_WINDOWS = 20, 60, 20
DRIFTED = 600


@dataclass(frozen=True)
class Seen:
    """Numbers (N, D) of photos by which drift is seen, and the class that was answered to each (N,)."""

    rows: np.ndarray
    answers: np.ndarray


def main() -> None:
    """Errors end as those of the command line do."""
    with clear_errors():
        run(_options())


def run(arguments: argparse.Namespace) -> None:
    """Look at photos, clean and drifted, count alarms, write."""
    with np.load(arguments.data) as arrays:
        photos, labels = arrays["images"], arrays["labels"].astype(np.int64)
    served = serve(arguments.bundle, 1)
    if served.normal is None:
        raise TbftError(f"bundle '{arguments.bundle}' knows no source images", "export it with --source")
    half = len(photos) // 2
    drifts = len(CORRUPTIONS[:15]) * len(SEVERITIES) * DRIFTED
    say(f"{len(photos):,} photos and {drifts:,} drifted ones: some {(len(photos) + drifts) / 200 / 60:.0f} min")
    learned, clean = _seen(served, photos[:half]), _seen(served, photos[half:])
    drifted: dict[tuple[str, int], dict[str, Seen]] = {}
    for name in CORRUPTIONS[:15]:
        say(f"photos under {name}")
        for severity in SEVERITIES:
            drifted[name, severity] = _seen(served, corrupt(photos[half : half + DRIFTED], name, severity, seed=1))
    learned_from = f"learned from {WATCHING.quiet_images} images"
    normals = {
        "norms, as the bundle says": ("norms", served.normal),
        f"norms, {learned_from}": ("norms", _learned(learned["norms"], served.prior)),
        f"pixels, {learned_from}": ("pixels", _learned(learned["pixels"], None)),
    }
    false_alarms, delays = list[FalseAlarms](), list[Delay]()
    for by, (kind, normal) in normals.items():
        for classes in OF_CLASSES:
            say(f"{MONTHS} months of {classes} classes: {by}")
            false_alarms.append(found := _false_alarms(by, Far.of(normal, clean[kind]), labels[half:], classes))
            seen = {case: seen[kind] for case, seen in drifted.items()}
            delays += _delays(found, normal, clean[kind], seen)
    results = Results(
        photos=len(photos) - half,
        window=WATCHING.window,
        chance=chance_per_window(WATCHING),
        quiet=ENOUGH,
        false_alarms=tuple(false_alarms),
        delays=tuple(delays),
    )
    write_kept(arguments.out, results)
    sys.stdout.writelines(f"{line}\n" for line in tables(results))


def _seen(served: Served, photos: np.ndarray) -> dict[str, Seen]:
    """What norms and pixels tell of each photo."""
    rows, pixels, answers = [], [], []
    for start in range(0, len(photos), 64):
        some = photos[start : start + 64]
        looked = served.look(some)
        rows += [each.numbers for each in looked]
        answers += [each.label for each in looked]
        likely = np.stack([each.answer.probabilities for each in looked])
        pixels.append(numbers_of(some, likely, channels_last=True))
    labels = np.array(answers)
    return {"norms": Seen(np.stack(rows), labels), "pixels": Seen(np.concatenate(pixels), labels)}


def _learned(seen: Seen, prior: np.ndarray | None) -> Normal:
    """As an agent learns it, from the first photos."""
    count = WATCHING.quiet_images
    return Normal.learned(seen.rows[:count], seen.answers[:count], CLASSES, prior)


@dataclass(frozen=True)
class Far:
    """What is left of photos (N, D) in units of what is normal, which makes distances those of Euclid, and how many
    photos told that. `theory` is the limit of a window if windows have nothing to do with each other.
    """

    rows: np.ndarray
    images: int
    theory: float

    @classmethod
    def of(cls, normal: Normal, seen: Seen) -> Far:
        statistics = normal.statistics
        whiten = np.linalg.cholesky(np.linalg.inv(statistics.covariance))
        rows = (normal.left(seen.rows, seen.answers) - statistics.mean) @ whiten
        return cls(rows, statistics.images, statistics.limit(WATCHING.window, chance_per_window(WATCHING)))

    def distance(self, window: np.ndarray) -> float:
        """Of a window (W,) of photos by their numbers."""
        away = self.rows[window].mean(axis=0)
        return float(away @ away) / (1 / len(window) + 1 / self.images)


def _false_alarms(by: str, far: Far, labels: np.ndarray, classes: int) -> FalseAlarms:
    """Months of an agent that is new in its place; what it knows of that in the end is of the first of them."""
    count = int(windows_per_month(WATCHING))
    alarms, theory, limits = list[int](), list[int](), list[float]()
    for month in range(MONTHS):
        rng = default_rng([classes, month])
        found = np.array([far.distance(window) for window in _windows(rng, labels, classes, count)])
        odd = found > far.theory
        theory.append(_begun(odd))
        evidence, seen = Evidence(), list[bool]()
        for distance in found.tolist():
            limits.append(evidence.add(distance, far.theory, chance_of_alarm(WATCHING)))
            seen.append(distance > limits[-1])
        alarms.append(_begun(np.array(seen)))
    return FalseAlarms(
        by, classes, tuple(alarms), tuple(theory), far.theory, float(np.mean(limits[count - 1 :: count]))
    )


def _begun(odd: np.ndarray) -> int:
    """How many runs of odd windows are alarms, each of which is one."""
    both = odd[1:] & odd[:-1]
    return int((both[1:] & ~both[:-1]).sum() + both[0])


def _windows(rng: Generator, labels: np.ndarray, classes: int, count: int) -> Iterator[np.ndarray]:
    """Photos of some classes, which are others every ten windows, as a camera moves on."""
    members = np.arange(len(labels))
    for number in range(count):
        if number % 10 == 0:
            chosen = rng.choice(CLASSES, classes, replace=False)
            members = np.flatnonzero(np.isin(labels, chosen))
        yield rng.choice(members, WATCHING.window, replace=False)


def _delays(
    known: FalseAlarms, normal: Normal, clean: Seen, drifted: Mapping[tuple[str, int], Seen]
) -> Iterator[Delay]:
    """Streams in which drift begins anywhere in a window, by the limit that a place has taught."""
    for (name, severity), seen in drifted.items():
        rng = default_rng(severity)
        both = Seen(np.concatenate([clean.rows, seen.rows]), np.concatenate([clean.answers, seen.answers]))
        far, begin = Far.of(normal, both), len(clean.rows)
        found = [_delay(rng, far, begin, known.limit) for _ in range(STREAMS)]
        yield Delay(known.by, known.classes, name, severity, tuple(found))


def _delay(rng: Generator, far: Far, begin: int, limit: float) -> int | None:
    """Drifted images until the alarm; None where none came."""
    size, odd = WATCHING.window, 0
    before = int(rng.integers(size))
    for number in range(MOST_WINDOWS):
        usual = before if number == 0 else 0
        drifted = begin + rng.choice(len(far.rows) - begin, size - usual, replace=False)
        window = np.concatenate([rng.choice(begin, usual, replace=False), drifted])
        odd = odd + 1 if far.distance(window) > limit else 0
        if odd == IN_A_ROW:
            return (number + 1) * size - before
    return None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="photos of CIFAR-10's classes, an .npz with labels")
    parser.add_argument("--out", type=Path, default=KEPT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
