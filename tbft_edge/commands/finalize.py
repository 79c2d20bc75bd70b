"""`tbft-edge finalize`: make a normal inference model of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import ExpectIdOption, JsonOption
from tbft_edge.console import print_json, quoted, say
from tbft_edge.figures import percent, size


def command(
    run: Annotated[Path, typer.Argument(help="A run folder, made by 'tbft-edge train'.")],
    out: Annotated[Path, typer.Option(help="The .onnx file to write, weights inside.")],
    allow_worse: Annotated[
        bool, typer.Option("--allow-worse", help="Write it even if validation accuracy fell below the base model's.")
    ] = False,
    bundle: Annotated[
        Path | None, typer.Option(help="Where the run's bundle is now, a folder or .tar.gz, if it was moved.")
    ] = None,
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Write the best state of a run as one self-contained ONNX inference model.

    Of a run with several exits it has the last one only: to answer early, give 'predict' the run folder.
    """
    with extra("device"):
        from tbft_runtime import finalize

        result = finalize(run, out, allow_worse=allow_worse, bundle=bundle, expect_id=expect_id)
    if json:
        print_json(result)
        return
    accuracy = f"{percent(result.accuracy_before)} before, {percent(result.accuracy_after)} after"
    say(f"wrote {result.model} ({size(result.bytes)}; validation accuracy {accuracy})")
    if result.left_out:
        left_out = ", ".join(result.left_out)
        say(f"it answers at the end only, without the exits {left_out}; 'predict {quoted(run)}' uses them")
