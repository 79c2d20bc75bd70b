"""The whole path on real scans: export on the host, fine-tune and evaluate on the device, for three drifts.

Each drift is answered twice: by training the block that it calls for, and by training everything. Two more cases have
few labels: none for the drift of the input, and those of a class that the network never saw.

    python demo/run.py [--host .venv/host] [--device .venv/device] [--out demo-output]

It runs only the tools that a user would run, each in the environment where it belongs, and prints
every command. Only files and the command line pass from the host to the device, as in a deployment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from cases import CASES, Case
from commands import DemoError, Json, run, run_json, say
from few_labels import new_class, no_labels, print_few_labels
from outcomes import Outcome, print_outcomes
from place import Place, prepare

DEMO = Path(os.path.relpath(Path(__file__).parent))  # Short, as every command is shown.


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
    diagnosis = json.loads((run_folder / "report.json").read_text(encoding="utf-8"))[Field.DIAGNOSIS]
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
    place.comparison.write_text(
        run("device writes the comparison as a page", [*command, "--format", "html"]), encoding="utf-8"
    )
    return run("device compares what the runs cost", command)


def main() -> int:
    """Run every case; the exit code is 1 if a step failed."""
    place = Place.read("Fine-tune three drifted data sets, from host to device.", Path("demo-output"))
    start = time.monotonic()
    try:
        prepare(place)
        make_data = [place.host / "bin" / "python", DEMO / "make_data.py", place.data]
        run("host: makes three drifted data sets from real scans of digits", make_data)
        outcomes = [run_case(case, place) for case in CASES]
        few = [no_labels(place), new_class(place)]
        comparison = compare(place)
    except DemoError as error:
        say(f"\ndemo stopped: {error}")
        return 1
    except KeyboardInterrupt:
        say("\ndemo interrupted")
        return 130
    say(f"\ndone in {time.monotonic() - start:.0f} s; bundles, runs and finished models are in {place.out}\n")
    print_outcomes(outcomes)
    print_few_labels(few)
    sys.stdout.write(comparison)
    say(f"\nthe comparison as a page: {place.comparison}; each run has its own in report.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
