"""Hold runs against the one that trained everything, if they may be compared at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

from tbft_artifacts.errors import TbftError
from tbft_runtime.board.state import BoardIdentity
from tbft_runtime.energy.result import Energy
from tbft_runtime.reporting.caveats import COVERED, caveats, differences, energy_obstacle
from tbft_runtime.reporting.comparison import FORMAT, Comparison, Row
from tbft_runtime.reporting.names import short_names
from tbft_runtime.reporting.report import Report
from tbft_runtime.reporting.result import TrainResult

_Key = TypeVar("_Key", bound=Hashable)

# How much of a hash tells data or boards apart, for people.
_SHORT = 12


@dataclass(frozen=True)
class _Run:
    """A report, what to call its run, and its board in words that no other board shares."""

    name: str
    board: str
    report: Report

    @property
    def ground(self) -> tuple[str, str]:
        """Runs with the same are comparable."""
        return self.report.data, self.report.result.board.identity.key


def compare(
    reports: Sequence[Report],
    names: Sequence[str] | None = None,
    *,
    allow_different: bool = False,
    allow_throttled: bool = False,
) -> Comparison:
    """Time, energy and accuracy of runs, and what each saved against the full run on the same data and board.

    The baseline is the first run whose drift is `full` and that trained. What is saved of energy, and
    joules per point, are of the gross joules: all that the meter counted, also for the idle board.

    Args:
        reports: As `read_report` gives them.
        names: What to call the runs; None: the shortest ends that tell apart the folders they ran in.
        allow_different: Whether runs may be of several boards or data; each is held against a full run of its own.
        allow_throttled: Whether to take a run during which the board was throttled.

    Returns:
        A row for each run, in their order: seconds, joules, accuracies and savings (0 to 1), and notes on them.

    Raises:
        TbftError: A run is given twice, or runs differ or were throttled in a way that is not allowed.
        ValueError: There are not as many names as reports.

    Example:
        >>> from tbft_runtime import compare, read_report
        >>> comparison = compare([read_report("run"), read_report("run-full")])
        >>> [(row.run, row.baseline) for row in comparison.rows]
        [('run', False), ('run-full', True)]
    """
    names = short_names([PurePath(report.result.run) for report in reports]) if names is None else names
    boards = _board_words([report.result.board.identity for report in reports])
    runs = [
        _Run(name, boards[report.result.board.identity.key], report)
        for name, report in zip(names, reports, strict=True)
    ]
    _refuse_twins(runs)
    divisions = _divisions(runs)
    if divisions and not allow_different:
        raise TbftError(
            "; ".join(divisions),
            "compare runs on the same board and data, or pass `allow_different`: "
            "then each is held against the full run of its own",
        )
    if not allow_throttled:
        _refuse_throttled(runs)
    grounds = _grouped(runs, lambda run: run.ground)
    full = {ground: [run for run in group if _trained_everything(run)] for ground, group in grounds.items()}
    return Comparison(
        format=FORMAT,
        rows=tuple(_row(run, next(iter(full[run.ground]), None)) for run in runs),
        notes=(
            *divisions,
            *(note for ground, group in grounds.items() for note in _baseline_notes(group, full[ground])),
        ),
    )


def _grouped(runs: Sequence[_Run], key: Callable[[_Run], _Key]) -> dict[_Key, list[_Run]]:
    groups: dict[_Key, list[_Run]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups


def _trained_everything(run: _Run) -> bool:
    """Without an epoch only batch-norm statistics changed, whatever the plan would have trained."""
    return run.report.result.drift == "full" and run.report.result.epochs > 0


def _board_words(identities: Sequence[BoardIdentity]) -> dict[str, str]:
    """A board's model by its key; with the key where another board is of the same model."""
    models = {identity.key: identity.model or "unknown board" for identity in identities}
    count = Counter(models.values())
    return {key: model if count[model] == 1 else f"{model} ({key[:_SHORT]})" for key, model in models.items()}


def _refuse_twins(runs: Sequence[_Run]) -> None:
    for index, run in enumerate(runs):
        for other in runs[:index]:
            if run.report == other.report:
                raise TbftError(f"'{other.name}' and '{run.name}' are the same run", "give each run once")


def _refuse_throttled(runs: Sequence[_Run]) -> None:
    for run in runs:
        throttled = run.report.result.board.throttled
        if throttled:
            raise TbftError(
                f"the board was throttled during '{run.name}': {', '.join(throttled)}",
                "cool it or give it more power and train again, or compare all the same with `allow_throttled`",
            )


def _divisions(runs: Sequence[_Run]) -> list[str]:
    """In what the runs differ that makes their figures incomparable, and which run is where."""
    boards = _grouped(runs, lambda run: run.board)
    data = _grouped(runs, lambda run: run.report.data)
    divisions = []
    if len(boards) > 1:
        divisions.append(f"runs on different boards: {_places(boards)}")
    if len(data) > 1:
        divisions.append(f"runs on different data: {_places(data)}")
    return divisions


def _places(groups: Mapping[str, Sequence[_Run]]) -> str:
    return ", ".join(f"{_listed(group)} on {place}" for place, group in groups.items())


def _baseline_notes(group: Sequence[_Run], full: Sequence[_Run]) -> list[str]:
    if not full:
        return [f"no savings for {_listed(group)}: no run on the same data and board trained everything (drift full)"]
    if len(full) > 1:
        return [f"of the full runs {_listed(full)} the first is the baseline"]
    return []


def _listed(runs: Sequence[_Run]) -> str:
    return " and ".join(f"'{run.name}'" for run in runs)


def _row(run: _Run, baseline: _Run | None) -> Row:
    report, result, energy = run.report, run.report.result, run.report.result.energy
    full = None if baseline is None else baseline.report
    step = result.latency.get("step")
    gained = _gained_points(result)
    comparable = full is not None and energy_obstacle(energy, full.result.energy) is None
    return Row(
        run=run.name,
        method=result.method,
        drift=result.drift,
        blocks=result.blocks,
        data=report.data,
        board=run.board,
        baseline=run is baseline,
        epochs=result.epochs,
        seconds=result.train_seconds,
        step_ms=None if step is None else step.p50_ms,
        meter=None if energy.source is None else energy.source.meter,
        estimate=energy.source is not None and energy.source.type == "estimate",
        covered=energy.covered,
        joules=energy.joules,
        net_joules=energy.net_joules,
        saved_seconds=None if full is None else _saving(result.train_seconds, full.result.train_seconds),
        saved_joules=_saving(energy.joules, full.result.energy.joules) if full is not None and comparable else None,
        accuracy_before=result.accuracy_before,
        accuracy_after=result.accuracy_after,
        gained_points=gained,
        joules_per_point=_joules_per_point(energy, gained),
        notes=(*caveats(report), *(() if full is None else differences(report, full))),
        old_accuracy_before=None if result.old is None else result.old.accuracy_before,
        old_accuracy_after=None if result.old is None else result.old.accuracy_after,
    )


def _saving(own: float | None, full: float | None) -> float | None:
    """The part (up to 1, negative where it took more) of `full` that `own` does without."""
    return None if own is None or full is None or full <= 0 else 1 - own / full


def _gained_points(result: TrainResult) -> float | None:
    before, after = result.accuracy_before, result.accuracy_after
    return None if before is None or after is None else (after - before) * 100


def _joules_per_point(energy: Energy, gained: float | None) -> float | None:
    if energy.joules is None or energy.covered < COVERED or gained is None or gained <= 0:
        return None
    return energy.joules / gained
