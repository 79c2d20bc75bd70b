"""What heads in closed form learn: other labels, a sixth class, unknown objects, and which photos to label.

    python -m benchmarks.labels.heads --ten BUNDLE --five BUNDLE --data PHOTOS.npz --source TRAINING-PHOTOS.npz

In the device environment, from bundles of ResNet-26 of CIFAR-10's ten classes and of its first five, each with a plan
for the head. Every photo goes through each network once; all that is left is arithmetic on their last features.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import default_rng

from benchmarks.kept import clear_errors, write_kept
from benchmarks.labels.heads_page import KEPT, Added, Asked, Renamed, Results, Unknown, tables
from tbft_artifacts.archive import opened
from tbft_artifacts.errors import TbftError
from tbft_edge.console import say
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.corruptions.corrupt import corrupt
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.heads.head import Head
from tbft_runtime.heads.learn import learn_head
from tbft_runtime.heads.moments import KeptFeatures, SourceMoments
from tbft_runtime.heads.typical import typical
from tbft_runtime.heads.unknown import unknown_score
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve

PER_CLASS = (1, 2, 5, 10, 25, 50)
NEW_PHOTOS = (1, 5, 10, 50)
ASKED = (10, 20, 50, 100)
POOL = 1000
NOISE, NOISY = "gaussian_noise", 4000
# Of each class: photos whose moments are taken, and of those features that are kept.
MOMENTS, KEPT_FEATURES = 500, 40
OLD, CLASSES = 5, 10
_AT_ONCE = 250


@dataclass(frozen=True)
class Photos:
    """Last features (n, F) of photos and their labels (n,)."""

    features: np.ndarray
    labels: np.ndarray

    def drawn(self, each: int, classes: range, seed: int) -> np.ndarray:
        """Indices of so many photos of each class."""
        rng = default_rng(seed)
        return np.concatenate([rng.choice(np.flatnonzero(self.labels == k), each, replace=False) for k in classes])

    def part(self, indices: np.ndarray) -> Photos:
        return Photos(self.features[indices], self.labels[indices])

    def without(self, indices: np.ndarray) -> Photos:
        return self.part(np.setdiff1d(np.arange(len(self.labels)), indices))


def main() -> None:
    """Errors end as those of the command line do."""
    with clear_errors():
        run(_options())


def run(arguments: argparse.Namespace) -> None:
    """Look at all photos, learn, write."""
    draws = arguments.draws
    (data, names), (source, _) = _pictures(arguments.data), _pictures(arguments.source)
    noisy = Photos(corrupt(data.features[:NOISY], NOISE, 5, 0, np.arange(NOISY)), data.labels[:NOISY])
    ten, (photos, drifted) = _features(arguments.ten, [data, noisy])
    five, (fields, trained) = _features(arguments.five, [data, source])
    known = fields.part(np.flatnonzero(fields.labels < OLD))
    results = Results(
        ten_before=_accuracy(ten, photos),
        five_before=_accuracy(five, known),
        renamed=tuple(_renamed(ten, photos, draws)),
        added=tuple(_added(five, fields, trained, names, draws)),
        unknown=tuple(_unknown(five, fields)),
        asked=(
            *_asked(ten, "other labels", Photos(photos.features, CLASSES - 1 - photos.labels), 4 * draws),
            *_asked(ten, NOISE, drifted, 4 * draws),
        ),
    )
    write_kept(arguments.out, results)
    sys.stdout.writelines(f"{line}\n" for line in tables(results))


def _pictures(file: Path) -> tuple[Photos, list[str]]:
    """Pixels (n, H, W, 3) for features, and the names of classes."""
    with np.load(file) as arrays:
        return Photos(arrays["images"], arrays["labels"].astype(np.int64)), arrays["classes"].tolist()


def _features(path: Path, data: list[Photos]) -> tuple[Head, list[Photos]]:
    """A bundle's own head, and what lies before it of each of these photos."""
    with opened(path) as bundle:
        plan = next((plan for plan in bundle.manifest.plans if plan.drift == "output"), None)
        if plan is None:
            raise TbftError(f"bundle '{path}' has no plan for its head", "export it with `drift` output")
        weights = load_weights(bundle)
        weight, bias = (weights[parameter.name] for parameter in plan.parameters)
        prefix = load_prefix(bundle, plan, resolve(TrainOptions("", "", threads=1), plan, bundle), weights)
        assert prefix is not None, "a head that is trained alone has the network before it"
        preprocessing = Preprocessing(bundle.manifest.preprocessing, bundle.manifest.shape)
        found = []
        for photos in data:
            say(f"{len(photos.labels):,} photos through '{path}'")
            parts = [
                prefix.run(preprocessing.normalize(photos.features[start : start + _AT_ONCE]))[plan.boundary.name]
                for start in range(0, len(photos.labels), _AT_ONCE)
            ]
            found.append(Photos(np.concatenate(parts), photos.labels))
    return Head.of(weight, bias), found


