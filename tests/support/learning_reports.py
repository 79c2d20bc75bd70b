"""Made-up reports of runs that went on from another one, or that learned without labels."""

from __future__ import annotations

from msgspec.structs import replace

from support.made_up_reports import made_up_report
from tbft_runtime.reporting.report import Report
from tbft_runtime.run.base_record import Base
from tbft_runtime.run.unlabelled_record import Sureness, Unlabelled


def went_on(source: str) -> Report:
    """From another run, with images that were changed, few of one class and none of another."""
    report = made_up_report()
    result = replace(
        report.result,
        augment=("flip", "shift"),
        recomputed_flops=4e9,
        train_per_class=(300, 15, 5, 0),
        class_weights="none",
    )
    base = Base(source=source, sha256="a" * 64, plan="input-batch-sgd", accuracy=0.5, started_at=report.started_at)
    return replace(report, result=result, base=base)


def learned_alone(report: Report) -> Report:
    """The report of a run that trained towards no label, of images that have none."""
    sure = Sureness(entropy=0.6, classes=9.7)
    told = Unlabelled(
        images=1000, before=sure, adapted=sure, share=0.125, decision="train", why="", trained=3500, unsure=1500, kept=5
    )
    unknown = dict.fromkeys(("accuracy_before", "accuracy_after", "loss_before", "loss_after"))
    epochs = tuple(
        replace(epoch, train_accuracy=None, validation_loss=None, validation_accuracy=None) for epoch in report.epochs
    )
    result = replace(report.result, labels="none", verified=False, unlabelled=told, validation_images=0, **unknown)
    return replace(report, result=result, epochs=epochs, per_class=(), confusion_before=(), confusion_after=())
