"""The page and the README's section as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import TypeVar

from benchmarks.arm_results import ArmResults, arm_rows
from benchmarks.figures import DEFAULTS, Policy, disagreements, step_ms, training_seconds
from benchmarks.goals import DRIFTS
from benchmarks.plots import MB, NAMES
from benchmarks.protocol import BatchNorm, Engine
from benchmarks.ratios import Spread
from benchmarks.results import Contestant, Results, StepContest, StepLane, TrainingContest, TrainingLane
from benchmarks.tables import NOTHING, Notes, goal_rows, markdown, ratio

ENGINES: tuple[Engine, ...] = ("ours", "pytorch", "ort-training")
# An engine that got less than this share of its threads was disturbed by something else.
UNDISTURBED = 0.9
_Contest = TypeVar("_Contest", StepContest, TrainingContest)

METHOD = """\
Every engine runs in a process of its own and they take turns, one computing while the others wait, in an order drawn
anew each round. A ratio is made within a round; the table gives the median over the rounds and, in brackets, the
interval that holds it with 95 % confidence (with fewer than six rounds, the smallest and the largest). All train the
same made-up ResNet-26 (He-initialised, seeded) on the same random images with SGD. Threads, batch and image size are
the same for all.

- **PyTorch** is eager, and only the trained block's parameters require gradients. Batch norms frozen means eval mode;
  train mode is the paper's.
- **ORT Training** runs the official artifacts in its own API. Its SGD has no momentum, so it does a little less.
  Importing it needs torch, which is part of its memory.
- **A train step** begins at the images, and passes through the frozen part each time. *From stored activations* it
  begins behind the frozen part; nothing can be stored for an input drift, or with batch statistics. A turn takes one
  untimed step first.
- **A whole training** is counted from the moment the images are decoded: evaluation of the base model, every epoch
  with its validation, and for this project also loading the graphs and saving the state after each epoch, which
  PyTorch's loop does not do. The contestants take turns epoch by epoch.
