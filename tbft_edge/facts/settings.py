"""What was trained how: what determines the result, and where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.advice import advised
from tbft_edge.facts.fact import Fact, Group
from tbft_edge.facts.unlabelled import kept as kept_of
from tbft_edge.figures import count, moment, norms, percent, size

if TYPE_CHECKING:
    from tbft_runtime.reporting.report import Report
    from tbft_runtime.reporting.result import TrainResult
    from tbft_runtime.run.base_record import Base

_WHERE = {"disk": "on the disk", "ram": "in memory"}


def how_trained(report: Report) -> Group:
    """The network, the images, and how it was trained on them."""
    result = report.result
    return Group(
        "Settings",
        (
            blocks(result),
            Fact("plan", result.plan),
            *(
                []
                if report.diagnosis is None or report.diagnosis.advice is None
                else [advised(report.diagnosis.advice)]
            ),
            *([] if report.base is None else [_base(report.base)]),
            network(report),
            images(report),
            *([Fact(f"{report.noun}s changed by", ", ".join(result.augment))] if result.augment else []),
            *([Fact("class weights", result.class_weights)] if result.class_weights != "none" else []),
            epochs(result),
            Fact("batch size", f"{result.batch_size}"),
            Fact("learning rate", f"{result.lr:g}"),
            _batch_norms(result),
            *([Fact("old model's answers", f"{percent(result.distill)} of what is learned")] if result.distill else []),
            *(
                [Fact("label smoothing", f"{percent(result.label_smoothing)} of what labels say")]
                if result.label_smoothing
                else []
            ),
            Fact("seed", f"{result.seed}"),
            Fact("threads", f"{result.threads}"),
            _execution(report),
            _cache(report),
        ),
    )


def origin(report: Report) -> Group:
    """When and from what, and the versions that figures depend on."""
    result = report.result
    return Group(
        "Versions and origin",
        (
            began(report),
            *(Fact(name, version) for name, version in result.runtime.items()),
            Fact("bundle", result.bundle_id[:16]),
            data(report),
            Fact("run", result.run),
        ),
    )


def blocks(result: TrainResult) -> Fact:
    """All that were trained."""
    return Fact("trained blocks", ", ".join(result.blocks) or "none")


def network(report: Report) -> Fact:
    """The model, and what goes in and out."""
    return Fact("model", f"{report.model}, {count(len(report.classes), 'class')}, {report.shape.words}")


def began(report: Report) -> Fact:
    """When; no duration comes from that clock."""
    return Fact("began", moment(report.started_at), "by the board's clock")


def data(report: Report) -> Fact:
    """The hash of the images."""
    return Fact("data", report.data)


def images(report: Report) -> Fact:
    """How many took part in what."""
    result = report.result
    parts = (
        f"{result.train_images:,} to train",
        f"{result.validation_images:,} to validate",
        f"{result.unlabelled_images:,} unlabelled",
        f"{len(result.skipped_images):,} unreadable",
    )
    return Fact(f"{report.noun}s", ", ".join(parts), is_brief=True)


def epochs(result: TrainResult) -> Fact:
    """How many, which one is kept, and why there was no further one."""
    kept = ""
    if result.epochs:
        kept = (
            f", the best is {result.best_epoch}" if result.best_epoch else f", none better than the {beginning(result)}"
        )
    if result.unlabelled is not None:
        kept = f", {kept_of(result.unlabelled)}"
    return Fact("epochs", f"{result.epochs:,}{kept}", f"stopped: {result.stopped}", is_brief=True)


def beginning(result: TrainResult) -> str:
    """What an epoch has to be better than."""
    return "base model" if result.learned is None else "head that it began with"


def _base(base: Base) -> Fact:
    """The weights before training, of which the accuracy before tells."""
    known = [] if base.plan is None else [f"plan {base.plan}"]
    known += [] if base.accuracy is None else [f"accuracy there {percent(base.accuracy)}"]
    known += [] if base.started_at is None else [f"began {moment(base.started_at)}"]
    return Fact("went on from", base.shown, ", ".join(known), is_brief=True)


def _batch_norms(result: TrainResult) -> Fact:
    return Fact("batch norms", norms(result.batch_norm, result.statistics_part))


def _execution(report: Report) -> Fact:
    result, execution = report.result, report.result.execution
    parts = [f"{execution.gradient_form} gradients"]
    # A batch whose statistics its norms use stays whole, or has parts of another size, whatever the setting says.
    # Reports from before there was `divided` have it True also under `batch`.
    if result.divided and result.statistics_part is None and result.batch_norm != "batch":
        parts.append(f"{count(execution.micro_batch, report.noun)} at once per thread")
    if execution.prefix_form is not None:
        parts.append(f"{execution.prefix_form} frozen part")
    return Fact("computed with", ", ".join(parts), "as measured by tune" if result.tuned else "by default")


def _cache(report: Report) -> Fact:
    cache = report.result.cache
    name = "activation cache"
    if cache.place is None:
        return Fact(name, f"off: {cache.reason or 'no reason is known'}", is_brief=True)
    kept = f"{cache.cached_images:,} of {count(cache.images, report.noun)}"
    return Fact(name, f"{kept}, {cache.format} {_WHERE[cache.place]}, {size(cache.bytes)}", is_brief=True)
