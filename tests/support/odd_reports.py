"""Reports that a page has to cope with: made-up ones of every kind that a run can end in."""

from __future__ import annotations

import math
import random

from msgspec.structs import replace

from support.deep_reports import deep_reports
from support.hostile import EVIL
from support.hostile import LONG as ENDLESS
from support.learning_reports import learned_alone, went_on
from support.made_up_reports import (
    PMIC,
    made_up_calibration,
    made_up_energy,
    made_up_old_data,
    made_up_report,
    no_energy,
)
from support.made_up_selections import made_up_selection
from tbft_artifacts.plan import Drift
from tbft_runtime.energy.result import Telemetry
from tbft_runtime.profiling.profile import GraphProfile, Profile, Slice
from tbft_runtime.reporting.comparison import Comparison, Row
from tbft_runtime.reporting.report import BlockRecord, Cell, ClassRecord, Histogram, Report
from tbft_runtime.run.selection_record import Selection

HOSTILE = "<script>alert('&\"')</script>"
LONG = "a very long name of a class that nobody would have thought of " * 4
ESTIMATE = replace(
    PMIC, meter="estimate", type="estimate", scope="board, from time", missing=(), basis=("idle 2.7 W: its maker",)
)


def odd_reports() -> dict[str, Report]:
    """By what is odd about each."""
    plain = made_up_report()
    return {
        "plain": replace(plain, profile=_profile()),
        "troubled": _troubled(),
        "no-meter": _without_meter(),
        "statistics-only": _statistics_only(),
        "no-labels": _without_labels(),
        "unlabelled": learned_alone(made_up_report("input")),
        "one-epoch": with_classes(made_up_report(epochs=1), 2, seed=1),
        "ten-classes": _long_run(with_classes(made_up_report("input", 12_000.0, 300), 10, seed=2)),
        "hundred-classes": with_classes(made_up_report("full"), 100, seed=3),
        "thousand-classes": with_classes(made_up_report("output", epochs=50), 1000, seed=4),
        "hostile-names": _named(HOSTILE),
        "long-names": _named(LONG),
        "harmful-names": with_selection(_named(EVIL + ENDLESS), made_up_selection(EVIL + ENDLESS)),
        "diverged": _diverged(),
        "exits": made_up_report(drift="output", exits=made_up_calibration(), method="persephonee"),
        "forgetful": made_up_report(old=made_up_old_data()),
        "nothing-known": _nothing_known(),
        "chosen-channels": with_selection(plain, made_up_selection()),
        "hostile-layers": with_selection(plain, made_up_selection(HOSTILE + LONG)),
        "went-on": went_on("/home/anna/monday"),
        "went-on-hostile": replace(_named(EVIL + ENDLESS), base=went_on(EVIL + ENDLESS).base),
        **deep_reports(),
        "no-channel": with_selection(plain, replace(made_up_selection(), layers=made_up_selection().layers[:1])),
    }


def with_selection(report: Report, selection: Selection) -> Report:
    """The report of a run that chose its channels so."""
    return replace(report, result=replace(report.result, drift=None, method="sparse", selection=selection))


def with_classes(report: Report, count: int, seed: int) -> Report:
    """With per-class results of `count` classes, drawn at random; some are never seen."""
    draw = random.Random(seed)
    records, before, after = [], [], []
    for true in range(count):
        images = 0 if true % 41 == 40 else 12 + draw.randrange(40)
        rights = []
        for cells, part in ((before, draw.random() * 0.6), (after, 0.3 + draw.random() * 0.7)):
            right = int(images * part)
            rights.append(right)
            wrong = images - right
            kept = {true: right} if right else {}
            while wrong:
                predicted, some = draw.randrange(count), 1 + draw.randrange(wrong)
                kept[predicted] = kept.get(predicted, 0) + some
                wrong -= some
            cells += [Cell(true=true, predicted=predicted, images=n) for predicted, n in sorted(kept.items())]
        records.append(
            ClassRecord(name=f"class {true + 1}", images=images, right_before=rights[0], right_after=rights[1])
        )
    return replace(
        report,
        classes=tuple(record.name for record in records),
        per_class=tuple(records),
        confusion_before=tuple(before),
        confusion_after=tuple(after),
    )