- **Memory** is the largest resident size of a process that did nothing else, shared libraries included.
- **Share of the peak**: floating-point operations of convolutions and matrix products behind the frozen part, forward
  and backward, over the time; against a 1024³ matrix product in the same ONNX Runtime, measured in the same rounds.
  Operations are counted as the layers are defined. Winograd's form needs fewer products than that, so the share can
  pass 100 %."""


def page(results: Results, drawn: Collection[str], arm: ArmResults | None) -> str:
    """docs/results/benchmarks.md; `drawn` are the plots that there are, `arm` what was counted on emulated ARM."""
    lines = ["# Benchmarks", "", *_intro(results), ""]
    titles: Mapping[Policy, str] = {"frozen": "Batch norms frozen", "default": "Batch statistics for input and full"}
    for policy, title in titles.items():
        lines += [f"## {title}", "", *_goal_table(results, policy), ""]
    lines += [_defaults(), "", "## What is counted", "", METHOD, "", *_agreement(results), ""]
    lines += ["## A train step in milliseconds", "", *_steps(results), "", *_plot("steps.svg", drawn)]
    lines += ["## A whole training", "", *_trainings(results), "", "## Memory", "", *_memory(results), ""]
    lines += ["## Growth", "", "One thread, batch norms frozen.", ""]
    for name in ("batch-size.svg", "image-size.svg", "images.svg"):
        lines += _plot(name, drawn)
    if arm is not None:
        lines += ["## On ARM", "", *_arm(arm), ""]
    return "\n".join(lines).rstrip() + "\n"


def readme_section(results: Results) -> str:
    """What stands in the README: the table of goals with batch norms frozen, date, machine and command."""
    machine = results.machine
    head = [
        f"Measured side by side in one run of `{_command(results)}` ({results.date}; {machine.cpu}, {machine.cores}",
        "cores; ResNet-26, 32 px, batch 32, SGD with momentum, batch norms frozen for all; medians of the ratios with",
        "their 95 % intervals). [Every figure, plots, and what is counted](docs/results/benchmarks.md).",
    ]
    return "\n".join([*head, "", *_goal_table(results, "frozen")])


def _command(results: Results) -> str:
    return "make bench BENCH_ARGS=--quick" if results.quick else "make bench"


def _intro(results: Results) -> list[str]:
    machine = results.machine
    versions: dict[str, str] = {}
    for contest in results.steps:
        for lane in contest.lanes:
            versions |= lane.versions
    load = f"load average {machine.load_before:.1f} before"
    load += "" if machine.load_after is None else f", {machine.load_after:.1f} after"
    return [
        f"Written by `make bench-page` from one run of `{_command(results)}`, which keeps every round in",
        "`build/bench/results.json`.",
        "",
        f"- {results.date}, {(results.seconds or 0) / 60:.0f} minutes, {load}; {_disturbed(results)}",
        f"- {machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 1e9:.0f} GB, {machine.system}",
        f"- {', '.join(f'{name} {version}' for name, version in sorted(versions.items()))}",
    ]


def _disturbed(results: Results) -> str:
    shares = [
        share / contest.threads for contest in results.steps for lane in contest.lanes for share in lane.cpu_share
    ]
    if not shares:
        return "no train steps were measured"
    part = sum(share < UNDISTURBED for share in shares) / len(shares)
    return f"in {part:.0%} of the turns an engine got less than {UNDISTURBED:.0%} of its threads' time"


def _goal_table(results: Results, policy: Policy) -> list[str]:
    notes = Notes()
    table = markdown(["", "threads", *DRIFTS], goal_rows(results, policy, notes))
    return [*table, *(["", *(f"{line}  " for line in notes.lines())] if notes.texts else [])]


def _defaults() -> str:
    words = {"frozen": "frozen", "batch": "batch statistics (PyTorch: train mode)"}
    policies = "; ".join(f"{drift}: {words[DEFAULTS[drift]]}" for drift in DRIFTS)
    return f"With batch statistics for input and full: {policies}."


def _agreement(results: Results) -> list[str]:
    contests: list[StepContest | TrainingContest] = [*results.steps, *results.trainings]
    different = {
        f"{NAMES[each.engine]} ({each.drift}, {each.batch_norm})"
        for contest in contests
        for each in disagreements(contest)
    }
    if different:
        return [
            f"The losses of the first two steps differ from ours by more than 1e-4: {', '.join(sorted(different))}."
        ]
    return ["For all of them the losses of the first two steps, and of the first validation, agreed within 1e-4."]


def _steps(results: Results) -> list[str]:
    rows = []
    kinds: list[tuple[Engine, BatchNorm, bool]] = [("ours", "frozen", True)]
    kinds += [(engine, policy, False) for policy in ("frozen", "batch") for engine in ENGINES]
    for threads in sorted({contest.threads for contest in results.steps}):
        for engine, policy, cached in kinds:
            found = [step_ms(results.steps, Contestant(engine, drift, policy), threads, cached) for drift in DRIFTS]
            if any(isinstance(value, Spread) for value in found):
                name = NAMES[engine] + (", from stored activations" if cached else "")
                rows.append([name, policy, str(threads), *map(_spread, found)])
    return markdown(["", "batch norms", "threads", *DRIFTS], rows)


def _trainings(results: Results) -> list[str]:
    if not results.trainings:
        return ["Not measured."]
    first: TrainingContest = results.trainings[0]
    head = (
        f"Seconds for {first.epochs} epochs of {first.images} images, each validated on {first.validation_images} more."
    )
    rows = []
    for threads in sorted({contest.threads for contest in results.trainings}):
        for policy in ("frozen", "batch"):
            for engine in ("ours", "pytorch"):
                contestants = [Contestant(engine, drift, policy) for drift in DRIFTS]
                found = [training_seconds(results.trainings, each, threads) for each in contestants]
                if any(isinstance(value, Spread) for value in found):
                    rows.append([NAMES[engine], policy, str(threads), *map(_spread, found)])
    return [head, "", *markdown(["", "batch norms", "threads", *DRIFTS], rows)]


def _memory(results: Results) -> list[str]:
    steps = [lane for contest in _fewest_threads(results.steps) for lane in contest.lanes]
    trainings = [lane for contest in _fewest_threads(results.trainings) for lane in contest.lanes]
    rows = [
        [f"{NAMES[engine]}, {what}", policy, *cells]
        for what, lanes in (("train steps", steps), ("a whole training", trainings))
        for engine in ENGINES
        for policy in ("frozen", "batch")
        if (cells := _peaks(lanes, engine, policy)) != [NOTHING] * len(DRIFTS)
    ]
    imports = [
        f"{NAMES[engine]} {median(sizes):.0f}"
        for engine in ENGINES
        if (sizes := [lane.import_bytes / MB for lane in steps if lane.contestant.engine == engine])
    ]
    head = f"Largest resident size of the process in MB. The bare imports: {', '.join(imports)}."
    return [head, "", *markdown(["", "batch norms", *DRIFTS], rows)]


def _fewest_threads(contests: list[_Contest]) -> list[_Contest]:
    fewest = min((contest.threads for contest in contests), default=0)
    return [contest for contest in contests if contest.threads == fewest]


def _peaks(lanes: Sequence[StepLane | TrainingLane], engine: Engine, policy: BatchNorm) -> list[str]:
    cells = []
    for drift in DRIFTS:
        found = [lane.peak_bytes / MB for lane in lanes if lane.contestant == Contestant(engine, drift, policy)]
        cells.append(f"{median(found):.0f}" if found else NOTHING)
    return cells


def _arm(arm: ArmResults) -> list[str]:
    columns, rows = arm_rows(arm)
    reasons = [f"{counts.drift}: {counts.reason}  " for counts in arm.drifts if counts.reason]
    return [
        f"Millions of executed {arm.cpu} instructions per train step, counted by `make bench-arm` on {arm.date}: batch",
        f"{arm.batch_size}, one thread, batch norms frozen, both engines in the same emulator. A board's time follows",
        "from them only roughly.",
        "",
        *markdown(columns, rows),
        *(["", *reasons] if reasons else []),
    ]


def _spread(value: Spread | str) -> str:
    return NOTHING if isinstance(value, str) else ratio(value)


def _plot(name: str, drawn: Collection[str]) -> list[str]:
    return [f"![{name.removesuffix('.svg')}](benchmarks/{name})", ""] if name in drawn else []
