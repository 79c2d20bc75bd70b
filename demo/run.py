"""The whole path on real scans: export on the host, fine-tune and evaluate on the device, for three drifts.

Each drift is answered twice: by training the block that it calls for, and by training everything.

    python demo/run.py [--host .venv/host] [--device .venv/device] [--out demo-output]

It runs only the tools that a user would run, each in the environment where it belongs, and prints
every command. Only files and the command line pass from the host to the device, as in a deployment.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

DEMO = Path(os.path.relpath(Path(__file__).parent))  # Short, as every command is shown.
# Tells a folder that the demo made from one that it must not touch.
MARKER = ".made-by-tbft-edge-demo"
PIPED_WIDTH = 120
Json = dict[str, Any]


class Field:
    """What is read from the JSON of the commands, in one place."""

    PARAMETERS = "trainable_parameters"  # export
    PLANS = "plans"  # export, of a bundle for all drifts
    PLAN = "plan"  # export and train
    BLOCKS = "blocks"  # train
    DIAGNOSIS = "diagnosis"  # report.json
    REASONS = "reasons"  # of a diagnosis
    ACCURACY = "accuracy"  # eval
    IMAGES = "images"  # eval


@dataclass(frozen=True)
class Case:
    """One drift, and how to answer it. Settings were chosen on the training part of the data alone.

    `batch_norm` and `lr` are for the block; training everything takes batch statistics and `full_lr`. With `auto`
    the device is not told what drifted: its bundle has a plan for every block, and it finds out which to train.
    """

    drift: str
    happened: str
    weights: str
    batch_norm: str
    optimizer: str
    lr: float
    full_lr: float
    epochs: int
    classes: str | None = None
    auto: bool = False


CASES = (
    Case("input", "dark ink on bright paper, noise", "digits", "batch", "sgd", 0.03, 0.03, 8),
    Case(
        "feature",
        "digits that the model never saw",
        "digits_superclasses",
        "frozen",
        "adam",
        0.001,
        0.001,
        20,
        "zero-six,one-seven,four-nine,two-three,five-eight",
    ),
    Case("output", "label y now means 9 - y", "digits", "frozen", "sgd", 0.1, 0.01, 6, auto=True),
)


@dataclass(frozen=True)
class Place:
    """The two environments, and the folder that stands for what travels between them."""

    host: Path
    device: Path
    out: Path
    meter: str

    @property
    def data(self) -> Path:
        return self.out / "data"

    def train_data(self, case: Case) -> Path:
        return self.data / f"{case.drift}_train.npz"

    def test_data(self, case: Case) -> Path:
        return self.data / f"{case.drift}_test.npz"

    @property
    def comparison(self) -> Path:
        return self.out / "comparison.html"

    def bundle(self, case: Case, *, full: bool = False) -> Path:
        return self.out / f"{_name(case, full)}.tar.gz"

    def run(self, case: Case, *, full: bool = False) -> Path:
        return self.out / "runs" / _name(case, full)

    def model(self, case: Case) -> Path:
        return self.out / f"{case.drift}.onnx"


@dataclass(frozen=True)
class Outcome:
    """What came out of one case; accuracies are fractions of `images` held-out images.

    `reasons` are the device's for the block, where it chose it itself.
    """

    case: Case
    blocks: tuple[str, ...]
    parameters: int
    images: int
    before: float
    after: float
    after_full: float
    reasons: tuple[str, ...]


def _name(case: Case, full: bool) -> str:
    return f"{case.drift}-full" if full else case.drift


class DemoError(Exception):
    """The demo cannot go on, and why."""


def say(text: str) -> None:
    """A line on stderr, where the tools' progress goes too."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def run(step: str, command: Sequence[str | Path]) -> str:
    """Say what happens, run `command`, and return its stdout. Raises DemoError if it fails."""
    words = [str(word) for word in command]
    say(f"\n{step}\n  $ {shlex.join(words)}")
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    except OSError as error:
        raise DemoError(f"'{words[0]}' cannot be started ({error.strerror}); 'make demo' installs it") from error
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise DemoError(f"the last command ended with exit code {done.returncode}")
    return done.stdout


def run_json(step: str, command: Sequence[str | Path]) -> Json:
    """As `run`, for a tbft-edge command: what it reports with --json."""
    output = run(step, [*command, "--json"])
    try:
        report = json.loads(output)
    except json.JSONDecodeError as error:
        raise DemoError(f"the last command printed no JSON: {output[:80]!r}") from error
    if not isinstance(report, dict):
        raise DemoError(f"the last command printed no JSON object: {output[:80]!r}")
    return report


def prepare(place: Place) -> None:
    """Make the output folder, or remove from it what an earlier run of the demo wrote, and nothing else."""
    marker = place.out / MARKER
    if place.out.exists() and not marker.is_file() and (not place.out.is_dir() or any(place.out.iterdir())):
        raise DemoError(f"'{place.out}' is not empty and was not made by the demo; choose another --out")
    place.out.mkdir(parents=True, exist_ok=True)
    marker.touch()
    for case in CASES:
        for file in (place.model(case), place.train_data(case), place.test_data(case)):
            file.unlink(missing_ok=True)
        for full in (False, True):
            place.bundle(case, full=full).unlink(missing_ok=True)
            shutil.rmtree(place.run(case, full=full), ignore_errors=True)
    place.comparison.unlink(missing_ok=True)