def made_up_comparison(reports: list[Report]) -> Comparison:
    """Rows of the reports; the one that trained everything is the baseline."""
    full = next((report.result for report in reports if report.result.drift == "full"), None)
    return Comparison(format=1, rows=tuple(_row(report, full) for report in reports), notes=("boards differ",))


def _row(report: Report, full: object) -> Row:
    result = report.result
    drift: Drift | None = result.drift
    before, after, energy = result.accuracy_before, result.accuracy_after, result.energy
    gained = None if before is None or after is None else 100 * (after - before)
    return Row(
        run=result.run,
        method=result.method,
        drift=drift,
        blocks=result.blocks,
        data=report.data,
        board=result.board.identity.model,
        baseline=result is full,
        epochs=result.epochs,
        seconds=result.train_seconds,
        step_ms=31.0,
        meter=None if energy.source is None else energy.source.meter,
        estimate=energy.source is not None and energy.source.type == "estimate",
        covered=energy.covered,
        joules=energy.joules,
        net_joules=energy.net_joules,
        saved_seconds=None if full is None else 0.5,
        saved_joules=None if full is None or energy.joules is None else 0.42,
        accuracy_before=before,
        accuracy_after=after,
        gained_points=gained,
        joules_per_point=energy.joules / gained if energy.joules is not None and gained and gained > 0 else None,
        notes=("was throttled",) if result.board.throttled else (),
    )


def _profile() -> Profile:
    operators = tuple(Slice(name=f"Operator{i}", milliseconds=9.0 / (i + 1), calls=4) for i in range(5))
    layers = tuple(Slice(name=f"layer3.{i}.conv.weight", milliseconds=4.0 / (i + 1), calls=1) for i in range(30))
    graphs = [
        GraphProfile(graph=graph, wall_ms=12.0, kernel_ms=21.5, operators=operators, layers=found)
        for graph, found in (("prefix", layers), ("gradient", layers[:4]), ("update", ()))
    ]
    return Profile(steps=5, batch_size=32, graphs=tuple(graphs))  # type: ignore[arg-type]


def _troubled() -> Report:
    """Worse than before, throttled, disturbed, and an estimate that stopped after three epochs."""
    energy = made_up_energy(20.0, source=ESTIMATE, covered=0.6, failed=3, idle_watts=None, net_joules=None)
    report = made_up_report(energy=energy, accuracy_after=0.125, skipped_images=("a.png", "b.png"))
    board = replace(report.result.board, throttled=("under-voltage", "frequency capped"), other_load=1.4)
    epochs = tuple(
        epoch
        if epoch.number <= 3
        else replace(epoch, joules=None, phases=tuple(replace(phase, joules=None) for phase in epoch.phases))
        for epoch in report.epochs
    )
    telemetry = tuple(
        replace(sample, watts=None if sample.seconds > 12 else sample.watts, megahertz=2400.0 - 900 * (i > 20))
        for i, sample in enumerate(report.telemetry)
    )
    return replace(report, result=replace(report.result, board=board), epochs=epochs, telemetry=telemetry)


def _without_meter() -> Report:
    report = made_up_report(energy=no_energy(20.0))
    epochs = tuple(
        replace(epoch, phases=tuple(replace(phase, joules=None) for phase in epoch.phases)) for epoch in report.epochs
    )
    preparation = tuple(replace(phase, joules=None) for phase in report.preparation)
    telemetry = tuple(replace(sample, watts=None) for sample in report.telemetry)
    return replace(report, epochs=epochs, preparation=preparation, telemetry=telemetry)


