"""Results of scenarios that never were, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from support.made_up_trials import outcome, record, results
from tbft_edge.reproduce.preset import WITHOUT_LABELS
from tbft_edge.reproduce.results import CaseSummary, Results
from tbft_edge.reproduce.scenario import Scenario
from tbft_edge.reproduce.trial import Recipe

# Ours gains on everything.
ACCURACIES: Mapping[Recipe, float] = {
    "none": 0.3,
    "statistics": 0.5,
    "tent": 0.52,
    "shot": 0.6,
    "t3a": 0.4,
    "unlabelled": 0.62,
}


@dataclass(frozen=True)
class MadeUp:
    """A case, what each method gave on it, of all classes and where it says so of those seen, and epochs of ours."""

    name: str
    setting: str
    drift: str = "fog"
    draw: int = 0
    reference: bool = False
    accuracies: Mapping[Recipe, float] = field(default_factory=lambda: ACCURACIES)
    seen: float | None = None
    epochs: int = 5

    @property
    def case(self) -> str:
        return f"{self.name} {self.setting}, {self.drift}, draw {self.draw}"


def changed(**accuracies: float) -> Mapping[Recipe, float]:
    """Those of `ACCURACIES` with others for some methods."""
    return {recipe: accuracies.get(recipe, value) for recipe, value in ACCURACIES.items()}


def scenario_results(cases: Iterable[MadeUp]) -> Results:
    """Of each case every method that it has an accuracy of."""
    known = list(cases)
    records = []
    for each in known:
        for engine, recipe, block in WITHOUT_LABELS:
            if recipe in each.accuracies:
                seen = msgspec.UNSET if each.seen is None else each.seen
                epochs = each.epochs if recipe == "unlabelled" else 0
                found = outcome(each.accuracies[recipe], seen_accuracy=seen, epochs=epochs)
                records.append(record(each.case, recipe, block, found, engine=engine, size=100))
    summaries = tuple(
        CaseSummary(each.case, "block1", 2000, Scenario(each.name, each.setting, each.drift, each.draw, each.reference))
        for each in known
    )
    return results(records, suite="botta", cases=summaries, jobs=1)


def every_scenario() -> Results:
    """One drift and draw of each setting, and the ordinary pool where others are held against it."""
    return scenario_results(
        [
            *(MadeUp("samples", images) for images in ("16", "64", "512")),
            *(MadeUp("categories", count, seen=0.8) for count in ("2", "8")),
            MadeUp("categories", "10", reference=True),
            MadeUp("domains", "1", reference=True),
            MadeUp("domains", "3", drift="fog+contrast+gaussian_noise"),
            MadeUp("overlap", "2", drift="fog+contrast"),
            MadeUp("order", "random", reference=True),
            MadeUp("order", "by class"),
        ]
    )
