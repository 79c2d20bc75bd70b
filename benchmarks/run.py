"""`make bench`: measure everything on made-up inputs, print the tables of goals, write build/bench/results.json."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import agenda, inputs, names
from benchmarks.agenda import BATCH_SIZE, FULL, IMAGE_SIZE, QUICK, Item, StepsItem, TrainingsItem
from benchmarks.contest import Steps, Training, contest_steps, contest_trainings
from benchmarks.figures import disagreements
from benchmarks.goals import NETWORKS
from benchmarks.prepared import FOLDER, prepare
from benchmarks.protocol import Network
from benchmarks.results import Contestant, Machine, Results, StepContest, TrainingContest, write
from benchmarks.tables import COLUMNS, Notes, frozen_rows, goal_rows
from tbft_edge.console import say
from tbft_edge.tables.table import Table, show

RESULTS = FOLDER / "results.json"
LOG = FOLDER / "workers.log"
RUNS = FOLDER / "runs"
CLASSES = 10
TRAIN_SEED, VALIDATION_SEED = 1, 2


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two networks, one thread, few rounds: about 4 minutes")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, metavar="NETWORK", help=f"of {', '.join(NETWORKS)}")
    parser.add_argument(
        "--peers",
        action="store_true",
        help="also torch.compile (needs a C++ compiler), JAX, MNN, ORT Training, ExecuTorch",
    )
    parser.add_argument("--json", action="store_true", help="print the raw results as JSON instead of tables")
    options = parser.parse_args()
    results = measure(quick=options.quick, only=options.only, peers=options.peers)
    if options.json:
        sys.stdout.write(RESULTS.read_text(encoding="utf-8"))
        return
    notes = Notes()
    interval = "median (95 % interval, or all rounds if fewer than six)"
    tables = {
        "default policies": goal_rows(results, notes),
        "batch norms frozen for everyone": frozen_rows(results, notes),
    }
    for title, rows in tables.items():
        if rows:
            show(Table(f"{title}: {interval}", list(COLUMNS), rows, numbers=True))
    for line in notes.lines():
        say(line)


def measure(*, quick: bool, only: Sequence[Network] | None, peers: bool) -> Results:
    """Run the agenda; the results so far are written after each item."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    LOG.unlink(missing_ok=True)
    started = time.monotonic()
    scale = QUICK if quick else FULL
    items = agenda.agenda(scale, only or scale.networks, peers=peers)
    more = ", and what peers take to compile" if peers else ""
    say(f"{len(items)} measurements: about {agenda.minutes(items):.0f} minutes on two quiet cores{more}")
    say("exporting what is measured")
    prepare(needed(items), official=peers)
    results = Results(date=datetime.now(UTC).strftime("%Y-%m-%d"), quick=quick, peers=peers, machine=_machine())
    for number, item in enumerate(items, start=1):
        say(f"{number}/{len(items)} {_describe(item)}")
        if isinstance(item, StepsItem):
            _steps(item, results)
        else:
            _trainings(item, results)
        results.machine.load_after = os.getloadavg()[0]
        results.seconds = time.monotonic() - started
        write(results, RESULTS)
    return results


def needed(items: list[Item]) -> list[tuple[Contestant, int]]:
    """The bundles that `items` measure."""
    return [
        (contestant, item.image_size if isinstance(item, StepsItem) else IMAGE_SIZE)
        for item in items
        for contestant in item.contestants
    ]


def _steps(item: StepsItem, results: Results) -> None:
    plan = Steps(item.threads, item.batch_size, item.image_size, item.rounds, item.steps)
    contest = contest_steps(item.contestants, plan, LOG)
    _say_oddities(contest)
    results.steps.append(contest)


def _trainings(item: TrainingsItem, results: Results) -> None:
    shutil.rmtree(RUNS, ignore_errors=True)
    RUNS.mkdir(parents=True)
    plan = Training(
        threads=item.threads,
        batch_size=BATCH_SIZE,
        image_size=IMAGE_SIZE,
        epochs=item.epochs,
        images=inputs.save(RUNS / "train.npz", item.images, IMAGE_SIZE, CLASSES, TRAIN_SEED),
        image_count=item.images,
        validation=inputs.save(RUNS / "val.npz", item.validation_images, IMAGE_SIZE, CLASSES, VALIDATION_SEED),
        validation_count=item.validation_images,
    )
    contest = contest_trainings(item.contestants, plan, RUNS, LOG)
    _say_oddities(contest)
    results.trainings.append(contest)
    shutil.rmtree(RUNS)


def _say_oddities(contest: StepContest | TrainingContest) -> None:
    for absence in contest.absent:
        contestant = absence.contestant
        say(f"  {names.ENGINES[contestant.engine]}, {contestant.drift}, is out: {absence.reason}")
    for contestant in disagreements(contest):
        say(f"  {names.ENGINES[contestant.engine]}, {contestant.drift}, computes another loss than ours")


def _describe(item: Item) -> str:
    network = names.NETWORKS[item.contestants[0].network]
    drifts = ", ".join(dict.fromkeys(f"{each.drift} ({each.batch_norm})" for each in item.contestants))
    threads = "1 thread" if item.threads == 1 else f"{item.threads} threads"
    if isinstance(item, StepsItem):
        return f"{network}, {drifts}: train steps, {threads}, batch {item.batch_size}, {item.image_size} px"
    return f"{network}, {drifts}: trainings, {threads}, {item.images} images, {item.epochs} epochs"


def _machine() -> Machine:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Machine(
        cpu=names[0] if names else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        load_before=os.getloadavg()[0],
    )


if __name__ == "__main__":
    main()