def _statistics_only() -> Report:
    report = made_up_report()
    result = replace(
        report.result,
        blocks=(),
        batch_norm="adapt",
        epochs=0,
        steps=0,
        best_epoch=0,
        stopped="adapted",
        latency={},
        images_per_second=None,
        train_seconds=0.0,
        energy=no_energy(0.0),
    )
    blocks = tuple(replace(block, trained=False) for block in report.blocks)
    return replace(report, result=result, blocks=blocks, epochs=(), step_ms=None, telemetry=())


def _without_labels() -> Report:
    nothing = {"accuracy_before": None, "accuracy_after": None, "loss_before": None, "loss_after": None}
    report = made_up_report(validation_images=0, **nothing)
    return replace(report, per_class=(), confusion_before=(), confusion_after=())


def _long_run(report: Report) -> Report:
    """More than three hours, looked at each second."""
    telemetry = tuple(
        Telemetry(
            seconds=float(i),
            watts=5 + math.sin(i / 300) + (i % 7) / 5,
            celsius=70 - 25 * math.exp(-i / 900),
            megahertz=1500.0 if i % 2000 > 1900 else 2400.0,
        )
        for i in range(12_000)
    )
    step_ms = Histogram(
        edges=tuple(28 + i / 4 for i in range(61)), counts=tuple(900 // (1 + abs(i - 12)) for i in range(60))
    )
    return replace(report, telemetry=telemetry, step_ms=step_ms)


def _named(name: str) -> Report:
    """A stranger chose every name that can be chosen."""
    report = made_up_report()
    classes = tuple(f"{index}{name}" for index in range(4))
    identity = replace(report.result.board.identity, model=name)
    energy = replace(report.result.energy, source=replace(PMIC, meter=name, scope=name, missing=(name,), basis=(name,)))
    result = replace(
        report.result,
        blocks=(name,),
        plan=name,
        run=name,
        board=replace(report.result.board, identity=identity, throttled=(name,)),
        energy=energy,
        runtime={name: name},
        skipped_images=(name,),
    )
    return replace(
        report,
        result=result,
        started_at=name,
        data=name,
        model=name,
        classes=classes,
        blocks=tuple(BlockRecord(name=f"{i}{name}", parameters=10**i, trained=i == 2) for i in range(6)),
        per_class=tuple(replace(record, name=classes[i]) for i, record in enumerate(report.per_class)),
        profile=Profile(
            steps=1,
            batch_size=1,
            graphs=(
                GraphProfile(
                    graph="gradient",
                    wall_ms=1.0,
                    kernel_ms=0.0,
                    operators=(Slice(name=name, milliseconds=0.0, calls=1),),
                    layers=(),
                ),
            ),
        ),
    )


def _diverged() -> Report:
    """A loss that left every scale, and accuracy 0."""
    report = made_up_report(accuracy_after=0.0, loss_after=1.7e308, loss_before=2.3, best_epoch=0)
    losses = (2.0, 40.0, 8.1e4, 1.2e19, 1.7e308)
    epochs = tuple(
        replace(epoch, train_loss=loss, validation_loss=loss, train_accuracy=0.0, validation_accuracy=0.0)
        for epoch, loss in zip(report.epochs, losses, strict=True)
    )
    return replace(report, epochs=epochs)


def _nothing_known() -> Report:
    """The least that a report can hold."""
    report = _without_labels()
    nowhere = replace(
        report.result.board.before,
        celsius=None,
        megahertz=None,
        governor=None,
        throttled=None,
        throttled_before=None,
        other_load=None,
        available_bytes=None,
    )
    board = replace(
        report.result.board,
        identity=replace(report.result.board.identity, model="", machine="", memory_bytes=None),
        before=nowhere,
        after=nowhere,
        hottest_celsius=None,
        slowest_megahertz=None,
        fastest_megahertz=None,
        throttled=None,
        other_load=None,
    )
    result = replace(report.result, board=board, latency={}, energy=no_energy(20.0), runtime={})
    return replace(report, result=result, classes=(), blocks=(), preparation=(), epochs=(), step_ms=None, telemetry=())
