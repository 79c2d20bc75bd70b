"""Results of a run that never was, with known ratios."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.agenda import FULL
from benchmarks.figures import DEFAULTS
from benchmarks.goals import DRIFTS, LARGE
from benchmarks.protocol import BatchNorm, Drift, Engine, Network
from benchmarks.results import (
    Absence,
    Contestant,
    Machine,
    Results,
    StepContest,
    StepLane,
    TrainingContest,
    TrainingLane,
)

ROUNDS = 4
# Milliseconds of a step, and megabytes.
STEP_MS: dict[Engine, float] = {
    "ours": 40.0, "pytorch": 80.0, "channels-last": 60.0, "jax": 100.0, "mnn": 50.0
}  # fmt: skip
CACHED_MS = 25.0
PEAK_MB: dict[Engine, int] = {
    "ours": 100, "pytorch": 350, "channels-last": 360, "jax": 700, "mnn": 250
}  # fmt: skip
REASON = "no momentum of light"


def results(*, quick: bool = False) -> Results:
    """One thread; JAX and MNN train only the networks of 224 px, and MNN nothing but outputs."""
    eager: tuple[Engine, ...] = ("ours", "pytorch", "channels-last")
    steps = [_steps("resnet26", drift, DEFAULTS[drift], eager) for drift in DRIFTS]
    steps += [_steps("resnet26", drift, "frozen", eager) for drift in DRIFTS if drift != "output"]
    steps += [_steps(network, drift, DEFAULTS[drift], tuple(STEP_MS)) for network in LARGE for drift in DRIFTS]
    return Results(
        date="2026-01-02",
        quick=quick,
        peers=True,
        machine=Machine(cpu="Abacus", cores=2, memory_bytes=10**9, system="Linux", load_before=0.1, load_after=0.2),
        seconds=120.0,
        steps=steps,
        trainings=[_trainings(eager, quick=quick)],
    )


def _steps(network: Network, drift: Drift, policy: BatchNorm, engines: Sequence[Engine]) -> StepContest:
    absent: list[Absence] = []
    lanes = []
    for engine in engines:
        contestant = Contestant(engine, drift, policy, network)
        if engine == "mnn" and drift != "output":
            absent.append(Absence(contestant, REASON))
        else:
            lanes.append(_step_lane(contestant))
    batch_size, image_size = (32, 32) if network == "resnet26" else (8, 224)
    return StepContest(threads=1, batch_size=batch_size, image_size=image_size, lanes=lanes, absent=absent)


def _step_lane(contestant: Contestant) -> StepLane:
    engine = contestant.engine
    stores = engine == "ours" and contestant.drift in ("feature", "output")
    return StepLane(
        contestant=contestant,
        losses=[2.5, 2.4],
        load_seconds=1.0,
        step_ms=[STEP_MS[engine] * factor for factor in range(1, ROUNDS + 1)],
        cached_ms=[CACHED_MS * factor for factor in range(1, ROUNDS + 1)] if stores else [],
        cpu_share=[1.0] * ROUNDS,
        import_bytes=50_000_000,
        peak_bytes=PEAK_MB[engine] * 10**6,
        versions={engine: "1.0"},
    )


def _trainings(engines: Sequence[Engine], *, quick: bool) -> TrainingContest:
    epochs = 2 if quick else FULL.epochs
    lanes = [
        TrainingLane(
            contestant=Contestant(engine, drift, DEFAULTS[drift]),
            epoch_seconds=[STEP_MS[engine]] * epochs,
            after_seconds=0.0,
            loss_before=2.5,
            import_bytes=50_000_000,
            peak_bytes=PEAK_MB[engine] * 10**6,
            versions={engine: "1.0"},
        )
        for drift in DRIFTS
        for engine in engines
    ]
    return TrainingContest(
        threads=1,
        batch_size=32,
        image_size=32,
        images=64 if quick else FULL.images,
        validation_images=10,
        epochs=epochs,
        lanes=lanes,
        absent=[],
    )
