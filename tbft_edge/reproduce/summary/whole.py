"""All that is shown of a suite's results, in the order in which it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tbft_edge.reproduce.results import Results
from tbft_edge.reproduce.summary.accuracy import accuracy_exhibit
from tbft_edge.reproduce.summary.costs import cost_exhibits, has_joules
from tbft_edge.reproduce.summary.defaults import column_verdict, pair_verdict
from tbft_edge.reproduce.summary.drifts import drift_exhibit
from tbft_edge.reproduce.summary.engines import engines_verdict
from tbft_edge.reproduce.summary.grid import Grid, Row, grid
from tbft_edge.reproduce.summary.matrix import matrix_exhibits
from tbft_edge.reproduce.summary.names import BLOCK_NAMES, ROW_NAMES, Exhibit, counted
from tbft_edge.reproduce.summary.ranking import ranking_verdict
from tbft_edge.reproduce.summary.system_cost import cost_verdict, system_cost_exhibits
from tbft_edge.reproduce.summary.verdict import Verdict
from tbft_edge.reproduce.trial import Trial

SYSTEM_COST = "system-cost"


@dataclass(frozen=True)
class Section:
    """Tables under a heading."""

    title: str
    exhibits: tuple[Exhibit, ...]


@dataclass(frozen=True)
class Summary:
    """Verdicts first; `remarks` say what to know of the figures, `provenance` are names and what they are."""

    title: str
    verdicts: tuple[Verdict, ...]
    sections: tuple[Section, ...]
    remarks: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]


def summarize(results: Results) -> Summary:
    """Everything, from the records alone."""
    found = grid(results)
    cost_only = results.suite == SYSTEM_COST
    verdicts = (cost_verdict(found, found.sizes),) if cost_only else _verdicts(results, found)
    return Summary(
        title=f"{results.suite}, preset {results.preset}",
        verdicts=verdicts,
        sections=tuple(section for section in _sections(results, found, verdicts) if section.exhibits),
        remarks=tuple(_remarks(results, found)),
        provenance=_provenance(results),
    )


def _verdicts(results: Results, found: Grid) -> tuple[Verdict, ...]:
    return (
        ranking_verdict(results.suite, found),
        engines_verdict(results, found),
        column_verdict(found),
        pair_verdict(found),
    )


def _sections(results: Results, found: Grid, verdicts: Sequence[Verdict]) -> list[Section]:
    if results.suite == SYSTEM_COST:
        return [Section("Cost", tuple(each for size in found.sizes for each in system_cost_exhibits(found, size)))]
    accuracies: list[Exhibit] = []
    by_drift: list[Exhibit] = []
    costs: list[Exhibit] = []
    for size in found.sizes:
        if results.suite == "motivation":
            accuracies += matrix_exhibits(found, size)
        elif len(found.cases) > 1:
            by_drift.append(drift_exhibit(found, size))
        accuracies.append(accuracy_exhibit(results.suite, found, size))
        costs += cost_exhibits(found, size)
    pairs = [each for verdict in verdicts for each in verdict.exhibits]
    return [
        Section("Accuracy", tuple(accuracies)),
        Section("Drift by drift", tuple(by_drift)),
        Section("Pair by pair", tuple(pairs)),
        Section("Cost", tuple(costs)),
    ]


def _remarks(results: Results, found: Grid) -> list[str]:
    remarks = []
    if not has_joules(found):
        remarks.append(f"Energy: unavailable (meter: {results.meter}).")
    diverged = [_name(trial) for trial, outcome in found.outcomes.items() if outcome.diverged]
    if diverged:
        remarks.append(
            f"{counted(len(diverged), 'trial')} diverged, and the best weights before that count: "
            f"{'; '.join(diverged)}."
        )
    if results.jobs > 1:
        remarks.append(f"{results.jobs} trials ran at a time, so seconds are those of a busy machine.")
    return remarks


def _name(trial: Trial) -> str:
    block = f", {BLOCK_NAMES[trial.block]}" if trial.block else ""
    repeat = f", repeat {trial.repeat}" if trial.repeat else ""
    return f"{trial.case}{block}, {ROW_NAMES[Row(trial.engine, trial.recipe)]}, {trial.size} %{repeat}"


def _provenance(results: Results) -> tuple[tuple[str, str], ...]:
    images = sorted({case.test_images for case in results.cases})
    return (
        ("suite", f"{results.suite}, preset {results.preset}"),
        ("data", results.data),
        ("weights", results.weights),
        ("drifts", f"{len(results.cases)}: {', '.join(case.name for case in results.cases)}"),
        (
            "test images",
            " to ".join(f"{count:,}" for count in dict.fromkeys((images[0], images[-1]))) if images else "–",
        ),
        ("machine", f"{results.machine}; {counted(results.jobs, 'job')}, {counted(results.threads, 'thread')} each"),
        ("meter", results.meter),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(results.versions.items()))),
    )
