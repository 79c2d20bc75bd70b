"""How many labels each kind of drift takes, by each way of adapting, in the device environment.

    python -m benchmarks.labels.how_many --data PHOTOS.npz --ten RESNET26.pth --five SOURCE5.pth

ResNet-26 of CIFAR-10's ten classes, and of its first five. For each draw 1,000 photos are collected, of which up to
100 of each class have a label, and 1,500 others test. What was measured before is kept in the file and not measured
again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.random import default_rng

from benchmarks.device import Device
from benchmarks.kept import clear_errors, read_kept, write_kept
from benchmarks.labels.how_many_page import KEPT, WITH_LABELS, Drifted, Outcome, Results, Trial, Way, tables
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.plan import Drift
from tbft_edge.console import say
from tbft_edge.reproduce.datasets.images import LabelledImages, labelled_images
from tbft_edge.reproduce.datasets.source5 import CLASSES, field_images
from tbft_edge.reproduce.device_python import check_device_python, default_device_python
from tbft_runtime.corruptions.corrupt import corrupt

PER_CLASS = (1, 5, 10, 25, 50, 100)
POOLED, TESTED, CHECKS = 1000, 1500, 50
# Where it can be, so many of each class also teach without their labels.
HIDDEN = (10, 25, 50)
SEVERITY = 5
# Photos to test on get other noise.
OTHER_NOISE = 1000
# The plan that each calls for, and what is tried without labels.
DRIFTS: dict[Drifted, Drift] = {"gaussian_noise": "input", "fog": "input", "labels": "output", "source5": "feature"}
UNLABELLED: dict[Drift, tuple[Way, ...]] = {
    "input": ("statistics", "unlabelled", "checked"),
    "output": (),
    "feature": ("statistics", "unlabelled", "checked"),
}
HOW: dict[Way, tuple[str | int, ...]] = {
    "statistics": ("--bn", "adapt", "--epochs", 0),
    "unlabelled": ("--labels", "none"),
    "checked": ("--labels", "none", "--check-labels", CHECKS),
    "hidden": ("--labels", "none"),
}
UNTOLD: tuple[Way, ...] = ("unlabelled", "checked", "hidden")
ALIKE = ("--threads", 1, "--meter", "none")
# On one quiet core, for the estimate: starting a command and testing, and training on a photo for all epochs.
START_SECONDS, TEST_SECONDS = 1.5, 4.0
TRAIN_SECONDS: dict[Drift, float] = {"input": 0.045, "output": 0.005, "feature": 0.02}


@dataclass(frozen=True)
class Setting:
    """Photos of one draw under one drift, what runs on them, and a folder for that."""

    folder: Path
    device: Device
    bundle: Path
    drift: Drift
    pool: LabelledImages

    @property
    def test(self) -> Path:
        return self.folder / "test.npz"

    def accuracy(self, model: Path) -> float:
        """On photos that nothing was adapted by."""
        return self.device.accuracy(model, self.test)


def main() -> None:
    """Errors end as those of the command line do."""
    with clear_errors():
        run(_options())


def run(arguments: argparse.Namespace) -> None:
    """Export two bundles, and run every trial that is not known yet; results are written after each."""
    check_device_python(arguments.device_python)
    known = {each.trial: each for each in _kept(arguments.out)}
    missing = [trial for trial in trials(arguments.draws) if trial not in known]
    say(f"{len(missing)} trials, on one quiet core some {sum(map(_seconds, missing)) / 60:.0f} min")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundles = {"ten": folder / "ten", "five": folder / "five"}
        if missing:
            _export(arguments.ten, bundles["ten"], ())
            _export(arguments.five, bundles["five"], CLASSES)
        for (draw, drifted), some in groupby(missing, lambda trial: (trial.draw, trial.drifted)):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                bundle = bundles["five" if drifted == "source5" else "ten"]
                setting = _prepared(arguments, bundle, drifted, draw, Path(place))
                for trial in some:
                    known[trial] = outcome = _tried(trial, setting)
                    results = Results(POOLED, TESTED, CHECKS, tuple(known[each] for each in sorted(known)))
                    write_kept(arguments.out, results)
                    said = outcome.refused or f"{outcome.accuracy:.3f}"
                    say(f"{drifted}, draw {draw}, {trial.way} {trial.labels or ''}: {said}")
    sys.stdout.writelines(
        f"{line}\n" for line in tables(read_kept(arguments.out, Results, "benchmarks.labels.how_many"))
    )


def trials(draws: int) -> Iterator[Trial]:
    """All of a draw, drift by drift, before the next."""
    for draw in range(draws):
        for drifted, drift in DRIFTS.items():
            yield Trial(drifted, draw, "before", 0)
            yield from (Trial(drifted, draw, way, 0) for way in UNLABELLED[drift])
            if UNLABELLED[drift]:
                yield from (Trial(drifted, draw, "hidden", labels) for labels in HIDDEN)
            yield from (Trial(drifted, draw, way, labels) for labels in PER_CLASS for way in WITH_LABELS)


def _kept(path: Path) -> Sequence[Outcome]:
    if not path.exists():
        return ()
    results = read_kept(path, Results, "benchmarks.labels.how_many")
    if (results.pooled, results.tested, results.checks) != (POOLED, TESTED, CHECKS):
        raise TbftError(f"'{path}' holds results of other numbers of photos", "choose another `out`")
    return results.outcomes


def _seconds(trial: Trial) -> float:
    drift = DRIFTS[trial.drifted]
    photos = trial.labels * (len(CLASSES) if trial.drifted == "source5" else 10)
    if trial.way in UNTOLD:  # Half the epochs, and passes over all photos beside them.
        photos = (photos or POOLED) * 3 // 4
    return START_SECONDS + TEST_SECONDS + (0 if trial.way == "learn" else photos * TRAIN_SECONDS[drift])


def _export(weights: Path, bundle: Path, classes: Sequence[str]) -> None:
    from tbft_export import ExportOptions, export_bundle

    export_bundle(ExportOptions("resnet26", "all", weights=weights, classes=tuple(classes)), bundle)


def _prepared(arguments: argparse.Namespace, bundle: Path, drifted: Drifted, draw: int, folder: Path) -> Setting:
    """Photos of a draw, under the drift: a pool with equally many of each class, and `test.npz`, of what is left."""
    with np.load(arguments.data) as arrays:
        photos = labelled_images(arrays["images"], arrays["labels"], arrays["classes"].tolist(), arguments.data)
    if drifted == "source5":
        photos = field_images(photos, arguments.data)
    elif drifted == "labels":
        photos = LabelledImages(photos.images, len(photos.classes) - 1 - photos.labels, photos.classes)
    classes = len(photos.classes)
    order = default_rng(draw).permutation(len(photos))
    of_each = [order[photos.labels[order] == label][: POOLED // classes] for label in range(classes)]
    if min(map(len, of_each)) < POOLED // classes or len(photos) < POOLED + TESTED:
        raise TbftError(f"'{arguments.data}' has too few photos for {POOLED} and {TESTED}", "give more")
    # The first of each class, then the second of each.
    pooled = np.stack(of_each, axis=1).ravel()
    tested = order[~np.isin(order, pooled)][:TESTED]
    pool, test = _under(drifted, photos.take(pooled), draw), _under(drifted, photos.take(tested), draw + OTHER_NOISE)
    setting = Setting(folder, Device(arguments.device_python), bundle, DRIFTS[drifted], pool)
    _written(setting.test, test, len(test))
    return setting


def _under(drifted: Drifted, photos: LabelledImages, seed: int) -> LabelledImages:
    if DRIFTS[drifted] != "input":
        return photos
    damaged = corrupt(photos.images, drifted, SEVERITY, seed, np.arange(len(photos)))
    return LabelledImages(damaged, photos.labels, photos.classes)


def _written(file: Path, photos: LabelledImages, labelled: int) -> Path:
    """Of the first `labelled` photos the label is told."""
    labels = np.where(np.arange(len(photos)) < labelled, photos.labels, NO_LABEL)
    np.savez(file, images=photos.images, labels=labels, classes=photos.classes)
    return file


def _tried(trial: Trial, setting: Setting) -> Outcome:
    """One way, and what it is right about; where it cannot be gone, why."""
    if trial.way == "before":
        return Outcome(trial, setting.accuracy(setting.bundle))
    with tempfile.TemporaryDirectory(dir=setting.folder) as name:
        out, data = Path(name) / "run", Path(name) / "data.npz"
        _written(data, *_data(trial, setting.pool))
        command = ("learn",) if trial.way == "learn" else ("train", "--drift", setting.drift, "--seed", trial.draw)
        try:
            setting.device.asked(
                *command, setting.bundle, "--data", data, "--out", out, *HOW.get(trial.way, ()), *ALIKE
            )
        except TbftError as error:
            return Outcome(trial, None, error.message)
        return Outcome(trial, setting.accuracy(out))


def _data(trial: Trial, pool: LabelledImages) -> tuple[LabelledImages, int]:
    """Photos to adapt by, and how many of them have a label."""
    if trial.labels:
        count = trial.labels * len(pool.classes)
        return pool.take(np.arange(count)), 0 if trial.way == "hidden" else count
    return pool, CHECKS if trial.way == "checked" else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How many labels each kind of drift takes.")
    parser.add_argument("--data", type=Path, required=True, help="photos of CIFAR-10's classes, an .npz with labels")
    parser.add_argument("--ten", type=Path, required=True, help="weights of ResNet-26 of ten classes")
    parser.add_argument("--five", type=Path, required=True, help="those of ResNet-26 of its first five classes alone")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--out", type=Path, default=KEPT, help="a file of results to write, and to go on from")
    parser.add_argument("--device-python", type=Path, default=default_device_python())
    return parser.parse_args()


if __name__ == "__main__":
    main()
