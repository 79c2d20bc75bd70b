"""From raw rounds to the figures that stand beside the goals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.goals import Quantity
from benchmarks.protocol import BatchNorm, Drift, Engine
from benchmarks.ratios import Spread, paired, spread
from benchmarks.results import Contestant, Results, StepContest, StepLane, TrainingContest, TrainingLane

# Batch norms frozen for everyone, or what each drift does by default.
Policy = Literal["frozen", "default"]
DEFAULTS: dict[Drift, BatchNorm] = {"input": "batch", "feature": "frozen", "output": "frozen", "full": "batch"}
# Rounding differs between engines; a wrong gradient differs far more.
SAME_LOSS = 1e-4


@dataclass(frozen=True)
class Case:
    """One column of a table of figures, in one of its variants."""

    drift: Drift
    policy: Policy
    threads: int

    @property
    def batch_norm(self) -> BatchNorm:
        return "frozen" if self.policy == "frozen" else DEFAULTS[self.drift]

    def contestant(self, engine: Engine) -> Contestant:
        return Contestant(engine, self.drift, self.batch_norm)


def figure(results: Results, quantity: Quantity, case: Case) -> Spread | str:
    """The figure, or why there is none."""
    match quantity:
        case "step-pytorch":
            return _step_ratio(results, case, case.contestant("pytorch"))
        case "step-ort":
            return _step_ratio(results, case, case.contestant("ort-training"))
        case "training-same":
            return _training_ratio(results, case, case.contestant("pytorch"))
        case "training-full":
            return _training_ratio(results, case, Contestant("pytorch", "full", _full_policy(case)))
        case "memory":
            return _memory_ratio(results, case)
        case "peak-share":
            return peak_share(results.steps, case)


def against_train_mode(results: Results, case: Case) -> Spread | str:
    """PyTorch in the paper's train mode ÷ ours, one uncached step."""
    return _step_ratio(results, case, Contestant("pytorch", case.drift, "batch"))


def peak_share(contests: list[StepContest], case: Case) -> Spread | str:
    """FLOPs per second of a step behind the frozen prefix, over those of the matrix product in the same rounds."""
    for contest, ours in _lanes_of(contests, case.threads, case.contestant("ours")):
        for lane in contest.lanes:
            if lane.contestant.engine == "sgemm":
                cached = bool(ours.cached_ms)
                times = paired(lane.cached_ms if cached else lane.step_ms, ours.cached_ms if cached else ours.step_ms)
                flops = ours.suffix_flops / lane.suffix_flops
                return spread([flops * ratio for ratio in times])
    return "not measured"


def step_ms(contests: list[StepContest], contestant: Contestant, threads: int, cached: bool = False) -> Spread | str:
    """Milliseconds of a step."""
    for _, lane in _lanes_of(contests, threads, contestant):
        times = lane.cached_ms if cached else lane.step_ms
        return spread(times) if times else "nothing can be stored"
    return why_absent(contests, contestant, threads)


def training_seconds(contests: list[TrainingContest], contestant: Contestant, threads: int) -> Spread | str:
    """Seconds of a whole training."""
    found = [lane.seconds for _, lane in _lanes_of_trainings(contests, threads, contestant)]
    return spread(found) if found else why_absent(contests, contestant, threads)


def disagreements(contest: StepContest | TrainingContest) -> list[Contestant]:
    """Whose losses of the first steps, or of the first validation, differ from ours in drift and batch norms alike."""
    losses = {lane.contestant: _losses(lane) for lane in contest.lanes if lane.contestant.engine != "sgemm"}
    found = []
    for contestant, theirs in losses.items():
        ours = losses.get(Contestant("ours", contestant.drift, contestant.batch_norm))
        if ours and any(abs(a - b) > SAME_LOSS * abs(a) for a, b in zip(ours, theirs, strict=True)):
            found.append(contestant)
    return found


def _losses(lane: StepLane | TrainingLane) -> list[float]:
    return lane.losses if isinstance(lane, StepLane) else [lane.loss_before]


def why_absent(contests: list[StepContest] | list[TrainingContest], contestant: Contestant, threads: int) -> str:
    """The reason noted, if it was to take part."""
    for contest in contests:
        for absence in contest.absent:
            if contest.threads == threads and absence.contestant == contestant:
                return absence.reason
    return "not measured"


def _step_ratio(results: Results, case: Case, theirs: Contestant) -> Spread | str:
    for contest, ours in _lanes_of(results.steps, case.threads, case.contestant("ours")):
        for lane in contest.lanes:
            if lane.contestant == theirs:
                return spread(paired(lane.step_ms, ours.step_ms))
    return why_absent(results.steps, theirs, case.threads)


def _training_ratio(results: Results, case: Case, theirs: Contestant) -> Spread | str:
    ratios = []
    for contest, ours in _lanes_of_trainings(results.trainings, case.threads, case.contestant("ours")):
        ratios += [lane.seconds / ours.seconds for lane in contest.lanes if lane.contestant == theirs]
    return spread(ratios) if ratios else why_absent(results.trainings, theirs, case.threads)


def _memory_ratio(results: Results, case: Case) -> Spread | str:
    theirs = case.contestant("pytorch")
    ratios = []
    for contest, ours in _lanes_of_trainings(results.trainings, case.threads, case.contestant("ours")):
        ratios += [lane.peak_bytes / ours.peak_bytes for lane in contest.lanes if lane.contestant == theirs]
    return spread(ratios) if ratios else why_absent(results.trainings, theirs, case.threads)


def _full_policy(case: Case) -> BatchNorm:
    return "frozen" if case.policy == "frozen" else DEFAULTS["full"]


def _lanes_of(
    contests: list[StepContest], threads: int, contestant: Contestant
) -> Iterator[tuple[StepContest, StepLane]]:
    for contest in contests:
        if contest.threads == threads:
            for lane in contest.lanes:
                if lane.contestant == contestant:
                    yield contest, lane


def _lanes_of_trainings(
    contests: list[TrainingContest], threads: int, contestant: Contestant
) -> Iterator[tuple[TrainingContest, TrainingLane]]:
    for contest in contests:
        if contest.threads == threads:
            for lane in contest.lanes:
                if lane.contestant == contestant:
                    yield contest, lane
