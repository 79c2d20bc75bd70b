"""Which domain windows of photos are sent to, when none is said to fit, and what a bank of runs gets right.

    python -m benchmarks.labels.domains --bundle BUNDLE --bank BANK --run RUN --data PHOTOS.npz --seen OTHERS.npz

In the device environment, from a bundle of ResNet-26 that was exported with --source, and a bank of one or two of its
runs, of which RUN was trained on photos under noise. Domains are clean photos and the 15 corruptions at severity 5.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.random import default_rng

from benchmarks.kept import clear_errors, write_kept
from benchmarks.labels.domains_page import KEPT, Answered, Results, Routed, tables
from tbft_artifacts.archive import opened
from tbft_edge.console import say
from tbft_runtime import Bank
from tbft_runtime.corruptions.corrupt import CORRUPTIONS, corrupt
from tbft_runtime.domains.reader import ChannelReader
from tbft_runtime.domains.statistics import Statistics, route
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.inference.batches import images_per_batch
from tbft_runtime.inference.model import open_model

WINDOWS = (1, 4, 8, 16, 32)
CLEAN, NOISE = "clean", "gaussian_noise"
DOMAINS = (CLEAN, *CORRUPTIONS[:15])
SEVERITY = 5
# Seeds of what is drawn of a corruption: in photos by which a domain is known, as in NOISY, and in all others.
KNOWN_BY, LATER = 0, 1
# Photos that tell what a domain looks like, those whose windows are sent to one, and windows of each domain.
SEEN, TESTED, EACH = 128, 1000, 100
ALL, FEW, ONE = 10, 3, 1
# Photos of one domain in a row, where domains take turns.
TURN = 80


def main() -> None:
    """Errors end as those of the command line do."""
    with clear_errors():
        run(_options())


def run(arguments: argparse.Namespace) -> None:
    """Look at photos of all domains, send them, answer, write."""
    (photos, labels), (seen, _) = _pictures(arguments.data), _pictures(arguments.seen)
    with opened(arguments.bundle) as bundle:
        reader = ChannelReader.load(bundle, load_weights(bundle), 1)
        at_once = images_per_batch(bundle.manifest.shape)
    entries, tested = {}, {}
    for name in DOMAINS:
        say(f"photos under {name}")
        entries[name] = _described(reader, _under(name, seen[: SEEN * arguments.draws], KNOWN_BY), at_once)
        tested[name] = _described(reader, _under(name, photos[:TESTED], LATER), at_once)
    results = Results(
        routed=tuple(
            routed
            for draw in range(arguments.draws)
            for routed in _routed(reader, entries, tested, labels[:TESTED], draw)
        ),
        answered=tuple(_answered(arguments.bank, arguments.bundle, arguments.run, photos, labels)),
    )
    write_kept(arguments.out, results)
    sys.stdout.writelines(f"{line}\n" for line in tables(results))


def _pictures(file: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(file) as arrays:
        return arrays["images"], arrays["labels"].astype(np.int64)


def _under(name: str, photos: np.ndarray, seed: int) -> np.ndarray:
    """With another `seed` other noise, and fog in other places: photos that come later are not under the same."""
    return photos if name == CLEAN else corrupt(photos, name, SEVERITY, seed, np.arange(len(photos)))


def _described(reader: ChannelReader, photos: np.ndarray, at_once: int) -> np.ndarray:
    parts = [reader.look(photos[start : start + at_once]).described for start in range(0, len(photos), at_once)]
    return np.concatenate(parts)


def _routed(
    reader: ChannelReader,
    entries: Mapping[str, np.ndarray],
    tested: Mapping[str, np.ndarray],
    labels: np.ndarray,
    draw: int,
) -> Iterator[Routed]:
    """Clean photos are the domain of the bundle as it came; each other one is known by some photos of its own."""
    known = {
        name: Statistics.of(entries[name][SEEN * draw : SEEN * (draw + 1)], reader.covariance) for name in DOMAINS[1:]
    }
    source = reader.source(list(known.values()))
    domains = [source, *known.values()]
    rng = default_rng(draw)
    for classes in (ALL, FEW, ONE):
        for size in WINDOWS:
            for number, name in enumerate(DOMAINS):
                without = domains[:number] + domains[number + 1 :]
                right = unfit = found = 0
                for _ in range(EACH):
                    chosen = rng.choice(ALL, classes, replace=False)
                    window = tested[name][rng.choice(np.flatnonzero(np.isin(labels, chosen)), size, replace=False)]
                    sent, fits = route(domains, window)
                    right += sent == number
                    unfit += not fits
                    found += not route(without, window)[1]
                yield Routed(draw, classes, size, name, right / EACH, unfit / EACH, found / EACH)


def _answered(bank: Path, bundle: Path, run: Path, photos: np.ndarray, labels: np.ndarray) -> Iterator[Answered]:
    """Clean photos, noisy ones, and now these and now those, by each model alone and by the bank."""
    noisy = _under(NOISE, photos, LATER)
    turns = photos.copy()
    is_noisy = np.arange(len(photos)) // TURN % 2 == 1
    turns[is_noisy] = noisy[is_noisy]
    alone = {"the bundle as it came": open_model(bundle, 1), "the run under noise": open_model(run, 1)}
    several = Bank.open(bank, 1)
    window = 16
    for what, some in (("clean", photos), ("noise", noisy), (f"in turns of {TURN}", turns)):
        for name, model in alone.items():
            say(f"{what}: {name}")
            logits = [model.answers(some[start : start + window]).logits for start in range(0, len(some), window)]
            right = np.concatenate(logits).argmax(axis=1) == labels
            yield Answered(what, name, float(right.mean()), {}, 0.0)
        say(f"{what}: the bank")
        found = [several.answer(some[start : start + window]) for start in range(0, len(some), window)]
        right = np.concatenate([each.answers.logits for each in found]).argmax(axis=1) == labels
        sent = [each.domain for each in found]
        yield Answered(
            what,
            "the bank",
            float(right.mean()),
            {name: sent.count(name) / len(sent) for name in several.domains},
            float(np.mean([not each.fits for each in found])),
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Which domain windows of photos are sent to.")
    parser.add_argument("--bundle", type=Path, required=True, help="a bundle of ResNet-26, exported with --source")
    parser.add_argument("--bank", type=Path, required=True, help="a bank of its runs")
    parser.add_argument("--run", type=Path, required=True, help="the one that was trained on noisy photos")
    parser.add_argument("--data", type=Path, required=True, help="test photos of CIFAR-10's classes, an .npz")
    parser.add_argument("--seen", type=Path, required=True, help="other photos, by which domains are known, an .npz")
    parser.add_argument("--draws", type=int, default=3, help="of the photos by which domains are known")
    parser.add_argument("--out", type=Path, default=KEPT, help="a file of results to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
