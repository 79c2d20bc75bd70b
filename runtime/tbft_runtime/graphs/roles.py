"""What each graph of a bundle must take and give, by its role; the names are those of the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tbft_artifacts.manifest import BatchNorm
from tbft_artifacts.names import (
    ACTIVATION,
    BATCH_SUFFIX,
    CORRECT,
    INFORMATION,
    LABELS,
    LOG_MARGINAL,
    LOGITS,
    LOSS,
    TARGETS,
)
from tbft_artifacts.plan import Parameter, Plan
from tbft_artifacts.source import CHANNEL_MEANS, CHANNEL_VARIANCES, LAST_FEATURES
from tbft_runtime.graphs.signature import ANY, FLOAT, IMAGES, INT64, Signature, Value

_SCALAR = Value(FLOAT, ())
_IMAGES = Value(FLOAT, (IMAGES, None, None, None))
_LABELS = Value(INT64, (IMAGES,))


def whole_model(classes: int) -> Signature:
    """Images -> logits."""
    return Signature({ANY: _IMAGES}, {ANY: _logits(classes)})


def features(classes: int, size: int, channels: int) -> Signature:
    """Images -> what the last layer reads, logits, and mean and variance of each channel of a norm's input."""
    of_channels = Value(FLOAT, (IMAGES, channels))
    return Signature(
        {ANY: _IMAGES},
        {
            LAST_FEATURES: Value(FLOAT, (IMAGES, size)),
            LOGITS: _logits(classes),
            CHANNEL_MEANS: of_channels,
            CHANNEL_VARIANCES: of_channels,
        },
    )


def prefix(plan: Plan, norms: Sequence[BatchNorm]) -> Signature:
    """Images -> boundary activation, and where the statistics of a batch are used, those of some of `norms`."""
    known = {} if plan.prefix_is_fixed else batch_statistics(norms)
    return Signature({ANY: _IMAGES}, {plan.boundary.name: _boundary(plan)}, optional=known)


def suffix(plan: Plan, classes: int) -> Signature:
    """Boundary activation -> logits, of all exits if there are several."""
    logits = Value(FLOAT, (IMAGES, len(plan.exits), classes)) if plan.exits else _logits(classes)
    return Signature({ANY: _boundary(plan)}, {ANY: logits})


def stage(plan: Plan, number: int, classes: int) -> Signature:
    """What the stage before gave, or images -> logits, and what the next one begins with."""
    begin = Value(FLOAT, None) if number else _IMAGES
    activation = {} if number == len(plan.exits) - 1 else {ACTIVATION: Value(FLOAT, None)}
    return Signature({ANY: begin}, {LOGITS: _logits(classes), **activation})


def gradient(plan: Plan, norms: Sequence[BatchNorm]) -> Signature:
    """Boundary activation, labels, parameters -> loss, right answers, gradients, and statistics of some of `norms`."""
    return _gradient(plan, norms, {LABELS: _LABELS}, {CORRECT: Value(INT64, ())})


def targets(plan: Plan, norms: Sequence[BatchNorm], classes: int) -> Signature:
    """The same with targets in place of labels, and logits in place of right answers."""
    wanted = {
        TARGETS: _logits(classes),
        INFORMATION: Value(FLOAT, (IMAGES,)),
        LOG_MARGINAL: Value(FLOAT, (classes,)),
    }
    return _gradient(plan, norms, wanted, {LOGITS: _logits(classes)})


def _gradient(
    plan: Plan, norms: Sequence[BatchNorm], wanted: Mapping[str, Value], answers: Mapping[str, Value]
) -> Signature:
    rows = {layer.rows: Value(FLOAT, (None, *layer.shape[1:])) for layer in plan.sparse_layers}
    parameters = {each.name: Value(FLOAT, each.shape) for each in plan.parameters} | rows
    gradients = {Parameter(name, ()).gradient: value for name, value in parameters.items()}
    return Signature(
        {
            plan.boundary.name: _boundary(plan),
            **wanted,
            **parameters,
            **{layer.channels: Value(INT64, (None,)) for layer in plan.sparse_layers},
        },
        {LOSS: _SCALAR, **answers, **gradients},
        optional=batch_statistics(norms),
    )


def update(plan: Plan) -> Signature:
    """Parameters, gradients and optimizer state, a vector each, and scalars -> parameters and state."""
    optimizer, vector = plan.optimizer, Value(FLOAT, (None,))
    return Signature(
        {
            **dict.fromkeys(optimizer.inputs, _SCALAR),
            **dict.fromkeys((plan.flat.name, plan.flat.gradient, *map(plan.flat.state, optimizer.slots)), vector),
        },
        dict.fromkeys((plan.flat.updated, *map(plan.flat.updated_state, optimizer.slots)), vector),
    )


def fisher(plan: Plan) -> Signature:
    """Boundary activation, labels -> a score for each output channel of each sparse layer."""
    scores = {layer.fisher: Value(FLOAT, layer.shape[:1]) for layer in plan.sparse_layers}
    return Signature({plan.boundary.name: _boundary(plan), LABELS: _LABELS}, scores)


def statistics(norms: Sequence[BatchNorm]) -> Signature:
    """Images -> the mean and variance of each batch norm's input."""
    return Signature({ANY: _IMAGES}, batch_statistics(norms))


def batch_statistics(norms: Sequence[BatchNorm]) -> dict[str, Value]:
    """Outputs with the statistics of a batch."""
    names = [name for norm in norms for name in (norm.mean, norm.variance)]
    return {f"{name}{BATCH_SUFFIX}": Value(FLOAT, (None,)) for name in names}


def _logits(classes: int) -> Value:
    return Value(FLOAT, (IMAGES, classes))


def _boundary(plan: Plan) -> Value:
    return Value(FLOAT, (IMAGES, *plan.boundary.shape))
