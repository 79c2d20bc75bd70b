"""Counts as Markdown, one table for each network and core: what docs/speed.md shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.arm.results import Counted, Engine
from benchmarks.goals import DRIFTS
from benchmarks.protocol import Drift
from benchmarks.tables import MISSED, NOTHING, REACHED, markdown
from tbft_edge.emulation.cpus import CPUS

# PyTorch's plain format ÷ ours at least, of ResNet-26 on a Cortex-A72; feature and output from kept activations.
GOALS: Mapping[Drift, float] = {"input": 3.2, "feature": 3.5, "output": 500.0, "full": 3.0}
GOAL_OF = ("resnet26", "cortex-a72")
TITLES = {"resnet26": "ResNet-26", "resnet18": "ResNet-18", "mobilenet_v2": "MobileNetV2"}
COLUMNS = (
    *("trained", "batch norms", "ours", "later epochs", "direct form", "PyTorch 2.8", "channels_last", "MNN 3.6"),
    *("PyTorch ÷ ours", "best of others ÷ ours"),
)
OTHERS: tuple[Engine, ...] = ("pytorch", "pytorch-channels-last", "mnn")


def markdown_tables(counts: Sequence[Counted]) -> str:
    """All of them, each below a line that says what was counted; reasons for what is missing below each."""
    parts = []
    for network in TITLES:
        for cpu in CPUS:
            found = {(each.drift, each.engine): each for each in counts if (each.network, each.cpu) == (network, cpu)}
            if found:
                parts += _table(network, cpu, found)
    return "\n".join(parts)


def _table(network: str, cpu: str, found: Mapping[tuple[Drift, Engine], Counted]) -> list[str]:
    first = next(iter(found.values()))
    images = "1 image" if first.batch_size == 1 else f"{first.batch_size} images"
    date = max(each.date for each in found.values())
    rows = [_row(drift, found) for drift in DRIFTS if (drift, "ours") in found]
    reasons = [
        f"{drift}, {engine}: {each.reason}  "
        for (drift, engine), each in found.items()
        if each.reason and engine in OTHERS
    ]
    head = f"{TITLES[network]} at {first.image_size} px, {images} a step, {CPUS[cpu].name} ({date}):"
    return [head, "", *markdown(COLUMNS, rows), "", *([*reasons, ""] if reasons else [])]


def _row(drift: Drift, found: Mapping[tuple[Drift, Engine], Counted]) -> list[str]:
    ours = found[drift, "ours"]
    later = ours.cached or ours.step
    others = [found[drift, engine].step if (drift, engine) in found else None for engine in OTHERS]
    best = min((count for count in others if count is not None), default=None)
    direct = found[drift, "ours-direct"].step if (drift, "ours-direct") in found else None
    goal = GOALS[drift] if (ours.network, ours.cpu) == GOAL_OF else None
    return [
        drift,
        ours.batch_norm,
        *map(_millions, (ours.step, later, direct, *others)),
        _ratio(others[0], later, goal),
        _ratio(best, later, None),
    ]


def _millions(count: int | None) -> str:
    return NOTHING if count is None else f"{count / 1e6:,.1f}"


def _ratio(theirs: int | None, ours: int | None, goal: float | None) -> str:
    if theirs is None or ours is None:
        return NOTHING
    ratio = theirs / ours
    verdict = "" if goal is None else f", goal {goal:g} {REACHED if ratio >= goal else MISSED}"
    return (f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0f}") + verdict
