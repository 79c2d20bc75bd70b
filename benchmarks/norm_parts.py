"""Accuracy under batch statistics of whole batches beside those of parts.

    python -m benchmarks.norm_parts --data PHOTOS.npz --weights RESNET26.pth

Four drifts of the input, ResNet-26, front block and everything, each from the same images in the same order with each
seed; 1,000 images train and validate, 2,000 others test. Host and device environments stand beside each other.
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
from benchmarks.norm_parts_page import CORRUPTIONS, DRIFTS, KEPT, PARTS, TESTED, TRAINED, Outcome, Trial, table
from tbft_edge.console import say
from tbft_edge.process import answer
from tbft_edge.reproduce.device_python import check_device_python, default_device_python


@dataclass(frozen=True)
class Setting:
    """Where everything lies, and what runs on it."""

    folder: Path
    device: Device

    def data(self, corruption: str, use: str) -> Path:
        return self.folder / f"{corruption}-{use}.npz"

    def bundle(self, part: str) -> Path:
        return self.folder / f"bundle-{part}"


def main() -> None:
    """Errors end as those of the command line do."""
    with clear_errors():
        run(_options())


def run(arguments: argparse.Namespace) -> None:
    """Make data and bundles, train, write."""
    check_device_python(arguments.device_python)
    chosen = itertools.product(CORRUPTIONS, DRIFTS, range(arguments.seeds), PARTS)
    trials = [Trial(*words) for words in chosen]
    say(f"{len(trials)} trainings, about a minute each, {arguments.jobs} at a time")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        setting = Setting(Path(folder), Device(arguments.device_python))
        for part in PARTS:
            _export(arguments.weights, part, setting)
        for corruption in CORRUPTIONS:
            _corrupt(arguments.data, corruption, setting)
        outcomes = []
        for outcome in pool.map(lambda trial: _train(trial, setting), trials):
            outcomes.append(outcome)
            say(" ".join(map(str, (*msgspec.structs.astuple(outcome.trial), f"{outcome.accuracy:.3f}"))))
    write_kept(arguments.out, outcomes)
    sys.stdout.writelines(f"{line}\n" for line in table(outcomes))


def _export(weights: Path, part: str, setting: Setting) -> None:
    from tbft_export import ExportOptions, export_bundle
    from tbft_export.compile.statistics import NormPart

    images: NormPart = "whole" if part == "whole" else int(part)
    export_bundle(ExportOptions("resnet26", "all", weights=weights, batch_norm_part=images), setting.bundle(part))


def _corrupt(data: Path, corruption: str, setting: Setting) -> None:
    """The first images, corrupted at severity 5; which of them are corrupted how is always the same."""
    clean = setting.folder / "clean.npz"
    with np.load(data) as arrays:
        kept = {name: arrays[name][: TRAINED + TESTED] for name in ("images", "labels")}
        np.savez(clean, **kept, classes=arrays["classes"])
    damaged = setting.folder / f"{corruption}.npz"
    setting.device.asked("corrupt", clean, "--name", corruption, "--out", damaged)
    with np.load(damaged) as arrays:
        for use, rows in (("train", slice(TRAINED)), ("test", slice(TRAINED, None))):
            part = {name: arrays[name][rows] for name in ("images", "labels")}
            np.savez(setting.data(corruption, use), **part, classes=arrays["classes"])


def _train(trial: Trial, setting: Setting) -> Outcome:
    with tempfile.TemporaryDirectory(dir=setting.folder) as folder:
        run = Path(folder) / "run"
        options = ("--drift", trial.drift, "--seed", trial.seed, "--threads", 1, "--meter", "none", "--out", run)
        bundle = setting.bundle(trial.part)
        train, test = (setting.data(trial.corruption, use) for use in ("train", "test"))
        trained = answer(setting.device.asked("train", bundle, "--data", train, *options), _Trained)
        return Outcome(trial, setting.device.accuracy(run, test), trained.train_seconds)


class _Trained(msgspec.Struct):
    train_seconds: float


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Accuracy under batch statistics of whole batches and of parts.")
    parser.add_argument("--data", type=Path, required=True, help="photos of CIFAR-10's classes, an .npz")
    parser.add_argument("--weights", type=Path, required=True, help="ResNet-26 of ten classes")
    parser.add_argument("--out", type=Path, default=KEPT, help="a file of results to write")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--device-python", type=Path, default=default_device_python())
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
