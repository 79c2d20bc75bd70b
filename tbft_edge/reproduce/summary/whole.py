"""All that is shown of a suite's results, in the order in which it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from tbft_edge.reproduce.summary.scenario_claims import scenario_verdicts
from tbft_edge.reproduce.summary.scenarios import scenario_exhibits
from tbft_edge.reproduce.summary.system_cost import cost_verdict, system_cost_exhibits
from tbft_edge.reproduce.summary.verdict import Verdict
from tbft_edge.reproduce.trial import Trial

SYSTEM_COST = "system-cost"
BOTTA = "botta"
_TBFT = "Low-Energy Adaptive Personalization (EuroMLSys 2024), arXiv 2403.15905"
_SOURCES = {BOTTA: "BoTTA: Benchmarking on-device Test Time Adaptation (SenSys 2026), arXiv 2504.10149"}


@dataclass(frozen=True)
class Section:
    """Tables under a heading."""

    title: str
    exhibits: tuple[Exhibit, ...]


@dataclass(frozen=True)
class Summary:
    """Verdicts first; `source` is the paper, `remarks` say what to know of the figures, and `provenance` are names
    and what they are.
    """

    title: str
    source: str
    verdicts: tuple[Verdict, ...]
    sections: tuple[Section, ...]
    remarks: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]


def summarize(results: Results) -> Summary:
    """Everything, from the records alone."""
    found = grid(results)
    verdicts = _VERDICTS.get(results.suite, _verdicts)(results, found)
    sections = _SECTIONS.get(results.suite, _sections)(results, found, verdicts)
    return Summary(
        title=f"{results.suite}, preset {results.preset}",
        source=_SOURCES.get(results.suite, _TBFT),
        verdicts=verdicts,
        sections=tuple(section for section in sections if section.exhibits),
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


def _cost_verdicts(_results: Results, found: Grid) -> tuple[Verdict, ...]:
    return (cost_verdict(found, found.sizes),)


def _cost_sections(_results: Results, found: Grid, _verdicts: Sequence[Verdict]) -> list[Section]:
    return [Section("Cost", tuple(each for size in found.sizes for each in system_cost_exhibits(found, size)))]


def _scenario_verdicts(_results: Results, found: Grid) -> tuple[Verdict, ...]:
    return scenario_verdicts(found)


def _scenario_sections(_results: Results, found: Grid, verdicts: Sequence[Verdict]) -> list[Section]:
    pairs = tuple(each for verdict in verdicts for each in verdict.exhibits)
    return [Section("Scenario by scenario", tuple(scenario_exhibits(found))), Section("Against statistics", pairs)]


# Of suites whose results are no table of blocks.
_VERDICTS: Mapping[str, Callable[[Results, Grid], tuple[Verdict, ...]]] = {
    SYSTEM_COST: _cost_verdicts,
    BOTTA: _scenario_verdicts,
}
_SECTIONS: Mapping[str, Callable[[Results, Grid, Sequence[Verdict]], list[Section]]] = {
    SYSTEM_COST: _cost_sections,
    BOTTA: _scenario_sections,
}


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
    drifts = list(dict.fromkeys(case.scenario.drift if case.scenario else case.name for case in results.cases))
    return (
        ("suite", f"{results.suite}, preset {results.preset}"),
        ("data", results.data),
        ("weights", results.weights),
        ("drifts", f"{len(drifts)}: {', '.join(drifts)}"),
        (
            "test images",
            " to ".join(f"{count:,}" for count in dict.fromkeys((images[0], images[-1]))) if images else "–",
        ),
        ("machine", f"{results.machine}; {counted(results.jobs, 'job')}, {counted(results.threads, 'thread')} each"),
        ("meter", results.meter),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(results.versions.items()))),
    )
