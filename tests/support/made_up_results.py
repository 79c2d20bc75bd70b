"""Results of a run that never was, with known ratios."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.agenda import FULL
from benchmarks.figures import DEFAULTS
from benchmarks.goals import DRIFTS
from benchmarks.protocol import BatchNorm, Drift, Engine
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
# Milliseconds of a step, and megabytes; the matrix product does 1 GFLOP in 10 ms, a step 2 GFLOP.
STEP_MS: dict[Engine, float] = {"ours": 40.0, "pytorch": 60.0, "ort-training": 100.0, "sgemm": 10.0}
CACHED_MS = 25.0
PEAK_MB: dict[Engine, int] = {"ours": 100, "pytorch": 350, "ort-training": 400, "sgemm": 90}
FLOPS = 2_000_000_000
REASON = "no momentum of light"


def results(*, quick: bool = False) -> Results:
    """Frozen and default batch norms, one thread; ORT Training does not take part in the output drift."""
    cases = [(drift, policy) for drift in DRIFTS for policy in dict.fromkeys(("frozen", DEFAULTS[drift]))]
    frozen = [(drift, "frozen") for drift in DRIFTS]
    default = [(drift, DEFAULTS[drift]) for drift in DRIFTS]
    growth = [_steps("feature", "frozen", ("ours", "pytorch"), batch_size=size) for size in (8, 32)]
    return Results(
        date="2026-01-02",
        quick=quick,
        machine=Machine(cpu="Abacus", cores=2, memory_bytes=10**9, system="Linux", load_before=0.1, load_after=0.2),
        seconds=120.0,
        steps=[_steps(drift, policy) for drift, policy in cases],  # type: ignore[arg-type]
        trainings=[_trainings(case, quick=quick) for case in (frozen, default)],  # type: ignore[arg-type]
        growth_batch=growth,
        growth_image_size=growth,
        growth_images=[_trainings([("feature", "frozen")], quick=True)],
    )


def _steps(
    drift: Drift, policy: BatchNorm, engines: Sequence[Engine] = tuple(STEP_MS), batch_size: int = 32
) -> StepContest:
    absent: list[Absence] = []
    lanes = []
    for engine in engines:
        contestant = Contestant(engine, drift, policy)
        if (engine, drift) == ("ort-training", "output"):
            absent.append(Absence(contestant, REASON))
        else:
            lanes.append(_step_lane(contestant))
    return StepContest(threads=1, batch_size=batch_size, image_size=32, lanes=lanes, absent=absent)


def _step_lane(contestant: Contestant) -> StepLane:
    engine = contestant.engine
    cached = {"ours": CACHED_MS, "sgemm": STEP_MS["sgemm"]} if contestant.drift == "feature" else {}
    return StepLane(
        contestant=contestant,
        losses=[2.5, 2.4],
        step_ms=[STEP_MS[engine] * factor for factor in range(1, ROUNDS + 1)],
        cached_ms=[cached[engine] * factor for factor in range(1, ROUNDS + 1)] if engine in cached else [],
        cpu_share=[1.0] * ROUNDS,
        step_flops=FLOPS,
        suffix_flops=FLOPS // 2 if engine == "sgemm" else FLOPS,
        import_bytes=50_000_000,
        peak_bytes=PEAK_MB[engine] * 10**6,
        versions={engine: "1.0"},
    )


def _trainings(cases: list[tuple[Drift, BatchNorm]], *, quick: bool) -> TrainingContest:
    epochs = 2 if quick else FULL.epochs
    lanes = [
        TrainingLane(
            contestant=Contestant(engine, drift, policy),
            epoch_seconds=[STEP_MS[engine]] * epochs,
            after_seconds=0.0,
            loss_before=2.5,
            import_bytes=50_000_000,
            peak_bytes=PEAK_MB[engine] * 10**6,
            versions={engine: "1.0"},
        )
        for drift, policy in cases
        for engine in ("ours", "pytorch")
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
