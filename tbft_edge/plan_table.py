"""The plans of a bundle as a table: what each trains, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence

from tbft_artifacts.manifest import Plan
from tbft_edge.console import percent, print_table


def print_plans(plans: Sequence[Plan]) -> None:
    """Print a row for each plan."""
    columns = ["plan", "trains", "prefix", "batch norms", "parameters", "step FLOPs", "of full"]
    print_table("Plans", columns, [_row(plan) for plan in plans])


def _row(plan: Plan) -> list[str]:
    share = plan.cost.step_flops / plan.full_cost.step_flops if plan.full_cost else None
    return [
        plan.id,
        ", ".join(plan.blocks),
        _prefix(plan),
        plan.batch_norm,
        f"{plan.cost.parameter_bytes // 4:,}",
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
