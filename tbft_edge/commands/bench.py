"""`tbft-edge bench`: what train steps cost, here or on emulated ARM."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tbft_artifacts.amounts import memory_size
from tbft_artifacts.errors import TbftError
from tbft_artifacts.structs import LARGEST_BATCH
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import ExpectIdsOption, JsonOption, one_each
from tbft_edge.console import print_json, say
from tbft_edge.figures import percent, size
from tbft_edge.tables.table import Table, show

if TYPE_CHECKING:
    from tbft_artifacts.bundle import Bundle
    from tbft_artifacts.plan import Plan
    from tbft_edge.emulation.bench import BenchResult, Count, StepCost


def command(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles: folders or .tar.gz files.")],
    platform: Annotated[
        Literal["local", "arm64"], typer.Option(help="This machine, or an emulated ARM CPU.")
    ] = "local",
    cpu: Annotated[
        Literal["cortex-a72", "cortex-a76"], typer.Option(help="Raspberry Pi 4 or Raspberry Pi 5.")
    ] = "cortex-a72",
    memory: Annotated[
        str | None, typer.Option(help="Limit for the emulated process, such as 512m or 1g, emulator included.")
    ] = None,
    plan: Annotated[str | None, typer.Option(help="Which plan, if a bundle has several.")] = None,
    compare: Annotated[
        str | None,
        typer.Option(help="Drifts to compare, such as input,feature,output,full: the cost and saving per block."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, max=1_000_000, help="Steps to measure.")] = 3,
    batch_size: Annotated[int, typer.Option(min=1, max=LARGEST_BATCH, help="Images per step.")] = 4,
    expect_id: ExpectIdsOption = None,
    json: JsonOption = False,
) -> None:
    """Measure train steps with one thread: time, memory, agreement and, emulated, executed instructions.

    Emulated milliseconds say nothing about a board; executed instructions repeat within 2 %.
    """
    with extra("device"), contextlib.ExitStack() as stack:
        from tbft_artifacts.archive import opened
        from tbft_edge.emulation.bench import ArmBench, compare_costs, measure_local
        from tbft_edge.emulation.cpus import CPUS

        limit = None if memory is None else memory_size(memory, "--memory")
        if limit is not None and platform == "local":
            raise TbftError("--memory limits the emulated process only", "add --platform arm64")
        expected = one_each(expect_id, bundles)
        chosen = _choose(
            [stack.enter_context(opened(*each)) for each in zip(bundles, expected, strict=True)], plan, compare
        )
        arm = ArmBench(CPUS[cpu], limit, steps, batch_size)
        results = []
        for bundle, each in chosen:
            say(f"measuring {each.id} ({platform})")
            if platform == "arm64":
                results.append(arm.measure(bundle, each))
            else:
                results.append(measure_local(bundle, each, steps, batch_size))
    costs = compare_costs(results) if compare else []
    if json:
        print_json({"results": results, "costs": costs})
        return
    for result in results:
        _print(result)
    if costs:
        _print_comparison(costs)


def _choose(bundles: list[Bundle], plan: str | None, compare: str | None) -> list[tuple[Bundle, Plan]]:
    """The plans to measure: one of each bundle, or for each drift to compare that of the first bundle with one."""
    if compare is None:
        return [(bundle, bundle.plan(plan)) for bundle in bundles]
    chosen = []
    for drift in map(str.strip, compare.split(",")):
        plans = ((bundle, bundle.manifest.plan_for(drift)) for bundle in bundles)
        found = next(((bundle, plan) for bundle, plan in plans if plan), None)
        if found is None:
            known = dict.fromkeys(each.drift for bundle in bundles for each in bundle.manifest.plans if each.drift)
            raise TbftError(
                f"no bundle given has a plan for drift '{drift}'",
                f"give a bundle for each drift; they have: {', '.join(known)}",
            )
        chosen.append(found)
    return chosen


def _print(result: BenchResult) -> None:
    where = "this machine" if not result.emulated else f"{result.cpu}, emulated by {result.engine}"
    note = " (emulated: not a board's time)" if result.emulated else ""
    rows = [
        ["time per step, median", f"{result.step_ms:.1f} ms{note}"],
        ["from stored boundary activations", _milliseconds(result.cached_step_ms, note)],
    ]
    if result.emulated:
        rows += [
            ["instructions per step", _millions(result.instructions_per_step)],
            ["instructions per cached step", _millions(result.instructions_per_cached_step)],
            ["weights differ from this machine's by", f"{result.agreement:.1e} of each tensor's largest value"],
            ["memory limit", "none" if result.memory_limit_bytes is None else size(result.memory_limit_bytes)],
        ]
    emulator = ", emulator included" if result.emulated else ""
    peak = "unavailable" if result.peak_memory_bytes is None else size(result.peak_memory_bytes) + emulator
    rows.append(["peak memory", peak])
    show(Table(f"{result.plan} on {where}, batch {result.batch_size}, one thread", ["", "value"], rows))
    for reason in result.skipped:
        say(f"not used: {reason}")


def _print_comparison(costs: list[StepCost]) -> None:
    instructions = costs[0].unit == "instructions"
    scale, unit = (1e6, "M instructions") if instructions else (1, "ms")
    rows = [
        [
            cost.plan,
            f"{cost.first_epoch / scale:,.1f}",
            f"{cost.later_epochs / scale:,.1f}",
            percent(cost.first_epoch_saved),
            percent(cost.later_epochs_saved),
        ]
        for cost in costs
    ]
    columns = ["plan", f"first epoch ({unit})", f"later epochs ({unit})", "saved, first", "saved, later"]
    show(Table("Cost of a train step against full fine-tuning", columns, rows, numbers=True))


def _milliseconds(value: float | None, note: str) -> str:
    return "not cacheable" if value is None else f"{value:.1f} ms{note}"


def _millions(count: Count | None) -> str:
    return "unavailable" if count is None else f"{count.median / 1e6:,.1f} M (spread {count.spread:.2%})"