def export_command(case: Case, place: Place, *, full: bool) -> list[str | Path]:
    """On the host: compile the model for this drift, or to train everything."""
    command: list[str | Path] = [place.host / "bin" / "tbft-edge", "export", "--model", "resnet26"]
    command += ["--weights", DEMO / f"{case.weights}.safetensors", "--drift", _exported_drift(case, full)]
    if full or not case.auto:
        command += ["--bn", "batch" if full else case.batch_norm]
    command += ["--optimizer", case.optimizer, "--lr", str(case.full_lr if full else case.lr)]
    if case.classes:
        command += ["--classes", case.classes]
    return [*command, "--out", place.bundle(case, full=full)]


def _exported_drift(case: Case, full: bool) -> str:
    if full:
        return "full"
    return "all" if case.auto else case.drift


def read_reasons(run_folder: Path) -> tuple[str, ...]:
    """Why the device trained that block, if it chose it itself."""
    diagnosis = json.loads((run_folder / "report.json").read_text())[Field.DIAGNOSIS]
    return tuple(diagnosis[Field.REASONS]) if diagnosis else ()


def run_case(case: Case, place: Place) -> Outcome:
    """Export on the host, then fine-tune, evaluate and finalize on the device; then everything, to compare."""
    device = place.device / "bin" / "tbft-edge"

    def train(what: str, *, full: bool) -> tuple[Json, Json]:
        bundle, run_folder = place.bundle(case, full=full), place.run(case, full=full)
        exported = run_json(
            f"{case.drift}: host compiles the model to train {what}", export_command(case, place, full=full)
        )
        command: list[str | Path] = [device, "train", bundle, "--data", place.train_data(case)]
        command += ["--drift", "auto"] if case.auto and not full else []
        command += ["--epochs", str(case.epochs), "--meter", place.meter, "--out", run_folder]
        return exported, run_json(f"{case.drift}: device fine-tunes {what} ({case.happened})", command)

    def evaluate(what: str, model: Path) -> Json:
        command: list[str | Path] = [device, "eval", model, "--data", place.test_data(case)]
        return run_json(f"{case.drift}: device measures {what} on held-out images", command)

    which = "the block that it finds out" if case.auto else "the block that the drift calls for"
    exported, trained = train(which, full=False)
    plans = exported.get(Field.PLANS, [exported])
    before = evaluate("the model as it came", place.bundle(case))
    after = evaluate("the fine-tuned model", place.run(case))
    run(
        f"{case.drift}: device writes a normal inference model",
        [device, "finalize", place.run(case), "--out", place.model(case)],
    )
    train("everything", full=True)
    after_full = evaluate("the model that was trained as a whole", place.run(case, full=True))
    return Outcome(
        case=case,
        blocks=tuple(trained[Field.BLOCKS]),
        parameters=next(plan[Field.PARAMETERS] for plan in plans if plan[Field.PLAN] == trained[Field.PLAN]),
        images=after[Field.IMAGES],
        before=before[Field.ACCURACY],
        after=after[Field.ACCURACY],
        after_full=after_full[Field.ACCURACY],
        reasons=read_reasons(place.run(case)),
    )


def compare(place: Place) -> str:
    """Write the page that compares all runs, and return the same as a table."""
    runs = [place.run(case, full=full) for case in CASES for full in (False, True)]
    # Each drift has data of its own, and each run is held against the full one on the same data.
    command = [place.device / "bin" / "tbft-edge", "report", *runs, "--allow-different", "--allow-throttled"]
    place.comparison.write_text(run("device writes the comparison as a page", [*command, "--format", "html"]))
    return run("device compares what the runs cost", command)


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """What each drift was, and what training was worth on images that it never saw."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("drift", "what happened", "block trained"):
        table.add_column(name)
    for name in ("parameters", "held-out images", "accuracy", "training everything"):
        table.add_column(name, justify="right")
    for outcome in outcomes:
        table.add_row(
            outcome.case.drift,
            outcome.case.happened,
            ", ".join(outcome.blocks),
            f"{outcome.parameters:,}",
            str(outcome.images),
            f"{outcome.before:.1%} → {outcome.after:.1%}",
            f"{outcome.after_full:.1%}",
        )
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print(table)
    for outcome in outcomes:
        if outcome.reasons:
            console.print(f"\nThe device was not told of the {outcome.case.drift} drift (train --drift auto). ", end="")
            console.print(f"It chose {', '.join(outcome.blocks)}: {'; '.join(outcome.reasons)}.")


def parse_place(arguments: Sequence[str] | None = None) -> Place:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Fine-tune three drifted data sets, from host to device.")
    parser.add_argument("--host", type=Path, default=Path(".venv/host"), help="environment with torch and onnx")
    parser.add_argument("--device", type=Path, default=Path(".venv/device"), help="environment with onnxruntime only")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for everything it makes")
    parser.add_argument("--meter", default="auto", help="where joules come from, as 'tbft-edge train' takes it")
    options = parser.parse_args(arguments)
    return Place(options.host, options.device, options.out, options.meter)


def main() -> int:
    """Run every case; the exit code is 1 if a step failed."""
    place = parse_place()
    start = time.monotonic()
    try:
        prepare(place)
        make_data = [place.host / "bin" / "python", DEMO / "make_data.py", place.data]
        run("host: makes three drifted data sets from real scans of digits", make_data)
        outcomes = [run_case(case, place) for case in CASES]
        comparison = compare(place)
    except DemoError as error:
        say(f"\ndemo stopped: {error}")
        return 1
    except KeyboardInterrupt:
        say("\ndemo interrupted")
        return 130
    say(f"\ndone in {time.monotonic() - start:.0f} s; bundles, runs and finished models are in {place.out}\n")
    print_outcomes(outcomes)
    sys.stdout.write(comparison)
    say(f"\nthe comparison as a page: {place.comparison}; each run has its own in report.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
