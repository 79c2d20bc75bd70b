"""`tbft-edge eval`: measure accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption, ModelExpectIdOption, ThreadsOption
from tbft_edge.console import print_json, say
from tbft_edge.figures import percent


def command(
    model: Annotated[Path, typer.Argument(help="A bundle, a run folder (its best state), or a finalized .onnx file.")],
    data: Annotated[
        Path, typer.Option(help="Labelled images or signals: an .npz, a folder with a folder per class, or a .csv.")
    ],
    threads: ThreadsOption = None,
    meter: Annotated[
        str,
        typer.Option(
            help="Measure the energy of answering one image at a time by this meter, as for 'train': auto, pmic, …"
        ),
    ] = "none",
    expect_id: ModelExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Measure accuracy and loss on labelled images.

    Of a run with several exits also where images leave, and how long answers take beside the whole network's.
    """
    with extra("device"):
        from tbft_edge.facts.exits import saving
        from tbft_edge.progress import ConsoleProgress
        from tbft_edge.tables.exits import exit_shares, single_answers
        from tbft_edge.tables.table import Table, show
        from tbft_runtime import evaluate

        with ConsoleProgress() as progress:
            result = evaluate(model, data, threads, progress, meter, expect_id=expect_id)
    if json:
        print_json(result)
        return
    rows = [[name, percent(accuracy)] for name, accuracy in result.accuracy_per_class.items()]
    title = f"accuracy {percent(result.accuracy)}, loss {result.loss:.4f} over {result.images} {result.input_kind}s"
    show(Table(title, ["class", "accuracy"], rows, numbers=True))
    if result.exits is not None:
        show(exit_shares(result.exits, result.input_kind))
        say(saving(result.exits))
    if result.single is not None:
        show(single_answers(result.single, result.input_kind))
