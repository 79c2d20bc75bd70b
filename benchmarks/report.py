"""The page and the README's section as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from statistics import median

from benchmarks import names
from benchmarks.agenda import BATCH_SIZE, IMAGE_SIZE, LARGE_BATCH_SIZE, LARGE_IMAGE_SIZE, TRAINERS
from benchmarks.figures import DEFAULTS, SAME_DECREASE, SAME_LOSS, Contest, disagreements, step_ms, training_seconds
from benchmarks.goals import DRIFTS
from benchmarks.plots import measured
from benchmarks.protocol import Drift, Engine, Network
from benchmarks.ratios import Spread
from benchmarks.results import Contestant, Results, StepLane, TrainingContest, TrainingLane
from benchmarks.tables import COLUMNS, NOTHING, Notes, frozen_rows, goal_rows, markdown, ratio

MB = 1e6
# An engine that got less than this share of its threads was disturbed by something else.
UNDISTURBED = 0.9
_WORDS = {"frozen": "frozen", "batch": "batch statistics", "block": "batch statistics in and behind the block"}
_POLICIES = ";\n  ".join(f"{drift}: {_WORDS[DEFAULTS[drift]]}" for drift in DRIFTS)

METHOD = f"""\
Every engine runs in a process of its own and they take turns, one computing while the others wait, in an order drawn
anew each round. A ratio is made within a round; the table gives the median over the rounds and, in brackets, the
interval that holds it with 95 % confidence (with fewer than six rounds, the smallest and the largest). Where several
engines are asked for, the ratio is that of the one that did best, which is named. All train the same network with
made-up weights (He-initialised, seeded; running statistics of a batch) on the same random images with SGD. Threads,
batch and image size are the same for all: ResNet-26 with {BATCH_SIZE} images of {IMAGE_SIZE} px,
the others with {LARGE_BATCH_SIZE} of {LARGE_IMAGE_SIZE} px and 1,000 classes.

- **Policies** are those of an export that asks for nothing else:
  {_POLICIES}.
  Our norms then use the statistics of parts of a batch, as the export chooses them; the same norms of all others are in
  train mode, and use those of the whole batch.
- **PyTorch** is eager, and only the trained block's parameters require gradients. *channels_last* is the same with
  network and images in that memory format.
- **torch.compile** compiles the forward and the backward pass for the batch; that takes a C++ compiler.
- **JAX** runs the whole step as one jitted function, the update included. It takes as many threads as it sees cores,
  so it sees as many as the others have threads.
- **MNN** trains the same layers by its expressions; running averages are not moved.
- **ORT Training** runs the official artifacts in its own API. Its SGD has no momentum, so it does a little less.
  Importing it needs torch, which is part of its memory.
- **ExecuTorch** runs its training module with its portable kernels; compiling is left out of time and memory.
- **A train step** begins at the images, and passes through the frozen part each time. *From stored activations* it
  begins behind the frozen part; nothing can be stored for an input drift, or where its norms use the batch's
  statistics. A turn takes one untimed step first.
- **A whole training** is counted from the moment the images are decoded: evaluation of the base model, every epoch
  with its validation, and for this project also loading the graphs and saving the state after each epoch, which
  PyTorch's loop does not do. The contestants take turns epoch by epoch.
