"""Reports of runs that never were, for tests of what is made of them. Both environments."""

from __future__ import annotations

from typing import Any

import msgspec

from tbft_artifacts.plan import Drift
from tbft_runtime.board.state import BoardIdentity, BoardState, BoardSummary
from tbft_runtime.boundary.activations import CacheResult
from tbft_runtime.energy.result import Energy, MeteringCost, StretchEnergy
from tbft_runtime.exits.record import Calibration, EarlyAnswers, ExitShare
from tbft_runtime.laps import Laps, Latency
from tbft_runtime.meters.meter import MeterType, Source
from tbft_runtime.reporting.report import (
    FORMAT,
    BlockRecord,
    Cell,
    ClassRecord,
    EpochRecord,
    Histogram,
    PhaseRecord,
    Report,
    Telemetry,
)
from tbft_runtime.reporting.result import OldData, TrainResult
from tbft_runtime.run.blends import Blend
from tbft_runtime.run.epoch import Epoch, Evaluation
from tbft_runtime.run.execution import Execution
from tbft_runtime.training.memory import MemoryPlan

BLOCKS = {"conv1": 432, "layer1": 18_688, "layer2": 69_440, "layer3": 277_440, "bn": 128, "fc": 650}
TRAINED: dict[Drift, tuple[str, ...]] = {
    "input": ("conv1", "layer1"),
    "feature": ("layer3",),
    "output": ("fc",),
    "full": tuple(BLOCKS),
}
CLASSES = ("airplane", "automobile", "bird", "cat")
PMIC = Source(
    meter="pmic",
    type="sensor",
    scope="the rails that the power chip of a Raspberry Pi 5 measures",
    missing=("5 V input: USB devices and HATs",),
    uncertainty=None,
    basis=("no accuracy is published",),
)
COOL = BoardState(
    celsius=48.2,
    megahertz=2400.0,
    governor="ondemand",
    throttled=(),
    throttled_before=(),
    other_load=0.1,
    available_bytes=3_000_000_000,
)
PI5 = BoardIdentity(
    model="Raspberry Pi 5 Model B Rev 1.0", machine="aarch64", cores=4, memory_bytes=4_000_000_000, key="5" * 16
)


def made_up_energy(seconds: float, watts: float = 5.0, idle: float = 3.0, **changes: Any) -> Energy:
    """A Pi 5 that drew `watts` all the time."""
    energy = Energy(
        source=PMIC,
        unavailable=None,
        seconds=seconds,
        covered=1.0,
        joules=seconds * watts,
        idle_watts=idle,
        net_joules=seconds * (watts - idle),
        mean_watts=watts,
        sampling_joules=seconds * watts * 0.004,
        hertz=1.9,
        samples=int(seconds * 1.9),
        failed=0,
    )
    return msgspec.structs.replace(energy, **changes)


def no_energy(seconds: float) -> Energy:
    """There was no meter."""
    nothing = dict.fromkeys(("joules", "idle_watts", "net_joules", "mean_watts", "sampling_joules", "hertz"), None)
    return Energy(
        source=None, unavailable="no meter was found", seconds=seconds, covered=0, samples=0, failed=0, **nothing
    )


def made_up_result(drift: Drift = "feature", seconds: float = 20.0, epochs: int = 5, **changes: Any) -> TrainResult:
    """A run of `epochs` epochs on a Pi 5 that took `seconds`."""
    result = TrainResult(
        bundle_id="b" * 64,
        plan=f"{drift}-frozen-sgd",
        drift=drift,
        blocks=TRAINED[drift],
        batch_norm="frozen",
        accuracy_before=0.25,
        accuracy_after=0.75,
        loss_before=2.3,
        loss_after=0.6,
        best_epoch=epochs,
        epochs=epochs,
        steps=epochs * 10,
        stopped="epochs",
        train_images=320,
        validation_images=80,
        unlabelled_images=0,
        skipped_images=(),
        batch_size=32,
        lr=0.01,
        seed=0,
        threads=4,
        execution=Execution(micro_batch=8, gradient_form="winograd", prefix_form="winograd", spinning=False),
        tuned=False,
        latency={
            "step": Latency(count=epochs * 10 - 1, warm_up=1, p50_ms=31.0, p95_ms=35.5, p99_ms=40.25),
            "train": Latency(count=epochs * 10 - 1, warm_up=1, p50_ms=30.0, p95_ms=34.0, p99_ms=39.0),
            "validation": Latency(count=epochs, warm_up=0, p50_ms=90.0, p95_ms=110.0, p99_ms=120.0),
        },
        images_per_second=1000.0,
        train_seconds=seconds,
        peak_memory_bytes=126_000_000,
        cache=CacheResult(format="fp32", place="disk", bytes=400 * 32_768, cached_images=400, images=400, reason=None),
        memory=MemoryPlan(
            process=60_000_000,
            weights=3_000_000,
            state=6_000_000,
            graphs=40_000_000,
            sessions=20_000_000,
            batch=4_000_000,
            cache=0,
        ),
        energy=made_up_energy(seconds),
        metering=MeteringCost(cpu_seconds=0.004 * seconds, share=0.004),
        board=BoardSummary(
            identity=PI5,
            before=COOL,
            after=msgspec.structs.replace(COOL, celsius=61.0),
            hottest_celsius=62.5,
            slowest_megahertz=2400.0,
            fastest_megahertz=2400.0,
            throttled=(),
            other_load=0.1,
        ),
        runtime={"tbft-edge": "0.1.0", "onnxruntime": "1.31.1", "machine": "aarch64"},
        run=f"runs/{drift}",
    )
    return msgspec.structs.replace(result, **changes)