def _accuracy(head: Head, photos: Photos) -> float:
    return float((head.logits(photos.features).argmax(axis=1) == photos.labels).mean())


def _recalls(head: Head, photos: Photos) -> list[float]:
    right = head.logits(photos.features).argmax(axis=1) == photos.labels
    return [float(right[photos.labels == label].mean()) for label in range(head.classes)]


def _renamed(old: Head, photos: Photos, draws: int) -> Iterator[Renamed]:
    """Label y becomes the last label less y: every class has another one's."""
    photos = Photos(photos.features, CLASSES - 1 - photos.labels)
    for each in PER_CLASS:
        for draw in range(draws):
            chosen = photos.drawn(each, range(CLASSES), draw)
            mine = photos.part(chosen)
            learned = learn_head(old, mine.features, mine.labels, CLASSES)
            yield Renamed(each, draw, learned.kind, _accuracy(learned.head, photos.without(chosen)))


def _added(old: Head, photos: Photos, trained: Photos, names: Sequence[str], draws: int) -> Iterator[Added]:
    """Each class that the network never met becomes its sixth."""
    for new in range(OLD, CLASSES):
        of_six = photos.part(np.flatnonzero((photos.labels < OLD) | (photos.labels == new)))
        six = Photos(of_six.features, np.minimum(of_six.labels, OLD))
        for draw in range(draws):
            others = six.drawn(MOMENTS, range(OLD), draw)
            for moments, source, rest in (
                ("photos trained on", trained.part(np.flatnonzero(trained.labels < OLD)), six),
                ("other photos", six.part(others), six.without(others)),
            ):
                known = SourceMoments.of(source.features, source.labels, OLD)
                kept = source.part(source.drawn(KEPT_FEATURES, range(OLD), draw))
                for count in NEW_PHOTOS:
                    chosen = rest.drawn(count, range(OLD, OLD + 1), draw)
                    mine = rest.part(chosen)
                    learned = learn_head(
                        old, mine.features, mine.labels, OLD + 1, known, KeptFeatures(kept.features, kept.labels)
                    )
                    recalls = _recalls(learned.head, rest.without(chosen))
                    seen = learned.judged.recalls
                    yield Added(
                        moments,
                        names[new],
                        count,
                        draw,
                        float(np.mean(recalls[:OLD])),
                        recalls[OLD],
                        float(np.mean(seen[:OLD])),
                        None if np.isnan(seen[OLD]) else float(seen[OLD]),
                    )


def _unknown(old: Head, photos: Photos) -> Iterator[Unknown]:
    """Half of the photos of known classes set thresholds and moments, the other half is told from unknown ones."""
    setting = photos.drawn(MOMENTS, range(OLD), 0)
    mine, rest = photos.part(setting), photos.without(setting)
    known = rest.labels < OLD
    moments = SourceMoments.of(mine.features, mine.labels, OLD)
    precision = np.linalg.inv(moments.within())

    def distance(features: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distance to the nearest class mean (Lee et al., NeurIPS 2018)."""
        away = features[:, None] - moments.means
        nearest: np.ndarray = ((away @ precision) * away).sum(axis=2).min(axis=1)
        return nearest

    def energy(features: np.ndarray) -> np.ndarray:
        return unknown_score(old.logits(features))

    for name, score in (("free energy of the logits", energy), ("Mahalanobis distance of the last features", distance)):
        limit = np.quantile(score(mine.features), 0.95)
        scores = score(rest.features)
        yield Unknown(
            name, _auroc(scores[~known], scores[known]), *(float((scores[w] > limit).mean()) for w in (known, ~known))
        )


def _auroc(high: np.ndarray, low: np.ndarray) -> float:
    """How often one of `high` exceeds one of `low`."""
    return float(np.searchsorted(np.sort(low), high).mean() / len(low))


def _asked(old: Head, drift: str, photos: Photos, draws: int) -> Iterator[Asked]:
    """Photos that are named instead of drawn from each class, since nobody knows their classes yet."""
    for draw in range(draws):
        rng = default_rng(draw)
        order = rng.permutation(len(photos.labels))
        pool, rest = photos.part(order[:POOL]), photos.part(order[POOL:])
        for count in ASKED:
            for choice in ("random", "--ask"):
                chosen = np.arange(count) if choice == "random" else typical(pool.features, count, draw)
                mine = pool.part(chosen)
                learned = learn_head(old, mine.features, mine.labels, CLASSES)
                yield Asked(drift, choice, count, draw, len(np.unique(mine.labels)), _accuracy(learned.head, rest))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What heads in closed form learn from few labels.")
    parser.add_argument("--ten", type=Path, required=True, help="a bundle of ResNet-26 of CIFAR-10's ten classes")
    parser.add_argument("--five", type=Path, required=True, help="one of its first five classes alone")
    parser.add_argument("--data", type=Path, required=True, help="test photos of CIFAR-10's classes, an .npz")
    parser.add_argument("--source", type=Path, required=True, help="photos that the networks were trained on, an .npz")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--out", type=Path, default=KEPT, help="a file of results to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
