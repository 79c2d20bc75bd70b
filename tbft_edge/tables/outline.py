"""A network before an export: its parts, and the plans that would be made."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tbft_edge.console import say
from tbft_edge.figures import percent, size
from tbft_edge.flags import with_flags
from tbft_edge.tables.table import Table, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tbft_export.outline.outline import Outline, Part, PlannedPlan

# Of a part with more of them the last is shown behind the first ones.
_MOST_MODULES = 4


def outline_result(outline: Outline) -> dict[str, object]:
    """The same as data."""
    return asdict(outline)


def print_outline(outline: Outline) -> None:
    """Tables on stdout; on stderr which plans cannot be made, why, and which can."""
    parts = [_part(part, outline.parameters) for part in outline.parts]
    title = (
        f"{outline.model}: {_times(outline.input)} to {outline.classes} classes; a cut before each part but the first"
    )
    show(Table(title, ["part", "reads", "modules", "parameters", "share", "MFLOP"], parts))
    columns = ["plan", "trains", "parameters", "share", "MFLOP frozen", "forward", "backward", "kept per input"]
    rows = [_plan(plan, outline.parameters) for plan in outline.plans]
    show(Table("Plans, at about which cost for one input", columns, rows))
    refused = [plan for plan in outline.plans if plan.obstacles]
    for plan in refused:
        more = f" (and {len(plan.obstacles) - 1} more)" if len(plan.obstacles) > 1 else ""
        say(f"plan {plan.id} cannot be made: {with_flags(plan.obstacles[0])}{more}")
    if refused:
        works = [plan.id for plan in outline.plans if not plan.obstacles]
        say(f"what can be made: {', '.join(works) or 'nothing'}")


def _part(part: Part, whole: int) -> list[str]:
    share = part.parameters / whole if whole else None
    return [
        part.kind,
        _times(part.reads),
        spoken(part.modules),
        f"{part.parameters:,}",
        percent(share),
        f"{part.flops / 1e6:,.1f}",
    ]


def _plan(plan: PlannedPlan, whole: int) -> list[str]:
    cost = plan.cost
    flops = [f"{count / 1e6:,.1f}" for count in (cost.prefix_flops, cost.forward_flops, cost.backward_flops)]
    kept = "cannot be made" if plan.obstacles else size(cost.activation_bytes)
    share = percent(plan.parameters / whole if whole else None)
    return [plan.id, spoken(plan.blocks), f"{plan.parameters:,}", share, *flops, kept]


def spoken(modules: Sequence[str]) -> str:
    """Modules in a few words: `features.4-6` are three numbered siblings."""
    runs: list[list[str]] = []
    for module in modules:
        if runs and _follows(module, runs[-1][-1]):
            runs[-1].append(module)
        else:
            runs.append([module])
    words = [run[0] if len(run) == 1 else f"{run[0]}-{run[-1].rpartition('.')[2]}" for run in runs]
    return ", ".join(words if len(words) <= _MOST_MODULES else [*words[: _MOST_MODULES - 1], "…", words[-1]])


def _follows(module: str, before: str) -> bool:
    """Whether it is the next of numbered siblings."""
    (parent, _, number), (other, _, last) = (name.rpartition(".") for name in (module, before))
    return parent == other and number.isdecimal() and last.isdecimal() and int(number) == int(last) + 1


def _times(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
