"""What is claimed of learning without labels, scenario by scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from tbft_edge.figures import DASH, percent
from tbft_edge.reproduce.summary.grid import NONE, SHOT, STATISTICS, T3A, TENT, UNLABELLED, Grid, Row
from tbft_edge.reproduce.summary.names import ROW_NAMES, Exhibit, counted, number_table, points
from tbft_edge.reproduce.summary.scenarios import SCENARIO_NAMES, Standing, by_scenario, standings
from tbft_edge.reproduce.summary.verdict import ROUNDING, Verdict

LIMIT = 0.01
STATISTICS_CLAIM = "Without labels the device is never more than 1 point below statistics alone"
BEFORE_CLAIM = "Without labels the device is never more than 1 point below the network as it came"
BASELINE_CLAIM = (
    "Without labels the device is on average at least as accurate as the best of Tent, SHOT and T3A, in every scenario"
)
ORDER_CLAIM = "A pool in the order of its classes costs the device at most 1 point"
_NOT_RUN = ("Nothing that decides it was run.",)
_BASELINES = (TENT, SHOT, T3A)
# So many cases are named; the others are counted.
_NAMED = 10


@dataclass(frozen=True)
class _Gap:
    """What learning without labels gains on one case (a fraction), and the words for where that is."""

    name: str
    gain: float


def scenario_verdicts(grid: Grid) -> tuple[Verdict, ...]:
    """Cases that stand in a scenario to compare with count once, where they belong."""
    found = standings(grid)
    counting = [each for each in found if each.case.scenario is not None and not each.case.scenario.reference]
    return (
        _never_below(STATISTICS_CLAIM, STATISTICS, counting, tuple(_gain_exhibits(counting))),
        _never_below(BEFORE_CLAIM, NONE, counting, ()),
        _best_baseline(counting),
        _order(found),
    )


def _never_below(claim: str, reference: Row, found: Sequence[Standing], exhibits: tuple[Exhibit, ...]) -> Verdict:
    gaps = list(_gaps(found, reference))
    if not gaps:
        return Verdict(claim, None, _NOT_RUN)
    below = sorted((gap for gap in gaps if gap.gain < -LIMIT - ROUNDING), key=lambda gap: gap.gain)
    mean = points(fmean(gap.gain for gap in gaps))
    lines = [f"{len(gaps) - len(below)} of {counted(len(gaps), 'case')}; on average {mean} points."]
    if below:
        named = "; ".join(f"{gap.name}, {points(gap.gain)}" for gap in below[:_NAMED])
        more = f"; and {len(below) - _NAMED} more" if len(below) > _NAMED else ""
        lines.append(f"Farther below: {named}{more}.")
    return Verdict(claim, not below, tuple(lines), exhibits)


def _gaps(found: Sequence[Standing], reference: Row) -> Iterator[_Gap]:
    for standing in found:
        ours, theirs = standing.accuracy(UNLABELLED), standing.accuracy(reference)
        if ours is not None and theirs is not None:
            yield _Gap(standing.case.name, ours - theirs)


def _best_baseline(found: list[Standing]) -> Verdict:
    """Each scenario on its own: a mean over it, and the baseline whose mean over the same cases is the highest."""
    lines, holds = [], []
    for scenario, settings in by_scenario(found).items():
        cases = [case for each in settings.values() for case in each]
        known = [case for case in cases if all(row in case.outcomes for row in (*_BASELINES, UNLABELLED))]
        if not known:
            continue
        ours = _mean(known, UNLABELLED)
        best = max(_BASELINES, key=lambda row: _mean(known, row))
        gain = ours - _mean(known, best)
        holds.append(gain >= -ROUNDING)
        lines.append(
            f"{SCENARIO_NAMES.get(scenario, scenario).capitalize()}, {counted(len(known), 'case')}: {percent(ours)}, "
            f"{ROW_NAMES[best]} {percent(_mean(known, best))}, {points(gain)} points"
            f"{'' if holds[-1] else ': falls short'}."
        )
    return Verdict(BASELINE_CLAIM, all(holds) if holds else None, tuple(lines) or _NOT_RUN)


def _mean(cases: Sequence[Standing], row: Row) -> float:
    return fmean(value for case in cases if (value := case.accuracy(row)) is not None)


def _order(found: list[Standing]) -> Verdict:
    """Against the same images in a random order."""
    settings = by_scenario(found).get("order", {})
    costs = {row: list(_costs(settings, row)) for row in (UNLABELLED, STATISTICS, *_BASELINES)}
    if not costs[UNLABELLED]:
        return Verdict(ORDER_CLAIM, None, _NOT_RUN)
    worst = min(costs[UNLABELLED])
    words = ", ".join(f"{ROW_NAMES[row]} {points(fmean(each))}" for row, each in costs.items() if each)
    lines = (f"{counted(len(costs[UNLABELLED]), 'pool')}, by class less at random, in points: {words}.",)
    return Verdict(ORDER_CLAIM, worst >= -LIMIT - ROUNDING, (*lines, f"The device's worst: {points(worst)} points."))


def _costs(settings: dict[str, list[Standing]], row: Row) -> Iterator[float]:
    random = {_place(each): each.accuracy(row) for each in settings.get("random", [])}
    for each in settings.get("by class", []):
        first, second = random.get(_place(each)), each.accuracy(row)
        if first is not None and second is not None:
            yield second - first


def _place(standing: Standing) -> tuple[str, int]:
    assert standing.case.scenario is not None
    return standing.case.scenario.drift, standing.case.scenario.draw


def _gain_exhibits(found: list[Standing]) -> Iterator[Exhibit]:
    """Setting by setting: what statistics alone and learning give, and where that is worst."""
    rows = []
    for scenario, settings in by_scenario(found).items():
        for setting, cases in settings.items():
            known = [case for case in cases if UNLABELLED in case.outcomes and STATISTICS in case.outcomes]
            if known:
                rows.append([f"{SCENARIO_NAMES.get(scenario, scenario)}, {setting}", *_gain_cells(known)])
    if rows:
        columns = ["", "statistics\nonly", "without\nlabels", "points", "worst\ncase", "held back"]
        table = number_table("What learning without labels adds to statistics, accuracy in per cent", columns, rows)
        yield Exhibit(table, "Held back: the guard let nothing be trained, and changed statistics at most.")


def _gain_cells(known: Sequence[Standing]) -> list[str]:
    gains = [gap.gain for gap in _gaps(known, STATISTICS)]
    runs = [outcome for case in known for outcome in case.outcomes[UNLABELLED]]
    return [
        f"{100 * _mean(known, STATISTICS):.1f}",
        f"{100 * _mean(known, UNLABELLED):.1f}",
        points(fmean(gains)),
        points(min(gains)) if len(gains) > 1 else DASH,
        f"{sum(not outcome.epochs for outcome in runs)} of {len(runs)}",
    ]
