"""The whole path of a sensor: train a 1-D network, let its sensor drift in three ways, and let a device repair it.

    python demo/sensor_run.py [--host .venv/host] [--device .venv/device] [--out demo-sensor-output]

It runs only the tools that a user would run, each in the environment where it belongs, and prints every command. The
windows are made up (`demo/sensor_windows.py`): the numbers show that the path works, and nothing about people.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import DemoError, run, run_json, say
from rich import box
from rich.console import Console
from rich.table import Table
from sensor_network import CHANNELS
from sensor_windows import CLASSES, LENGTH
from surroundings import Surroundings

DEMO = Path(os.path.relpath(Path(__file__).parent))
# Another one's than that of the demo of pictures, whose folders have other things.
MARKER = ".made-by-tbft-edge-sensor-demo"
EPOCHS = 10
DRIFTS = {
    "turned": "the sensor sits turned by 45°",
    "rattle": "a rough vehicle shakes it",
    "renamed": "every activity has another's name",
}


@dataclass(frozen=True)
class Place(Surroundings):
    """Where each thing that the demo makes goes."""

    @property
    def bundle(self) -> Path:
        return self.out / "motion.tar.gz"

    @property
    def source(self) -> Path:
        return self.out / "source"

    def data(self, drift: str, part: str) -> Path:
        return self.out / "data" / f"{drift}_{part}.npz"

    def run(self, drift: str) -> Path:
        return self.out / "runs" / drift


def prepare(place: Place) -> None:
    """Make the output folder, or remove from it what an earlier run of the demo wrote, and nothing else."""
    place.claim(MARKER)
    for folder in (place.source, place.out / "data", place.out / "runs"):
        shutil.rmtree(folder, ignore_errors=True)
    place.bundle.unlink(missing_ok=True)


def compile_model(place: Place) -> None:
    """On the host: train, and compile a plan for every block."""
    python, command = place.host / "bin" / "python", place.host / "bin" / "tbft-edge"
    source = place.source
    run("host: trains a 1-D network on made-up windows of a motion sensor", [python, DEMO / "train_sensor.py", source])
    run("host: makes what the sensor will see later on", [python, DEMO / "drift_sensor.py", place.out / "data"])
    export: list[str | Path] = [command, "export", "--model", f"{DEMO}.sensor_network:motion_net"]
    export += ["--weights", source / "network.pth", "--window", str(LENGTH), "--channels", str(CHANNELS)]
    export += ["--measure", source / "source.npz", "--classes", ",".join(CLASSES), "--drift", "all"]
    run("host: compiles a plan for every block", [*export, "--out", place.bundle])


def repair(place: Place, drift: str) -> list[str]:
    """On the device: find out what drifted, train that, and measure before and after on windows of other people."""
    device = place.device / "bin" / "tbft-edge"
    test = ["--data", place.data(drift, "test"), "--meter", "none"]
    before = run_json(f"{drift}: device measures the model as it came", [device, "eval", place.bundle, *test])
    data = ["--data", place.data(drift, "train")]
    run(f"{drift}: device finds out what drifted ({DRIFTS[drift]})", [device, "diagnose", place.bundle, *data])
    train: list[str | Path] = [device, "train", place.bundle, *data, "--drift", "auto", "--epochs", str(EPOCHS)]
    trained = run_json(f"{drift}: device trains that", [*train, "--meter", place.meter, "--out", place.run(drift)])
    after = run_json(f"{drift}: device measures what it learned", [device, "eval", place.run(drift), *test])
    change = f"{before['accuracy']:.1%} → {after['accuracy']:.1%}"
    return [drift, DRIFTS[drift], ", ".join(trained["blocks"]), str(trained["train_images"]), change]


def show(rows: Sequence[Sequence[str]]) -> None:
    """A line for each drift."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("drift", "what happened", "block trained", "windows to train on", "accuracy, other people"):
        table.add_column(name)
    for row in rows:
        table.add_row(*row)
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 120
    console.print(table)


def main() -> int:
    """Run every drift; the exit code is 1 if a step failed."""
    place = Place.read("Repair a drifted motion sensor's network, from host to device.", Path("demo-sensor-output"))
    start = time.monotonic()
    try:
        prepare(place)
        compile_model(place)
        rows = [repair(place, drift) for drift in DRIFTS]
        runs = [place.run(drift) for drift in DRIFTS]
        report: list[str | Path] = [place.device / "bin" / "tbft-edge", "report", *runs]
        comparison = run("device compares what the runs cost", [*report, "--allow-different", "--allow-throttled"])
    except DemoError as error:
        say(f"\ndemo stopped: {error}")
        return 1
    except KeyboardInterrupt:
        say("\ndemo interrupted")
        return 130
    sys.stdout.write(comparison)
    show(rows)
    say(f"\ndone in {time.monotonic() - start:.0f} s; the bundle and the runs are in {place.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