- **Memory** is the largest resident size of a process that did nothing else, shared libraries included: of whole
  trainings for ResNet-26, of train steps for the others."""


ON_ARM = "Executed instructions are [counted in an emulator](../speed.md#on-arm-without-a-board)."
READY = """\
Seconds until an engine had loaded the network and taken its first two steps, with the fewest threads. torch.compile and
JAX compile meanwhile, each for every size of a batch."""


def page(results: Results, drawn: Collection[str]) -> str:
    """docs/results/benchmarks.md; `drawn` are the plots that there are."""
    notes = Notes()
    lines = ["# Benchmarks", "", *_intro(results), "", "## Goals", "", *_goal_table(results, notes), ""]
    if frozen := frozen_rows(results, notes):
        lines += ["## Batch norms frozen for everyone", "", *markdown(COLUMNS, frozen), ""]
    lines += [*(f"{line}  " for line in notes.lines()), *([""] if notes.texts else [])]
    lines += ["## What is counted", "", METHOD, "", _agreement(results), ""]
    lines += ["## A train step in milliseconds", "", *_steps(results), ""]
    for network in measured(results):
        lines += _plot(f"steps-{network}.svg", drawn)
    lines += [READY, "", *_ready(results), ""]
    lines += ["## A whole training", "", *_trainings(results), "", "## Memory", "", *_memory(results), ""]
    if absences := _absences(results):
        lines += ["## Who could not", "", *absences, ""]
    lines += ["## On ARM", "", ON_ARM, ""]
    return "\n".join(lines).rstrip() + "\n"


def readme_section(results: Results) -> str:
    """What stands in the README: the table of goals, date, machine and command."""
    machine = results.machine
    notes = Notes()
    head = [
        f"Measured side by side in one run of `{_command(results)}` ({results.date}; {machine.cpu}, {machine.cores}",
        f"cores; ResNet-26 with {BATCH_SIZE} images of {IMAGE_SIZE} px, the others with {LARGE_BATCH_SIZE} of",
        f"{LARGE_IMAGE_SIZE} px; the policy that each drift has by default; medians of the ratios, in brackets their",
        "95 % intervals or all rounds). [Every figure, plots, and what is counted](docs/results/benchmarks.md).",
    ]
    table = _goal_table(results, notes)
    return "\n".join([*head, "", *table, *(["", *(f"{line}  " for line in notes.lines())] if notes.texts else [])])


def _command(results: Results) -> str:
    options = [option for option, given in (("--quick", results.quick), ("--peers", results.peers)) if given]
    return f"make bench BENCH_ARGS='{' '.join(options)}'" if options else "make bench"


def _intro(results: Results) -> list[str]:
    machine = results.machine
    versions: dict[str, str] = {}
    for contest in results.steps:
        # Of a package that several have, the first one's: ours, and PyTorch's own.
        for lane in reversed(contest.lanes):
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


def _goal_table(results: Results, notes: Notes) -> list[str]:
    return markdown(COLUMNS, goal_rows(results, notes))


def _agreement(results: Results) -> str:
    contests: list[Contest] = [*results.steps, *results.trainings]
    different = {
        f"{names.ENGINES[each.engine]} ({names.NETWORKS[each.network]}, {each.drift}, {each.batch_norm})"
        for contest in contests
        for each in disagreements(contest)
    }
    how = [
        "Everyone's losses of the first two steps, and of the first validation, are compared with ours, within",
        f"{SAME_LOSS:.2%} of them, and what the first step takes from the loss within {SAME_DECREASE:.0%}. Where our",
        "norms use the statistics of parts, these two steps are on as many images as make one part: more would differ.",
        f"They differ for: {', '.join(sorted(different))}." if different else "All agreed.",
    ]
    return "\n".join(how)


def _engines(results: Results) -> list[Engine]:
    found = {lane.contestant.engine for contest in results.steps for lane in contest.lanes}
    return [engine for engine in names.ENGINES if engine in found]


def _ready(results: Results) -> list[str]:
    fewest = min(contest.threads for contest in results.steps)
    lanes = [lane for contest in results.steps if contest.threads == fewest for lane in contest.lanes]
    rows = []
    for network in measured(results):
        for engine in _engines(results):
            contestants = [_default(engine, drift, network) for drift in DRIFTS]
            found = [[lane.load_seconds for lane in lanes if lane.contestant == each] for each in contestants]
            if any(found):
                cells = [f"{seconds[0]:.1f}" if seconds else NOTHING for seconds in found]
                rows.append([names.ENGINES[engine], names.NETWORKS[network], *cells])
    return markdown(["", "network", *DRIFTS], rows)


def _default(engine: Engine, drift: Drift, network: Network = "resnet26") -> Contestant:
    return Contestant(engine, drift, DEFAULTS[drift], network)


def _steps(results: Results) -> list[str]:
    rows = []
    kinds: list[tuple[Engine, bool]] = [("ours", True), *((engine, False) for engine in _engines(results))]
    for network in measured(results):
        for threads in sorted({contest.threads for contest in results.steps}):
            for engine, cached in kinds:
                found = [step_ms(results.steps, _default(engine, d, network), threads, cached) for d in DRIFTS]
                if any(isinstance(value, Spread) for value in found):
                    name = names.ENGINES[engine] + (", from stored activations" if cached else "")
                    rows.append([name, names.NETWORKS[network], str(threads), *map(_spread, found)])
    return markdown(["", "network", "threads", *DRIFTS], rows)


def _trainings(results: Results) -> list[str]:
    if not results.trainings:
        return ["Not measured."]
    first: TrainingContest = results.trainings[0]
    head = (
        f"Seconds for {first.epochs} epochs of {first.images:,} images with ResNet-26, each validated on "
        f"{first.validation_images} more."
    )
    rows = []
    for threads in sorted({contest.threads for contest in results.trainings}):
        for engine in TRAINERS:
            found = [training_seconds(results.trainings, _default(engine, drift), threads) for drift in DRIFTS]
            if any(isinstance(value, Spread) for value in found):
                rows.append([names.ENGINES[engine], str(threads), *map(_spread, found)])
    return [head, "", *markdown(["", "threads", *DRIFTS], rows)]


def _memory(results: Results) -> list[str]:
    steps = [lane for contest in results.steps for lane in contest.lanes]
    imports = [
        f"{names.ENGINES[engine]} {median(sizes):.0f}"
        for engine in _engines(results)
        if (sizes := [lane.import_bytes / MB for lane in steps if lane.contestant.engine == engine])
    ]
    head = f"Largest resident size of the process in MB. The bare imports: {', '.join(imports)}."
    kinds: dict[str, list[Contest]] = {"train steps": [*results.steps], "a whole training": [*results.trainings]}
    rows = [
        [f"{names.ENGINES[engine]}, {what}", names.NETWORKS[network], str(threads), *cells]
        for what, contests in kinds.items()
        for network in measured(results)
        for threads in sorted({contest.threads for contest in contests})
        for engine in _engines(results)
        if (cells := _peaks(contests, threads, engine, network)) != [NOTHING] * len(DRIFTS)
    ]
    return [head, "", *markdown(["", "network", "threads", *DRIFTS], rows)]


def _peaks(contests: Sequence[Contest], threads: int, engine: Engine, network: Network) -> list[str]:
    lanes: list[StepLane | TrainingLane] = [
        lane for contest in contests if contest.threads == threads for lane in contest.lanes
    ]
    cells = []
    for drift in DRIFTS:
        found = [lane.peak_bytes / MB for lane in lanes if lane.contestant == _default(engine, drift, network)]
        cells.append(f"{median(found):.0f}" if found else NOTHING)
    return cells


def _absences(results: Results) -> list[str]:
    """A line per reason, with all cases that it is the reason of."""
    cases: dict[tuple[Engine, str], dict[str, None]] = {}
    contests: list[Contest] = [*results.steps, *results.trainings]
    for contest in contests:
        for absence in contest.absent:
            who = absence.contestant
            found = cases.setdefault((who.engine, absence.reason), {})
            found[f"{names.NETWORKS[who.network]} {who.drift}"] = None
    return [f"- {names.ENGINES[engine]} ({', '.join(which)}): {reason}" for (engine, reason), which in cases.items()]


def _spread(value: Spread | str) -> str:
    return NOTHING if isinstance(value, str) else ratio(value)


def _plot(name: str, drawn: Collection[str]) -> list[str]:
    return [f"![{name.removesuffix('.svg')}](benchmarks/{name})", ""] if name in drawn else []
