"""`tbft-edge learn`: another last layer from a few labelled images, on the device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import BaseOption, ExpectIdOption, JsonOption, MeterOption, ThreadsOption
from tbft_edge.console import print_json, quoted, say


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder or .tar.gz, with a plan for output drift.")],
    data: Annotated[
        Path,
        typer.Option(
            help="Labelled images, a few of each class, as for 'train': an .npz or a folder with a folder per class. "
            "With --add-class those of the new classes alone will do, if the bundle was exported with --source."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run: the new head, and its report.")],
    add_classes: Annotated[
        list[str] | None,
        typer.Option(
            "--add-class",
            metavar="NAME",
            help="A class that the network does not have; --data has a folder of that name. Repeatable.",
        ),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(
            "--val", help="Images to measure accuracy on; otherwise each is answered by a head made without it."
        ),
    ] = None,
    base: BaseOption = None,
    threads: ThreadsOption = None,
    meter: MeterOption = "auto",
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Learn the last layer anew from a few labelled images, in one pass: no epochs, no learning rate.

    For other labels, for a new class, and where there are too few images to train on. Of several heads in closed form
    the one is taken that is right most often on images that it was made without.
    """
    with extra("device"):
        from tbft_edge.pages.run_page import write_page
        from tbft_edge.progress import ConsoleProgress
        from tbft_edge.tables.run import choices, in_brief, outcome
        from tbft_edge.tables.table import show
        from tbft_runtime import LearnOptions, learn, read_report

        options = LearnOptions(
            data=data,
            out=out,
            add_classes=tuple(add_classes or ()),
            validation=validation,
            base=base,
            threads=threads,
            meter=meter,
            expect_id=expect_id,
        )
        with ConsoleProgress() as progress:
            result = learn(bundle, options, progress)
        page = write_page(out)
        if json:
            print_json(result)
            return
        report = read_report(out)
        for table in (*choices(report), in_brief(report, str(out)), outcome(report)):
            show(table)
    say(f"the same as a page: {page}")
    say(f"next: tbft-edge finalize {quoted(out)} --out model.onnx")
