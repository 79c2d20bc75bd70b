"""Accuracy scenario by scenario: a row per method, a column per setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

import msgspec

from tbft_edge.reproduce.results import CaseSummary
from tbft_edge.reproduce.summary.grid import NONE, SHOT, STATISTICS, T3A, TENT, UNLABELLED, Grid, Row
from tbft_edge.reproduce.summary.names import ROW_NAMES, Exhibit, hundredths, number_table
from tbft_edge.reproduce.summary.spread import spread
from tbft_edge.reproduce.trial import Outcome

METHODS = (NONE, STATISTICS, TENT, SHOT, T3A, UNLABELLED)
SCENARIO_NAMES: Mapping[str, str] = {
    "samples": "few samples",
    "categories": "few categories",
    "domains": "several drifts in a pool",
    "overlap": "two drifts in an image",
    "order": "order of classes",
}
_COLUMNS: Mapping[str, str] = {
    "samples": "images in the pool",
    "categories": "classes in the pool",
    "domains": "drifts in the pool",
    "overlap": "drifts in each image",
    "order": "order of the pool",
}
_Figure = Callable[[Outcome], float]


@dataclass(frozen=True)
class Standing:
    """A case, and what each method that was run gave on it: the mean over repeats."""

    case: CaseSummary
    outcomes: Mapping[Row, tuple[Outcome, ...]]

    def accuracy(self, row: Row, figure: _Figure = lambda outcome: outcome.accuracy) -> float | None:
        """None where it was not run."""
        found = self.outcomes.get(row)
        return fmean(map(figure, found)) if found else None


def standings(grid: Grid) -> list[Standing]:
    """Every case of a scenario, in the order of the suite."""
    outcomes: dict[str, dict[Row, list[Outcome]]] = {case.name: {} for case in grid.cases}
    for trial, outcome in grid.outcomes.items():
        outcomes[trial.case].setdefault(Row(trial.engine, trial.recipe), []).append(outcome)
    return [
        Standing(case, {row: tuple(found) for row, found in outcomes[case.name].items()})
        for case in grid.cases
        if case.scenario is not None
    ]


def by_scenario(found: list[Standing]) -> dict[str, dict[str, list[Standing]]]:
    """Scenario -> setting -> its cases; settings that are numbers in the order of their size."""
    sorted_out: dict[str, dict[str, list[Standing]]] = {}
    for standing in found:
        assert standing.case.scenario is not None
        settings = sorted_out.setdefault(standing.case.scenario.name, {})
        settings.setdefault(standing.case.scenario.setting, []).append(standing)
    return {
        scenario: {name: settings[name] for name in _in_order(list(settings))}
        for scenario, settings in sorted_out.items()
    }


def _in_order(settings: list[str]) -> list[str]:
    return sorted(settings, key=int) if all(name.isdecimal() for name in settings) else settings


def scenario_exhibits(grid: Grid) -> Iterator[Exhibit]:
    """One per scenario; where a pool lacks classes, one more of the classes that it has."""
    for scenario, settings in by_scenario(standings(grid)).items():
        title = f"{SCENARIO_NAMES.get(scenario, scenario).capitalize()}: accuracy in per cent"
        yield _exhibit(title, scenario, settings, lambda outcome: outcome.accuracy)
        told = [outcome for cases in settings.values() for case in cases for outcome in _all(case)]
        if any(outcome.seen_accuracy is not msgspec.UNSET for outcome in told):
            yield _exhibit(f"{title}, of the classes that the pool has", scenario, settings, _seen)


def _exhibit(title: str, scenario: str, settings: Mapping[str, list[Standing]], figure: _Figure) -> Exhibit:
    ran = [row for row in METHODS if any(row in case.outcomes for cases in settings.values() for case in cases)]
    rows = [
        [ROW_NAMES[row], *(_cell([case.accuracy(row, figure) for case in cases]) for cases in settings.values())]
        for row in ran
    ]
    heading = _COLUMNS.get(scenario, "")
    table = number_table(title, [heading, *settings], rows)
    counts = "; ".join(f"{setting}: {len(cases)}" for setting, cases in settings.items())
    return Exhibit(table, f"Mean ± standard deviation over drifts and draws, of which there are so many: {counts}.")


def _cell(values: list[float | None]) -> str:
    return hundredths(spread(value for value in values if value is not None))


def _seen(outcome: Outcome) -> float:
    """All classes are seen where nothing else is said."""
    return outcome.accuracy if outcome.seen_accuracy is msgspec.UNSET else outcome.seen_accuracy


def _all(standing: Standing) -> Iterator[Outcome]:
    return (outcome for found in standing.outcomes.values() for outcome in found)
