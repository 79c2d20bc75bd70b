"""What `train --labels none` is worth, beside statistics alone and the network as it came.

    python -m benchmarks.labels.unlabelled --data PHOTOS.npz --weights RESNET26.pth --out RESULTS.json

ResNet-26, its front block, drifts of the input. For each seed 1,000 photos are drawn as a pool, whose labels nobody
sees, and 2,000 others test. What was measured before is kept in the file and not measured again.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.device import Device
from benchmarks.kept import clear_errors, write_kept
from benchmarks.labels.unlabelled_page import POOLS, Outcome, Pool, Trial, tables
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_edge.console import say
from tbft_edge.process import answer
from tbft_edge.reproduce.device_python import check_device_python, default_device_python
from tbft_runtime.corruptions.corrupt import CORRUPTIONS

POOLED, TESTED = 1000, 2000
# The paper's; the other four of CIFAR-10-C were for choosing settings.
PAPERS = CORRUPTIONS[:15]
SECONDS = 90
OTHER_NOISE = 1000


@dataclass(frozen=True)
class Setting:
    """Where everything lies, and what is told to every run."""

    folder: Path
    device: Device
    data: Path
    bundle: Path
    options: tuple[str | int | float, ...]
    """What runs without labels are told beside that."""
    check_labels: int | None


class _Trained(msgspec.Struct):
    train_seconds: float
    unlabelled: _Told | None = None


class _Told(msgspec.Struct):
    decision: str
    share: float
    trained: int
    unsure: int


def main() -> None:
    """Errors end as those of the command line do."""
    with clear_errors():
        run(_options())


def run(arguments: argparse.Namespace) -> None:
    """Export a bundle, and run every trial that is not known yet; results are written after each."""
    check_device_python(arguments.device_python)
    chosen = itertools.product(arguments.corruptions, arguments.severities, arguments.pools, range(arguments.seeds))
    known = _known(arguments.out)
    trials = [trial for trial in (Trial(*words) for words in chosen) if trial not in known]
    minutes = len(trials) * SECONDS / 60 / arguments.jobs
    say(f"{len(trials)} trials, about {SECONDS} s each, {arguments.jobs} at a time: some {minutes:.0f} min")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        bundle = Path(folder) / "bundle"
        _export(arguments.weights, bundle)
        asked = {"--epochs": arguments.epochs, "--lr": arguments.lr}
        options = [word for pair in asked.items() if pair[1] is not None for word in pair]
        setting = Setting(
            Path(folder),
            Device(arguments.device_python),
            arguments.data,
            bundle,
            tuple(options),
            arguments.check_labels,
        )
        for outcome in pool.map(lambda trial: _tried(trial, setting), trials):
            known[outcome.trial] = outcome
            write_kept(arguments.out, sorted(known.values(), key=lambda outcome: outcome.trial))
            trial = outcome.trial
            say(
                f"{trial.corruption} {trial.severity} {trial.pool} {trial.seed}: before {outcome.before:.3f}, "
                f"statistics {outcome.statistics:.3f}, without labels {outcome.unlabelled:.3f} "
                f"({outcome.decision}, own share {outcome.share:g})"
            )
    sys.stdout.writelines(f"{line}\n" for line in tables(list(known.values())))


def _export(weights: Path, bundle: Path) -> None:
    from tbft_export import ExportOptions, export_bundle

    export_bundle(ExportOptions("resnet26", "input", weights=weights), bundle)


def _tried(trial: Trial, setting: Setting) -> Outcome:
    with tempfile.TemporaryDirectory(dir=setting.folder) as name:
        folder = Path(name)
        _prepare(trial, setting, folder)
        pool, test, bundle = folder / "pool.npz", folder / "test.npz", setting.bundle
        device, seed = setting.device, ("--seed", trial.seed, "--threads", 1, "--meter", "none")
        adapt = ("--bn", "adapt", "--epochs", 0, *seed, "--out", folder / "adapted")
        device.asked("train", bundle, "--data", pool, *adapt)
        checks = () if setting.check_labels is None else ("--check-labels", setting.check_labels, "--val", test)
        learn = ("--labels", "none", *setting.options, *checks, *seed, "--out", folder / "learned")
        learned = answer(device.asked("train", bundle, "--data", pool, *learn), _Trained)
        told = learned.unlabelled
        if told is None:
            raise TbftError("the device's tbft-edge does not tell what it did", "give it this version")
        return Outcome(
            trial=trial,
            before=device.accuracy(bundle, test),
            statistics=device.accuracy(folder / "adapted", test),
            unlabelled=device.accuracy(folder / "learned", test),
            decision=told.decision,
            share=told.share,
            saved=told.unsure / max(1, told.trained + told.unsure),
            seconds=learned.train_seconds,
        )


def _prepare(trial: Trial, setting: Setting, folder: Path) -> None:
    """Write a pool without labels and photos to test on, both corrupted, drawn by the seed."""
    rng = np.random.default_rng(trial.seed)
    with np.load(setting.data) as arrays:
        images, labels, classes = (arrays[name] for name in ("images", "labels", "classes"))
    if len(labels) < POOLED + TESTED:
        raise TbftError(f"'{setting.data}' has {len(labels)} photos, fewer than {POOLED + TESTED}", "give more")
    order = rng.permutation(len(labels))
    pooled, tested = order[:POOLED], order[POOLED : POOLED + TESTED]
    if trial.pool == "sorted":
        pooled = pooled[np.argsort(labels[pooled], kind="stable")]
    elif trial.pool == "three":
        three = rng.choice(len(classes), 3, replace=False)
        pooled, tested = (part[np.isin(labels[part], three)] for part in (pooled, tested))
    for name, part in (("pool", pooled), ("test", tested)):
        clean = folder / f"clean-{name}.npz"
        np.savez(clean, images=images[part], labels=labels[part], classes=classes)
        out = folder / f"{name}.npz"
        # The seed and its number decide the noise of an image: photos to test on get other noise.
        seed = trial.seed + OTHER_NOISE * (name == "test")
        words = ("--name", trial.corruption, "--severity", trial.severity, "--seed", seed, "--out", out)
        setting.device.asked("corrupt", clean, *words)
        clean.unlink()
    with np.load(folder / "pool.npz") as arrays:
        hidden = np.full(len(pooled), NO_LABEL)
        np.savez(folder / "pool.npz", images=arrays["images"], labels=hidden, classes=classes)


def _known(path: Path) -> dict[Trial, Outcome]:
    if not path.exists():
        return {}
    try:
        outcomes = msgspec.json.decode(path.read_bytes(), type=list[Outcome])
    except msgspec.DecodeError as error:
        raise TbftError(f"'{path}' holds no results: {error}", "choose another `out`") from error
    return {outcome.trial: outcome for outcome in outcomes}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What training without labels is worth.")
    parser.add_argument("--data", type=Path, required=True, help="photos of CIFAR-10's classes, an .npz with labels")
    parser.add_argument("--weights", type=Path, required=True, help="ResNet-26 of ten classes")
    parser.add_argument("--out", type=Path, required=True, help="a file of results to write, and to go on from")
    parser.add_argument("--corruptions", nargs="+", choices=CORRUPTIONS, default=PAPERS, metavar="NAME")
    parser.add_argument("--severities", nargs="+", type=int, default=[3, 5])
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=["mixed"], metavar="POOL", type=_pool)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="instead of the default")
    parser.add_argument("--lr", type=float, help="instead of the bundle's")
    parser.add_argument(
        "--check-labels", type=int, help="so many labelled photos decide; they are among the tested ones"
    )
    parser.add_argument("--device-python", type=Path, default=default_device_python())
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _pool(word: str) -> Pool:
    found: Pool | None = next((pool for pool in POOLS if pool == word), None)
    if found is None:
        raise argparse.ArgumentTypeError(f"one of {', '.join(POOLS)}")
    return found


if __name__ == "__main__":
    main()
