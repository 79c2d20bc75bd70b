"""From runs that ended to the results of a comparison."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from tbft_artifacts.errors import DivergedError, TbftError
from tbft_edge.compare.options import ComparisonSettings, Options
from tbft_edge.compare.pareto import Offer, on_front
from tbft_edge.compare.results import COSTS, FORMAT, CostName, Energy, EntryResult, Figures, Front, Results
from tbft_edge.compare.runs import Evaluated, Run
from tbft_edge.origin import Origin
from tbft_runtime.reporting.caveats import caveats, energy_obstacle
from tbft_runtime.reporting.report import Report
from tbft_runtime.reporting.result import TrainResult

_FIGURES = re.compile(r"[\d.]+")
_RESUMED = "was interrupted and went on: its peak memory is that of the last part"


def summarize(
    options: Options, settings: ComparisonSettings, runs: Sequence[Run], before: Mapping[str, Evaluated | None]
) -> Results:
    """Figures per entry and the fronts; `before` is each bundle, by its id, on the test images.

    Raises TbftError if no run ended well, as DivergedError where all of them diverged.
    """
    reports = [run.report for run in runs if run.report is not None]
    if not reports:
        raise _all_failed(runs)
    by_entry: dict[str, list[Run]] = {}
    for run in runs:
        by_entry.setdefault(run.entry.name, []).append(run)
    entries = tuple(_entry(group, before[group[0].entry.bundle_id]) for group in by_entry.values())
    first = reports[0]
    return Results(
        format=FORMAT,
        data=str(Origin.of(options.data, settings.data)),
        test=None if options.test is None or settings.test is None else str(Origin.of(options.test, settings.test)),
        test_images=_test_images(first, runs, options),
        train_images=first.result.train_images,
        image_size=" and ".join(sorted({report.shape.short_words for report in reports})),
        seed=options.seed,
        repeats=options.repeats,
        epochs=options.epochs,
        val_fraction=options.val_fraction,
        threads=options.threads,
        meter=options.meter,
        board=first.result.board.identity.model or "unknown board",
        versions=first.result.runtime,
        entries=entries,
        fronts=tuple(_front(cost, entries, runs) for cost in COSTS),
        notes=tuple(_differences(runs)),
        input_kind=first.noun,
    )


def _test_images(first: Report, runs: Sequence[Run], options: Options) -> int:
    if options.test is None:
        return first.result.validation_images
    return next(run.outcome.evaluated.images for run in runs if run.outcome.evaluated is not None)


def _all_failed(runs: Sequence[Run]) -> TbftError:
    kind = DivergedError if all(run.outcome.diverged for run in runs) else TbftError
    reasons = dict.fromkeys(f"{run.entry.name}: {run.outcome.failed}" for run in runs)
    return kind(f"no run ended well: {'; '.join(reasons)}", "train one of them alone to see what is wrong")


def _entry(runs: Sequence[Run], before: Evaluated | None) -> EntryResult:
    entry = runs[0].entry
    ended = [(run, run.report) for run in runs if run.report is not None]
    plan = entry.plan(ended[0][1].result.plan) if ended else entry.way.plans[0]
    notes = [note for _, report in ended for note in caveats(report)]
    notes += [_RESUMED for run, _ in ended if run.outcome.resumed]
    # Of repeats that differ only in a note's figures the first stands for all.
    kinds = {_FIGURES.sub("", note): note for note in reversed(notes)}
    energy, meter = _energy([report for _, report in ended])
    return EntryResult(
        name=entry.name,
        method=plan.method,
        drift=plan.drift,
        bundle=entry.bundle.name,
        bundle_id=entry.bundle_id,
        model=entry.model,
        plan=plan.id,
        blocks=plan.blocks,
        energy=energy,
        meter=meter,
        runs=tuple(_figures(run, report, before) for run, report in ended),
        failed=tuple(dict.fromkeys(run.outcome.failed for run in runs if run.outcome.failed)),
        notes=tuple(reversed(kinds.values())),
    )


def _figures(run: Run, report: Report, before: Evaluated | None) -> Figures:
    result, evaluated = report.result, run.outcome.evaluated
    assert evaluated is not None  # A run that ended well was evaluated.
    plan = run.entry.plan(result.plan)
    seconds = result.train_seconds if result.epochs else _seconds_of_one_pass(result)
    if result.selection is not None:
        plan = plan.with_channels(result.selection.channels)
        # Choosing is part of what this way of training takes.
        seconds += result.selection.seconds
    # Inference leaves early where a network has exits; so its accuracy has to be that of these answers, too.
    validated = result.accuracy_after if result.exits is None else result.exits.early.accuracy
    return Figures(
        seed=run.seed,
        plan=plan.id,
        trained_parameters=plan.flat.shape[0],
        parameter_bytes=plan.cost.parameter_bytes,
        step_flops=plan.cost.step_flops,
        activation_bytes=plan.cost.activation_bytes,
        accuracy_before=result.accuracy_before if before is None else before.accuracy,
        accuracy_after=validated if before is None else evaluated.accuracy,
        epochs=result.epochs,
        seconds=seconds,
        joules=result.energy.joules,
        covered=result.energy.covered,
        peak_memory_bytes=result.peak_memory_bytes,
        idle_memory_bytes=result.memory.process,
        inference_ms=1000 / evaluated.images_per_second,
    )


def _seconds_of_one_pass(result: TrainResult) -> float:
    """Of a head in closed form: each phase is one lap."""
    laps = [result.latency[phase] for phase in ("prefix", "train") if phase in result.latency]
    return sum(lap.p50_ms * lap.count for lap in laps) / 1000


def _energy(reports: Sequence[Report]) -> tuple[Energy, str | None]:
    """Whether joules of all these runs were measured, and the meter."""
    source = reports[0].result.energy.source if reports else None
    if source is None or any(report.result.energy.joules is None for report in reports):
        return "unavailable", None
    return ("estimate" if source.type == "estimate" else "measured"), source.meter


def _front(cost: CostName, entries: Sequence[EntryResult], runs: Sequence[Run]) -> Front:
    obstacle = _energy_obstacle(runs) if cost == "joules" else None
    if obstacle is not None:
        return Front(cost=cost, entries=(), unavailable=obstacle)
    known = [entry for entry in entries if entry.runs]
    offers = []
    for entry in known:
        accuracy, price = entry.spread("accuracy_after"), entry.spread(cost)
        if accuracy is None or price is None:
            return Front(cost=cost, entries=(), unavailable=f"the accuracy of '{entry.name}' is not known")
        offers.append(Offer(accuracy.median, price.median))
    names = [entry.name for entry, best in zip(known, on_front(offers), strict=True) if best]
    return Front(cost=cost, entries=tuple(names))


def _energy_obstacle(runs: Sequence[Run]) -> str | None:
    """Why the joules of these runs are not held against each other; None if they may be."""
    (first, baseline), *others = [(run.entry.name, run.report.result.energy) for run in runs if run.report is not None]
    for name, energy in ((first, baseline), *others):
        if energy.joules is None:
            return f"energy of '{name}' is unavailable: {energy.unavailable or 'the meter gave none'}"
        obstacle = energy_obstacle(energy, baseline)
        if obstacle is not None:
            return f"'{name}' is not comparable with '{first}', the baseline here: {obstacle}"
    return None


def _differences(runs: Sequence[Run]) -> Iterable[str]:
    """In what entries differ beside what they train."""
    reports = [(run.entry.name, run.report) for run in runs if run.report is not None]
    noun = reports[0][1].noun
    for what, values in (
        ("model", [report.model for _, report in reports]),
        (f"size of {noun}s", [report.shape.short_words for _, report in reports]),
        (f"{noun}s", [report.data for _, report in reports]),
        (f"{noun}s to train on", [f"{report.result.train_images:,}" for _, report in reports]),
        ("batch size", [str(report.result.batch_size) for _, report in reports]),
    ):
        places: dict[str, list[str]] = {}
        for (name, _), value in zip(reports, values, strict=True):
            places.setdefault(value, []).append(name)
        if len(places) > 1:
            words = "; ".join(f"{value}: {', '.join(dict.fromkeys(names))}" for value, names in places.items())
            yield f"{what} differs: {words}"
