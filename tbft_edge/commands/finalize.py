"""`tbft-edge finalize`: make a normal inference model of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import ExpectIdOption, JsonOption
from tbft_edge.console import print_json, quoted, say
from tbft_edge.figures import percent, size


def _share(text: str) -> float:
    """A part from 0 to 1. Raises TbftError if it is none."""
    try:
        return float(text)
    except ValueError as error:
        raise TbftError(
            f"--blend '{text}' is no part from 0 to 1", "for example --blend 0.5, or --blend auto"
        ) from error


def command(
    run: Annotated[Path, typer.Argument(help="A run folder, made by 'tbft-edge train'.")],
    out: Annotated[Path, typer.Option(help="The .onnx file to write, weights inside.")],
    blend: Annotated[
        str,
        typer.Option(
            metavar="auto|0..1",
            help="How far to go from the old weights (0) to the trained ones (1): half-way less is forgotten. auto: "
            "where accuracy on new and on kept source images is best on average. Default: 1.",
        ),
    ] = "1",
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

        share: float | Literal["auto"] = "auto" if blend == "auto" else _share(blend)
        result = finalize(run, out, blend=share, allow_worse=allow_worse, bundle=bundle, expect_id=expect_id)
    if json:
        print_json(result)
        return
    accuracy = f"{percent(result.accuracy_before)} before, {percent(result.accuracy_after)} after"
    if result.old_accuracy is not None:
        accuracy += f"; {percent(result.old_accuracy)} of the kept source data"
    blended = "" if result.blend == 1 else f"{percent(result.blend)} of the way to the trained weights; "
    say(f"wrote {result.model} ({size(result.bytes)}; {blended}validation accuracy {accuracy})")
    if result.left_out:
        left_out = ", ".join(result.left_out)
        say(f"it answers at the end only, without the exits {left_out}; 'predict {quoted(run)}' uses them")
