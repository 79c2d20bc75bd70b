"""`make bench-metering`: what measuring energy costs a run, with and without a meter in turns.

The meters read files and start a command as on a board, though here those are made up: what counts is the work.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.prepared import ROOT
from tbft_artifacts.bundle import open_bundle
from tbft_runtime import TrainOptions, train
from tbft_runtime.board.access import Board, run_command

BUNDLE = ROOT / "build" / "bench" / "bundles" / "resnet26-feature-frozen-32"
IMAGES, EPOCHS, ROUNDS = 256, 10, 7
METERS = ("none", "hwmon", "pmic")
RAILS = "VDD_CORE_A current(7)=1.23400000A\nVDD_CORE_V volt(15)=0.89745940V\n"


class Cost(msgspec.Struct, frozen=True):
    """Seconds of a run's epochs against those without a meter, in the same round; and what the run says itself."""

    meter: str
    median_ratio: float
    lowest_ratio: float
    highest_ratio: float
    median_share: float
    samples_per_second: float | None


def main() -> None:
    """Run all in turns, in random order, and print a line each as JSON."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        board = _board(folder / "root")
        data = _data(folder)
        seconds: dict[str, list[float]] = {meter: [] for meter in METERS}
        shares: dict[str, list[float]] = {meter: [] for meter in METERS}
        hertz: dict[str, float | None] = {}
        for number in range(ROUNDS):
            for meter in random.sample(METERS, len(METERS)):
                options = TrainOptions(data, folder / f"{meter}-{number}", epochs=EPOCHS, patience=EPOCHS, meter=meter)
                result = train(BUNDLE, options, board=board)
                seconds[meter].append(result.train_seconds)
                shares[meter].append(result.metering.share)
                hertz[meter] = result.energy.hertz
        for meter in METERS:
            ratios = [own / without for own, without in zip(seconds[meter], seconds["none"], strict=True)]
            cost = Cost(
                meter,
                statistics.median(ratios),
                min(ratios),
                max(ratios),
                statistics.median(shares[meter]),
                hertz[meter],
            )
            sys.stdout.write(msgspec.json.encode(cost).decode() + "\n")


def _board(root: Path) -> Board:
    """A root with a current sensor in it; the command is a real process that prints two rails."""
    chip = root / "sys/class/hwmon/hwmon0"
    chip.mkdir(parents=True)
    (chip / "name").write_text("ina219\n", encoding="utf-8")
    (chip / "power1_input").write_text("4200000\n", encoding="utf-8")

    def run(command: Sequence[str]) -> str | None:
        answer = RAILS if command[1:] == ("pmic_read_adc",) else "throttled=0x0"
        return run_command(["printf", "%s", answer])

    return Board(root, run)


def _data(folder: Path) -> Path:
    manifest = open_bundle(BUNDLE).manifest
    rng = np.random.default_rng(0)
    path = folder / "data.npz"
    size = manifest.shape.width
    images = rng.integers(0, 256, (IMAGES, size, size, 3), dtype=np.uint8)
    np.savez(path, images=images, labels=rng.integers(0, len(manifest.classes), IMAGES))
    return path


if __name__ == "__main__":
    main()
