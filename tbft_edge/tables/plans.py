"""The plans of a bundle as a table: what each trains, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tbft_artifacts.plan import Plan
from tbft_artifacts.preprocessing import Noun
from tbft_edge.figures import norms, percent
from tbft_edge.tables.table import Table


def plan_table(plans: Sequence[Plan]) -> Table:
    """A row for each plan."""
    columns = ["plan", "trains", "prefix", "batch norms", "parameters", "step FLOPs", "of full"]
    return Table("Plans", columns, [_row(plan) for plan in plans])


def exit_tables(plans: Sequence[Plan], noun: Noun) -> Iterator[Table]:
    """Where the network may answer early, once for plans that share their exits; nothing without exits."""
    sets = list(dict.fromkeys(plan.exits for plan in plans if plan.exits))
    for exits in sets:
        rows = [[found.name, f"{found.flops / 1e6:,.1f} M", percent(found.flops / exits[-1].flops)] for found in exits]
        owners = "" if len(sets) == 1 else f" of {', '.join(plan.id for plan in plans if plan.exits == exits)}"
        yield Table(f"Exits{owners}", ["exit", f"FLOPs per {noun}", "of the whole network"], rows, numbers=True)


def _row(plan: Plan) -> list[str]:
    share = plan.cost.step_flops / plan.full_cost.step_flops if plan.full_cost else None
    return [
        plan.id,
        ", ".join(plan.blocks) + (", also on unlabelled data" if plan.unlabelled else ""),
        _prefix(plan),
        norms(plan.batch_norm, plan.statistics_part),
        f"{plan.cost.parameter_bytes // 4:,}" + (" and chosen channels" if plan.sparse is not None else ""),
        f"{plan.cost.step_flops / 1e6:,.1f} M",
        percent(share),
    ]


def _prefix(plan: Plan) -> str:
    """What the frozen part computes with, and what int8 costs in accuracy."""
    if not plan.has_prefix:
        return "none"
    if plan.int8 is None:
        return "float32"
    return f"int8 ({percent(plan.int8.accuracy_int8)}; float32 {percent(plan.int8.accuracy_float32)})"