def made_up_report(drift: Drift = "feature", seconds: float = 20.0, epochs: int = 5, **changes: Any) -> Report:
    """The report of `made_up_result`; `changes` are those of its result."""
    result = made_up_result(drift, seconds, epochs, **changes)
    each = seconds / epochs
    return Report(
        format=FORMAT,
        started_at="2026-11-22T10:00:00+00:00",
        result=result,
        data="d" * 16,
        model="resnet26",
        classes=CLASSES,
        image_size=32,
        blocks=tuple(BlockRecord(name=n, parameters=p, trained=n in result.blocks) for n, p in BLOCKS.items()),
        preparation=(PhaseRecord(phase="decode", seconds=1.5, joules=6.0, laps=48),),
        preparation_source=result.energy.source,
        epochs=tuple(
            EpochRecord(
                number=number,
                train_loss=2.0 / number,
                train_accuracy=1 - 0.6 / number,
                validation_loss=2.1 / number,
                validation_accuracy=0.75 - 0.4 / number,
                seconds=each,
                joules=None if result.energy.joules is None else result.energy.joules / epochs,
                covered=0.0 if result.energy.joules is None else 1.0,
                phases=(
                    _phase("prefix" if number == 1 else "read", each * 0.3, 10),
                    _phase("train", each * 0.5, 10),
                    _phase("validation", each * 0.15, 1),
                    _phase("saving", each * 0.05, 1),
                ),
            )
            for number in range(1, epochs + 1)
        ),
        step_ms=Histogram(edges=(28.0, 30.0, 32.0, 34.0, 36.0, 42.0), counts=(6, 25, 12, 4, 2)),
        telemetry=tuple(
            Telemetry(seconds=seconds * i / 50, watts=5.0 + 0.2 * (i % 3), celsius=48 + i / 4, megahertz=2400.0)
            for i in range(51)
        ),
        per_class=tuple(
            ClassRecord(name=name, images=20, right_before=5 + index, right_after=15 - index)
            for index, name in enumerate(CLASSES)
        ),
        confusion_before=tuple(Cell(true=i, predicted=j, images=5) for i in range(4) for j in range(4)),
        confusion_after=tuple(
            Cell(true=i, predicted=j, images=14 if i == j else 2) for i in range(4) for j in range(4)
        ),
        profile=None,
    )


def made_up_calibration() -> Calibration:
    """Of three exits: half of the images leave at the first one, none at the second."""
    exits = (
        ExitShare(name="exit0", flops=20_000_000, accuracy=0.5, share=0.5, share_accuracy=0.9),
        ExitShare(name="exit1", flops=50_000_000, accuracy=0.6, share=0.0, share_accuracy=None),
        ExitShare(name="exit2", flops=100_000_000, accuracy=0.75, share=0.5, share_accuracy=0.6),
    )
    early = EarlyAnswers(
        threshold=0.875,
        images=80,
        accuracy=0.75,
        full_accuracy=0.75,
        mean_flops=60e6,
        full_flops=100_000_000,
        exits=exits,
    )
    return Calibration(wanted=0.75, early=early, has_margin=True)


def made_up_old_data() -> OldData:
    """Of a run that forgot a fifth, all of it on the second half of the way."""
    blends = [
        Blend(share=share / 10, accuracy=0.25 + share / 20, old_accuracy=0.9 - max(0, share - 5) / 25)
        for share in range(11)
    ]
    return OldData(images=50, accuracy_before=0.9, accuracy_after=0.7, remember=0.3, blends=tuple(blends))


def _phase(name: Any, seconds: float, laps: int) -> PhaseRecord:
    return PhaseRecord(phase=name, seconds=seconds, joules=seconds * 5, laps=laps)


def made_up_stretch(type_: MeterType, covered: float) -> StretchEnergy:
    """A meter of that type drew 5 W for `covered` seconds."""
    return StretchEnergy(
        source=msgspec.structs.replace(PMIC, type=type_),
        idle_watts=3.0,
        joules=5 * covered,
        covered_seconds=covered,
        sampling_joules=0.0,
        samples=int(covered * 2),
        failed=0,
    )


def made_up_epoch(number: int, seconds: float) -> Epoch:
    """An epoch as a run's state keeps it: validation loss 0.25, 7 of 8 images right."""
    return Epoch(
        number=number,
        train_loss=0.5,
        train_accuracy=0.75,
        validation=Evaluation(0.25, 0.875, 8),
        seconds=seconds,
        steps=Laps.of([]),
        warm_up=False,
    )
