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
from tbft_agent.watching.chance import IN_A_ROW, chance_per_window
from tbft_agent.watching.normal import Normal
from tbft_agent.watching.pixels import numbers_of
from tbft_artifacts.errors import TbftError
from tbft_edge.console import say
from tbft_runtime.corruptions.corrupt import CORRUPTIONS, corrupt

WATCHING = Watching()
SEVERITIES = (1, 3, 5)
CLASSES = 10
# Of how many classes the windows are.
OF_CLASSES = (10, 3, 1)
# Windows without drift, streams for each corruption and severity, and windows after which nobody waits any more.
WINDOWS, STREAMS, MOST_WINDOWS = 6000, 60, 20
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
    results = Results(
        photos=len(photos) - half,
        window=WATCHING.window,
        chance=chance_per_window(WATCHING),
        false_alarms=tuple(
            alarms
            for by, (kind, normal) in normals.items()
            for alarms in _false_alarms(by, normal, clean[kind], labels[half:])
        ),
        delays=tuple(
            delay
            for by, (kind, normal) in normals.items()
            for delay in _delays(by, normal, clean[kind], {case: seen[kind] for case, seen in drifted.items()})
        ),
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


def _is_odd(normal: Normal, seen: Seen, window: np.ndarray) -> bool:
    left = normal.left(seen.rows[window], seen.answers[window])
    limit = normal.statistics.limit(len(window), chance_per_window(WATCHING))
    return normal.statistics.distance(left) > limit


def _false_alarms(by: str, normal: Normal, seen: Seen, labels: np.ndarray) -> Iterator[FalseAlarms]:
    for classes in OF_CLASSES:
        rng = default_rng(classes)
        odd = np.array([_is_odd(normal, seen, window) for window in _windows(rng, labels, classes, WINDOWS)])
        after = odd[1:] & odd[:-1]
        yield FalseAlarms(by, classes, len(odd), int(odd.sum()), int(after.sum()))


def _windows(rng: Generator, labels: np.ndarray, classes: int, count: int) -> Iterator[np.ndarray]:
    """Photos of some classes, which are others every ten windows, as a camera moves on."""
    members = np.arange(len(labels))
    for number in range(count):
        if number % 10 == 0:
            chosen = rng.choice(CLASSES, classes, replace=False)
            members = np.flatnonzero(np.isin(labels, chosen))
        yield rng.choice(members, WATCHING.window, replace=False)


def _delays(by: str, normal: Normal, clean: Seen, drifted: Mapping[tuple[str, int], Seen]) -> Iterator[Delay]:
    """Streams in which drift begins anywhere in a window."""
    for (name, severity), seen in drifted.items():
        rng = default_rng(severity)
        both = Seen(np.concatenate([clean.rows, seen.rows]), np.concatenate([clean.answers, seen.answers]))
        begin = len(clean.rows)
        found = [_delay(rng, normal, both, begin) for _ in range(STREAMS)]
        yield Delay(by, name, severity, tuple(found))


def _delay(rng: Generator, normal: Normal, both: Seen, begin: int) -> int | None:
    """Drifted images until the alarm; None where none came."""
    size, odd = WATCHING.window, 0
    before = int(rng.integers(size))
    for number in range(MOST_WINDOWS):
        usual = before if number == 0 else 0
        drifted = begin + rng.choice(len(both.rows) - begin, size - usual, replace=False)
        window = np.concatenate([rng.choice(begin, usual, replace=False), drifted])
        odd = odd + 1 if _is_odd(normal, both, window) else 0
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
