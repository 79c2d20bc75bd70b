"""Plots of a comparison: accuracy over what it costs, with the entries that no other one beats joined by a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tbft_edge import figures
from tbft_edge.compare.results import COSTS, CostName, EntryResult, Results, Spread
from tbft_edge.figures import percent, size
from tbft_edge.pages.charts.axis import Axis, around, from_zero, magnitudes
from tbft_edge.pages.charts.scatter import Scatter, Spot, scatter
from tbft_edge.pages.charts.svg import Picture

# The least that axes reach: a range of accuracies, and a part of the largest cost.
_POINTS, _PART = 0.05, 0.25


@dataclass(frozen=True)
class Tradeoff:
    """A plot, or why there is none."""

    title: str
    picture: Picture | None
    missing: str


@dataclass(frozen=True)
class _Cost:
    title: str
    label: str
    unit: float
    words: Callable[[float], str]


_KINDS: Mapping[CostName, _Cost] = {
    "seconds": _Cost("Accuracy and time", "time in epochs, seconds", 1, figures.seconds),
    "joules": _Cost("Accuracy and energy", "energy in epochs, joules", 1, figures.joules),
    "peak_memory_bytes": _Cost("Accuracy and memory", "peak memory of the process, MB", 1e6, size),
}


def tradeoffs(results: Results) -> list[Tradeoff]:
    """One per cost."""
    return [_tradeoff(results, cost) for cost in COSTS]


def _tradeoff(results: Results, cost: CostName) -> Tradeoff:
    kind, front = _KINDS[cost], results.front(cost)
    if front.unavailable is not None:
        return Tradeoff(kind.title, None, front.unavailable)
    spots = [spot for entry in results.entries if (spot := _spot(entry, kind, cost, entry.name in front.entries))]
    said = "; ".join(f"{spot.tip}{', which no other one beats' if spot.best else ''}" for spot in spots)
    picture = scatter(
        Scatter(
            description=f"{kind.title}. {said}",
            x=_cost_axis([value for spot in spots for value in spot.x_range]),
            y=_accuracy_axis([value for spot in spots for value in spot.y_range]),
            x_label=kind.label,
            y_label="accuracy after training",
            spots=tuple(spots),
            y_text=lambda fraction: f"{100 * fraction:.3g} %",
        )
    )
    return Tradeoff(kind.title, picture, "")


def _spot(entry: EntryResult, kind: _Cost, cost: CostName, best: bool) -> Spot | None:
    accuracy, price = entry.spread("accuracy_after"), entry.spread(cost)
    if accuracy is None or price is None:
        return None
    return Spot(
        name=entry.name,
        x=price.median / kind.unit,
        y=accuracy.median,
        x_range=(price.low / kind.unit, price.high / kind.unit),
        y_range=(accuracy.low, accuracy.high),
        best=best,
        tip=f"{entry.name}: {_words(accuracy, percent)}, {_words(price, kind.words)}",
    )


def _words(spread: Spread, words: Callable[[float], str]) -> str:
    return words(spread.median)


def _cost_axis(values: Sequence[float]) -> Axis:
    """Logarithmic where small values would vanish, else around the values: nothing here is a length."""
    axis = magnitudes(values)
    return axis if axis.logarithmic or not max(values) else around(values, _PART * max(values))


def _accuracy_axis(values: Sequence[float]) -> Axis:
    highest = max(values)
    if highest < 2 * _POINTS:
        return from_zero([*values, _POINTS])
    # Downwards from the highest, so that no tick is beyond 100 %.
    return around([*values, highest - _POINTS], _POINTS)
