"""`tbft-edge tune`: measure the ways to run a plan, on the device that will."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbft_artifacts.plan import Drift
from tbft_artifacts.structs import LARGEST_BATCH
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import ExpectIdOption, JsonOption
from tbft_edge.console import print_json, quoted, say
from tbft_edge.tables.table import Table, show

if TYPE_CHECKING:
    from tbft_runtime import Tuning
    from tbft_runtime.tuning.record import Coordinate, Timing, TuningComparison, Value

_NAMES: dict[Coordinate, str] = {
    "threads": "threads",
    "spinning": "threads spin while they wait",
    "gradient_form": "convolutions that are trained",
    "micro_batch": "images at once per thread",
    "prefix_form": "convolutions of the frozen part",
}


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder or .tar.gz, made by 'tbft-edge export'.")],
    out: Annotated[Path, typer.Option(help="Folder of the run to come; the choice is remembered in it.")],
    plan: Annotated[str | None, typer.Option(help="Which plan, if the bundle has several.")] = None,
    drift: Annotated[
        Drift | None, typer.Option(help="The same by what drifted: the plan that this drift calls for.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, max=LARGEST_BATCH, help="Images per step; the bundle's by default.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads to compute with; by default their number is measured, too.")
    ] = None,
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Measure the ways to run train steps on this device, and let 'train' with the same --out take the fastest.

    Takes up to two minutes, on random images. One thing is varied at a time, two ways in turns; what is not faster
    by more than the spread stays as it is by default.
    """
    with extra("device"):
        from tbft_edge.progress import ConsoleProgress
        from tbft_runtime import TuneOptions, tune

        with ConsoleProgress() as progress:
            options = TuneOptions(
                out=out, plan=plan, drift=drift, batch_size=batch_size, threads=threads, expect_id=expect_id
            )
            tuning = tune(bundle, options, progress)
    if json:
        print_json(tuning)
    else:
        _print(tuning)
    if not tuning.finished:
        say("the time was up before everything was compared")
    given = {"--plan": plan, "--drift": drift, "--batch-size": batch_size}
    same = "".join(f" {name} {quoted(value)}" for name, value in given.items() if value is not None)
    say(f"next: tbft-edge train {quoted(bundle)} --data … --out {quoted(out)}{same}")


def _print(tuning: Tuning) -> None:
    title = f"{tuning.plan} on this device, batch {tuning.batch_size}: ms (quartiles) in turns"
    columns = ["", "in use", "ms", "tried", "ms", "kept"]
    show(Table(title, columns, [_row(comparison) for comparison in tuning.comparisons]))
    chosen = [
        [name, _value(tuning.default.value(coordinate)), _value(tuning.chosen.value(coordinate))]
        for coordinate, name in _NAMES.items()
        if coordinate not in _fixed(tuning)
    ]
    show(Table(f"Chosen in {tuning.seconds:.0f} s", ["", "default", "chosen"], chosen))


def _fixed(tuning: Tuning) -> set[Coordinate]:
    """What makes no difference to such a plan."""
    if tuning.statistics_part is not None:
        return {"spinning", "micro_batch"}
    return {"spinning" if tuning.divided else "micro_batch"}


def _row(comparison: TuningComparison) -> list[str]:
    name = "everything" if comparison.coordinate is None else _NAMES[comparison.coordinate]
    in_use, tried = map(_value, comparison.values)
    kept = tried if comparison.taken else in_use
    return [name, in_use, _milliseconds(comparison.in_use), tried, _milliseconds(comparison.tried), kept]


def _milliseconds(timing: Timing) -> str:
    return f"{timing.median_ms:.2f} ({timing.lower_ms:.2f}–{timing.upper_ms:.2f})"


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
