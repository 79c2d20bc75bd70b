"""From raw rounds to the figures that stand beside the goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Literal, TypeVar

import msgspec

from benchmarks.goals import Quantity
from benchmarks.protocol import BatchNorm, Drift, Engine, Network
from benchmarks.ratios import Spread, paired, spread
from benchmarks.results import Contestant, Results, StepContest, StepLane, TrainingContest, TrainingLane

# Batch norms frozen for everyone, or what each drift does by default.
Policy = Literal["frozen", "default"]
DEFAULTS: dict[Drift, BatchNorm] = {"input": "batch", "feature": "block", "output": "frozen", "full": "batch"}
# PyTorch eager, in both memory formats.
FORMATS: tuple[Engine, ...] = ("pytorch", "channels-last")
# Rounding differs between engines: of a loss, and of what a step takes from it. A wrong gradient differs far more.
SAME_LOSS, ROUNDING = 1e-4, 2e-6
SAME_DECREASE = 0.1
NOT_MEASURED = "not measured"
Contest = StepContest | TrainingContest
_Lane = TypeVar("_Lane", bound=StepLane | TrainingLane)


@dataclass(frozen=True)
class Case:
    """One column of a table of figures, in one of its variants."""

    network: Network
    drift: Drift
    policy: Policy
    threads: int

    @property
    def batch_norm(self) -> BatchNorm:
        return "frozen" if self.policy == "frozen" else DEFAULTS[self.drift]

    def contestant(self, engine: Engine) -> Contestant:
        return Contestant(engine, self.drift, self.batch_norm, self.network)


@dataclass(frozen=True)
class Figure:
    """Theirs ÷ ours, and whose it is: of several the one that did best."""

    ratio: Spread
    peer: Engine


def figure(results: Results, quantity: Quantity, case: Case) -> Figure | str:
    """The figure, or why there is none."""
    match quantity:
        case "step-format":
            return _of_steps(results, case, FORMATS)
        case "step-eager":
            return _of_steps(results, case, ("pytorch",))
        case "step-peer":
            return _of_steps(results, case, None)
        case "step-memory":
            return _of_memory(results.steps, case, None)
        case "training":
            return _of_trainings(results, case, FORMATS)
        case "training-memory":
            return _of_memory(results.trainings, case, FORMATS)


def step_ms(
    contests: Sequence[StepContest], contestant: Contestant, threads: int, cached: bool = False
) -> Spread | str:
    """Milliseconds of a step."""
    for contest in contests:
        for lane in contest.lanes:
            if contest.threads == threads and lane.contestant == contestant:
                times = lane.cached_ms if cached else lane.step_ms
                return spread(times) if times else "nothing can be stored"
    return why_absent(contests, contestant, threads)


def training_seconds(contests: Sequence[TrainingContest], contestant: Contestant, threads: int) -> Spread | str:
    """Seconds of a whole training."""
    for contest in contests:
        for lane in contest.lanes:
            if contest.threads == threads and lane.contestant == contestant:
                return spread([lane.seconds])
    return why_absent(contests, contestant, threads)


def disagreements(contest: Contest) -> list[Contestant]:
    """Who computes something else than we do in the same case.

    The loss of the first step, or of the first validation, is another, or what the first step takes from it. Steps are
    compared on as many images as ours normalise together: parts then make no difference.
    """
    losses = {lane.contestant: _losses(lane) for lane in contest.lanes}
    found = []
    for contestant, theirs in losses.items():
        ours = losses.get(msgspec.structs.replace(contestant, engine="ours"))
        if ours and not _agree(ours, theirs):
            found.append(contestant)
    return found


def _losses(lane: StepLane | TrainingLane) -> list[float]:
    return lane.losses if isinstance(lane, StepLane) else [lane.loss_before]


def _agree(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Asked so that a loss that is no number does not."""
    first = abs(ours[0])
    same = all(abs(a - b) <= SAME_LOSS * first for a, b in zip(ours, theirs, strict=True))
    steps = zip(pairwise(ours), pairwise(theirs), strict=True)
    return same and all(
        abs((a - b) - (c - d)) <= SAME_DECREASE * abs(a - b) + ROUNDING * first for (a, b), (c, d) in steps
    )


def why_absent(contests: Sequence[Contest], contestant: Contestant, threads: int) -> str:
    """The reason noted, if it was to take part."""
    for contest in contests:
        for absence in contest.absent:
            if contest.threads == threads and absence.contestant == contestant:
                return absence.reason
    return NOT_MEASURED


def _of_steps(results: Results, case: Case, engines: Sequence[Engine] | None) -> Figure | str:
    for contest in results.steps:
        ours, peers = _field(contest, contest.lanes, case, engines)
        if ours is not None and peers:
            best = min(peers, key=lambda lane: median(lane.step_ms))
            return Figure(spread(paired(best.step_ms, ours.step_ms)), best.contestant.engine)
    return _why_nobody(results.steps, case, engines)


def _of_trainings(results: Results, case: Case, engines: Sequence[Engine]) -> Figure | str:
    for contest in results.trainings:
        ours, peers = _field(contest, contest.lanes, case, engines)
        if ours is not None and peers:
            best = min(peers, key=lambda lane: lane.seconds)
            return Figure(spread([best.seconds / ours.seconds]), best.contestant.engine)
    return _why_nobody(results.trainings, case, engines)


def _of_memory(contests: Sequence[Contest], case: Case, engines: Sequence[Engine] | None) -> Figure | str:
    for contest in contests:
        lanes: list[StepLane | TrainingLane] = [*contest.lanes]
        ours, peers = _field(contest, lanes, case, engines)
        if ours is not None and peers:
            best = min(peers, key=lambda lane: lane.peak_bytes)
            return Figure(spread([best.peak_bytes / ours.peak_bytes]), best.contestant.engine)
    return _why_nobody(contests, case, engines)


def _field(
    contest: Contest, lanes: Sequence[_Lane], case: Case, engines: Sequence[Engine] | None
) -> tuple[_Lane | None, list[_Lane]]:
    """Ours, and those of `engines`, None for all others, that took part in `case`."""
    ours: _Lane | None = None
    peers = []
    for lane in lanes:
        engine = lane.contestant.engine
        if contest.threads != case.threads or lane.contestant != case.contestant(engine):
            continue
        if engine == "ours":
            ours = lane
        elif engines is None or engine in engines:
            peers.append(lane)
    return ours, peers


def _why_nobody(contests: Sequence[Contest], case: Case, engines: Sequence[Engine] | None) -> str:
    asked = ("ours", *(engines or FORMATS))
    reasons = dict.fromkeys(why_absent(contests, case.contestant(engine), case.threads) for engine in asked)
    return next((reason for reason in reasons if reason != NOT_MEASURED), NOT_MEASURED)
